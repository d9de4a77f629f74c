"""A periodic box of the synthetic universe: the same halos whatever is asked for, whole through its faces."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from diffsky_factory.core.errors import InputError
from diffsky_factory.halos.synthetic.box import synthetic_box
from diffsky_factory.halos.synthetic.universe import Synthetic
from diffsky_factory.sky.boxes import coarser, finest_cell
from diffsky_factory.sky.groups import arrange_in_box

SIZE = 160.0


@pytest.fixture(scope="module")
def box():
    return synthetic_box(Synthetic(log10_mass_min=12.0, seed=4), SIZE, 0.5)


@pytest.fixture(scope="module")
def halos(box):
    return box.halos(0, 0)


def joined(parts) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def position(halos) -> np.ndarray:
    return np.stack([halos[axis] for axis in "xyz"], axis=-1)


@pytest.mark.parametrize("order", [1, 2])
def test_tiles_hold_the_same_halos_bit_for_bit(order, box, halos):
    tiles = [box.halos(order, cell) for cell in range(8**order)]
    assert [len(tile["halo_id"]) for tile in tiles] == [box.count(order, cell) for cell in range(8**order)]
    found = joined(tiles)
    a, b = np.argsort(found["halo_id"]), np.argsort(halos["halo_id"])
    for name, values in halos.items():
        if name != "host_row":
            np.testing.assert_array_equal(found[name][a], values[b], err_msg=name)
    for cell, tile in enumerate(tiles):
        hosts = position(tile)[tile["is_central"]]
        assert (coarser(finest_cell(hosts, SIZE), 10, order) == cell).all()


def test_halos_are_in_the_order_that_arranging_gives(box, halos):
    again = arrange_in_box({name: values for name, values in halos.items() if name != "host_row"}, SIZE)
    for name, values in halos.items():
        np.testing.assert_array_equal(again[name], values, err_msg=name)


def test_columns_are_as_promised_and_in_the_box(box, halos):
    assert {name: values.dtype.type for name, values in halos.items() if name != "host_row"} == box.columns
    assert not {"ra", "dec", "redshift_obs"} & set(halos)
    assert len(np.unique(halos["halo_id"])) == len(halos["halo_id"])
    assert ((position(halos) >= 0.0) & (position(halos) < SIZE)).all()
    assert (halos["redshift"] == 0.5).all()
    np.testing.assert_array_equal(halos["halo_id"][halos["host_row"]], halos["host_halo_id"])
    away = position(halos) - position(halos)[halos["host_row"]]
    away -= SIZE * np.round(away / SIZE)
    assert np.linalg.norm(away, axis=1).max() < 5.0
    assert (np.abs(position(halos) - position(halos)[halos["host_row"]]) > 0.5 * SIZE).any()  # some through a face


def test_a_part_of_the_box_selects_from_it(box, halos):
    where = {"box": {"x": [130.0, 190.0], "z": [20.0, 60.0]}}
    found = joined([box.halos(1, int(cell), where) for cell in box.tiles(1, where)])
    central = position(halos)[halos["host_row"]]
    inside = ((central[:, 0] >= 130.0) | (central[:, 0] < 30.0)) & (central[:, 2] >= 20.0) & (central[:, 2] < 60.0)
    np.testing.assert_array_equal(np.sort(found["halo_id"]), np.sort(halos["halo_id"][inside]))
    assert box.extent(where) == pytest.approx(60.0 * SIZE * 40.0)


def test_numbers_are_those_of_the_mass_functions():
    boxes = [synthetic_box(Synthetic(log10_mass_min=12.5, seed=seed), 256.0, 0.8) for seed in range(4)]
    found = np.array([box.count(0, 0) for box in boxes])
    expected = boxes[0].expected_count(0, 0)
    assert np.std(found) > 0.0
    assert found.mean() == pytest.approx(expected, rel=0.03)
    assert boxes[0].expected_count(1, 3, {"box": {"x": [0.0, 64.0]}}) == pytest.approx(expected / 16.0)


@pytest.mark.thorough
def test_structure_goes_on_through_the_faces():
    """Pairs across any plane are as many as across the faces: hosts near x = 0 know those near x = SIZE."""
    excess = []
    for seed in range(3):
        halos = synthetic_box(Synthetic(log10_mass_min=12.0, seed=seed), 256.0, 0.5).halos(0, 0)
        hosts = position(halos)[halos["is_central"]]
        tree = cKDTree(hosts, boxsize=256.0)
        pairs = tree.query_pairs(20.0, output_type="ndarray")
        away = np.linalg.norm((d := hosts[pairs[:, 0]] - hosts[pairs[:, 1]]) - 256.0 * np.round(d / 256.0), axis=1)
        pairs = pairs[away > 12.0]
        mean = 4.0 / 3.0 * np.pi * (20.0**3 - 12.0**3) * (len(hosts) / 256.0**3) * len(hosts) / 2.0
        a, b = hosts[pairs].transpose(1, 0, 2)
        turned = a[:, 0] - b[:, 0]
        through = np.abs(turned) > 128.0  # pairs that meet the face x = 0
        inside = [np.sum(~through & ((a[:, 0] - x) * (b[:, 0] - x) < 0.0)) for x in np.arange(16.0, 256.0, 16.0)]
        excess.append((np.sum(through), np.mean(inside), np.std(inside), len(pairs) / mean))
    through, inside, scatter, clustering = np.transpose(excess)
    assert (clustering > 1.05).all()
    assert np.abs((through - inside) / scatter).mean() < 2.0


def test_a_box_follows_its_seed_and_redshift(box, halos):
    other = synthetic_box(Synthetic(log10_mass_min=12.0, seed=5), SIZE, 0.5).halos(0, 0)
    assert len(other["x"]) != len(halos["x"])
    later = synthetic_box(Synthetic(log10_mass_min=13.0, seed=4), SIZE, 0.0)
    earlier = synthetic_box(Synthetic(log10_mass_min=13.0, seed=4), SIZE, 3.0)
    assert later.count(0, 0) > 10 * earlier.count(0, 0)


@pytest.mark.parametrize(("size", "redshift"), [(50.0, 0.5), (2e4, 0.5), (SIZE, 15.5), (SIZE, -0.1)])
def test_a_box_that_cannot_be_made_is_refused(size, redshift):
    with pytest.raises(InputError, match=r"box_size|redshift"):
        synthetic_box(Synthetic(), size, redshift)
