"""Estimates with intervals from sums over clusters, as docs/statistics.md describes them.

What is drawn is drawn here with dice of our own. An end of a bootstrap interval is a range that the
program's end must lie in: five standard errors of both numbers of resamples to either side.
"""
import functools
import math

import numpy as np
from scipy import stats

from values import Range, present

PROGRAM_RESAMPLES = 10_000
OWN_RESAMPLES = 40_000
OWN_QUANTILE_RESAMPLES = 2_000
FEW_CLUSTERS = 30  # effective; below, the t interval
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

    def resampled(self):
        times = drawn_times(len(self))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.sort(times @ self.sums / (times @ self.weights))


@functools.lru_cache(maxsize=4)
def drawn_times(count):
    """How often each of the clusters is drawn, in each resample."""
    random = np.random.default_rng(1)
    return random.multinomial(count, np.full(count, 1 / count), size=OWN_RESAMPLES).astype(float)


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


def quantile_range(sorted_values, p, resamples=both(OWN_RESAMPLES)):
    """Where the quantile of that many draws lies, in the distribution that the values are of."""
    slack = STANDARD_ERRORS * math.sqrt(p * (1 - p) / resamples) + 2 / resamples
    low, high = np.quantile(sorted_values, [max(0.0, p - slack), min(1.0, p + slack)])
    return low, high


def bca_ranges(clusters, confidence):
    """The ranges in which the two ends of the BCa interval lie."""
    values = clusters.resampled()
    jackknife = clusters.without_each()
    centred = jackknife.mean() - jackknife
    spread = np.sum(centred**2) ** 1.5
    acceleration = np.sum(centred**3) / (6 * spread) if spread > 0 else 0.0
    below = (np.sum(values < clusters.value) + np.sum(values == clusters.value) / 2) / len(values)
    bias = stats.norm.ppf(below)
    bias_slack = STANDARD_ERRORS * math.sqrt(below * (1 - below) / both(OWN_RESAMPLES)) / \
        stats.norm.pdf(bias)
    ends = []
    for z in (stats.norm.ppf(0.5 - confidence / 2), stats.norm.ppf(0.5 + confidence / 2)):
        reach = []
        for b in (bias - bias_slack, bias + bias_slack):
            p = stats.norm.cdf(b + (b + z) / (1 - acceleration * (b + z)))
            reach += quantile_range(values, p)
        ends.append((min(reach), max(reach)))
    return ends


def interval(clusters, confidence):
    """What the interval is made of, and its two ends (numbers or ranges); none for one cluster."""
    if len(clusters) < 2:
        return "none", None, None
    if clusters.effective < FEW_CLUSTERS:
        return ("jackknife-t", *t_ends(clusters, confidence))
    wide = expanded(confidence, clusters.effective)
    return ("bca-bootstrap", *(Range(*end) for end in bca_ranges(clusters, wide)))


def clustered_mean(clusters, confidence=0.95):
    """As the report writes an estimate; None without any weight."""
    if math.fsum(clusters.weights) == 0:
        return None
    method, low, high = interval(clusters, confidence)
    error = clusters.standard_error() if len(clusters) > 1 else None
    return present(mean=clusters.value, low=low, high=high, standard_error=error,
                   clusters=len(clusters), effective_clusters=clusters.effective,
                   interval_method=method)


def p_of_nothing(clusters):
    """Two-sided, jackknife t."""
    error = clusters.standard_error()
    if error == 0:
        return 1.0 if clusters.value == 0 else 0.0
    return 2 * stats.t.sf(abs(clusters.value) / error, clusters.effective - 1)


def bootstrap_t(clusters, confidence=0.95, resamples=20_000):
    """Ranges of both ends, or None where too many resamples have no standard error."""
    random = np.random.default_rng(3)
    count = len(clusters)
    value, error = clusters.value, clusters.standard_error()
    draws = random.integers(0, count, (resamples, count))
    sums, weights = clusters.sums[draws], clusters.weights[draws]
    total, weight = sums.sum(1, keepdims=True), weights.sum(1, keepdims=True)
    without = (total - sums) / (weight - weights)
    errors = np.sqrt((count - 1) / count * ((without - without.mean(1, keepdims=True))**2).sum(1))
    keep = errors > 1e-12 * abs(value)
    if count < 3 or np.mean(~keep) > 0.1:
        return None
    t = np.sort(((total / weight)[keep, 0] - value) / errors[keep])
    tail = 0.5 - confidence / 2
    low, high = (quantile_range(t, p, both(resamples)) for p in (1 - tail, tail))
    return tuple(Range(value - x[1] * error, value - x[0] * error) for x in (low, high))


def quantile_ranges(values, clusters, fractions, confidence=0.95):
    """Ranges of the ends of each quantile's percentile interval: clusters are drawn again."""
    names, index = np.unique(clusters, return_inverse=True)
    sizes = np.bincount(index)
    groups = sizes.sum() ** 2 / (sizes.astype(float) ** 2).sum()
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
