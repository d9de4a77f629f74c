"""Cells and parts of a periodic box: what lies inside, and how much that is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffsky_factory.core.errors import InputError
from diffsky_factory.sky import boxes
from diffsky_factory.sky.spaces import Box, Sky, space_of

SIZE = 100.0
ends = st.tuples(st.floats(0.0, 99.0), st.floats(1.0, 100.0)).map(lambda e: [e[0], e[0] + e[1]])


def points(n: int = 20000, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.0, SIZE, (n, 3))


def test_cells_are_nested_and_know_their_place():
    position = points()
    finest = boxes.finest_cell(position, SIZE)
    for order in (0, 1, 3, boxes.FINEST):
        cells = boxes.coarser(finest, boxes.FINEST, order)
        low = boxes.places(cells, order) * (SIZE / 2**order)
        assert ((position >= low) & (position < low + SIZE / 2**order)).all()
        assert cells.min() >= 0
        assert cells.max() < 8**order
    every = boxes.places(np.arange(8**2), 2)
    assert len(np.unique(every, axis=0)) == 64


def test_a_position_on_the_upper_face_is_in_the_last_cell():
    assert boxes.finest_cell(np.full((1, 3), SIZE), SIZE)[0] == 8**boxes.FINEST - 1


@settings(max_examples=40, deadline=None)
@given(ends, ends, ends)
def test_the_volume_of_a_part_is_the_share_of_points_inside(x, y, z):
    part = boxes.box_part({"box": {"x": x, "y": y, "z": z}}, SIZE)
    share = part.inside(*points().T).mean()
    assert boxes.volume_of([part]) / SIZE**3 == pytest.approx(share, abs=5.0 * np.sqrt(0.25 / 20000))
    assert boxes.volume_of([part]) == pytest.approx(np.prod([high - low for low, high in (x, y, z)]), rel=1e-9)
    assert boxes.box_part(part.plain, SIZE).plain == part.plain


@settings(max_examples=30, deadline=None)
@given(ends, ends, st.integers(0, 3))
def test_cells_that_a_part_overlaps_hold_all_of_its_points(x, z, order):
    part = boxes.box_part({"box": {"x": x, "z": z}}, SIZE)
    position = points(4000)
    inside = part.inside(*position.T)
    cells = boxes.coarser(boxes.finest_cell(position[inside], SIZE), boxes.FINEST, order)
    assert np.isin(cells, boxes.cells_of(part, order)).all()
    shares = boxes.cell_shares(part, np.arange(8**order), order)
    assert shares.sum() * (SIZE / 2**order) ** 3 == pytest.approx(boxes.volume_of([part]), rel=1e-9)


def test_parts_together_are_their_union_or_intersection():
    one, other = {"box": {"x": [80.0, 120.0]}}, {"box": {"x": [0.0, 50.0], "y": [10.0, 30.0]}}
    both, either = (boxes.box_part({kind: [one, other]}, SIZE) for kind in ("all", "any"))
    assert boxes.volume_of([both]) == pytest.approx(20.0 * 20.0 * SIZE)
    assert boxes.volume_of([either]) == pytest.approx((40.0 * SIZE + 30.0 * 20.0) * SIZE)
    x, y, z = points().T
    alone = [boxes.box_part(part, SIZE).inside(x, y, z) for part in (one, other)]
    np.testing.assert_array_equal(both.inside(x, y, z), alone[0] & alone[1])
    np.testing.assert_array_equal(either.inside(x, y, z), alone[0] | alone[1])
    assert boxes.box_part(either.plain, SIZE) == either
    cells = boxes.Cells(SIZE, 1, (0, 7))
    assert boxes.volume_of([cells]) == pytest.approx(SIZE**3 / 4.0)
    assert boxes.cell_shares(cells, np.arange(8), 1).tolist() == [1, 0, 0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize("part", [{"x": [80.0, 120.0]}, {"x": [10.0, 20.0], "z": [0.0, 100.0]}, {}])
def test_what_is_known_of_blocks_holds_for_their_rows(part):
    position = points(6000).reshape(300, 20, 3) * [0.1, 0.3, 0.3] + points(300, 2)[:, None] * 0.7
    ranges = tuple((position[..., i].min(1), position[..., i].max(1)) for i in range(3))
    for where in (boxes.box_part({"box": part}, SIZE), boxes.box_part({"any": [{"box": part}]}, SIZE)):
        inside = where.inside(*np.moveaxis(position, -1, 0))
        may, surely = (np.broadcast_to(one, 300) for one in where.possible(ranges))
        assert may[inside.any(axis=1)].all()
        assert inside[surely].all()


@pytest.mark.parametrize("part", [{"x": [0.0, 10.0]}, {"x": [90.0, 110.0]}])
def test_a_position_that_was_rounded_to_the_upper_face_is_on_the_lower_one(part):
    where = boxes.box_part({"box": part}, SIZE)
    one = np.array([50.0])
    assert where.inside(np.array([SIZE]), one, one)
    may, _ = where.possible(((np.array([40.0]), np.array([SIZE])), (one, one), (one, one)))
    assert may


@pytest.mark.parametrize(
    "part", [{"box": {"x": [3.0, 2.0]}}, {"box": {"w": [0.0, 1.0]}}, {"box": {"x": [0.0, 101.0]}}, {"cone": {}}, 3]
)
def test_what_is_no_part_of_a_box_is_refused(part):
    with pytest.raises(InputError, match="part of a box"):
        boxes.box_part(part, SIZE)


def test_a_tiny_negative_position_is_brought_into_the_box():
    inside = boxes.wrapped(np.array([-1e-17, SIZE, 250.0, -30.0]), SIZE)
    np.testing.assert_allclose(inside, [0.0, 0.0, 50.0, 70.0])
    assert (inside < SIZE).all()


def test_a_space_is_told_by_attributes():
    assert space_of({"geometry": "box", "box_size": 5}) == Box(5.0)
    assert space_of({"geometry": "lightcone"}) == Sky()
    with pytest.raises(InputError, match="part of a box"):
        Sky().part({"box": {}})
