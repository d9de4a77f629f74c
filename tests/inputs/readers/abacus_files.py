"""Small files in the layout of AbacusSummit, written with asdf alone."""

from pathlib import Path

import numpy as np

# a box of 20 Mpc/h with 3 halos; every number is worked out by hand below or in the tests
HEADER = {
    "SimName": "AbacusToy", "BoxSize": 20.0, "BoxSizeMpc": 25.0, "H0": 80.0, "Omega_M": 0.25, "Omega_DE": 0.75,
    "w0": -1.0, "wa": 0.0, "Redshift": 0.0, "ScaleFactor": 1.0, "ParticleMassHMsun": 8.0e9, "ParticleMassMsun": 1.0e10,
    "VelZSpace_to_kms": 2000.0, "SODensityL1": 300.0, "SODensityL2": 1200.0,
    "LightConeOrigins": [-5.0, -5.0, -5.0], "NumTimeSliceRedshiftsPrev": 1,
}  # fmt: skip


def f4(*values):
    return np.array(values, np.float32)


def box_columns() -> dict[str, np.ndarray]:
    return {
        "id": np.array([5, 6, 2**53 + 1], np.uint64),
        "N": np.array([100, 1000, 40], np.uint32),
        "x_L2com": f4([0.1, 0.25, -0.25], [-0.5, 0.0, 0.49], [-0.05, -0.1, -0.15]),  # box lengths
        "v_L2com": f4([0.1, 0.0, -0.2], [0.0, 0.0, 0.0], [0.05, 0.05, 0.05]),  # Hubble flow over the box
        "vcirc_max_L2com": f4(0.1, 0.2, 0.05),
        "r100_L2com": f4(0.05, 0.1, 0.02),
        "r25_L2com_i16": np.array([8000, 6400, 8000], np.int16),  # of 32000
        "r98_L2com_i16": np.array([32000, 32000, 32000], np.int16),
    }


def cone_columns() -> dict[str, np.ndarray]:
    """Three halos around an observer at (-5, -5, -5) Mpc/h; at z = 0.1 the distance is 2997.92 * 0.09807 = 294.02."""
    return {
        "N_interp": np.array([50, 0, 70], np.uint32),
        "N": np.array([0, 0, 71], np.uint32),
        "pos_interp": f4([289.02, -5.0, -5.0], [1.0, 2.0, 3.0], [-5.0, 289.02, -5.0]),
        "pos_avg": f4([0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [-5.0, 289.12, -5.0]),
        "vel_interp": f4([100.0, 200.0, 300.0], [0.0, 0.0, 0.0], [1.0, 2.0, 3.0]),
        "vel_avg": f4([0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [4.0, 5.0, 6.0]),
        "redshift_interp": f4(0.1, 0.0, 0.1),
        "origin": np.array([0, 3, 4], np.int8),
        "haloindex": np.array([7 * 10**12 + 11, 7 * 10**12 + 12, 7 * 10**12 + 13], np.uint64),
    }


def write(path: Path, columns: dict[str, np.ndarray], **header) -> Path:
    """An ASDF file; a header entry of None is left out."""
    import asdf

    path.parent.mkdir(parents=True, exist_ok=True)
    header = {name: value for name, value in {**HEADER, **header}.items() if value is not None}
    asdf.AsdfFile({"header": header, "data": columns}).write_to(path)
    return path


def write_box(folder: Path, columns=None, number: int = 0, **header) -> Path:
    path = folder / "AbacusToy" / "halos" / "z0.000" / "halo_info" / f"halo_info_{number:03d}.asdf"
    return write(path, columns or box_columns(), **header)


def write_cleaning(folder: Path, particles) -> Path:
    path = folder / "cleaning" / "AbacusToy" / "z0.000" / "cleaned_halo_info" / "cleaned_halo_info_000.asdf"
    columns = {"N_total": np.array(particles, np.uint32), "N_merge": np.zeros(len(particles), np.uint32)}
    return write(path, columns, TimeSliceRedshiftsPrev=[0.1])


def write_cone(folder: Path, columns=None, **header) -> Path:
    return write(folder / "AbacusToy" / "z0.100" / "lc_halo_info.asdf", columns or cone_columns(), **header)


def without(columns: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    return {key: values for key, values in columns.items() if key != name}


def changed(columns: dict[str, np.ndarray], name: str, row, value) -> dict[str, np.ndarray]:
    values = columns[name].copy()
    values[row] = value
    return {**columns, name: values}


def truncated(path: Path, share: float = 0.5) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path
