"""`ds.sky`: what a dataset of galaxies or halos says of its sky, and cuts that read only the tiles they need."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from diffsky_factory.sky import tiles
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.regions import region

MARGIN = 0.2  # deg, by which a satellite may lie outside the tile of its host; 3 Mpc at 800 Mpc


@xr.register_dataset_accessor("sky")
class Sky:
    """Sky of a dataset made by this package: its attributes hold area, cosmology and tiles."""

    def __init__(self, ds: xr.Dataset) -> None:
        self._ds = ds

    @property
    def area(self) -> float:
        """Area in deg^2."""
        return float(self._attribute("area_deg2"))

    @property
    def cosmology(self) -> Cosmology:
        """Cosmology of the simulation."""
        return Cosmology(**self._attribute("cosmology"))

    @property
    def tile_order(self) -> int:
        """HEALPix order of the tiles, NESTED."""
        return int(self._attribute("tile_order"))

    @property
    def tiles(self) -> np.ndarray:
        """HEALPix pixels of the tiles in the order of their rows; a row belongs to the tile of its host."""
        return np.asarray(self._attribute("tile_pixels"), np.int64)

    def in_tiles(self, pixels: Sequence[int]) -> xr.Dataset:
        """The rows of some tiles, still lazy. Raises ValueError where a tile is not in the dataset."""
        absent = sorted(set(map(int, pixels)) - set(self.tiles.tolist()))
        if absent:
            raise ValueError(f"no tile {absent[0]} of order {self.tile_order} here; see ds.sky.tiles")
        return self._keep(np.isin(self.tiles, np.asarray(pixels, np.int64)))

    def cone(self, ra: float, dec: float, radius: float) -> xr.Dataset:
        """Rows within a radius [deg] of a point; reads ra and dec of the tiles near it."""
        near = tiles.within_cone(ra, dec, radius + MARGIN, self.tile_order)
        ds = self._keep(np.isin(self.tiles, near))
        cone = region({"cone": {"ra": ra, "dec": dec, "radius": radius}})
        inside = cone.inside(np.asarray(ds.ra), np.asarray(ds.dec))
        return self._select(ds, inside, region={"cone": {"ra": ra, "dec": dec, "radius": radius}}, area_deg2=cone.area)

    def zslice(self, low: float, high: float, kind: str = "redshift") -> xr.Dataset:
        """Rows with low <= redshift < high; kind is "redshift" or "redshift_obs"; reads that column."""
        values = np.asarray(self._ds[kind])
        chosen = (values >= low) & (values < high)
        return self._select(self._ds, chosen, redshift_min=low, redshift_max=high)

    def _attribute(self, name: str):
        if name not in self._ds.attrs:
            raise AttributeError(f"no attribute '{name}': this dataset was not made by diffsky_factory")
        return self._ds.attrs[name]

    def _keep(self, kept: np.ndarray) -> xr.Dataset:
        counts = np.asarray(self._attribute("tile_rows"), np.int64)
        starts = np.concatenate([[0], np.cumsum(counts)])
        rows = [slice(int(starts[i]), int(starts[i + 1])) for i in np.flatnonzero(kept)]
        parts = [self._ds.isel(galaxy=part) for part in rows] or [self._ds.isel(galaxy=slice(0, 0))]
        ds = parts[0] if len(parts) == 1 else xr.concat(parts, "galaxy", data_vars="minimal", join="override")
        ds.attrs = {
            **self._ds.attrs,
            "tile_pixels": self.tiles[kept].tolist(),
            "tile_rows": counts[kept].tolist(),
            "area_deg2": self.area * float(np.sum(kept)) / max(len(kept), 1),
        }
        return ds

    def _select(self, ds: xr.Dataset, chosen: np.ndarray, **attributes) -> xr.Dataset:
        counts = np.asarray(ds.attrs["tile_rows"], np.int64)
        ends = np.cumsum(counts)
        total = np.concatenate([[0], np.cumsum(chosen)])
        selected = ds.isel(galaxy=np.flatnonzero(chosen))
        selected.attrs = {**ds.attrs, **attributes, "tile_rows": (total[ends] - total[ends - counts]).tolist()}
        return selected
