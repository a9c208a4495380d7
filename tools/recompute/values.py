"""What an expected report is made of, beside plain numbers, words, lists and dictionaries."""
import math
from dataclasses import dataclass

RELATIVE = 1e-9  # sums in another order, special functions of another library
ABSOLUTE = 1e-12


@dataclass
class Range:
    """A number that was drawn: it lies somewhere in here."""
    low: float
    high: float

    def holds(self, x):
        slack = ABSOLUTE + RELATIVE * max(abs(self.low), abs(self.high))
        return self.low - slack <= x <= self.high + slack

    def map(self, function):
        """Under a function that rises everywhere, or falls everywhere."""
        ends = sorted((function(self.low), function(self.high)))
        return Range(*ends)


@dataclass
class Skipped:
    """What is not recomputed, and why."""
    reason: str


def same(expected, x):
    if isinstance(expected, Range):
        return expected.holds(x)
    if math.isnan(expected) or math.isinf(expected):
        return expected == x
    return abs(expected - x) <= ABSOLUTE + RELATIVE * abs(expected)


def mapped(x, function):
    return x.map(function) if isinstance(x, Range) else function(x)


def present(**fields):
    """The fields that are something."""
    return {name: value for name, value in fields.items() if value is not None}
