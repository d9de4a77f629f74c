"""What must hold in any forest: branches, hosts, infalls and segments, against slow answers and worked by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffsky_factory.core.errors import InputError
from diffsky_factory.halos.cone.segments import segments
from diffsky_factory.inputs.trees.branches import branches_at, matrix_rows
from diffsky_factory.inputs.trees.forest import checked_forest, in_box, steps_of
from diffsky_factory.inputs.trees.histories import histories, object_columns, objects_at
from diffsky_factory.inputs.trees.infalls import ELSEWHERE, ENDED, LEFT, MUTUAL
from diffsky_factory.inputs.trees.links import CIRCLES, DANGLING, LOST, NESTED, OTHER_TIME, link
from tests.inputs.trees import brute
from tests.inputs.trees.forests import TIME, by_hand, forests, permuted

STEPS = st.integers(0, len(TIME) - 1)


@given(forests(), STEPS)
def test_every_node_is_on_exactly_one_main_branch_which_ascends_in_time(forest, step):
    links = link(forest)
    branches = branches_at(forest, links, step, ended=True)
    until = forest.step <= step
    assert (branches.of[until] >= 0).all()
    assert (branches.of[~until] == -1).all()
    rows = matrix_rows(forest, branches, len(TIME))
    assert sorted(rows[rows >= 0]) == np.flatnonzero(until).tolist()
    for last, row in zip(branches.last, rows):
        walked = brute.Walker(forest, step).branch(forest.node_id[last])
        seen = row[row >= 0]
        assert forest.node_id[seen[::-1]].tolist() == walked
        assert (np.diff(forest.step[seen]) > 0).all()


@given(forests(), STEPS)
def test_objects_are_those_of_the_step_and_then_those_that_ended(forest, step):
    links = link(forest)
    there, both = (branches_at(forest, links, step, ended=ended) for ended in (False, True))
    assert (forest.step[there.last] == step).all()
    np.testing.assert_array_equal(both.last[~both.ended], there.last)
    assert (np.diff(forest.node_id[there.last]) > 0).all()
    assert (forest.step[both.last[both.ended]] < step).all()


@given(forests(), STEPS)
def test_infalls_are_those_of_the_slow_walk(forest, step):
    found = object_columns(objects_at(forest, step), TIME)
    known = np.isin(found["simulation_host_halo_id"], forest.node_id)  # lost hosts keep the id that is given
    for name, values in brute.infalls(forest, step, TIME).items():
        rows = known if name.endswith("host_halo_id") else slice(None)
        np.testing.assert_array_equal(found[name][rows], values[rows], err_msg=name)


@given(forests(), STEPS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(forest, step, random):
    order = list(range(len(forest.node_id)))
    random.shuffle(order)
    other = permuted(forest, np.array(order))
    one, two = (objects_at(rows, step, ended=True) for rows in (forest, other))
    for name, values in object_columns(one, TIME).items():
        np.testing.assert_array_equal(values, object_columns(two, TIME)[name], err_msg=name)
    for a, b in zip(histories(one, len(TIME)), histories(two, len(TIME))):
        np.testing.assert_array_equal(a, b)
    assert one.links.counts == two.links.counts
    assert one.infalls.counts == two.infalls.counts


@given(forests(), STEPS)
def test_largest_masses_rise_and_infalls_are_not_after_the_present(forest, step):
    objects = objects_at(forest, step)
    found, seen = object_columns(objects, TIME), histories(objects, len(TIME))
    largest = np.fmax.accumulate(seen.log10_mass, axis=1)
    np.testing.assert_array_equal(largest[:, step], found["log10_halo_mass"])
    np.testing.assert_array_equal(seen.log10_mass[:, step], found["log10_halo_mass_now"])
    assert (found["infall_time"] <= TIME[step]).all()
    assert (found["penultimate_infall_time"] <= found["infall_time"]).all()
    assert (found["log10_halo_mass_at_infall"] <= found["log10_halo_mass"]).all()
    host = found["simulation_host_halo_id"] == found["simulation_halo_id"]
    assert (found["infall_time"][host] == TIME[step]).all()
    np.testing.assert_array_equal(found["log10_host_mass_at_infall"][host], found["log10_halo_mass"][host])


@given(forests(), STEPS)
def test_first_hosts_are_in_the_group_and_lead_to_its_top(forest, step):
    found = objects_at(forest, step, ended=True).infalls
    np.testing.assert_array_equal(found.host[found.first_host], found.host)
    host = found.first_host
    for _ in range(len(host)):
        host = found.first_host[host]
    np.testing.assert_array_equal(host, found.host)


@given(forests())
def test_segments_are_the_links_each_once_and_one_of_them_continues(forest):
    links = link(forest)
    all_of_them = [segments(forest, step, links) for step in range(len(TIME))]
    start = np.concatenate([part.start for part in all_of_them])
    assert sorted(start) == np.flatnonzero(links.descendant >= 0).tolist()
    end = np.concatenate([part.end for part in all_of_them])
    continues = np.concatenate([part.continues for part in all_of_them])
    assert sorted(end[continues]) == np.unique(end).tolist()
    branch = np.concatenate([part.branch for part in all_of_them])
    last = branches_of(forest, links)
    np.testing.assert_array_equal(branch, last[start])
    np.testing.assert_array_equal(continues, last[end] == branch)
    for step, part in enumerate(all_of_them):
        assert (forest.step[part.start] == step).all()
        np.testing.assert_array_equal(part.end_step, forest.step[part.end])
        assert (part.end_step > step).all()
        np.testing.assert_array_equal(part.host_id, forest.node_id[links.top[part.start]])


def branches_of(forest, links):
    branches = branches_at(forest, links, len(TIME) - 1, ended=True)
    return branches.last[branches.of]


def test_a_forest_by_hand_has_the_known_infalls():
    objects = objects_at(by_hand(), 4)
    found = object_columns(objects, TIME)
    assert found["simulation_halo_id"].tolist() == [41, 42, 43]
    assert found["simulation_host_halo_id"].tolist() == [41, 41, 41]
    assert found["simulation_penultimate_host_halo_id"].tolist() == [41, 41, 42]
    assert found["infall_time"].tolist() == [10.0, 4.0, 4.0]
    assert found["penultimate_infall_time"].tolist() == [10.0, 4.0, 2.0]
    assert found["log10_halo_mass"].tolist() == [12.7, 11.7, 11.1]
    assert found["log10_halo_mass_now"].tolist() == [12.7, 11.4, 10.8]
    assert found["log10_halo_mass_at_infall"].tolist() == [12.7, 11.7, 11.1]
    assert found["log10_host_mass_at_infall"].tolist() == [12.7, 12.5, 12.5]
    assert found["log10_host_mass_at_penultimate_infall"].tolist() == [12.7, 12.5, 11.7]
    assert objects.links.counts == {NESTED: 2}


def test_one_that_merged_ends_at_its_last_node_in_what_it_became_part_of():
    objects = objects_at(by_hand(), 4, ended=True)
    found = object_columns(objects, TIME)
    assert found["simulation_halo_id"].tolist() == [41, 42, 43, 24]
    assert objects.branches.ended.tolist() == [False, False, False, True]
    assert found["simulation_host_halo_id"][3] == 41
    assert found["infall_time"][3] == 4.0
    assert found["log10_host_mass_at_infall"][3] == 12.5
    seen = histories(objects, len(TIME))
    assert seen.present[3].tolist() == [True, True, True, False, False, False]


def test_histories_have_gaps_where_a_snapshot_is_skipped():
    seen = histories(objects_at(by_hand(), 4), len(TIME))
    np.testing.assert_array_equal(seen.log10_mass[1], [11.5, 11.7, 11.6, np.nan, 11.4, np.nan])
    assert seen.host_id[1].tolist() == [2, 12, 21, -1, 41, -1]
    assert seen.host_id[2].tolist() == [3, 12, 21, 31, 41, -1]
    np.testing.assert_array_equal(seen.position[0, 2], [12.0, 21.0, 2.0])
    assert np.isnan(seen.position[1, 3]).all()


def test_a_segment_over_a_skipped_snapshot_and_one_that_ends_by_merging():
    forest = by_hand()
    part = segments(forest, 2)
    ids = forest.node_id
    assert ids[part.start].tolist() == [21, 22, 23, 24]
    assert ids[part.end].tolist() == [31, 42, 33, 31]
    assert part.end_step.tolist() == [3, 4, 3, 3]
    assert part.continues.tolist() == [True, True, True, False]
    assert ids[part.branch].tolist() == [41, 42, 43, 24]
    assert part.host_id.tolist() == [21, 21, 21, 21]
    assert ids[segments(forest, 3).start].tolist() == [31, 33]
    assert len(segments(forest, 4).start) == 0


def changed(**rows):
    """by_hand with single values changed: name=(node, value)."""
    forest = by_hand()
    for name, (node, value) in rows.items():
        values = getattr(forest, name).copy()
        values[forest.node_id == node] = value
        forest = forest._replace(**{name: values})
    return forest


def test_what_does_not_hold_is_counted():
    assert link(by_hand()).counts == {NESTED: 2}
    assert link(changed(host_id=(42, 99))).counts == {LOST: 1, NESTED: 1}
    assert link(changed(host_id=(42, 31))).counts == {OTHER_TIME: 1, NESTED: 1}
    assert link(changed(descendant_id=(31, 99))).counts == {DANGLING: 1, NESTED: 2}
    assert link(changed(host_id=(41, 42))).counts == {CIRCLES: 1, NESTED: 2}


def test_hosts_of_each_other_are_led_by_the_more_massive():
    links = link(changed(host_id=(41, 42)))
    forest = by_hand()
    assert forest.node_id[links.top[forest.step == 4]].tolist() == [41, 41, 41]


def test_a_satellite_whose_host_is_lost_keeps_its_id_and_is_one_by_itself():
    found = object_columns(objects_at(changed(host_id=(42, 99)), 4), TIME)
    assert found["simulation_host_halo_id"].tolist() == [41, 99, 99]
    assert found["simulation_penultimate_host_halo_id"].tolist()[1] == 99


def test_two_that_each_were_the_host_of_the_other_have_one_infall():
    # B was in C at step 1, C in B at step 2, both in A now
    forest = changed(host_id=(12, 13))
    forest = forest._replace(host_id=np.where(forest.node_id == 13, 13, forest.host_id))
    objects = objects_at(forest, 4)
    assert objects.infalls.counts[MUTUAL] == 0  # C's first host was A, with B
    both = forest._replace(host_id=np.where(forest.node_id == 3, 2, forest.host_id))
    objects = objects_at(both, 4)
    assert objects.infalls.counts[MUTUAL] == 2
    found = object_columns(objects, TIME)
    assert found["simulation_penultimate_host_halo_id"].tolist() == [41, 41, 41]
    np.testing.assert_array_equal(found["penultimate_infall_time"], found["infall_time"])


def test_a_first_host_that_has_ended_or_is_elsewhere_does_not_count():
    assert objects_at(changed(descendant_id=(22, -1)), 4).infalls.counts[ENDED] == 1
    assert objects_at(changed(host_id=(42, 42))._replace(), 4).infalls.counts[LEFT] == 0
    apart = changed(host_id=(42, 42))
    apart = apart._replace(host_id=np.where(apart.node_id == 43, 41, apart.host_id))
    assert objects_at(apart, 4).infalls.counts[ELSEWHERE] == 1


def test_a_host_that_has_merged_with_the_present_one_was_another():
    # C was in D at step 1, and in A, with B, from step 2; D merged with A at 3
    objects = objects_at(changed(host_id=(13, 14)), 4)
    found = object_columns(objects, TIME)
    assert found["simulation_penultimate_host_halo_id"].tolist() == [41, 41, 41]
    assert found["penultimate_infall_time"][2] == 2.0
    assert found["log10_host_mass_at_penultimate_infall"][2] == 10.6
    assert found["infall_time"][2] == 4.0
    assert found["log10_host_mass_at_infall"][2] == 12.5


def test_a_product_may_name_the_main_progenitor():
    forest = by_hand()
    objects = objects_at(forest._replace(is_main=~np.isin(forest.node_id, [21])), 4, ended=True)
    assert objects.forest.node_id[objects.branches.last].tolist() == [41, 42, 43, 21]


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"node_id": (22, 21)}, "node 21 occurs twice"),
        ({"descendant_id": (31, 22)}, "descendant of node 31 is not later"),
        ({"descendant_id": (31, 31)}, "descendant of node 31 is not later"),
    ],
    ids=str,
)
def test_links_that_cannot_be_are_named(change, wanted):
    with pytest.raises(InputError, match=wanted):
        link(changed(**change), "some file")


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"log10_mass": (31, 22.0)}, "unit of mass"),
        ({"velocity": (31, 1e6)}, "velocity"),
        ({"velocity": (31, np.nan)}, "velocity"),
        ({"position": (31, np.nan)}, "position"),
        ({"step": (31, 77)}, "snapshot 77 of 6"),
    ],
    ids=str,
)
def test_values_that_cannot_be_are_named(change, wanted):
    with pytest.raises(InputError, match=wanted):
        checked_forest(changed(**change), len(TIME), "some file")


def test_columns_of_two_lengths_are_named():
    with pytest.raises(InputError, match="3 values of step for 17 nodes"):
        checked_forest(by_hand()._replace(step=np.zeros(3, int)), len(TIME), "some file")


def test_positions_are_brought_into_the_box_and_far_ones_refused():
    inside = in_box(np.array([[-1e-20, 100.0, 101.0]]), 100.0, "some file")
    np.testing.assert_allclose(inside, [[0.0, 0.0, 1.0]])
    with pytest.raises(InputError, match="outside the box"):
        in_box(np.array([[1.0, 2.0, 700.0]]), 100.0, "some file")


def test_a_snapshot_that_is_not_known_is_refused():
    assert steps_of(np.array([0.5, 1.0, 0.25]), np.array([0.25, 0.5, 1.0]), "some file").tolist() == [1, 2, 0]
    with pytest.raises(InputError, match=r"scale factor 0\.3"):
        steps_of(np.array([0.5, 0.3]), np.array([0.25, 0.5, 1.0]), "some file")


@settings(max_examples=5)
@given(forests(most=1))
def test_a_forest_of_one_node_is_one_object(forest):
    assert len(objects_at(forest, int(forest.step[0])).branches.last) == 1


def test_no_forest_at_all_has_no_objects():
    empty = permuted(by_hand(), np.zeros(0, int))
    found = object_columns(objects_at(empty, 4, ended=True), TIME)
    assert all(len(values) == 0 for values in found.values())
    assert len(segments(empty, 1).start) == 0
