"""Kaplan-Meier, Greenwood, log(-log) intervals, the median by Brookmeyer and Crowley."""
import math

from scipy import stats


def curve(parted, censored):
    """[(time, survival, Greenwood's sum)] at each event time.

    `parted`: for each pair that parts, the number of the first token that differs, from 1;
    `censored`: for each that was only watched for so many tokens, how many.
    """
    points, survival, greenwood = [], 1.0, 0.0
    for time in sorted(set(parted)):
        at_risk = sum(t >= time for t in parted) + sum(t >= time for t in censored)
        events = parted.count(time)
        survival *= 1 - events / at_risk
        greenwood += events / (at_risk * (at_risk - events)) if at_risk > events else math.inf
        points.append((time, survival, greenwood))
    return points


def band(survival, greenwood, confidence=0.95):
    if survival in (0.0, 1.0):
        return None
    z = stats.norm.ppf(0.5 + confidence / 2)
    spread = z * math.sqrt(greenwood) / abs(math.log(survival))
    return survival ** math.exp(spread), survival ** math.exp(-spread)


def at(points, time):
    """(survival, low, high) after so many tokens."""
    survival, greenwood = 1.0, 0.0
    for t, s, g in points:
        if t <= time:
            survival, greenwood = s, g
    ends = band(survival, greenwood)
    return (survival, *ends) if ends else (survival, None, None)


def first_at_most_half(points, value):
    return next((t for t, s, g in points if value(s, g) <= 0.5), None)


def median(points):
    """(median, low, high), each None where the curve, or its band, stays above one half."""
    end = lambda which: lambda s, g: band(s, g)[which] if band(s, g) else s
    return (first_at_most_half(points, lambda s, g: s),
            first_at_most_half(points, end(0)), first_at_most_half(points, end(1)))
