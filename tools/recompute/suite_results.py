"""What the report says of a lane's answers to a suite."""
import math

import numpy as np
from scipy import stats

import answers as of
import study as records
import survival
from estimates import Clusters, clustered_mean
from proportions import benjamini_hochberg, mcnemar, tango, wilson
from values import Skipped, mapped, present

LITTLE_TO_LOSE = 0.3
BEGINNINGS = (8, 32, 64)
NEAR_TIE = 0.5
NOT_DESCRIBED = "needs a definition that the documents do not give"


def mean_over_prompts(numbers, values="any"):
    numbers = [number for number in numbers if number is not None]
    return clustered_mean(Clusters(numbers, np.ones(len(numbers))), values) if numbers else None


class Pairs:
    """A lane's answers to a suite and the baseline's, by prompt."""

    def __init__(self, study, lane, suite):
        self.study, self.lane, self.suite = study, lane, suite
        self.prompts = study.prompts.get(suite, {})
        self.own = study.answers.get((lane, suite), {})
        self.base = study.answers.get((0, suite), {})
        self.scores = study.answer_scores.get((lane, suite), {})
        self.both = [prompt for prompt in sorted(self.own) if prompt in self.base]

    def where(self, keep):
        """The same, of the prompts that `keep` names."""
        part = Pairs(self.study, self.lane, self.suite)
        for name in ("prompts", "own", "base", "scores"):
            setattr(part, name, {p: x for p, x in getattr(part, name).items() if p in keep})
        part.both = [prompt for prompt in part.both if prompt in keep]
        return part

    def checked(self):
        return [prompt for prompt in self.both
                if self.own[prompt].passed is not None and self.base[prompt].passed is not None]

    def lost(self):
        return [p for p in self.checked() if self.base[p].passed and not self.own[p].passed]

    def gained(self):
        return [p for p in self.checked() if self.own[p].passed and not self.base[p].passed]

    def baseline_passed(self):
        return sum(self.base[prompt].passed for prompt in self.checked())


def seconds_of(pairs):
    taken = {row["key"]: row["seconds"] for row in pairs.study.timings
             if row["lane"] == pairs.lane and row["kind"] == 3}
    found = [taken[key] for key in (f"{pairs.suite}/{p}" for p in pairs.own) if key in taken]
    return math.fsum(found) / len(found) if found else None


def counts(pairs):
    own = pairs.own.values()
    undecided = sum(answer.undecided for answer in own)
    fields = {"prompts": len(pairs.prompts),
              "completed": sum(answer.finish != records.FINISH_ERROR for answer in own),
              "checked": sum(answer.passed is not None or answer.undecided for answer in own),
              "passed": sum(bool(answer.passed) for answer in own)}
    if undecided or pairs.study.reports_undecided:
        fields["undecided"] = undecided
    return fields | present(mean_seconds=seconds_of(pairs))


def comparison(pairs):
    compared = len(pairs.checked())
    fields = {"regressions": len(pairs.lost()), "recoveries": len(pairs.gained()),
              "compared": compared, "baseline_passed": pairs.baseline_passed(),
              "identical": sum(pairs.own[p].tokens == pairs.base[p].tokens for p in pairs.both)}
    if compared and pairs.baseline_passed() < LITTLE_TO_LOSE * compared:
        fields["can_show_regressions"] = False
    return fields | divergence(pairs)


def divergence(pairs):
    scored = [score for score in pairs.scores.values() if score.kl is not None]
    if not scored:
        return {}
    sizes = [len(score.kl) for score in scored]
    agreement = clustered_mean(Clusters([score.top1_agrees.sum() for score in scored], sizes),
                               "share")
    return present(answer_kl=clustered_mean(Clusters([math.fsum(s.kl) for s in scored], sizes),
                                            "positive"),
                   answer_top1_agreement=agreement["mean"],
                   answer_top1_agreement_low=agreement.get("low"),
                   answer_top1_agreement_high=agreement.get("high"))


def pass_change(pairs):
    gained, lost, compared = len(pairs.gained()), len(pairs.lost()), len(pairs.checked())
    low, high = tango(gained, lost, compared)
    exact, mid = mcnemar(gained, lost)
    return {"value": (gained - lost) / compared, "low": low, "high": high, "p": exact,
            "mid_p": mid}


def behaviour(pairs):
    both = [(pairs.own[p], pairs.base[p]) for p in pairs.both]
    parted, censored = [], []
    for own, base in both:
        shared = of.shared_beginning(own.tokens, base.tokens)
        if own.tokens != base.tokens:
            parted.append(shared + 1)
        elif of.hit_limit(own) or of.hit_limit(base):
            censored.append(shared)
        else:
            censored.append(math.inf)
    points = survival.curve(parted, censored)
    rows = []
    for tokens in BEGINNINGS:
        share, low, high = survival.at(points, tokens)
        rows.append({"tokens": tokens, "share": share} | present(low=low, high=high))
    middle, low, high = survival.median(points)
    scaled = mean_over_prompts([of.chrf2(own.text, base.text) for own, base in both], "share")
    scaled |= {name: mapped(scaled[name], lambda x: 100 * x)
               for name in ("mean", "low", "high", "standard_error") if name in scaled}
    return {"compared": len(both),
            "wrong_to_wrong": sum(own.passed is False and base.passed is False and
                                  own.tokens != base.tokens for own, base in both),
            "chrf2": scaled,
            "edit_distance": mean_over_prompts(
                [of.edit_distance(own.tokens, base.tokens) for own, base in both], "share"),
            "same_beginning": rows} | present(
                median_divergence=middle, median_divergence_low=low, median_divergence_high=high)


def forks(pairs):
    rows = []
    stored = pairs.study.forks.get((pairs.lane, pairs.suite), {})
    for prompt in pairs.both:
        own, base = pairs.own[prompt], pairs.base[prompt]
        if own.tokens == base.tokens:
            continue
        position = of.shared_beginning(own.tokens, base.tokens)
        row = {"prompt": pairs.prompts[prompt].id, "position": position}
        for name, answer in (("baseline", base), ("lane", own)):
            token = answer.tokens[position] if position < len(answer.tokens) else None
            row[name] = present(token=token, text=Skipped("text"))
        if prompt in stored:
            fork = stored[prompt]
            for name in ("baseline", "lane"):
                for model in ("baseline", "lane"):
                    row[name][f"{model}_probability"] = math.exp(-fork[f"{name}_token_in_{model}"])
            row["near_tie"] = (row["lane"]["baseline_probability"] >=
                               NEAR_TIE * row["baseline"]["baseline_probability"])
        rows.append(row)
    return rows


def completed(answer):
    return answer.finish != records.FINISH_ERROR


FAILURES = {"error": lambda answer, base: not completed(answer),
            "empty": lambda answer, base: completed(answer) and not answer.tokens,
            "limit": lambda answer, base: of.hit_limit(answer),
            "loop": lambda answer, base: completed(answer) and of.ends_in_loop(answer.tokens),
            "ends_early": of.ends_early}


def failure(pairs, name):
    shows = FAILURES[name]
    total = len(pairs.both)
    own = {prompt for prompt in pairs.both if shows(pairs.own[prompt], pairs.base[prompt])}
    low, high = wilson(len(own), total)
    fields = {"id": name, "answers": len(own), "compared": total, "share_low": low,
              "share_high": high}
    if pairs.lane:
        base = {prompt for prompt in pairs.both if shows(pairs.base[prompt], pairs.base[prompt])}
        change = tango(len(own - base), len(base - own), total)
        fields |= {"new": len(own - base), "change": (len(own) - len(base)) / total,
                   "change_low": change[0], "change_high": change[1]}
    return fields


def baseline_loss(pairs, lane, prompt):
    own, base = pairs.study.answers[(lane, pairs.suite)][prompt], pairs.base[prompt]
    if not own.tokens:
        return None
    if own.tokens == base.tokens:
        score = pairs.study.answer_scores.get((0, pairs.suite), {}).get(prompt)
        return float(np.mean(score.nll)) if score and score.nll is not None else None
    judged = pairs.study.judgements.get((lane, pairs.suite), {}).get(prompt)
    return judged[1] / judged[0] if judged else None


def signal_of(pairs, name, lane, prompt):
    answer = pairs.study.answers[(lane, pairs.suite)][prompt]
    asked = pairs.prompts[prompt]
    if name.startswith("repeated_"):
        return of.repeated(answer.tokens, int(name[-1]))
    return {"phrases": lambda: of.phrases(answer.tokens),
            "prompt_echo": lambda: of.prompt_echo(asked, answer.text),
            "script_drift": lambda: of.script_drift(asked, answer.text),
            "not_text": lambda: of.not_text(answer.text),
            "baseline_loss": lambda: baseline_loss(pairs, lane, prompt)}[name]()


SIGNALS = ("repeated_2", "repeated_3", "repeated_4", "phrases", "log_length_ratio", "prompt_echo",
           "script_drift", "refusal", "not_text", "baseline_loss")


def signal(pairs, name):
    if name == "refusal":
        return Skipped(f"signals: refusal: {NOT_DESCRIBED}")
    if name == "log_length_ratio":
        changes = [of.log_length_ratio(pairs.own[p].tokens, pairs.base[p].tokens)
                   for p in pairs.both]
        kept = [change for change in changes if change is not None]
        return {"id": name, "prompts": len(kept)} | present(
            change=mean_over_prompts(kept) if pairs.lane else None)
    own = {p: signal_of(pairs, name, pairs.lane, p) for p in pairs.both}
    own = {p: value for p, value in own.items() if value is not None}
    fields = {"id": name, "prompts": len(own)} | present(
        level=mean_over_prompts(own.values(), "positive" if name == "baseline_loss" else "share"))
    if pairs.lane:
        base = {p: signal_of(pairs, name, 0, p) for p in own}
        fields |= present(change=mean_over_prompts(
            [own[p] - base[p] for p in own if base[p] is not None]))
    return fields


def category_parts(pairs):
    names = dict.fromkeys(prompt.category for _, prompt in sorted(pairs.prompts.items()))
    return [pairs.where({p for p, prompt in pairs.prompts.items() if prompt.category == name})
            for name in names]


def category_result(pairs):
    name = next(iter(pairs.prompts.values())).category
    return {"name": name} | counts(pairs) | (comparison(pairs) if pairs.lane else {})


def pooled_rates(losses, totals):
    """[(posterior mean, low, high)] under a Beta prior fitted to all categories by moments."""
    losses, totals = np.array(losses, float), np.array(totals, float)
    lost, total = losses.sum(), totals.sum()
    if not total:
        return [None] * len(totals)
    mean = lost / total if 0 < lost < total else (lost + 0.5) / (total + 1)
    there = totals > 0
    shares, parts = losses[there] / totals[there], totals[there] / total
    chance = np.sum(parts * mean * (1 - mean) / totals[there])
    left = np.sum(parts * (shares - mean) ** 2) - chance
    weight = max(1.0, min(total, mean * (1 - mean) / left - 1)) if left > 0 else total
    rates = []
    for x, n in zip(losses, totals):
        a, b = x + weight * mean, n - x + weight * (1 - mean)
        rates.append((a / (a + b), *stats.beta.ppf([0.025, 0.975], a, b)))
    return rates


def suite_result(study, lane, suite):
    pairs = Pairs(study, lane, suite)
    record = study.manifest["suites"][suite]
    fields = {"id": record["id"], "hash": record["hash"],
              "complete": len(pairs.own) == record["num_prompts"]} | counts(pairs)
    if lane:
        fields |= comparison(pairs)
        fields |= {"regressed_prompts": [pairs.prompts[p].id for p in pairs.lost()],
                   "recovered_prompts": [pairs.prompts[p].id for p in pairs.gained()]}
        if pairs.checked():
            fields["pass_change"] = pass_change(pairs)
        fields["forks"] = forks(pairs)
        fields["behaviour"] = behaviour(pairs)
    fields["failures"] = [failure(pairs, name) for name in FAILURES]
    fields["signals"] = [signal(pairs, name) for name in SIGNALS]
    fields["categories"] = [category_result(part) for part in category_parts(pairs)]
    return fields


def add_exploratory(study, suites_of_lanes):
    """McNemar's p of every category of every lane, adjusted together."""
    found = []
    for lane, suites in suites_of_lanes:
        for suite, result in enumerate(suites):
            parts = [(row, part) for row, part in zip(
                result["categories"], category_parts(Pairs(study, lane, suite))) if part.checked()]
            rates = pooled_rates([len(part.lost()) for _, part in parts],
                                 [part.baseline_passed() for _, part in parts])
            found += [(row, mcnemar(len(part.gained()), len(part.lost()))[0], rate)
                      for (row, part), rate in zip(parts, rates)]
    adjusted = benjamini_hochberg([p for _, p, _ in found])
    for (row, p, rate), p_adjusted in zip(found, adjusted):
        row["exploratory"] = {"p": p, "p_adjusted": p_adjusted} | ({} if rate is None else {
            "regression_rate": rate[0], "regression_rate_low": rate[1],
            "regression_rate_high": rate[2]})
