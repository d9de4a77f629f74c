"""Tasks side by side, by threads or by the workers of a dask client, for the one process that may write a store."""

import logging
import resource
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import filelock

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.imports import trusted
from diffsky_factory.core.machine import cores
from diffsky_factory.outputs import store


@contextmanager
def alone(path: Path):
    """Only one process writes a store; the lock goes with the process that holds it."""
    lock = filelock.FileLock(path / store.LOCK)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise InputError(f"{path}: another process is building it; wait for it to end") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); check its permissions") from error
    try:
        yield
    finally:
        lock.release()


def at_once(client: Any, workers: int | None) -> int:
    """Tasks at a time: of the workers of a client, or else `workers`, one per core without it.

    Raises InputError where nothing would work: a client whose workers are not there, or fewer than one.
    """
    if workers is not None and not (isinstance(workers, int) and workers >= 1):
        raise InputError(f"workers: {workers} at a time do nothing; give 1 or more")
    if client is None:
        return workers or cores()
    if not hasattr(client, "nthreads"):
        raise InputError(f"client: a dask.distributed.Client is wanted, not {client!r}")
    threads = sum(client.nthreads().values())
    if not threads:
        raise InputError(
            f"client: there are no workers at {client.scheduler.address}; start some, and wait for them with "
            "client.wait_for_workers(1)"
        )
    return threads


@contextmanager
def cluster_here(workers: int | None) -> Iterator[Any]:
    """A dask client of processes of this machine, one task at a time in each; as many as cores without a number.

    Ctrl-C in a terminal reaches every process that was started from it: these leave it to the first, which ends them.
    """
    from dask.distributed import Client

    with Client(n_workers=workers or cores(), threads_per_worker=1, dashboard_address=None) as client:
        client.run(_leave_ctrl_c)
        try:
            yield client
        except KeyboardInterrupt:
            logging.getLogger("distributed").setLevel(logging.CRITICAL)  # that tasks in work are lost is no news
            raise


def _leave_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def finished(function: Callable, todo: Iterable[int], client: Any, workers: int | None, *given: Any) -> Iterator[Any]:
    """Results of function(*given, number) for every number, as they come.

    An error ends it: threads finish the tasks in work, a cluster is told to drop them, and those of its tasks that go
    on all the same find another writer's mark before they write. Raises InputError as `at_once` does.
    """
    many = at_once(client, workers)
    if client is not None:
        yield from _by_client(client, many, function, todo, given)
        return
    with ThreadPoolExecutor(many) as pool:
        futures = [pool.submit(function, *given, number) for number in todo]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _by_client(client: Any, threads: int, function: Callable, todo: Iterable[int], given: tuple) -> Iterator[Any]:
    """Results of the workers of a dask client, of which each has two tasks at most in hand."""
    from dask.distributed import as_completed as as_completed_by

    waiting = iter(todo)
    first = islice(waiting, 2 * threads)
    function, shared = trusted(function), client.scatter([given], broadcast=True, hash=False)[0]
    running = {client.submit(_called, function, shared, number, pure=False) for number in first}
    done = as_completed_by(list(running))
    try:
        for future in done:
            running.discard(future)
            yield future.result()
            for number in islice(waiting, 1):
                added = client.submit(_called, function, shared, number, pure=False)
                running.add(added)
                done.add(added)
    finally:
        if running:
            client.cancel(list(running), force=True)


def _called(function: Callable, given: tuple, number: int) -> Any:
    return function(*given, number)


def peak_memory() -> float:
    """Peak memory of this process [bytes]."""
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * unit
