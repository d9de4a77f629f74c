"""Paths of users: the home folder, and what is no file."""

import os
import socket
from pathlib import Path

import pytest

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.user_files import user_file, user_path


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_path("~/a.yaml") == tmp_path / "a.yaml"
    assert user_file("~/a.yaml") == tmp_path / "a.yaml"
    assert user_path("a~.yaml") == Path("a~.yaml")


@pytest.mark.parametrize("path", ["~nobody-of-this-name/a.yaml", "a\0b"])
def test_what_can_be_no_path_is_refused(path):
    with pytest.raises(InputError, match="is no path"):
        user_path(path)


def test_only_files_are_opened(tmp_path):
    file, pipe, bound = tmp_path / "file", tmp_path / "pipe", tmp_path / "socket"
    file.touch()
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(bound))
        for path, kind in [(pipe, "a pipe"), (bound, "a socket"), ("/dev/zero", "a device"), (tmp_path, "a folder")]:
            with pytest.raises(InputError, match=f"{path}: is {kind}, not a file; name a file"):
                user_file(path)
    assert user_file(file) == file
    assert user_file(tmp_path / "absent") == tmp_path / "absent"
    assert user_file(tmp_path, folders=True) == tmp_path


@pytest.mark.parametrize("path", [None, 3, b"bytes"])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(InputError, match="is no path; give a text or a Path"):
        user_path(path)
