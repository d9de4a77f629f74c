"""Random numbers by counter, in numpy float64: each follows from a seed, a stream and a number, and nothing else."""

from zlib import crc32

import numpy as np
from scipy.special import ndtri, pdtrik

GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # odd, 2^64 over the golden ratio; Steele, Lea & Flood 2014
SMALL_MEAN = 20.0  # chosen: up to here a Poisson number is found by adding its probabilities


def philox(seed: int, stream: str, number: int) -> np.random.Generator:
    """The generator of one numbered piece of a stream, 0 <= number < 2^32: no piece shifts another."""
    key = np.array([seed, (int(number) << 32) | crc32(stream.encode())], np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def mixed(x: np.ndarray) -> np.ndarray:
    """A permutation of the 64-bit words in which each bit of the input changes half of the output's.

    Source: SplitMix64, Steele, Lea & Flood 2014, OOPSLA, doi:10.1145/2714064.2660195, Fig. 16 (mix64variant13).
    """
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def uniform(seed: int, stream: str, ids: np.ndarray) -> np.ndarray:
    """One uniform number in (0, 1) for each id (any shape, 64-bit integers) of a stream.

    Two rounds of mixing, each with a key of its own, as ids are consecutive. Half a step from both ends: never 0 or 1.
    """
    start = np.array([seed, crc32(stream.encode())], np.uint64)
    first, second = mixed(np.cumsum(mixed((start + np.uint64(1)) * GOLDEN)))
    word = mixed(mixed(ids.astype(np.uint64) * GOLDEN + first) ^ second)
    return ((word >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def normal(seed: int, stream: str, ids: np.ndarray) -> np.ndarray:
    """One standard normal number for each id of a stream, by the inverse of its distribution."""
    return ndtri(uniform(seed, stream, ids))


def poisson(mean: np.ndarray, u: np.ndarray) -> np.ndarray:
    """The Poisson number whose cumulative probability first exceeds the uniform u, int64, for each mean."""
    number = np.zeros(len(mean), np.int64)
    many = mean > SMALL_MEAN
    # the inverse is continuous in the number: rounded up, the smallest whose probability reaches u
    number[many] = np.maximum(np.ceil(pdtrik(u[many], mean[many]) - 1e-9), 0.0)
    left = np.flatnonzero(~many & (mean > 0.0))
    chance, u, mean = np.exp(-mean[left]), u[left], mean[left]
    below, k = chance.copy(), 0
    while len(left):
        more = (u > below) & (k < 200)
        left, u, mean, chance, below = left[more], u[more], mean[more], chance[more], below[more]
        k += 1
        number[left] = k
        chance = chance * mean / k
        below = below + chance
    return number
