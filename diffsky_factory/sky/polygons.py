"""Polygons on the sky whose edges are great circles: what is inside, how near the border is, and the area."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from diffsky_factory.core.errors import InputError
from diffsky_factory.sky import coordinates, tiles
from diffsky_factory.sky.part import SLACK, Part

APART = 1e-14  # chosen: unit vectors nearer than this are the same position, to rounding; 2 nanoarcsec
PAIRS_AT_ONCE = 2**20  # chosen: pairs of positions and edges, 8 MB for each of a few arrays
FEW_EDGES = 32  # chosen: more are looked for near each position first


class Edges(NamedTuple):
    """Edges of a closed polygon on the sphere, in order; the inside is to their left."""

    start: np.ndarray  # (n, 3), unit vectors
    end: np.ndarray  # (n, 3), the start of the next
    normal: np.ndarray  # (n, 3), unit vectors to the left


class Ray(NamedTuple):
    """A direction away from all edges, and azimuths around it: positions are joined to it by meridians of its own."""

    frame: np.ndarray  # (3, 3): the last axis is the direction
    inside: bool  # whether the direction lies inside
    first: np.ndarray  # (n,), azimuth [rad] of the western end of each edge
    end: np.ndarray  # (n,), of the eastern; the lesser of the two where the edge goes over azimuth 0


@dataclass(frozen=True)
class Polygon(Part):
    """The inside of a closed line of great circles between vertices [deg], each less than 180 deg long.

    Any shape that does not cross itself, over a pole or ra = 0 too. The line parts the sphere in two, and the smaller
    is the inside, in whatever order the vertices are given; of two halves, the one to the left of the line.
    """

    ra: tuple[float, ...]
    dec: tuple[float, ...]
    closed_form: ClassVar[bool] = True

    @property
    def plain(self) -> dict[str, Any]:
        """As recipes write it."""
        return {"polygon": {"ra": list(self.ra), "dec": list(self.dec)}}

    @cached_property
    def area(self) -> float:
        """deg^2: the spherical excess."""
        return float(np.rad2deg(np.rad2deg(abs(_signed_area(_unit(self.ra, self.dec))))))

    @cached_property
    def edges(self) -> Edges:
        """With the inside to the left."""
        vertices = _unit(self.ra, self.dec)
        is_right = -2.0 * np.pi * (1.0 - 1e-12) < _signed_area(vertices) < 0.0
        return _edges(vertices[::-1] if is_right else vertices)

    @cached_property
    def ray(self) -> Ray:
        """Where positions are looked at from."""
        return _ray(self.edges)

    def inside(self, ra: np.ndarray, dec: np.ndarray, rim: float | np.ndarray = 0.0) -> np.ndarray:
        """Whether each position [deg] lies in the polygon made wider by a rim [deg], bool; exact for any rim."""
        shape = np.broadcast_shapes(np.shape(ra), np.shape(dec), np.shape(rim))
        position = _unit(np.broadcast_to(ra, shape).ravel(), np.broadcast_to(dec, shape).ravel())
        within = _inside(self.edges, self.ray, position)
        rim = np.broadcast_to(rim, shape).ravel()
        moved = np.flatnonzero(rim)
        if len(moved):
            near = _near(self.edges, position[moved], np.abs(rim[moved]) + SLACK)
            within[moved] = np.where(rim[moved] > 0.0, within[moved] | near, within[moved] & ~near)
        return within.reshape(shape)

    def cells(self, order: int, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which of some pixels overlap the polygon, and which lie wholly inside, bool; a few at the border err."""
        position = _unit(*tiles.centres(pixels, order))
        inside = _inside(self.edges, self.ray, position)
        near = _near(self.edges, position, np.full(len(position), tiles.reach(order) + SLACK))
        return inside | near, inside & ~near


def _unit(ra: ArrayLike, dec: ArrayLike) -> np.ndarray:
    return coordinates.cartesian(ra, dec, np.ones(np.shape(ra)))


def _edges(vertices: np.ndarray) -> Edges:
    following = np.roll(vertices, -1, axis=0)
    normal = np.cross(vertices - following, vertices + following)  # keeps its digits for short edges
    return Edges(vertices, following, normal / np.linalg.norm(normal, axis=-1, keepdims=True))


def _side(normal: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Sine of the distance to the left of a great circle; term by term, so that no batch rounds otherwise."""
    return normal[..., 0] * position[..., 0] + normal[..., 1] * position[..., 1] + normal[..., 2] * position[..., 2]


def _ray(edges: Edges) -> Ray:
    """A direction far from all edges, and whether it lies inside: so do those just left of an edge."""
    k = np.arange(64)
    height, turn = 1.0 - (2.0 * k + 1.0) / 64.0, np.pi * (3.0 - np.sqrt(5.0)) * k  # even on the sphere
    flat = np.sqrt(1.0 - height**2)
    candidates = np.stack([flat * np.cos(turn), flat * np.sin(turn), height], axis=-1)
    clear = np.minimum(_distances(edges, candidates), _distances(edges, -candidates)).min(axis=1)
    pole = candidates[np.argmax(clear)]
    east = np.cross([0.0, 0.0, 1.0] if abs(pole[2]) < 0.9 else [1.0, 0.0, 0.0], pole)
    east /= np.linalg.norm(east)
    frame = np.stack([east, np.cross(pole, east), pole])
    azimuth = _azimuth(frame, edges.start)
    low, high = np.sort([azimuth, np.roll(azimuth, -1)], axis=0)
    over_zero = high - low > np.pi
    ray = Ray(frame, False, np.where(over_zero, high, low), np.where(over_zero, low, high))
    # from just left of the middle of the longest edge: that edge is crossed where the direction is to its right
    at = int(np.argmin(_side(edges.start, edges.end)))
    middle = edges.start[at] + edges.end[at]
    others = _crossings(edges, ray, (middle / np.linalg.norm(middle))[None], without=at)[0]
    crossed = others + (_side(edges.normal[at], pole) < 0.0)
    return ray._replace(inside=bool(crossed % 2 == 0))


def _azimuth(frame: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Around the last axis of a frame, in [0, 2 pi)."""
    azimuth = np.arctan2(_side(frame[1], position), _side(frame[0], position))
    return np.where(azimuth < 0.0, azimuth + 2.0 * np.pi, azimuth) % (2.0 * np.pi)


def _crossings(edges: Edges, ray: Ray, position: np.ndarray, without: int = -1) -> np.ndarray:
    """How many edges the meridian of each position crosses on its way to the direction of the ray, (n,)."""
    azimuth = _azimuth(ray.frame, position)
    order = np.argsort(azimuth, kind="stable")
    azimuth, position = azimuth[order], position[order]
    # azimuths from the western end of an edge on, up to the eastern and without it: no vertex counts twice
    first, end = np.searchsorted(azimuth, ray.first), np.searchsorted(azimuth, ray.end)
    over_zero = ray.end < ray.first
    slices = [(first, np.where(over_zero, len(azimuth), end)), (np.zeros_like(end), np.where(over_zero, end, 0))]
    towards, number = _side(edges.normal, ray.frame[2]) > 0.0, np.zeros(len(position), np.int64)
    for low, high in slices:
        for i in np.flatnonzero((high > low) & (np.arange(len(end)) != without)):
            part = slice(low[i], high[i])
            number[part] += (_side(edges.normal[i], position[part]) > 0.0) != towards[i]
    crossings = np.empty_like(number)
    crossings[order] = number
    return crossings


def _inside(edges: Edges, ray: Ray, position: np.ndarray) -> np.ndarray:
    return (_crossings(edges, ray, position) % 2 == 1) != ray.inside


def _near(edges: Edges, position: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Whether each position is within an angle [deg] of an edge; angles near 180 deg are of all."""
    radius, chord = np.deg2rad(angle), _chord(edges.start, position)
    to_vertex = 2.0 * np.arcsin(np.minimum(0.5 * chord, 1.0))
    is_near = (to_vertex <= radius) | (angle > 179.0)
    longest = np.arccos(np.clip(_side(edges.start, edges.end).min(), -1.0, 1.0))
    open_ = np.flatnonzero(~is_near & (to_vertex <= radius + 0.5 * longest + 1e-7))
    for rows, some in _neighbourhoods(edges, position[open_], radius[open_]):
        step = max(1, PAIRS_AT_ONCE // max(1, len(some.start)))
        for first in range(0, len(rows), step):
            part = open_[rows[first : first + step]]
            is_near[part] = (np.abs(_beside(some, position[part])) <= radius[part, None]).any(axis=1)
    return is_near


def _neighbourhoods(edges: Edges, position: np.ndarray, radius: np.ndarray) -> Iterator[tuple[np.ndarray, Edges]]:
    """Rows of positions that lie together, with the edges that may be within a radius [rad] of one of them."""
    if len(edges.start) <= FEW_EDGES or len(position) <= FEW_EDGES:
        yield np.arange(len(position)), edges
        return
    import healpy

    around = max(2.0 * np.pi / 256.0, radius.max())  # chosen: a border around the sky has some hundred of them
    order = int(np.clip(np.floor(-np.log2(around)), 0, 12))
    pixel = healpy.vec2pix(2**order, *position.T, nest=True)
    pixels, group = np.unique(pixel, return_inverse=True)
    centre = np.stack(healpy.pix2vec(2**order, pixels, nest=True), axis=-1)
    near = _distances(edges, centre) <= np.deg2rad(tiles.reach(order)) + radius.max() + 1e-7
    rows = np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])
    for of_pixel, some in zip(rows, near):
        yield of_pixel, Edges(*(one[some] for one in edges))


def _beside(edges: Edges, position: np.ndarray) -> np.ndarray:
    """Angle [rad] from each position to each edge (positions, edges), pi where its ends are nearer than the rest."""
    from_start = position @ np.cross(edges.normal, edges.start).T
    to_end = position @ np.cross(edges.end, edges.normal).T
    off = np.arcsin(np.clip(np.abs(position @ edges.normal.T), 0.0, 1.0))
    return np.where((from_start > 0.0) & (to_end > 0.0), off, np.pi)


def _distances(edges: Edges, position: np.ndarray) -> np.ndarray:
    """Angle [rad] from each position to each edge (positions, edges), in error by 1e-7."""
    to_vertex = np.arccos(np.clip(position @ edges.start.T, -1.0, 1.0))
    to_end = np.arccos(np.clip(position @ edges.end.T, -1.0, 1.0))
    return np.minimum(np.minimum(to_vertex, to_end), _beside(edges, position))


def _chord(vertices: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Length of the shortest chord from each position to a vertex."""
    from scipy.spatial import cKDTree

    return cKDTree(vertices).query(position)[0]


def _signed_area(vertices: np.ndarray) -> float:
    """Area [sr] of the smaller side of a closed polygon, negative where this is the right one.

    It is the sum of the excesses of triangles with one common vertex, but for whole spheres.

    tan(E/2) = a . (b x c) / (1 + a . b + b . c + c . a),  Van Oosterom & Strackee 1983, IEEE TBME 30, 125.
    """
    b, c = vertices, np.roll(vertices, -1, axis=0)
    axes = np.concatenate([np.eye(3), -np.eye(3), [[0.6, 0.64, 0.48], [-0.48, 0.6, 0.64]]])
    mean = vertices.mean(axis=0)
    if np.linalg.norm(mean) > 1e-3:
        axes = np.concatenate([[mean / np.linalg.norm(mean)], axes])
    a = axes[np.argmax((1.0 + axes @ vertices.T).min(axis=1))]  # far from the antipode of any vertex
    volume = np.cross(b - a, c - a) @ a
    excess = 2.0 * np.arctan2(volume, 1.0 + b @ a + c @ a + np.sum(b * c, axis=-1))
    spheres = np.round(np.sum(excess) / (4.0 * np.pi))
    return float(np.sum(excess) - 4.0 * np.pi * spheres)


def polygon_region(ra: Any, dec: Any) -> Polygon:
    """The polygon with these vertices [deg], in order; it closes by itself.

    Raises InputError, naming the vertices, for fewer than 3, the same position twice, an edge of 180 deg, and edges
    that cross or touch.
    """
    if len(ra) != len(dec) or len(ra) < 3:
        raise InputError(f"polygon: {len(ra)} ra and {len(dec)} dec; give as many of both, 3 or more")
    wrong = [i for i, (x, y) in enumerate(zip(ra, dec)) if not (abs(x) <= 360.0 and abs(y) <= 90.0)]
    if wrong:
        at = wrong[0]
        raise InputError(f"polygon, vertex {at}: ra={ra[at]}, dec={dec[at]} deg; -360 <= ra <= 360 and |dec| <= 90")
    _check_simple(_unit(ra, dec))
    return Polygon(tuple(map(float, ra)), tuple(map(float, dec)))


def _check_simple(vertices: np.ndarray) -> None:
    """Raise InputError where vertices coincide, an edge is half a circle, or edges cross or touch."""
    n, numbers = len(vertices), np.arange(len(vertices))
    following = np.roll(vertices, -1, axis=0)
    if (np.linalg.norm(vertices + following, axis=-1) < APART).any():
        opposite = int(np.argmin(np.linalg.norm(vertices + following, axis=-1)))
        raise InputError(
            f"polygon: from vertex {opposite} to the next it is 180 deg, any way; put a vertex between them"
        )
    for i in range(n):
        same = np.flatnonzero(np.linalg.norm(vertices[i + 1 :] - vertices[i], axis=-1) < APART)
        if len(same):
            raise InputError(
                f"polygon: vertices {i} and {i + 1 + same[0]} are the same position; give each once, the first is not "
                "repeated at the end"
            )
    edges = _edges(vertices)
    for i in range(n):
        others = (numbers != i) & (numbers != (i + 1) % n)  # as vertices
        along = np.cross(edges.normal[i], edges.start[i]), np.cross(edges.end[i], edges.normal[i])
        beside = (vertices @ along[0] > 0.0) & (vertices @ along[1] > 0.0)
        # to the left of this edge: where each other begins and ends; and the ends of this one to theirs
        begin, end = vertices @ edges.normal[i], following @ edges.normal[i]
        ours, our_end = edges.normal @ vertices[i], edges.normal @ following[i]
        touching = others & beside & (np.abs(begin) < APART)
        # two great circles meet twice: on both edges at once, or on either and the antipode of the other
        crossing = (begin * end < 0.0) & (ours * our_end < 0.0) & (begin * our_end > 0.0)
        met = np.flatnonzero(touching | (crossing & others & (numbers != (i - 1) % n)))
        if len(met):
            raise InputError(
                f"polygon: the edge from vertex {i} meets the one from vertex {met[0]}; give the vertices in the order "
                "in which they follow each other around the polygon"
            )
