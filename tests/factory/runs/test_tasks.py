"""Tasks side by side: who does them, and that somebody does."""

import pytest
from dask.distributed import Client

import diffsky_factory as dff
from diffsky_factory.core.machine import cores
from diffsky_factory.factory.runs.tasks import at_once


def test_nobody_to_do_the_work_is_an_error_at_once(plain, plain_copy, tmp_path):
    for workers in (0, -1, "many"):
        with pytest.raises(dff.InputError, match=f"workers: {workers} .* give 1 or more"):
            dff.build(plain, tmp_path / "mock.zarr", workers=workers)
        with pytest.raises(dff.InputError, match="give 1 or more"):
            dff.resume(plain_copy, workers=workers)
    with Client(n_workers=0, processes=False, dashboard_address=None) as client:
        with pytest.raises(dff.InputError, match=r"no workers at .* client.wait_for_workers"):
            dff.build(plain, tmp_path / "mock.zarr", client=client)
        with pytest.raises(dff.InputError, match="no workers"):
            dff.sum_over_chunks(lambda *, redshift: redshift, plain_copy, client=client)
    assert not (tmp_path / "mock.zarr").exists()


def test_tasks_at_a_time_are_those_asked_for_or_one_per_core():
    assert (at_once(None, None), at_once(None, 3)) == (cores(), 3)
