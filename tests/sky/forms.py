"""Regions of every form, and points on the sphere, for the tests."""

import numpy as np

from diffsky_factory.sky import coordinates

CONE = {"cone": {"ra": 359.9, "dec": -45.0, "radius": 7.0}}
RECTANGLE = {"rectangle": {"ra": [350.0, 20.0], "dec": [-10.0, 35.0]}}
ARROW = {"polygon": {"ra": [340.0, 20.0, 0.0, 0.0], "dec": [-50.0, -30.0, 10.0, -30.0]}}

REGIONS = [
    {"full_sky": True},
    {"pixels": [0, 17, 300, 767], "order": 3},
    {"pixels": [3, 2, 0], "order": 0},
    CONE,
    {"cone": {"ra": 10.0, "dec": 90.0, "radius": 20.0}},
    {"cone": {"ra": -20.0, "dec": 5.0, "radius": 150.0}},
    RECTANGLE,
    {"rectangle": {"ra": [100.0, 330.0], "dec": [40.0, 90.0]}},
    {"rectangle": {"ra": [0.0, 360.0], "dec": [-80.0, -50.0]}},
    {"rectangle": {"ra": [0, 360], "dec": [60, 90]}},
    ARROW,
    {"polygon": {"ra": [0.0, 120.0, 240.0], "dec": [70.0, 60.0, 50.0]}},
    {"polygon": {"ra": [100.0, 190.0, 280.0, 10.0], "dec": [-5.0, 5.0, -5.0, 5.0]}},
    {"moc": "1/2 3/3 100-110 6/5000-6000"},
    {"any": [CONE, RECTANGLE, ARROW]},
    {"any": [{"cone": {"ra": 12.0 * i, "dec": 5.0 * i - 70.0, "radius": 6.0}} for i in range(30)]},
    {"all": [{"cone": {"ra": 0.0, "dec": 0.0, "radius": 20.0}}, RECTANGLE]},
    {"all": [{"any": [CONE, {"pixels": [3, 4, 5, 6, 7, 8, 9], "order": 1}]}, {"moc": "0/4-11"}]},
]


def even_points(number: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """ra, dec [deg] of points even on the sphere."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0.0, 360.0, number), np.rad2deg(np.arcsin(rng.uniform(-1.0, 1.0, number)))


def moved(ra: np.ndarray, dec: np.ndarray, angle: np.ndarray, bearing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions an angle [deg] away in a direction [deg, from north by east]."""
    x, a, b = coordinates.cartesian(ra, dec, np.ones(np.shape(ra))), np.deg2rad(ra), np.deg2rad(bearing)
    east = np.stack([-np.sin(a), np.cos(a), 0.0 * a], axis=-1)
    there = np.cross(x, east) * np.cos(b)[:, None] + east * np.sin(b)[:, None]
    angle = np.deg2rad(angle)[:, None]
    return coordinates.sky(x * np.cos(angle) + there * np.sin(angle))[:2]
