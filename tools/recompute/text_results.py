"""What the report says of a lane under one protocol on one text."""
import math

import numpy as np

from estimates import Clusters, bootstrap_t, clustered_mean, quantile_ranges
from values import mapped, present

QUANTILES = {"median": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
TOKENS_FOR_P99_9 = 20_000
CONFIDENCE_EDGES = [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0]
CONFIDENCE_BANDS = ["0-10 %", "10-25 %", "25-50 %", "50-75 %", "75-90 %", "90-99 %", "99-100 %"]


class Text:
    """All scored tokens of one protocol, one after the other, and a lane's numbers on them."""

    def __init__(self, study, lane, protocol):
        units, scores = study.units.get(protocol, {}), study.scores.get((lane, protocol), {})
        self.record = study.manifest["protocols"][protocol]
        self.per_word = any(unit.words for unit in units.values())
        self.keys = sorted(scores)
        self.units = [units[key] for key in self.keys]
        self.all_units = units
        self.scores = [scores[key] for key in self.keys]
        self.clusters = np.concatenate([unit.cluster for unit in self.units]).astype(int)
        self.weights = self.words_of_tokens("words") if self.per_word else np.concatenate(
            [np.full(unit.scored, unit.weight / max(1, unit.scored)) for unit in self.units])

    def words_of_tokens(self, what):
        """A document's words or bytes, spread evenly over its scored tokens."""
        documents, total = [], 0.0
        for unit in self.units:
            amount = getattr(unit, what)
            if amount or not documents:
                documents.append([amount or 0, 0])
            documents[-1][1] += unit.scored
        return np.concatenate([np.full(count, amount / count) for amount, count in documents])

    def all(self, name):
        arrays = [getattr(score, name) for score in self.scores]
        if any(x is None and unit.scored for x, unit in zip(arrays, self.units)):
            return None
        return np.concatenate([x for x in arrays if x is not None])

    def weighted(self, values):
        """Clusters of a mean as the protocol weighs it."""
        factor = 1.0 if self.per_word else self.weights
        return self.by_cluster(values * factor, self.weights)

    def by_cluster(self, sums, weights=None, where=None):
        weights = np.ones(len(sums)) if weights is None else weights
        where = slice(None) if where is None else where
        names, index = np.unique(self.clusters[where], return_inverse=True)
        return Clusters(np.bincount(index, sums[where], len(names)),
                        np.bincount(index, weights[where], len(names)))

    def positions(self):
        """How many tokens of its sequence stand before each scored token."""
        return np.concatenate([np.arange(unit.tokens - unit.scored, unit.tokens)
                               for unit in self.units])


def own_loss(text):
    mean = clustered_mean(text.weighted(text.all("nll")))
    fields = {"nll": mean["mean"], "perplexity": math.exp(mean["mean"])}
    if "low" in mean:
        fields["perplexity_low"] = mapped(mean["low"], math.exp)
        fields["perplexity_high"] = mapped(mean["high"], math.exp)
    if text.per_word:
        per_byte = math.fsum(text.all("nll")) / sum(unit.bytes or 0 for unit in text.units)
        fields |= {"byte_perplexity": math.exp(per_byte), "bits_per_byte": per_byte / math.log(2)}
    return fields


def change_of_loss(text, baseline):
    difference = text.all("nll") - baseline.all("nll")
    clusters = text.weighted(difference)
    mean = clustered_mean(clusters)
    percent = lambda x: 100 * math.expm1(x)
    fields = {"delta_nll": mean, "perplexity_change_percent": percent(mean["mean"])}
    for end in ("low", "high"):
        if end in mean:
            fields[f"perplexity_change_percent_{end}"] = mapped(mean[end], percent)
    ends = bootstrap_t(clusters) if "low" in mean else None
    if ends:
        fields["delta_nll_bootstrap_t"] = {"low": ends[0], "high": ends[1]}
    return fields


def divergence(text):
    kl = text.all("kl")
    fields = clustered_mean(text.by_cluster(kl), "positive")
    fractions = dict(QUANTILES)
    if len(kl) >= TOKENS_FOR_P99_9:
        fractions["p99_9"] = 0.999
    for name, fraction in fractions.items():
        fields[name] = float(np.quantile(kl, fraction))
    fields["max"] = float(kl.max())
    ends = quantile_ranges(kl, text.clusters, list(fractions.values()))
    if ends:
        for name, (low, high) in zip(fractions, ends):
            fields |= {f"{name}_low": low, f"{name}_high": high}
    return fields


def cluster_rows(text, baseline):
    difference = text.all("nll") - baseline.all("nll")
    factor = 1.0 if text.per_word else text.weights
    columns = {"delta_nll_sum": difference * factor, "delta_nll_weight": text.weights,
               "kl_sum": text.all("kl"), "tokens": np.ones(len(difference)),
               "top1_agreements": text.all("top1_agrees").astype(float)}
    rows = []
    for cluster in np.unique(text.clusters):
        inside = text.clusters == cluster
        rows.append({"cluster": int(cluster)} |
                    {name: math.fsum(column[inside]) for name, column in columns.items()})
    return rows


def bands(text, names, index):
    """The mean KL of each band that has tokens."""
    kl, rows = text.all("kl"), []
    for band, name in enumerate(names):
        inside = index == band
        if inside.any():
            rows.append({"band": name, "tokens": int(inside.sum()),
                         "kl": clustered_mean(text.by_cluster(kl, where=inside), "positive")})
    return rows


def by_position(text):
    edges = [2 ** power for power in range(4, 17)]
    names = ["0-15"] + [f"{edge}-{2 * edge - 1}" for edge in edges[:-1]] + [f"{edges[-1]}+"]
    return bands(text, names, np.searchsorted(edges, text.positions(), side="right"))


def by_confidence(text, baseline):
    index = np.searchsorted(CONFIDENCE_EDGES[1:-1], baseline.all("top1_probability"), side="right")
    return bands(text, CONFIDENCE_BANDS, index)


def agreement(text):
    mean = clustered_mean(text.by_cluster(text.all("top1_agrees").astype(float)), "share")
    return present(top1_agreement=mean["mean"], top1_agreement_low=mean.get("low"),
                   top1_agreement_high=mean.get("high"))


def text_result(study, lane, protocol):
    text = Text(study, lane, protocol)
    record = text.record
    fields = {
        "id": record["id"], "text": record["text"], "text_hash": record["text_hash"],
        "aggregation": record["aggregation"], "unit": "word" if text.per_word else "token",
        "cluster_kind": record["cluster_kind"],
        "complete": len(text.units) == record["num_units"], "sequences": len(text.units),
        "tokens": sum(unit.tokens for unit in text.units),
        "predictions": sum(unit.scored for unit in text.units),
    } | own_loss(text)
    if record.get("warnings"):
        fields["warnings"] = record["warnings"]
    if lane == 0:
        entropy = text.all("entropy")
        return fields | {"entropy": {"mean": math.fsum(entropy) / len(entropy)}}
    baseline = Text(study, 0, protocol)
    fields |= change_of_loss(text, baseline)
    fields["kl"] = divergence(text)
    fields["kl_reverse"] = clustered_mean(text.by_cluster(text.all("kl_reverse")), "positive")
    fields |= agreement(text)
    fields["clusters"] = cluster_rows(text, baseline)
    fields["kl_by_position"] = by_position(text)
    fields["kl_by_confidence"] = by_confidence(text, baseline)
    return fields
