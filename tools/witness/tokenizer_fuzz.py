#!/usr/bin/env python3
"""Random Unicode strings: our ids against those of Hugging Face's `tokenizers`.

usage: tokenizer_fuzz.py FOLDER [--count N] [--seed N] [--unassigned] -- COMMAND...

FOLDER holds tokenizer.json. COMMAND reads a JSON string from each line of standard input and writes
the JSON array of its ids on each line of standard output, for example

    tokenizer_fuzz.py qwen2.5 -- build/release/bitloss tokenize qwen2.5 --json

Prints how many strings differ, and the first few; exits 1 if any does. Characters are those that the
Unicode of this Python knows (14.0 for Python 3.11, as in Debian 12's PCRE2 and utf8proc); with
--unassigned all code points, where libraries of different age may rightly disagree.
Written for tokenizers 0.23.3.
"""
import argparse
import json
import random
import subprocess
import sys
import unicodedata

import tokenizers

SPACES = [chr(c) for c in (9, 10, 11, 12, 13, 0x20, 0x85, 0xA0, 0x1680, 0x180E, *range(0x2000, 0x200F),
                           0x2028, 0x2029, 0x202F, 0x205F, 0x2060, 0x3000, 0xFEFF)]
WORDS = ("the of and to in is model quantization don't I'm we'll THEY'RE it'S 'tis o'clock naïve Größe "
         "Cửa Việt привет мир καλημέρα שלום مرحبا नमस्ते สวัสดี こんにちは 世界 안녕 🦙 👩‍👩‍👧 ½ ² Ⅳ ٣ 12345 3.14 "
         "x_1 foo(bar) https://a.b/c?d=e ---- ... !!! ?!").split(" ")
CONTRACTIONS = ["'s", "'S", "'ſ", "'t", "'re", "'RE", "'ve", "'m", "'ll", "'LL", "'d", "’s", "'", "''s"]
BLOCKS = [(0x20, 0x7E), (0xA0, 0x2FF), (0x300, 0x36F), (0x370, 0x5FF), (0x600, 0x6FF), (0x900, 0xDFF),
          (0xE00, 0xFFF), (0x1100, 0x11FF), (0x1E00, 0x1FFF), (0x2000, 0x2BFF), (0x3000, 0x30FF),
          (0x4E00, 0x9FFF), (0xAC00, 0xD7FF), (0xF900, 0xFAFF), (0xFB00, 0xFFFD), (0x10000, 0x10FFF),
          (0x11000, 0x11FFF), (0x1D100, 0x1D7FF), (0x1F000, 0x1FAFF), (0x2F800, 0x2FA1F), (0x0, 0x10FFFF)]


class Strings:
    def __init__(self, seed, special, unassigned):
        self.random = random.Random(seed)
        self.special = special or ["<|x|>"]
        self.unassigned = unassigned

    def character(self):
        while True:
            c = self.random.randint(*self.random.choice(BLOCKS))
            known = self.unassigned or unicodedata.category(chr(c)) != "Cn"
            if known and not 0xD800 <= c <= 0xDFFF:
                return chr(c)

    def special_token(self):
        token = self.random.choice(self.special)
        if self.random.random() < 0.3:  # nearly one
            token = token[: self.random.randrange(1, len(token) + 1)]
        return token

    def marked(self):
        """A letter with marks, decomposed, composed or in the wrong order."""
        text = self.random.choice("aeiouAEIOUnscyABCкиеαωかは각곡ᄀ") + "".join(
            self.random.choice("\u0301\u0308\u0323\u0327\u0328\u0345\u0302\u031b\u3099\u1161\u11a8\u05b0\u0f71")
            for _ in range(self.random.randint(1, 4)))
        form = self.random.choice([None, "NFC", "NFD", "NFKC"])
        return unicodedata.normalize(form, text) if form else text

    def part(self):
        r = self.random
        return r.choice([
            lambda: r.choice(WORDS),
            lambda: " " + r.choice(WORDS),
            lambda: r.choice(WORDS) + r.choice(CONTRACTIONS),
            lambda: "".join(r.choice(SPACES) for _ in range(r.randint(1, 5))),
            lambda: r.choice(" \n\t\r") * r.randint(1, 9),
            lambda: str(r.randrange(10 ** r.randint(1, 12))),
            lambda: "".join(self.character() for _ in range(r.randint(1, 6))),
            lambda: self.marked(),
            lambda: chr(r.randrange(0x80)) * r.randint(1, 3),
            lambda: r.choice("aAzé世🦙-=#") * r.randint(1, 70),
            lambda: self.special_token(),
        ])()

    def string(self):
        return "".join(self.part() for _ in range(self.random.randint(0, 12)))


def main():
    if "--" not in sys.argv:
        sys.exit(__doc__)
    cut = sys.argv.index("--")
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--unassigned", action="store_true")
    options = parser.parse_args(sys.argv[1:cut])

    witness = tokenizers.Tokenizer.from_file(f"{options.folder}/tokenizer.json")
    special = [token.content for token in witness.get_added_tokens_decoder().values()]
    source = Strings(options.seed, special, options.unassigned)
    texts = [source.string() for _ in range(options.count)]
    done = subprocess.run(sys.argv[cut + 1:], input="".join(json.dumps(t) + "\n" for t in texts),
                          stdout=subprocess.PIPE, text=True, encoding="utf-8", check=True)
    ours = [json.loads(line) for line in done.stdout.splitlines()]
    if len(ours) != len(texts):
        sys.exit(f"{len(texts)} strings in, {len(ours)} lists of ids out")

    different = 0
    num_ids = 0
    for text, ids, expected in zip(texts, ours, witness.encode_batch(texts)):
        num_ids += len(expected.ids)
        if ids != expected.ids:
            different += 1
            if different <= 5:
                print(f"{json.dumps(text)}\n  ours    {ids}\n  witness {expected.ids}")
    print(f"{len(texts)} strings, {num_ids} ids, {different} different")
    sys.exit(different > 0)


if __name__ == "__main__":
    main()
