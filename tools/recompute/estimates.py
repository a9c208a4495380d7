"""Estimates with intervals from sums over clusters, as docs/statistics.md describes them.

What is drawn is drawn here with dice of our own. An end of a bootstrap interval is a range that the
program's end must lie in: five standard errors of both numbers of resamples to either side.
"""
import math

import numpy as np
from scipy import special, stats

from values import Range, present

PROGRAM_RESAMPLES = 10_000
OWN_RESAMPLES = 20_000
OWN_QUANTILE_RESAMPLES = 2_000
FEW_CLUSTERS = 30        # effective; below, a loss difference has bootstrap-t beside it
ENOUGH_CLUSTERS = 4      # effective; below, a mean has no interval
ENOUGH_FOR_QUANTILES = 6
UNRESOLVED_TAIL = 25     # resamples
STANDARD_ERRORS = 5


class Clusters:
    """Sums and weights of one quantity by cluster."""

    def __init__(self, sums, weights):
        self.sums, self.weights = np.asarray(sums, float), np.asarray(weights, float)

    def __len__(self):
        return len(self.weights)

    @property
    def value(self):
        return math.fsum(self.sums) / math.fsum(self.weights)

    @property
    def effective(self):
        return math.fsum(self.weights) ** 2 / math.fsum(self.weights**2)

    def without_each(self):
        total, weight = math.fsum(self.sums), math.fsum(self.weights)
        return (total - self.sums) / (weight - self.weights)

    def standard_error(self):
        count = len(self)
        values = self.without_each()
        return math.sqrt((count - 1) / count * math.fsum((values - values.mean()) ** 2))


def both(own, program=PROGRAM_RESAMPLES):
    """As many resamples as leave the doubt that the two numbers of resamples leave together."""
    return 1 / (1 / own + 1 / program)


def expanded(confidence, groups):
    """The confidence to ask a percentile interval for, so that it covers what is asked for."""
    t = stats.t.ppf(0.5 + confidence / 2, groups - 1)
    return 1 - 2 * stats.norm.sf(math.sqrt(groups / (groups - 1)) * t)


def t_ends(clusters, confidence):
    half = stats.t.ppf(0.5 + confidence / 2, clusters.effective - 1) * clusters.standard_error()
    return clusters.value - half, clusters.value + half


def quantile_range(sorted_values, p, resamples):
    """Where the quantile of that many draws lies, in the distribution that the values are of."""
    slack = STANDARD_ERRORS * math.sqrt(p * (1 - p) / resamples) + 2 / resamples
    low, high = np.quantile(sorted_values, [max(0.0, p - slack), min(1.0, p + slack)])
    return low, high


def share_ends(clusters, confidence):
    """The t interval of the logit, transformed back; None where no cluster disagrees."""
    value, error = clusters.value, clusters.standard_error()
    if not 0 < value < 1 or error == 0:
        return None
    half = stats.t.ppf(0.5 + confidence / 2, clusters.effective - 1) * error / (value * (1 - value))
    return special.expit(special.logit(value) - half), special.expit(special.logit(value) + half)


def lognormal_bound(clusters, confidence):
    """Cox's upper bound of a lognormal mean, from the clusters' own means."""
    if np.any(clusters.sums <= 0) or np.any(clusters.weights <= 0):
        return 0.0
    logs, groups = np.log(clusters.sums / clusters.weights), clusters.effective
    variance = logs.var(ddof=1)
    width = math.sqrt(variance / groups + variance**2 / (2 * (groups - 1)))
    return math.exp(logs.mean() + variance / 2 +
                    stats.t.ppf(0.5 + confidence / 2, groups - 1) * width)


def positive_ends(clusters, confidence):
    """Bootstrap-t of the logarithm, its upper end at least Cox's; None without an interval."""
    value, error = clusters.value, clusters.standard_error()
    if not np.any(clusters.sums):
        return 0.0, 0.0
    if value <= 0:
        return None
    if error == 0:
        return value, value
    t = studentized(clusters, "log")
    if t is None:
        return None
    tail, unresolved = 0.5 - confidence / 2, UNRESOLVED_TAIL / PROGRAM_RESAMPLES
    p = max(tail, unresolved)
    below = list(quantile_range(t, 1 - p, both(OWN_RESAMPLES)))
    above = [-x for x in reversed(quantile_range(t, p, both(OWN_RESAMPLES)))]
    if tail < unresolved:
        student = stats.t.ppf(1 - tail, clusters.effective - 1)
        below, above = ([max(x, student) for x in ends] for ends in (below, above))
    least = lognormal_bound(clusters, confidence)
    low = [value * math.exp(-x * error / value) for x in reversed(below)]
    high = [max(least, value * math.exp(x * error / value)) for x in above]
    return tuple(ends[0] if ends[0] == ends[1] else Range(*ends) for ends in (low, high))


METHODS = {"any": ("jackknife-t", t_ends), "share": ("logit-t", share_ends),
           "positive": ("log-bootstrap-t", positive_ends)}


def interval(clusters, confidence, values="any"):
    """What the interval is made of, and its two ends (numbers or ranges); none where too few."""
    method, ends_of = METHODS[values]
    enough = len(clusters) > 1 and clusters.effective >= ENOUGH_CLUSTERS
    ends = ends_of(clusters, confidence) if enough else None
    return (method, *ends) if ends else ("none", None, None)


def clustered_mean(clusters, values="any"):
    """As the report writes an estimate; None without any weight."""
    if math.fsum(clusters.weights) == 0:
        return None
    method, low, high = interval(clusters, 0.95, values)
    error = clusters.standard_error() if low is not None else None
    return present(mean=clusters.value, low=low, high=high, standard_error=error,
                   clusters=len(clusters), effective_clusters=clusters.effective,
                   interval_method=method)


def p_of_nothing(clusters):
    """Two-sided, jackknife t."""
    error = clusters.standard_error()
    if error == 0:
        return 1.0 if clusters.value == 0 else 0.0
    return 2 * stats.t.sf(abs(clusters.value) / error, clusters.effective - 1)


def studentized(clusters, scale, resamples=OWN_RESAMPLES):
    """Sorted t of resamples, (ratio - value) / SE or the same of logarithms; None where more than
    a tenth of them have no standard error."""
    random = np.random.default_rng(3)
    count, value, kept = len(clusters), clusters.value, []
    for _ in range(0, resamples, 1000):
        draws = random.integers(0, count, (1000, count))
        sums, weights = clusters.sums[draws], clusters.weights[draws]
        total, weight = sums.sum(1, keepdims=True), weights.sum(1, keepdims=True)
        without = (total - sums) / (weight - weights)
        ratio = (total / weight)[:, 0]
        mean = without.mean(1, keepdims=True)
        errors = np.sqrt((count - 1) / count * ((without - mean)**2).sum(1))
        keep = errors > 1e-12 * abs(value)
        if scale == "log":
            keep &= ratio > 0
            kept.append((np.log(ratio[keep]) - math.log(value)) * ratio[keep] / errors[keep])
        else:
            kept.append((ratio[keep] - value) / errors[keep])
    t = np.sort(np.concatenate(kept))
    return t if len(t) >= 0.9 * resamples else None


def bootstrap_t(clusters, confidence=0.95):
    """Ranges of both ends, or None where there is no such interval."""
    value, error = clusters.value, clusters.standard_error()
    t = studentized(clusters, "linear") if error > 0 else None
    if t is None or clusters.effective >= FEW_CLUSTERS:
        return None
    tail = 0.5 - confidence / 2
    low, high = (quantile_range(t, p, both(OWN_RESAMPLES)) for p in (1 - tail, tail))
    return tuple(Range(value - x[1] * error, value - x[0] * error) for x in (low, high))


def quantile_ranges(values, clusters, fractions, confidence=0.95):
    """Ranges of the ends of each quantile's percentile interval: clusters are drawn again. None
    where they are too few."""
    names, index = np.unique(clusters, return_inverse=True)
    sizes = np.bincount(index)
    groups = sizes.sum() ** 2 / (sizes.astype(float) ** 2).sum()
    if groups < ENOUGH_FOR_QUANTILES:
        return None
    order = np.argsort(values, kind="stable")
    values, index = values[order], index[order]
    random = np.random.default_rng(4)
    drawn = np.empty((OWN_QUANTILE_RESAMPLES, len(fractions)))
    for draw in range(OWN_QUANTILE_RESAMPLES):
        times = random.multinomial(len(names), np.full(len(names), 1 / len(names)))
        below = np.cumsum(times[index])  # copies of the token are at ranks below[i-1]..below[i]-1
        for column, fraction in enumerate(fractions):
            rank = fraction * (below[-1] - 1)
            whole = math.floor(rank)
            low = values[np.searchsorted(below, whole, side="right")]
            high = values[np.searchsorted(below, min(whole + 1, below[-1] - 1), side="right")]
            drawn[draw, column] = low + (rank - whole) * (high - low)
    tail = 0.5 - expanded(confidence, groups) / 2
    resamples = both(OWN_QUANTILE_RESAMPLES)
    ends = []
    for column in range(len(fractions)):
        values_of = np.sort(drawn[:, column])
        ends.append(tuple(Range(*quantile_range(values_of, p, resamples))
                          for p in (tail, 1 - tail)))
    return ends
