"""Two rounds of mergers against diffsky 0.3.11, from the file that `make_merging.py` writes with it."""

from pathlib import Path

import numpy as np
import pytest

from diffsky_factory.core.columns import columns as known_columns
from diffsky_factory.factory.evaluate import evaluate
from diffsky_factory.physics.stars.merging_rounds import MergingParameters

FILE = Path(__file__).resolve().parent / "data" / "merging.npz"
AS_FITTED = {"merging_two_rounds": "merging_direct_satellites_first", "merging_monte_carlo": "merging_mean"}


def merged(golden, tag, replace):
    columns = {name: golden[name] for name in golden if name in known_columns()}
    constants = [MergingParameters(*map(float, golden[f"parameters_{tag}"]))]
    return evaluate(columns, ["flux_true"], replace=replace, constants=constants, precision="float64")["flux_true"]


@pytest.mark.parametrize("tag", ["default", "moved"])
def test_two_rounds_agree_with_diffsky(tag):
    golden = dict(np.load(FILE))
    np.testing.assert_allclose(merged(golden, tag, AS_FITTED), golden[f"flux_{tag}"], rtol=1e-10)


@pytest.mark.parametrize("tag", ["default", "moved"])
def test_the_order_of_rounds_differs_only_in_what_satellites_of_direct_satellites_leave(tag):
    golden = dict(np.load(FILE))
    ours = merged(golden, tag, {"merging_monte_carlo": "merging_mean"})
    theirs = golden[f"flux_{tag}"]
    np.testing.assert_allclose(ours.sum(axis=0), theirs.sum(axis=0), rtol=1e-12)
    top, host = golden["host_row"], golden["penultimate_host_row"]
    receives = np.isin(np.arange(len(top)), host[host != top])
    concerned = np.isin(top, top[receives])
    np.testing.assert_allclose(ours[~concerned], theirs[~concerned], rtol=1e-10)
    # what direct satellites received goes on to the centrals
    central = top == np.arange(len(top))
    assert np.all(ours[central & concerned] >= theirs[central & concerned] * (1.0 - 1e-12))
    assert np.max(ours[central & concerned] / theirs[central & concerned]) > 1.01
