"""Tasks of an earlier job are kept from writing, and a new one waits for those that have begun to."""

import threading

import pytest

from diffsky_factory.core.errors import InputError
from diffsky_factory.outputs import fence
from diffsky_factory.outputs.fence import SupersededError

PATIENCE = 60.0  # s: of a thread that should end at once


@pytest.fixture
def orphan(tmp_path):
    """A task of an earlier job that is inside the fence, in a thread, until it is told to leave."""
    (tmp_path / fence.FENCE).write_text("earlier")
    entered, leave = threading.Event(), threading.Event()

    def write():
        with fence.inside(tmp_path, "earlier"):
            entered.set()
            leave.wait(PATIENCE)
            (tmp_path / "shard").write_text("of the earlier job")

    task = threading.Thread(target=write)
    task.start()
    assert entered.wait(PATIENCE)
    yield leave
    leave.set()
    task.join(PATIENCE)


def test_a_new_job_begins_once_an_earlier_task_has_written(tmp_path, orphan):
    timer = threading.Timer(0.3, orphan.set)
    timer.start()
    with fence.taken(tmp_path) as mark:
        assert (tmp_path / "shard").exists()
        with fence.inside(tmp_path, mark):
            pass


def test_an_earlier_task_cannot_begin_to_write_under_a_new_job(tmp_path):
    with fence.taken(tmp_path) as earlier:
        pass
    with fence.taken(tmp_path) as mark, pytest.raises(SupersededError), fence.inside(tmp_path, earlier):
        pytest.fail("let in")
    with pytest.raises(SupersededError), fence.inside(tmp_path, mark):
        pytest.fail("let in after the end of its job")


def test_tasks_of_one_job_write_side_by_side(tmp_path):
    with fence.taken(tmp_path) as mark, fence.inside(tmp_path, mark), fence.inside(tmp_path, mark):
        pass


def test_a_task_that_never_ends_is_an_error(tmp_path, orphan, monkeypatch):
    monkeypatch.setattr(fence, "PATIENCE", 0.1)
    with pytest.raises(InputError, match="end the workers"), fence.taken(tmp_path):
        pytest.fail("taken")


def test_a_store_that_was_removed_is_not_written(tmp_path):
    with pytest.raises(SupersededError), fence.inside(tmp_path / "gone", "mark"):
        pytest.fail("let in")


def test_where_there_are_no_locks_marks_are_compared(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(fence.NO_LOCKS[0], "not implemented")

    monkeypatch.setattr(fence.fcntl, "flock", no_locks)
    with fence.taken(tmp_path) as mark, fence.inside(tmp_path, mark):
        fence.check(tmp_path, mark)
        (tmp_path / fence.FENCE).write_text("another")
        with pytest.raises(SupersededError):
            fence.check(tmp_path, mark)
