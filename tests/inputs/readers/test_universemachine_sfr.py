"""The reader of UniverseMachine's binary catalogues: small files of a known answer, and each with one fault."""

import struct
from pathlib import Path

import numpy as np
import pytest

from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry
from diffsky_factory.inputs.readers.universemachine.sfr import UniverseMachineSfr

BIG = 52000000469980727  # beyond 2^53: another number as float64
H = 0.678
ENTRY = {
    "name": "small",
    "format": UniverseMachineSfr.format,
    "cosmology": {"Om0": 0.307, "h": H},
    "box_size": 250.0 / H,
}


def record(
    halo_id, parent=-1, flags=0, position=(10.0, 20.0, 249.9), velocity=(1.0, -2.0, 3.0), order="<", **changes
) -> bytes:
    """One record as C lays it out, field by field: 3 int64, int32, then 24 floats, of which the last pads."""
    values = {"peak": 3.39e12, "now": 1.0e12, "vmax": 180.0, "sm": 3e10, "sfr": 2.5, "obs_sm": 2e10, "obs_sfr": 1.5}
    values |= changes
    links = struct.pack(order + "qqqi", halo_id, -1, parent, flags)
    phase = struct.pack(order + "f6f", 2.0, *position, *velocity)
    halo = struct.pack(order + "6f", 150.0, 5.0, values["peak"], values["now"], values["vmax"], 200.0)
    ranks = struct.pack(order + "5f", 0.1, 0.2, 0.3, 0.4, 0.5)
    galaxy = struct.pack(order + "3f", values["sm"], 1e9, values["sfr"])
    observed = struct.pack(order + "4f", values["obs_sm"], values["obs_sfr"], -19.0, 0.0)
    return links + phase + halo + ranks + galaxy + observed


def write(folder, records, name="sfr_catalog_0.501122.bin", **changes) -> UniverseMachineSfr:
    path = folder / name
    path.write_bytes(b"".join(records))
    return UniverseMachineSfr((path,), SimulationEntry(**(ENTRY | changes)))


def everything(reader):
    parts = [reader.read(piece) for piece in reader.pieces()]
    assert all(list(part.columns) == list(reader.columns) for part in parts)
    return {name: np.concatenate([part.columns[name] for part in parts]) for name in reader.columns}, parts


def test_a_record_has_its_128_bytes():
    assert len(record(1)) == 128


def test_a_small_file_is_read_in_our_units(tmp_path):
    reader = write(tmp_path, [record(10), record(BIG, parent=10), record(7, parent=BIG, position=(250.0, 0.0, 1.0))])
    rows, parts = everything(reader)
    np.testing.assert_array_equal(rows["simulation_halo_id"], [10, BIG, 7])
    np.testing.assert_array_equal(rows["simulation_host_halo_id"], [10, 10, BIG])
    for name, kind in reader.columns.items():
        assert rows[name].dtype == kind, name
    assert rows["z"][0] == pytest.approx(249.9 / H, rel=1e-6)
    assert rows["x"][2] == 0.0  # the end of the box is its beginning
    assert (rows["vx"][0], rows["vy"][0], rows["vz"][0]) == (1.0, -2.0, 3.0)
    np.testing.assert_allclose(rows["log10_halo_mass"], np.log10(5.0e12), rtol=1e-7)
    np.testing.assert_allclose(rows["log10_halo_mass_now"], np.log10(1.0e12 / H), rtol=1e-7)
    np.testing.assert_allclose(rows["universemachine_stellar_mass"], 3e10, rtol=1e-6)
    np.testing.assert_array_equal(rows["universemachine_observed_sfr"], 1.5)
    np.testing.assert_array_equal(rows["halo_vmax"], 180.0)
    assert parts[0].dropped == {}
    assert reader.attributes["redshift"] == pytest.approx(1.0 / 0.501122 - 1.0)
    assert reader.attributes["box_size"] == pytest.approx(250.0 / H)
    assert reader.geometry == "box"
    assert reader.cosmology.h == H


def test_halos_to_be_ignored_or_without_mass_are_counted(tmp_path):
    garbage = record(2, flags=16 + 2, position=(np.nan, 0.0, 0.0))
    reader = write(tmp_path, [record(1), garbage, record(3, peak=0.0), record(4, flags=2), record(5, now=0.0)])
    rows, parts = everything(reader)
    np.testing.assert_array_equal(rows["simulation_halo_id"], [1, 4])
    assert parts[0].dropped == {"marked to be ignored": 1, "without a mass": 2}


def test_any_pieces_give_the_same_halos(tmp_path, monkeypatch):
    reader = write(tmp_path, [record(n) for n in range(10)])
    whole, _ = everything(reader)
    monkeypatch.setattr(UniverseMachineSfr, "rows_of_piece", 3)
    assert len(reader.pieces()) == 4
    again, _ = everything(reader)
    for name, values in whole.items():
        np.testing.assert_array_equal(again[name], values)


def test_the_mass_now_can_be_taken_for_the_mass(tmp_path):
    reader = write(tmp_path, [record(1)], columns={"log10_halo_mass": "m"})
    np.testing.assert_allclose(everything(reader)[0]["log10_halo_mass"], np.log10(1e12 / H), rtol=1e-7)
    with pytest.raises(ValueError, match="'sm' is neither"):
        write(tmp_path, [record(1)], columns={"log10_halo_mass": "sm"})


def test_it_is_known_by_its_name(tmp_path):
    write(tmp_path, [record(1)])
    assert UniverseMachineSfr.recognises(tmp_path / "sfr_catalog_0.501122.bin")
    assert not UniverseMachineSfr.recognises(tmp_path)
    assert not UniverseMachineSfr.recognises(Path("sfr_catalog_1.000000.bin"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cosmology": {}}, "do not say the cosmology; give Om0 and h"),
        ({"cosmology": {"Om0": 0.3}}, "give h under 'cosmology'"),
        ({"box_size": None}, r"does not say the box size \[Mpc\]; give it in the entry"),
        ({"options": {"hosts": "all"}}, "there are none"),
        ({"columns": {"log10_mass": "m"}}, "did you mean log10_halo_mass"),
    ],
)
def test_an_entry_that_does_not_suffice_is_refused(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        write(tmp_path, [record(1)], **changes)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([], "0 bytes are no whole records"),
        ([record(1), record(2)[:-1]], "255 bytes are no whole records of 128; is the file complete"),
        (
            [record(1), record(2, position=(10.0, 400.0, 1.0))],
            "record 1: y = 400.0: outside of the box, which ends at 250",
        ),
        ([record(1), record(2, velocity=(np.inf, 0.0, 0.0))], "record 1: vx = inf: not finite"),
        ([record(-5)], "record 0: id = -5"),
        ([record(5, parent=-2)], "record 0: upid = -2"),
        ([record(1, order=">")], "record 0: "),
    ],
)
def test_a_damaged_file_is_refused_by_record(records, message, tmp_path):
    with pytest.raises(ValueError, match=message) as caught:
        everything(write(tmp_path, records))
    assert "sfr_catalog_0.501122.bin" in str(caught.value)


def test_several_snapshots_or_a_name_without_scale_are_refused(tmp_path):
    reader = write(tmp_path, [record(1)])
    with pytest.raises(ValueError, match=r"2 files .* one snapshot"):
        UniverseMachineSfr(reader.files * 2, reader.entry)
    with pytest.raises(ValueError, match="no scale factor in its name"):
        write(tmp_path, [record(1)], name="sfr.bin")
