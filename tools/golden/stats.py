#!/usr/bin/env python3
"""Makes src/bitloss/stats/testdata/stats.json: what other people's programs say.

    pip install numpy==2.4.6 scipy==1.17.1 statsmodels==0.15.0 lifelines==0.30.3 astropy==8.0.2 \
                mpmath==1.4.1
    python3 tools/golden/stats.py > src/bitloss/stats/testdata/stats.json

Witnesses: scipy (t, beta, normal and binomial distributions, permutation test, Clopper-Pearson and
Wilson), statsmodels (Holm, Benjamini-Hochberg), astropy (jackknife), lifelines (Kaplan-Meier and the
interval of its median), numpy (quantiles). The bootstrap-t interval is put together from numpy's
ratios and quantiles and astropy's errors. Tango's interval has no Python witness: it is computed
here from the definition alone (mpmath), the restricted likelihood maximised and the score inverted
by halving.
"""
import importlib.metadata
import json
import sys

import mpmath as mp
import numpy as np
from astropy.stats import jackknife_stats
from lifelines import KaplanMeierFitter
from lifelines.utils import median_survival_times
from scipy import stats
from scipy.special import expit, logit
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

PACKAGES = ["numpy", "scipy", "statsmodels", "lifelines", "astropy", "mpmath"]


def distributions():
    t = [{"p": p, "degrees": d, "quantile": stats.t.ppf(p, d)}
         for p in (0.025, 0.5, 0.9, 0.975, 0.9995) for d in (0.7, 1, 3.3, 6.7, 29, 1e4)]
    t_cdf = [{"t": x, "degrees": d, "cdf": stats.t.cdf(x, d)}
             for x in (-12.0, -2.0, -0.1, 0.0, 1.7) for d in (1, 6.7, 60.5)]
    normal = [{"p": p, "quantile": stats.norm.ppf(p)}
              for p in (1e-12, 0.005, 0.025, 0.3, 0.5, 0.8, 0.975, 0.9999)]
    return {"t": t, "t_cdf": t_cdf, "normal": normal}


def ratio(s, n, axis=-1):
    return np.sum(s, axis=axis) / np.sum(n, axis=axis)


def clustered_means(rng):
    cases = []
    for groups in (2, 7, 12, 40):
        counts = rng.integers(20, 3000, groups)
        sums = np.round(counts * rng.normal(0.05, 0.03, groups) + rng.normal(0, 3, groups), 6)
        index = np.arange(groups)
        value, _, se, _ = jackknife_stats(
            index, lambda i: ratio(sums[i.astype(int)], counts[i.astype(int)]))
        effective = counts.sum() ** 2 / (counts**2).sum()
        half = stats.t.ppf(0.975, effective - 1) * se
        full = ratio(sums, counts)
        case = {"sums": sums.tolist(), "counts": counts.tolist(), "value": full,
                "standard_error": float(se), "effective_clusters": effective,
                "t_low": full - half, "t_high": full + half}
        cases.append(case)
    return cases


def proportions():
    cases = []
    for k, n in ((0, 8), (8, 8), (96, 96), (0, 96), (1, 8), (3, 11), (47, 96), (500, 1319)):
        for confidence in (0.9, 0.95):
            test = stats.binomtest(k, n)
            wilson = test.proportion_ci(confidence, method="wilson")
            exact = test.proportion_ci(confidence, method="exact")
            cases.append({"k": k, "n": n, "confidence": confidence,
                          "wilson": list(map(float, wilson)), "exact": list(map(float, exact))})
    return cases


def halve(f, low, high):
    """The root of f, positive at low and negative at high, by 130 halvings."""
    for _ in range(130):
        middle = (low + high) / 2
        low, high = (middle, high) if f(middle) > 0 else (low, middle)
    return (low + high) / 2


def tango(recoveries, regressions, n, confidence):
    """The score interval of P(lane only) - P(base only), from its definition, in 50 digits."""
    mp.mp.dps = 50
    z = mp.sqrt(2) * mp.erfinv(mp.mpf(str(confidence)))
    same = n - recoveries - regressions
    tiny = mp.mpf(10) ** -40

    def score(delta):
        def slope(q):  # of the log-likelihood in q = P(base only); P(lane only) = q + delta
            return (recoveries / (q + delta) if recoveries else 0) + \
                   (regressions / q if regressions else 0) - \
                   (2 * same / (1 - 2 * q - delta) if same else 0)

        low = max(mp.mpf(0), -delta)
        width = (1 - delta) / 2 - low
        q = halve(slope, low + tiny * width, low + (1 - tiny) * width)
        return (recoveries - regressions - n * delta) / mp.sqrt(n * (2 * q + delta - delta**2))

    change = mp.mpf(recoveries - regressions) / n
    low = -1.0 if change == -1 else halve(lambda d: score(d) - z, mp.mpf(-1), change)
    high = 1.0 if change == 1 else halve(lambda d: score(d) + z, change, mp.mpf(1))
    return float(low), float(high)


def paired_tables():
    cases = []
    for both, regressions, recoveries, neither in (
            (40, 9, 2, 45), (43, 0, 1, 0), (8, 0, 0, 0), (50, 0, 0, 46), (0, 8, 0, 0),
            (20, 30, 10, 36), (300, 12, 25, 200), (10, 3, 3, 10), (1, 7, 1, 1)):
        n = both + regressions + recoveries + neither
        exact = mcnemar([[both, regressions], [recoveries, neither]], exact=True).pvalue \
            if regressions + recoveries else 1.0
        changes, fewer = regressions + recoveries, min(regressions, recoveries)
        mid = 1.0 if regressions == recoveries else \
            2 * stats.binom.cdf(fewer, changes, 0.5) - stats.binom.pmf(fewer, changes, 0.5)
        for confidence in (0.9, 0.95):
            low, high = tango(recoveries, regressions, n, confidence)
            cases.append({"both": both, "base_only": regressions, "lane_only": recoveries,
                          "neither": neither, "exact": exact, "mid_p": mid,
                          "confidence": confidence, "tango": [low, high]})
    return cases


def sign_flips(rng):
    cases = []
    for differences in (np.array([1.0] * 8), np.round(rng.normal(0.4, 1, 9), 3),
                        np.array([0.0, 0.125, -0.5, 0.25, 0.125, 0.5, 0.75, -0.125]),
                        np.round(rng.normal(0.1, 1, 12), 4)):
        case = {"differences": differences.tolist()}
        for name in ("two-sided", "greater", "less"):
            result = stats.permutation_test((differences,), np.sum, permutation_type="samples",
                                            n_resamples=np.inf, alternative=name)
            case[name] = float(result.pvalue)
        cases.append(case)
    return cases


def adjusted(rng):
    cases = []
    for p in ([0.01, 0.04, 0.03, 0.005], [0.5], [0.2, 0.2, 0.9, 1.0, 0.0],
              np.round(rng.uniform(0, 1, 40) ** 3, 6).tolist()):
        cases.append({"p": p, "holm": multipletests(p, method="holm")[1].tolist(),
                      "bh": multipletests(p, method="fdr_bh")[1].tolist()})
    return cases


def shares():
    """The t interval of the logit, transformed back."""
    cases = []
    for passed, counts in (([90, 171, 60, 240, 190], [100, 180, 61, 240, 210]),
                           ([1, 0, 3, 0, 2, 9], [40, 51, 66, 30, 42, 70])):
        passed, counts = np.array(passed, float), np.array(counts)
        value, _, se, _ = jackknife_stats(
            np.arange(len(counts)),
            lambda i: ratio(passed[i.astype(int)], counts[i.astype(int)]))
        full = ratio(passed, counts)
        effective = counts.sum() ** 2 / (counts**2).sum()
        half = stats.t.ppf(0.975, effective - 1) * se / (full * (1 - full))
        low, high = expit(np.array([logit(full) - half, logit(full) + half]))
        cases.append({"sums": passed.tolist(), "counts": counts.tolist(), "low": low, "high": high})
    return cases


def survival(rng):
    cases = []
    for size in (6, 96):
        times = rng.integers(0 if size > 6 else 1, 40, size)
        events = rng.uniform(size=size) < 0.7
        fit = KaplanMeierFitter(alpha=0.05).fit(times, events)
        at = sorted(set(times[events].tolist()))
        band = fit.confidence_interval_survival_function_
        points = []
        for t in at:
            s = float(fit.survival_function_at_times(t).iloc[0])
            points.append({"time": t, "survival": s, "low": float(band.loc[t].iloc[0]),
                           "high": float(band.loc[t].iloc[1])})
        median = float(fit.median_survival_time_)
        low, high = median_survival_times(fit.confidence_interval_).to_numpy()[0]
        cases.append({"times": times.tolist(), "events": events.tolist(), "points": points,
                      "median": finite(median), "median_low": finite(low),
                      "median_high": finite(high)})
    return cases


def finite(value):
    return None if np.isinf(value) else float(value)


def bootstrap_t(rng):
    """Studentized ratios of given draws, and their interval."""
    def error(sums, counts):
        index = np.arange(len(sums))
        return float(jackknife_stats(
            index, lambda i: ratio(sums[i.astype(int)], counts[i.astype(int)]))[2])

    cases = []
    for groups in (5, 12):
        counts = rng.integers(20, 3000, groups)
        sums = np.round(counts * rng.lognormal(-3, 0.5, groups), 6)
        value = ratio(sums, counts)
        draws = [d for d in rng.integers(0, groups, (60, groups)) if len(set(d)) > 1]
        t = [(ratio(sums[d], counts[d]) - value) / error(sums[d], counts[d]) for d in draws]
        intervals = []
        for confidence in (0.8, 0.9, 0.95):
            low, high = np.quantile(t, [(1 - confidence) / 2, (1 + confidence) / 2])
            se = error(sums, counts)
            intervals.append({"confidence": confidence, "low": value - high * se,
                              "high": value - low * se})
        cases.append({"sums": sums.tolist(), "counts": counts.tolist(),
                      "draws": [d.tolist() for d in draws], "t": t, "intervals": intervals})
    return cases


def quantiles(rng):
    cases = []
    for size in (1, 10, 999):
        values = np.round(rng.lognormal(-4, 2, size), 8)
        fractions = [0, 0.1, 0.5, 0.9, 0.99, 0.999, 1]
        cases.append({"values": values.tolist(), "fractions": fractions,
                      "quantiles": np.quantile(values, fractions).tolist()})
    return cases


def main():
    rng = np.random.default_rng(20250917)
    golden = {"made_by": "tools/golden/stats.py", "python": sys.version.split()[0]}
    golden |= {name: importlib.metadata.version(name) for name in PACKAGES}
    golden |= {"distributions": distributions(), "clustered_means": clustered_means(rng),
               "proportions": proportions(), "paired_tables": paired_tables(),
               "sign_flips": sign_flips(rng), "adjusted": adjusted(rng),
               "shares": shares(), "survival": survival(rng),
               "bootstrap_t": bootstrap_t(rng), "quantiles": quantiles(rng)}
    json.dump(golden, sys.stdout, indent=1, default=float)
    print()


if __name__ == "__main__":
    main()
