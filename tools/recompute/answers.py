"""Properties of answers: their likeness, when they part, signs of degeneration."""
import math
import unicodedata
from collections import Counter

import numpy as np

import study as records


def characters(text):
    return [c for c in text if not c.isspace()]


def n_grams(items, n):
    return Counter(tuple(items[i:i + n]) for i in range(len(items) - n + 1))


def chrf2(hypothesis, reference, orders=6, beta=2):
    """Of 1: chrF with character n-grams to 6 and beta 2, white space left out, as sacrebleu's."""
    if not hypothesis and not reference:
        return 1.0
    hypothesis, reference = characters(hypothesis), characters(reference)
    precisions, recalls = [], []
    for n in range(1, orders + 1):
        ours, theirs = n_grams(hypothesis, n), n_grams(reference, n)
        if ours and theirs:
            shared = sum((ours & theirs).values())
            precisions.append(shared / sum(ours.values()))
            recalls.append(shared / sum(theirs.values()))
    if not precisions:
        return 0.0
    precision, recall = np.mean(precisions), np.mean(recalls)
    if precision + recall == 0:
        return 0.0
    return (1 + beta**2) * precision * recall / (beta**2 * precision + recall)


def edit_distance(a, b):
    """Levenshtein's, over the longer length."""
    if not a and not b:
        return 0.0
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1] / max(len(a), len(b))


def shared_beginning(a, b):
    count = 0
    for x, y in zip(a, b):
        if x != y:
            break
        count += 1
    return count


def repeated(tokens, n):
    grams = n_grams(tokens, n)
    return 1 - len(grams) / sum(grams.values()) if grams else None


def phrases(tokens):
    """Phrases of the LZ77 parse for each token: each the longest run that also begins earlier (it
    may reach into itself), or one new token."""
    if not tokens:
        return None
    start, count = 0, 0
    while start < len(tokens):
        length = 0
        for source in range(start):
            run = 0
            while start + run < len(tokens) and tokens[source + run] == tokens[start + run]:
                run += 1
            length = max(length, run)
        start += max(1, length)
        count += 1
    return count / len(tokens)


def ends_in_loop(tokens, longest_period=64, shortest_tail=24):
    """The last max(3 period, 24) tokens repeat with a period of at most 64."""
    for period in range(1, longest_period + 1):
        tail = max(3 * period, shortest_tail)
        if tail <= len(tokens) and all(tokens[-i] == tokens[-i - period]
                                       for i in range(1, tail - period + 1)):
            return True
    return False


def ends_early(answer, base, few=5):
    """By itself, under 5 tokens where the baseline has more, or under a quarter of its length."""
    count, expected = len(answer.tokens), len(base.tokens)
    return answer.finish == records.FINISH_EOS and 0 < count < expected and \
        (count < few or 4 * count < expected)


def longest_common_run(a, b):
    longest, row = 0, [0] * (len(b) + 1)
    for x in a:
        new = [0] * (len(b) + 1)
        for j, y in enumerate(b, 1):
            if x == y:
                new[j] = row[j - 1] + 1
                longest = max(longest, new[j])
        row = new
    return longest


SCRIPT_OF_NAME = {"CJK": "Han", "IDEOGRAPHIC": "Han", "KANGXI": "Han"}
SHARED = {"MODIFIER", "MATHEMATICAL", "DOUBLE-STRUCK", "SCRIPT", "FULLWIDTH", "HALFWIDTH",
          "MICRO", "KATAKANA-HIRAGANA"}


def script_of(character):
    """A letter's script, from its name; None for what is no letter or shared by scripts."""
    if not unicodedata.category(character).startswith("L"):
        return None
    words = unicodedata.name(character, "").split()
    if not words:
        return None
    if words[0] in ("FULLWIDTH", "HALFWIDTH", "FEMININE", "MASCULINE"):
        return "Latin" if words[1:2] in (["LATIN"], ["ORDINAL"]) else words[1].capitalize()
    if words[0] in SHARED:
        return None
    return SCRIPT_OF_NAME.get(words[0], words[0].capitalize())


def scripts_of(text):
    return Counter(script for script in map(script_of, text) if script)


def expected_scripts(prompt):
    expected = set(prompt.scripts) or set(scripts_of(prompt.text))
    if expected & {"Hiragana", "Katakana"}:
        expected.add("Han")
    return expected


def script_drift(prompt, text):
    found, expected = scripts_of(text), expected_scripts(prompt)
    letters = sum(found.values())
    if not letters or not expected:
        return None
    return sum(count for script, count in found.items() if script not in expected) / letters


def prompt_echo(prompt, text):
    return longest_common_run(prompt.text, text) / len(text) if text else None


def not_text(text):
    return float("\ufffd" in text)


def log_length_ratio(tokens, baseline_tokens):
    if not tokens or not baseline_tokens:
        return None
    return math.log(len(tokens) / len(baseline_tokens))


def same(a, b):
    return a.tokens == b.tokens and a.finish == b.finish


def hit_limit(answer):
    return answer.finish == records.FINISH_LIMIT
