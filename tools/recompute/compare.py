"""Two trees, leaf by leaf: what was written and what was expected."""
from dataclasses import dataclass, field

from values import Range, Skipped, same


@dataclass
class Tally:
    compared: int = 0  # numbers that must be equal but for rounding
    drawn: int = 0     # ends of bootstrap intervals and the like: numbers that must lie in a range
    words: int = 0     # words and truth values that must be equal
    differences: list = field(default_factory=list)
    skipped: dict = field(default_factory=dict)  # reason -> numbers

    def differ(self, path, text):
        self.differences.append(f"{path}: {text}")

    def skip(self, reason, numbers):
        self.skipped[reason] = self.skipped.get(reason, 0) + numbers


def is_number(x):
    return isinstance(x, (int, float)) and not isinstance(x, bool)


def numbers_in(tree):
    if isinstance(tree, dict):
        return sum(numbers_in(value) for value in tree.values())
    if isinstance(tree, list):
        return sum(numbers_in(value) for value in tree)
    return int(is_number(tree))


def describe(expected):
    if isinstance(expected, Range):
        return f"between {expected.low:.17g} and {expected.high:.17g}"
    return repr(expected)


def compare(expected, written, path, tally):
    if isinstance(expected, Skipped):
        tally.skip(expected.reason, numbers_in(written))
    elif isinstance(expected, dict) and isinstance(written, dict):
        compare_objects(expected, written, path, tally)
    elif isinstance(expected, list) and isinstance(written, list):
        compare_arrays(expected, written, path, tally)
    elif (is_number(expected) or isinstance(expected, Range)) and is_number(written):
        tally.drawn += isinstance(expected, Range)
        tally.compared += not isinstance(expected, Range)
        if not same(expected, written):
            tally.differ(path, f"report.json has {written!r}, recomputed {describe(expected)}")
    else:
        tally.words += 1
        if expected != written:
            tally.differ(path, f"report.json has {written!r}, recomputed {describe(expected)}")


def compare_objects(expected, written, path, tally):
    for key in written:
        if key not in expected:
            tally.differ(f"{path}/{key}", f"report.json has it ({str(written[key])[:60]}), "
                                          "the recomputation does not")
    for key, value in expected.items():
        if key in written:
            compare(value, written[key], f"{path}/{key}", tally)
        elif not isinstance(value, Skipped):
            tally.differ(f"{path}/{key}", f"not in report.json; recomputed {str(value)[:100]}")


def compare_arrays(expected, written, path, tally):
    if len(expected) != len(written):
        tally.differ(path, f"report.json has {len(written)} entries, recomputed {len(expected)}")
    for index, (one, other) in enumerate(zip(expected, written)):
        compare(one, other, f"{path}/{index}", tally)
