"""Recomputes every number of a study's report.json from its study.db.

usage: python3 tools/recompute STUDY...

Needs numpy and scipy, and nothing of bitloss: it was written from docs/statistics.md,
docs/report.md, docs/verdicts.md, docs/study-format.md and the report's schema. Every leaf of
report.json is compared, or counted with the reason why it is not. Exit code 1: something differs.
"""
import json
import sys

from compare import Tally, compare
from report import recompute
from study import read_study


def check(folder):
    study = read_study(folder)
    written = json.loads((study.folder / "report.json").read_text())
    study.reports_undecided = '"undecided"' in json.dumps(written)
    tally = Tally()
    compare(recompute(study), written, "", tally)
    print(f"{folder}: {tally.compared + tally.drawn} numbers compared, {tally.drawn} of them within "
          f"what draws leave open, and {tally.words} words; {len(tally.differences)} differ")
    for reason, numbers in sorted(tally.skipped.items()):
        print(f"  not recomputed, {numbers} numbers: {reason}")
    for difference in tally.differences:
        print(f"  {difference}")
    return not tally.differences


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        return 2
    return 0 if all([check(folder) for folder in sys.argv[1:]]) else 1


if __name__ == "__main__":
    sys.exit(main())
