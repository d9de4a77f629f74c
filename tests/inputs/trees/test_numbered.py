"""A file of merger trees that is missing among others is seen, by its name."""

import pytest

from diffsky_factory.core.errors import InputError
from tests.inputs.trees import test_consistent_trees, test_hacc_core_forest, test_sublink

SUBLINK = [f"tree_extended.{number}.hdf5" for number in range(11)]
CORES = [f"m000p.coreforest.{number}.hdf5" for number in range(11)]
TREES = [f"tree_{i}_0_{k}.dat" for i in range(2) for k in range(3)]


def sublink(folder):
    files = [test_sublink.write(folder / name, trees=(1,)) for name in SUBLINK]
    return files, lambda files, **entry: test_sublink.SubLink(files, entry_of(test_sublink, **entry))


def cores(folder):
    files = [test_hacc_core_forest.write(folder, number) for number in range(len(CORES))]
    return files, lambda files, **entry: test_hacc_core_forest.opened(*files, **entry)


def trees(folder):
    files = test_consistent_trees.write(folder, {name: [41, 42, 43] for name in TREES}, lists=False)
    return list(files), test_consistent_trees.opened


def entry_of(module, **entry):
    return module.SimulationEntry(format=module.FORMAT, **{**module.ENTRY, **entry})


@pytest.mark.parametrize("written", [sublink, cores, trees])
@pytest.mark.parametrize("missing", [0, 2, -2])
def test_a_file_that_is_missing_among_others_is_named(written, missing, tmp_path):
    files, opened = written(tmp_path)
    opened(tuple(files))
    absent = files.pop(missing)
    with pytest.raises(InputError, match=rf"{absent}: there is no such file, though there is {files[-1].name}; get it"):
        opened(tuple(files))
    opened(tuple(files), gaps=True)
    opened((files[3],))  # one that was chosen


def test_lists_say_which_files_of_consistent_trees_there_are(tmp_path):
    roots = {TREES[0]: [41], TREES[2]: [42], TREES[3]: [43]}
    test_consistent_trees.opened(test_consistent_trees.write(tmp_path, roots))
