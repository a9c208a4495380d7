#!/usr/bin/env python3
"""Every kind of pipeline of tokenizer.json over three small trained models, and the ids that Hugging
Face's `tokenizers` gives: src/bitloss/tokenizer/testdata/tokenizer_pipelines.json.

usage: tokenizer_pipelines.py TINY_FOLDER > tokenizer_pipelines.json

The models (byte-level BPE, SentencePiece-like BPE, Unigram) are trained on whole lines, uncut, so
that tokens span words and digits and a text that is cut elsewhere has other ids. A pipeline is what it
changes in its model's tokenizer.json; `gguf` are the names in tokenizer.ggml.pre that stand for it.
Made with tokenizers 0.23.3. tools/witness/tokenizer_pipelines.py runs the same over random strings.
"""
import json
import os
import sys

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import tokenizers
from tokenizers import models, pre_tokenizers, trainers

CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
SPACES = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
OTHERS = r"| ?[^\s\p{L}\p{N}]+[\r\n]*"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
CJK = "[一-龥぀-ゟ゠-ヿ]+"
MARKED = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
          r"| ?[\p{P}\p{S}]+")
DEEPSEEK_LETTERS = (
    "\\s?[A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-"
    "\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481"
    "\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b"
    "\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b"
    "\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb"
    "\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128"
    "\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4"
    "\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf"
    "\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-"
    "\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943]+")
ASIAN = ("[一-鿿㐀-䶿\uf900-\ufaff぀-ゟ゠-ヿ\uff65-\uff9f⼀-\u2fdf\u0e40-\u0e7f\u0e80-\u0eff\u1780-\u17ff"
         "\u1000-\u109f\uaa60-\uaa7f\ua9e0-\ua9ff가-\ud7af\u1100-\u11ff]+")
BLOOM = r" ?[^(\s|.,!?…。，、।۔،)]+"
NFC = {"type": "NFC"}


def cased(contractions):
    return (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{contractions}"
            rf"|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{contractions}")


def not_han(letters):
    return letters[:-1] + r"&&[^\p{Han}]]"


KIMI = (r"[\p{Han}]+" + "".join(
    rf"|[^\r\n\p{{L}}\p{{N}}]?{not_han(UPPER)}{a}{not_han(LOWER)}{b}{CONTRACTIONS}?" for a, b in ("*+", "+*"))
    + r"|\p{N}{1,3}" + OTHERS + SPACES)
JAIS = "".join(rf"|\s{{{n}}}(?!\S)" for n in ("512", "256", "128", "64", "32", "16", "8", "4", "1,2")) + r"|\s{1}"
QWEN2 = f"{CONTRACTIONS}|{WORDS}|\\p{{N}}{OTHERS}{SPACES}"
LLAMA3 = f"{CONTRACTIONS}|{WORDS}|\\p{{N}}{{1,3}}{OTHERS}{SPACES}"
GPT4O = cased(CONTRACTIONS + "?") + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + SPACES

# tokenizer.ggml.pre: what it stands for. The patterns are those of the models' own tokenizers.
GGUF = [
    ("qwen2", NFC, [QWEN2]),
    ("hunyuan megrez stablelm2 solar-open grok-2 kormo deepseek-r1-qwen", None, [QWEN2]),
    ("qwen35", NFC, [CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*" + SPACES]),
    ("ufakzeka", None, [WORDS + r"|\p{N}" + OTHERS + SPACES]),
    ("laguna", None, [r"[^\n]+|[\n]+", QWEN2]),
    ("chatglm-bpe dbrx smaug-bpe", None, [LLAMA3]),
    ("llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 glm4 glm5", None, [LLAMA3, "whole"]),
    ("minicpm5", None, [r"\p{N}{1,3}", f"{CONTRACTIONS}|{WORDS}|\\p{{N}}+{OTHERS}{SPACES}", "whole"]),
    ("jais-2", None, [f"{CONTRACTIONS}|{WORDS}|\\p{{N}}{{1,3}}{OTHERS}|\\s*[\\r\\n]+" + JAIS]),
    ("seed-coder", None, [f"{CONTRACTIONS}|{WORDS}|\\p{{N}}{{1}}| ?[^\\s\\p{{L}}\\p{{N}}\\r\\n]+{SPACES}"]),
    ("bailingmoe bailingmoe2 llada-moe", None, [
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"]),
    ("exaone-moe", None, [
        CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?"
        r"|\s*[\r\n]|\s+(?!\S)|\s+"]),
    ("tekken", None, [cased("") + r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + SPACES, "whole"]),
    ("gpt-4o llama4 kanana2 talkie minimax-m2", None, [GPT4O]),
    ("tiny_aya cohere2moe", None, [r"\d{1,3}(?=(?:\d{3})*\b)", GPT4O]),
    ("youtu", None, ["[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|" + CJK,
                     cased(CONTRACTIONS + "?") + r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + SPACES, "whole"]),
    ("kimi-k2", None, [KIMI]),
    ("deepseek-v3 hunyuan-dense joyai-llm hy_v4", None, [r"\p{N}{1,3}", CJK, MARKED + r"[\r\n]*" + SPACES]),
    ("spark2_5", None, [r"\p{N}{1,3}", CJK, MARKED + r"|[\r\n]|\s+(?!\S)|\s+", r"\p{N}"]),
    ("deepseek-llm", None, [r"[\r\n]", DEEPSEEK_LETTERS, r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", "[一-龥ࠀ-一가-\ud7ff]+",
                            r"\p{N}+"]),
    ("deepseek-coder", None, [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-\ud7ff]+", r"\p{N}"]),
    ("afmoe", None, [r"\p{N}+", r"(?=(?:\p{N}{3})+(?!\p{N}))", ASIAN, MARKED + r"[\r\n]*" + SPACES]),
    ("gpt-2 phi-2 gigachat a.x-4.0 mellum jais trillion granite-docling exaone4", None, [GPT2]),
    ("olmo mpt", NFC, [GPT2]),
    ("smollm starcoder refact codeshell exaone minerva-7b mellum2", None, [r"\p{N}", GPT2]),
    ("command-r", NFC, [r"\p{N}", GPT2]),
    ("falcon", None, [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"]),
    ("bloom poro-chat gpt3-finnish", None, [BLOOM]),
    ("viking", None, [BLOOM, r"\p{N}"]),
    ("chameleon", None, ["<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", r"([\t\n]|    |  )", r"\p{N}",
                         r"[\p{P}!-/:-@\[-`{-~]", GPT2]),
    ("superbpe", None, [r"\p{N}+", r"(?=(\d{3})+(?!\d))"]),
]


def split(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


def letters(regex=False, space=False):
    return {"type": "ByteLevel", "add_prefix_space": space, "trim_offsets": True, "use_regex": regex}


def cut(*steps):
    return {"pre_tokenizer": {"type": "Sequence", "pretokenizers": list(steps)}}


def normalize(*steps):
    return {"normalizer": {"type": "Sequence", "normalizers": list(steps)}}


def replace(pattern, content, kind="Regex"):
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


def metaspace(scheme, cuts):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": cuts}


def added(token_id, content, **flags):
    return {"id": token_id, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": False, "special": False} | flags


def byte_pipelines(first_id):
    for names, normalizer, patterns in GGUF:
        changes = cut(*[split(pattern) for pattern in patterns if pattern != "whole"], letters())
        if normalizer:
            changes["normalizer"] = normalizer
        if patterns[-1] == "whole":
            changes["ignore_merges"] = True
        yield names.split()[0], "bytes", changes, names.split()
    for behavior in ("Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"):
        yield f"punctuation {behavior}", "bytes", cut({"type": "Punctuation", "behavior": behavior}, letters()), []
        yield f"nothing at all {behavior}", "bytes", cut(split(r"(?=[aeiou])|\d*", behavior), letters()), []
    yield "words", "bytes", cut({"type": "Whitespace"}, letters()), []
    yield "between spaces", "bytes", cut({"type": "WhitespaceSplit"}, letters(space=True)), []
    yield "at a character", "bytes", cut({"type": "CharDelimiterSplit", "delimiter": "e"}, letters()), []
    # Bytes that are written ² or ¼ are numbers to Digits.
    yield "digits of letters", "bytes", cut(
        {"type": "Punctuation", "behavior": "Contiguous"}, letters(regex=True), {"type": "Digits", "individual_digits": False},
        split("[0-9][0-9][0-9]")), []
    for title, pattern in (("ends of lines", r"^\s*|\s+$|$"), ("ends of words", r"\b"), ("inside words", r"\B."),
                           ("word characters", r"[^\w\s]+|\w+\W"), ("ends of texts", r"\A.|.\z|\s\Z"),
                           ("any case", r"(?i)[k-sß]+é|the"), ("a set in a set", r"[\p{L}&&[^a-m\p{Lu}]]+|\x{E9}")):
        yield title, "bytes", cut(split(pattern), letters()), []
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        yield form, "bytes", normalize({"type": form}), []
    for left in (True, False):
        for right in (True, False):
            yield f"strip {left} {right}", "bytes", normalize({"type": "Strip", "strip_left": left, "strip_right": right}), []
    yield "replace", "bytes", normalize(replace(r"\s{2,}", "\n"), replace(r"[xyz]+", "-"), replace("the", "THE", "String"),
                                        {"type": "Prepend", "prepend": "»"}), []
    yield "added tokens", "bytes", normalize(NFC) | {"added_tokens": [
        added(first_id, "<|a|>", special=True), added(first_id + 1, "the", single_word=True),
        added(first_id + 2, "<L>", lstrip=True), added(first_id + 3, "<R>", rstrip=True, special=True),
        added(first_id + 4, "caf\u00e9", normalized=True), added(first_id + 5, "<B>", lstrip=True, rstrip=True, normalized=True),
        added(first_id + 6, "<|a|>b")]}, []


def character_pipelines():
    for model in ("characters", "unigram"):
        for scheme in ("always", "first", "never"):
            for cuts in (True, False):
                yield f"{model}, metaspace {scheme} {cuts}", model, {"pre_tokenizer": metaspace(scheme, cuts)}, []
        yield f"{model}, prepended", model, normalize({"type": "Prepend", "prepend": "▁"}, replace(" ", "▁", "String")), []
        yield f"{model}, spaces only", model, normalize(replace(" ", "▁", "String")), []
        yield f"{model}, spaces joined", model, normalize(
            {"type": "NFKC"}, {"type": "Strip", "strip_left": False, "strip_right": True}, replace(" {2,}", "▁")) | {
                "pre_tokenizer": metaspace("always", True)}, []
        yield f"{model}, without bytes", model, {"byte_fallback": False, "pre_tokenizer": metaspace("always", True)}, []
    yield "characters, each unknown", "characters", {"byte_fallback": False, "fuse_unk": False}, []


def pipelines(bases):
    yield from byte_pipelines(len(bases["bytes"]["model"]["vocab"]))
    yield from character_pipelines()


MODEL_FIELDS = ("ignore_merges", "byte_fallback", "fuse_unk")


def apply(base, changes):
    """The tokenizer.json of a pipeline."""
    whole = {**base, **{key: value for key, value in changes.items() if key not in MODEL_FIELDS}}
    whole["model"] = {**base["model"], **{key: value for key, value in changes.items() if key in MODEL_FIELDS}}
    return whole


def train(texts, size):
    """The three models as tokenizer.json."""
    bytes_ = tokenizers.Tokenizer(models.BPE())
    bytes_.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bytes_.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=256 + size, initial_alphabet=alphabet, max_token_length=8, show_progress=False))
    spelled = [text.replace(" ", "▁") for text in texts]
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    characters = tokenizers.Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    characters.train_from_iterator(spelled, trainers.BpeTrainer(
        vocab_size=340 + size, limit_alphabet=80, special_tokens=["<unk>", *byte_tokens], max_token_length=7,
        show_progress=False))
    unigram = tokenizers.Tokenizer(models.Unigram())
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    unigram.train_from_iterator(texts, trainers.UnigramTrainer(
        vocab_size=340 + size, unk_token="<unk>", special_tokens=["<unk>", *byte_tokens], max_piece_length=6,
        initial_alphabet=["▁"], show_progress=False))
    bases = {name: json.loads(tokenizer.to_str())
             for name, tokenizer in (("bytes", bytes_), ("characters", characters), ("unigram", unigram))}
    bases["unigram"]["model"]["byte_fallback"] = True
    for name in ("characters", "unigram"):
        bases[name]["added_tokens"] = [added(0, "<unk>", special=True), added(1, "<0x00>")]
        bases[name]["pre_tokenizer"] = None
    return bases


TEXTS = ["", " ", "  Once upon a time, there was a little girl  named Lily.\n", "It's 1234567 o'clock; she'LL say 3.14%...\r\n\n\tx  \n",
         "camelCase HTTPServer's we'VE cafe\u0301 café the other_the ½ Ⅳ ٣12 x\u00b2", "日本語とかな 한국어abc ไทย नमस्ते\u0301 🦙🦙 x",
         "a//b\n/c :abc ------======= ''''``\"\"......!!!!", "<|a|>b <L> x <R> \n the <B> <|a|> ", "<sentinel:12>IMGIMGABZ ﬁ ① ǅ ﷺ \u212b",
         "  \n \n\n   \t\t end   ", "a <unk> b<0x00>c", "0 00 000 0000 1,234,567.89 0x1F2e", "▁x▁▁ y  ▁", "\u0e40\u0e81\u1780 \uff01\u2014\u3105 ㄱ𝐀𐐀 été\u0323\u0307"]

# Not trained on: what is unknown.
UNSEEN = ["ж≈ we'll i'm x'd x'LL Ωé▁ж", "我HTTP我x's中 中A'll!!!\n\n?"]


def main():
    with open(f"{sys.argv[1]}/eval.txt", encoding="utf-8") as file:
        lines = file.read().splitlines()[:150]
    # The texts themselves, so that tokens reach over every place where one may be cut.
    bases = train([*lines[:40], *TEXTS * 30], 240)
    bases["unigram"]["model"]["vocab"] = [[token, round(score, 3)] for token, score in bases["unigram"]["model"]["vocab"]]
    out = []
    for title, model, changes, gguf in pipelines(bases):
        tokenizer = tokenizers.Tokenizer.from_str(json.dumps(apply(bases[model], changes)))
        out.append({"title": title, "model": model, "changes": changes, "gguf": gguf,
                    "ids": [tokenizer.encode(text).ids for text in TEXTS + UNSEEN]})
    # One line for each pipeline: a difference shows where it is.
    dump = lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    print(f'{{"models":{dump(bases)},\n"texts":{dump(TEXTS + UNSEEN)},\n"pipelines":[' + ",\n".join(map(dump, out)) + "]}")


if __name__ == "__main__":
    main()
