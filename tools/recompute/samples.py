"""Answers sampled with the same dice in every lane (docs/report.md, "Sampled answers")."""
import itertools

import numpy as np

from answers import chrf2
from estimates import Clusters, clustered_mean
from proportions import sign_flips
from suite_results import mean_over_prompts
from values import present


def likeness(kind, one, other):
    return float(one.tokens == other.tokens) if kind == "identical" else chrf2(one.text, other.text)


def pass_share(samples):
    decided = [answer.passed for answer in samples.values() if answer.passed is not None]
    return sum(decided) / len(decided) if decided else None


def sampled_result(study, lane, suite):
    base, own = study.sampled.get((0, suite), {}), study.sampled.get((lane, suite), {})
    prompts = sorted(set(base) & set(own))
    if not prompts:
        return None
    varying = sum(any(likeness("identical", one, other) < 1 for one, other in
                      itertools.combinations(base[p].values(), 2)) for p in prompts)
    fields = {"per_prompt": max(len(base[p]) for p in prompts), "prompts": len(prompts),
              "varying_prompts": varying}
    for kind in ("identical", "chrf2"):
        itself = [np.mean([likeness(kind, *pair) for pair in
                           itertools.permutations([base[p][k] for k in sorted(base[p])], 2)])
                  for p in prompts]
        fields[f"self_{kind}"] = mean_over_prompts(itself, "share")
        if lane:
            like = [np.mean([likeness(kind, own[p][k], base[p][k])
                             for k in own[p] if k in base[p]]) for p in prompts]
            fields[kind] = mean_over_prompts(like, "share")
            place = Clusters(np.subtract(like, itself), np.subtract(1, itself))
            fields |= present(**{f"{kind}_place": clustered_mean(place)})
    if lane:
        changes = [pass_share(own[p]) - pass_share(base[p]) for p in prompts
                   if pass_share(own[p]) is not None and pass_share(base[p]) is not None]
        if changes:
            fields |= {"pass_change": mean_over_prompts(changes),
                       "pass_change_p": sign_flips(changes)}
    return fields
