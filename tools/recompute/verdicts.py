"""Noise floors, labels and verdicts (docs/verdicts.md)."""
import math

from estimates import Clusters, interval, p_of_nothing
from proportions import holm, mcnemar, tango
from suite_results import LITTLE_TO_LOSE, Pairs
from text_results import Text
from values import Skipped

ALPHA = 0.05
MARGINS = {"loss": 0.05, "divergence": 0.01, "answers": 0.05}
LABELS = (("near-lossless", 0.01, 0.95), ("moderate", 0.1, 0.85), ("heavy", 0.5, 0.65))
MORE_FAILURES = 0.05
SENTENCE = Skipped("sentences")


def label(kl, agreement, floor):
    if kl <= 3 * floor:
        return "indistinguishable"
    return next((name for name, most, least in LABELS if kl <= most and agreement >= least),
                "broken")


def add_floor(lanes, results, place, kl_of, write):
    """The control that differs most, beside every lane that is none."""
    controls = [(kl_of(result), lane, result) for lane, result in zip(lanes, results)
                if lane.control and kl_of(result) is not None]
    if not controls:
        return
    floor, control, of_control = max(controls, key=lambda entry: entry[0])
    for lane, result in zip(lanes, results):
        if not lane.baseline and not lane.control:
            write(result, control, of_control, floor)


def text_floor(result, control, of_control, floor):
    result["noise_floor"] = {"control": control.row["scheme"], "kl": floor,
                             "top1_agreement": of_control["top1_agreement"]}
    result["label"] = label(result["kl"]["mean"], result["top1_agreement"], floor)


def suite_floor(result, control, of_control, floor):
    result["noise_floor"] = {"control": control.row["scheme"], "answer_kl": floor} | {
        name: of_control[name] for name in ("regressions", "recoveries", "identical")}
    name = label(result["answer_kl"]["mean"], result["answer_top1_agreement"], floor)
    for failure in result["failures"]:
        if failure["id"] != "limit" and failure["change_low"] > MORE_FAILURES:
            name = "broken"
    result["label"] = name


class Test:
    """One thing that a lane is tested for: its estimate, or why there is none."""

    def __init__(self, fields, measure):
        self.measure, self.margin = measure, MARGINS[measure]
        self.unit = "points" if measure == "answers" else "nats/token"
        self.fields = {"measure": measure, "sentence": SENTENCE} | fields
        self.clusters = self.counts = None

    def set_clusters(self, clusters):
        if interval(clusters, 0.95)[1] is not None:
            self.clusters, self.p, self.value = clusters, p_of_nothing(clusters), clusters.value

    def set_counts(self, gained, lost, total):
        self.counts = (lost, gained, total)  # harm is positive
        self.p, self.value = mcnemar(gained, lost)[0], (lost - gained) / total

    @property
    def tested(self):
        return self.clusters is not None or self.counts is not None

    def ends(self, confidence):
        if self.counts:
            return tango(*self.counts, confidence)
        return interval(self.clusters, confidence)[1:]

    def finish(self, tests, p_holm):
        fields = self.fields | {"margin": self.margin, "unit": self.unit}
        if not self.tested:
            return fields | {"verdict": "not measured"}
        confidence = 1 - ALPHA / tests
        low, high = self.ends(confidence)
        lower, upper = self.ends(1 - 2 * ALPHA)
        return fields | {
            "verdict": verdict(low, high, lower, upper, self.margin), "value": self.value,
            "low": low, "high": high, "confidence": confidence, "lower_bound": lower,
            "upper_bound": upper, "p": self.p, "p_holm": p_holm,
            "p_bonferroni": min(1.0, tests * self.p)}


def verdict(low, high, lower, upper, margin):
    """The first word whose condition holds."""
    words = (("harm shown", low > margin), ("small harm shown", low > 0 and upper < margin),
             ("equivalent", -margin < lower and upper < margin), ("gain shown", high < 0),
             ("not worse", upper < margin))
    return next((word for word, holds in words if holds), "not resolved")


def loss_test(study, lane, protocol):
    text, base = Text(study, lane, protocol), Text(study, 0, protocol)
    test = Test({"protocol": text.record["id"], "text": text.record["text"]}, "loss")
    if text.per_word:  # the margin is of tokens, of which a word has several
        test.margin *= len(text.weights) / math.fsum(text.weights)
        test.unit = "nats/word"
    test.set_clusters(text.weighted(text.all("nll") - base.all("nll")))
    return test


def divergence_test(study, lane, protocol, floor):
    text = Text(study, lane, protocol)
    test = Test({"protocol": text.record["id"], "text": text.record["text"]}, "divergence")
    if floor is None:
        return test
    above = text.by_cluster(text.all("kl") - Text(study, floor, protocol).all("kl"))
    test.set_clusters(above)
    return test


def answers_test(study, lane, suite):
    pairs = Pairs(study, lane, suite)
    test = Test({"suite": study.manifest["suites"][suite]["id"]}, "answers")
    compared = len(pairs.checked())
    if compared and pairs.baseline_passed() >= LITTLE_TO_LOSE * compared:
        test.set_counts(len(pairs.gained()), len(pairs.lost()), compared)
    return test


def floor_lane(study, results, protocol):
    controls = [(results[lane.index]["protocols"][protocol]["kl"]["mean"], lane.index)
                for lane in study.lanes if lane.control]
    return max(controls)[1] if controls else None


def relabel(lane):
    """What is shown to lie above the floor is not called indistinguishable from it."""
    shown = [(test["protocol"], test["text"]) for test in lane["verdicts"]
             if test["measure"] == "divergence" and test.get("low", 0) > 0]
    for text in lane["protocols"]:
        if (text["id"], text["text"]) in shown and text.get("label") == "indistinguishable":
            text["label"] = label(text["kl"]["mean"], text["top1_agreement"], 0)


def add_verdicts(study, results):
    tests = {}
    for lane in study.lanes:
        if lane.baseline or lane.control:
            continue
        tests[lane.index] = []
        for protocol in range(len(study.manifest["protocols"])):
            tests[lane.index].append(loss_test(study, lane.index, protocol))
            tests[lane.index].append(divergence_test(
                study, lane.index, protocol, floor_lane(study, results, protocol)))
        for suite in range(len(study.manifest["suites"])):
            tests[lane.index].append(answers_test(study, lane.index, suite))
    tested = [test for of_lane in tests.values() for test in of_lane if test.tested]
    adjusted = dict(zip(map(id, tested), holm([test.p for test in tested])))
    for index, of_lane in tests.items():
        results[index]["verdicts"] = [
            test.finish(max(1, len(tested)), adjusted.get(id(test))) for test in of_lane]
        relabel(results[index])
    if not tested:
        return None
    return {"tests": len(tested), "alpha": ALPHA, "confidence": 1 - ALPHA / len(tested)}
