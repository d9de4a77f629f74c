"""`ds.sky`: what a dataset of galaxies or halos says of its sky, and cuts that read only the tiles they need."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from diffsky_factory.sky import tiles
from diffsky_factory.sky.cosmology import Cosmology, comoving_distance_64
from diffsky_factory.sky.regions import Cone, region, share_inside

REACH = 10.0  # Mpc comoving, chosen: no satellite is farther from its host, whose tile it belongs to


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
        cone = region({"cone": {"ra": ra, "dec": dec, "radius": radius}})
        near = tiles.within_cone(ra, dec, min(radius + self._margin(), 180.0), self.tile_order)
        ds = self._keep(np.isin(self.tiles, near))
        inside = cone.inside(np.asarray(ds.ra), np.asarray(ds.dec))
        ds = self._select(ds, inside)
        ds.attrs["cuts"] = [*ds.attrs.get("cuts", []), {"cone": {"ra": ra, "dec": dec, "radius": radius}}]
        ds.attrs["tile_areas_deg2"] = self._areas_in(cone, ds)
        # exact where all of the cone is in the dataset, rather than the sum over tiles that it cuts
        ours = dict(zip(self.tiles.tolist(), self._attribute("tile_areas_deg2")))
        overlapped = tiles.within_cone(ra, dec, radius, self.tile_order)
        whole = tiles.pixel_area(self.tile_order) * (1.0 - 1e-9)
        is_whole = all(ours.get(int(pixel), 0.0) >= whole for pixel in overlapped)
        ds.attrs["area_deg2"] = float(cone.area if is_whole else sum(ds.attrs["tile_areas_deg2"]))
        return ds

    def zslice(self, low: float, high: float, kind: str = "redshift") -> xr.Dataset:
        """Rows with low <= redshift < high; kind is "redshift" or "redshift_obs"; reads that column."""
        if kind not in ("redshift", "redshift_obs"):
            raise ValueError(f"kind is 'redshift' or 'redshift_obs', not {kind!r}")
        values = np.asarray(self._ds[kind])
        ds = self._select(self._ds, (values >= low) & (values < high))
        if kind == "redshift":
            ds.attrs["redshift_min"] = max(low, self._attribute("redshift_min"))
            ds.attrs["redshift_max"] = min(high, self._attribute("redshift_max"))
        return ds

    def _attribute(self, name: str):
        if name not in self._ds.attrs:
            raise AttributeError(f"no attribute '{name}': this dataset was not made by diffsky_factory")
        return self._ds.attrs[name]

    def _margin(self) -> float:
        """Angle [deg] by which a satellite may lie outside the tile of its host."""
        distance = float(comoving_distance_64(self.cosmology, self._attribute("redshift_min")))
        return float(np.rad2deg(np.arcsin(REACH / distance))) if distance > REACH else 180.0

    def _areas_in(self, cone: Cone, ds: xr.Dataset) -> list[float]:
        """Areas [deg^2] of the tiles of a dataset inside a cone as well as where they were cut before."""
        before = [region(one) for one in (self._attribute("region"), *self._ds.attrs.get("cuts", [])) if one]
        areas = []
        for pixel, area in zip(ds.attrs["tile_pixels"], ds.attrs["tile_areas_deg2"]):
            share = share_inside(self.tile_order, pixel, before)
            areas.append(area * share_inside(self.tile_order, pixel, [*before, cone]) / share if share else 0.0)
        return areas

    def _rows(self) -> np.ndarray:
        counts = np.asarray(self._attribute("tile_rows"), np.int64)
        if counts.sum() != self._ds.sizes.get("galaxy"):
            raise ValueError("rows were chosen by other means than ds.sky; cut with ds.sky first, then choose rows")
        return counts

    def _keep(self, kept: np.ndarray) -> xr.Dataset:
        counts = self._rows()
        starts = np.concatenate([[0], np.cumsum(counts)])
        chosen = [i for i in np.flatnonzero(kept) if counts[i]]
        rows = [slice(int(starts[i]), int(starts[i + 1])) for i in chosen]
        parts = [self._ds.isel(galaxy=part) for part in rows] or [self._ds.isel(galaxy=slice(0, 0))]
        ds = parts[0] if len(parts) == 1 else xr.concat(parts, "galaxy", data_vars="minimal", join="override")
        areas = np.asarray(self._attribute("tile_areas_deg2"))[kept].tolist()
        ds.attrs = {
            **self._ds.attrs,
            "tile_pixels": self.tiles[kept].tolist(),
            "tile_rows": counts[kept].tolist(),
            "tile_areas_deg2": areas,
            "area_deg2": self.area if np.all(kept) else float(sum(areas)),
        }
        return ds

    def _select(self, ds: xr.Dataset, chosen: np.ndarray) -> xr.Dataset:
        counts = ds.sky._rows()
        ends = np.cumsum(counts)
        total = np.concatenate([[0], np.cumsum(chosen)])
        selected = ds.isel(galaxy=np.flatnonzero(chosen))
        selected.attrs = {**ds.attrs, "tile_rows": (total[ends] - total[ends - counts]).tolist()}
        return selected
