"""Counts: Wilson, Tango, McNemar, sign flips, and adjustments for many tests."""
import math

import numpy as np
from scipy import optimize, stats

from values import Range

SIGN_FLIP_DRAWS = 100_000
SIGN_FLIP_EXACT = 20


def wilson(count, total, confidence=0.95):
    z = stats.norm.ppf(0.5 + confidence / 2)
    share, extra = count / total, z * z / total
    centre = (share + extra / 2) / (1 + extra)
    half = z / (1 + extra) * math.sqrt(share * (1 - share) / total + extra / (4 * total))
    return max(0.0, centre - half), min(1.0, centre + half)


def restricted_base_only(gained, lost, total, change):
    """P(base only) that is most likely if P(lane only) - P(base only) is `change`.

    A root of 2 q^2 + b q + c: the likelihood's slope is zero there (Tango 1998).
    """
    b = -(gained + lost) / total + change * (2 - (gained - lost) / total)
    c = -lost * change * (1 - change) / total
    return (math.sqrt(max(0.0, b * b - 8 * c)) - b) / 4


def tango_score(gained, lost, total, change):
    q = restricted_base_only(gained, lost, total, change)
    variance = total * (2 * q + change * (1 - change))
    distance = gained - lost - total * change
    if variance <= 0:
        return 0.0 if distance == 0 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)


def tango(gained, lost, total, confidence=0.95):
    """The interval of P(lane only) - P(base only)."""
    z = stats.norm.ppf(0.5 + confidence / 2)
    value = (gained - lost) / total
    score = lambda change: tango_score(gained, lost, total, change)
    root = lambda target, low, high: optimize.brentq(
        lambda change: max(-1e6, min(1e6, score(change) - target)), low, high, xtol=1e-15)
    low = -1.0 if value == -1 else root(z, -1 + 1e-15, value)
    high = 1.0 if value == 1 else root(-z, value, 1 - 1e-15)
    return low, high


def mcnemar(gained, lost):
    """Exact and mid-p, two-sided."""
    changes, fewer = gained + lost, min(gained, lost)
    if gained == lost:
        return 1.0, 1.0
    tail = stats.binom.cdf(fewer, changes, 0.5)
    return min(1.0, 2 * tail), 2 * tail - stats.binom.pmf(fewer, changes, 0.5)


def sign_flips(differences):
    """Two-sided; a range where the signs are drawn."""
    differences = np.asarray(differences, float)
    moving = differences[differences != 0]
    total = abs(moving.sum())
    if len(differences) <= SIGN_FLIP_EXACT:
        patterns = (np.arange(2 ** len(moving))[:, None] >> np.arange(len(moving))) & 1
        return float(np.mean(np.abs((2 * patterns - 1) @ moving) >= total - 1e-12))
    signs = np.random.default_rng(2).integers(0, 2, (SIGN_FLIP_DRAWS, len(moving))) * 2 - 1
    p = (np.sum(np.abs(signs @ moving) >= total - 1e-12) + 1) / (SIGN_FLIP_DRAWS + 1)
    slack = 5 * math.sqrt(2 * p * (1 - p) / SIGN_FLIP_DRAWS) + 5 / SIGN_FLIP_DRAWS
    return Range(max(0.0, p - slack), min(1.0, p + slack))


def holm(ps):
    order = np.argsort(ps, kind="stable")
    adjusted, largest = [0.0] * len(ps), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = largest
    return adjusted


def benjamini_hochberg(ps):
    order = np.argsort(ps, kind="stable")[::-1]
    adjusted, smallest = [0.0] * len(ps), 1.0
    for place, index in enumerate(order):
        smallest = min(smallest, ps[index] * len(ps) / (len(ps) - place))
        adjusted[index] = smallest
    return adjusted
