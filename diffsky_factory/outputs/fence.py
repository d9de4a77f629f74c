"""The fence around a store: tasks write inside of it, and only those of the job that has the store now are let in.

A task may outlive its job: a client is killed, and its workers go on. The next job takes the fence, which shuts them
out, and waits for those that are inside.
"""

import errno
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.logs import LOGGER

FENCE = ".writer"  # a file that holds the mark of the job, and is locked by tasks while they write
PATIENCE, PAUSE = 600.0, 0.05  # s, chosen: a task writes one tile inside, which takes seconds
NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)  # of file systems without them

log = logging.getLogger(LOGGER)


class SupersededError(RuntimeError):
    """A task that was left over from an earlier job found that another one writes the store now."""


@contextmanager
def taken(path: Path) -> Iterator[str]:
    """Shut out the tasks of earlier jobs; gives the mark that lets those of this job in. For who holds the lock.

    Raises InputError where a task of an earlier job does not come out.
    """
    mark, file = uuid4().hex, path / FENCE
    file.write_text(mark)
    _wait_for_others(file)
    try:
        yield mark
    finally:
        file.write_text("")


@contextmanager
def inside(path: Path, mark: str | None) -> Iterator[None]:
    """Write a tile; a job that takes the fence meanwhile waits. Without a mark, whoever calls answers for it.

    Raises SupersededError where the mark is not that of the job which has the store.
    """
    try:
        descriptor = os.open(path / FENCE, os.O_RDWR | os.O_CREAT, 0o666)
    except FileNotFoundError as error:
        raise SupersededError(f"{path}: is gone") from error
    try:
        _lock(descriptor, fcntl.LOCK_SH)
        check(path, mark)
        yield
    finally:
        os.close(descriptor)


def check(path: Path, mark: str | None) -> None:
    """Raise SupersededError where a mark is not that of the job which has the store.

    Asked again before a commit, it is what is left of the fence on file systems without locks.
    """
    file = path / FENCE
    if mark is not None and (file.read_text() if file.exists() else "") != mark:
        raise SupersededError(f"{path}: the job of this task has ended")


def _wait_for_others(file: Path) -> None:
    start, told = time.monotonic(), False
    with file.open("r+") as opened:
        while not _lock(opened.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB):
            if not told:
                log.warning("waiting for tasks of an earlier job", extra={"store": str(file.parent)})
                told = True
            if time.monotonic() - start > PATIENCE:
                raise InputError(
                    f"{file.parent}: a task of an earlier job has been writing for {PATIENCE:.0f} s; end the workers "
                    "of that job"
                )
            time.sleep(PAUSE)


def _lock(descriptor: int, how: int) -> bool:
    """Whether a file is locked now, or cannot be, as its file system knows no locks."""
    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    return True
