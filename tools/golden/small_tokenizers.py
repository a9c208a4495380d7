#!/usr/bin/env python3
"""Small tokenizers and what Hugging Face's `tokenizers` does with them, both ways:
src/bitloss/tokenizer/testdata/small_tokenizers.json.

usage: small_tokenizers.py TINY_FOLDER > small_tokenizers.json

Each tokenizer is there to hold one or two features of tokenizer.json to their meaning; TINY_FOLDER
(bitloss-tiny) adds a real one, named by its folder. Made with tokenizers 0.23.3.
"""
import copy
import json
import sys

import tokenizers

QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+")


def letters():
    """GPT-2's alphabet, by byte."""
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in own]
    return [chr(b) if b in own else chr(256 + rest.index(b)) for b in range(256)]


def byte_level(merges, **changes):
    vocab = {letter: i for i, letter in enumerate(letters())}
    for left, right in merges:
        vocab.setdefault(left + right, len(vocab))
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                  "ignore_merges": False, "vocab": vocab, "merges": [f"{a} {b}" for a, b in merges]}, **changes}


def sentence_piece(tokens, merges, byte_tokens=True, **model):
    vocab = {"<unk>": 0, "<s>": 1, "</s>": 2}
    for token in [f"<0x{b:02X}>" for b in range(256)] * byte_tokens + tokens + [a + b for a, b in merges]:
        vocab.setdefault(token, len(vocab))
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [added(0, "<unk>"), added(1, "<s>"), added(2, "</s>")],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "pre_tokenizer": None,
        "post_processor": {"type": "TemplateProcessing",
                           "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                           "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                           "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
            {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": byte_tokens,
                  "ignore_merges": False, "vocab": vocab, "merges": [[a, b] for a, b in merges], **model}}


def added(token_id, content, special=True, **flags):
    return {"id": token_id, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": False, "special": special, **flags}


def split(pattern, behavior, invert=False):
    return {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}]}


WORD = [("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o"), ("Ġ", "hello"), ("Ġ", "w"), ("1", "2"), ("12", "3"),
        ("Ã", "©"), ("-", "-"), ("--", "-"), ("a", "-"), ("-", "b"), ("Ġ", "Ġ"), ("ĠĠ", "ĠĠ"), ("e", "Ìģ"), ("Ì", "ģ")]
WORD = [WORD[-1], *WORD[:-1]]
TEXTS = ["", "hello", "hello hello  hello", " hello 123 1234", "café cafe\u0301 é", "a-b--c---d", "\t\n \r\n x", "Ⅳ½٣12",
         "'Sup it'S we'll", "日本語 🦙 x", "hellohello" * 12]


def cases():
    yield "byte level, pattern of its own", byte_level(WORD), TEXTS
    yield "prefix space", byte_level(WORD, pre_tokenizer={
        "type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}), TEXTS
    yield "digits together", byte_level(WORD, pre_tokenizer={"type": "Sequence", "pretokenizers": [
        {"type": "Digits", "individual_digits": False},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]}), TEXTS
    yield "digits one by one", byte_level(WORD, pre_tokenizer={"type": "Sequence", "pretokenizers": [
        {"type": "Digits", "individual_digits": True},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]}), TEXTS
    yield "NFC", byte_level(WORD, normalizer={"type": "NFC"}, pre_tokenizer=split({"Regex": QWEN}, "Isolated")), [
        *TEXTS, "e\u0323\u0301 a\u0301\u0323\u0327 \u212b\u2126 \u1100\u1161\u11a8 \uac00\u11a8 \u304b\u3099 \u0958", "\u0301e", "\u0438\u0306\u0301",
        # Marks younger than Unicode 9, which stay where they are.
        "x\u0345\U00011070\u0334", "\u0327\u0eba", "\U00011935\U00011930", "x\u0345\U0001183a\u0301", "n\u09fe\u033b"]
    for behavior in ["Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"]:
        for invert in (False, True):
            yield (f"split at '-' {behavior}{' inverted' * invert}",
                   byte_level(WORD, pre_tokenizer=split({"String": "-"}, behavior, invert)),
                   ["a-b--c---d", "-", "--", "a", "a-", "-a", "--a--b"])
    # "lo" is a token that no merge leads to.
    unreachable = byte_level(WORD)
    unreachable["model"]["vocab"]["lo"] = 1000
    yield "a token without merges", unreachable, ["lo", "lo lo", "hello"]
    looked_up = copy.deepcopy(unreachable)
    looked_up["model"]["ignore_merges"] = True
    yield "ignore_merges", looked_up, ["lo", "lo lo", "hello"]
    sparse = byte_level(WORD)
    del sparse["model"]["vocab"]["q"]
    yield "a byte without a token", sparse, ["quilt", "q", "helloqhello"]
    for fuse in (False, True):
        unknown = copy.deepcopy(sparse)
        unknown["model"] |= {"unk_token": "z", "fuse_unk": fuse}
        yield f"a byte without a token, unknown {'fused' if fuse else 'each'}", unknown, ["quilt", "qqq", "hqqhello"]
    first = len(byte_level(WORD)["model"]["vocab"])
    yield "added tokens", byte_level(WORD, normalizer={"type": "NFC"}, added_tokens=[
        added(first, "<|a|>"), added(first + 1, "<|a|>b", special=False), added(first + 2, "<L>", lstrip=True),
        added(first + 3, "<R>", rstrip=True), added(first + 4, "ord", special=False, single_word=True),
        added(first + 5, "caf\u00e9", special=False, normalized=True),
        added(first + 6, "<B>", lstrip=True, rstrip=True)]), [
        "<|a|>", "x<|a|>b<|a|>c", "<|a|", "a \u00a0<L> b", "a <R> \n b", "ord word ord! _ord 1ord ord", "un café, cafe\u0301",
        " <B> <B> ", "<R> <L>", "<|a|><|a|>hello<|a|>", "ord\u0301", "\u200dord"]
    yield "byte fallback", sentence_piece(list("▁helowrd<"), [("l", "l"), ("h", "e"), ("he", "ll"), ("hell", "o"), ("▁", "hello"),
                                                              ("▁", "▁")]), [
        "", "hello", "hello world", " hello  hello", "é\n日本", "x</s>hello", "<s>", "a<unk>b", "hello" * 30]
    for fuse in (False, True):
        yield (f"characters without bytes, unknown {'fused' if fuse else 'each'}",
               sentence_piece(list("▁helo"), [("l", "l")], byte_tokens=False, fuse_unk=fuse), ["hello", "xyz hello xx", "日本"])
    partly = sentence_piece(list("▁helo"), [("l", "l")])
    del partly["model"]["vocab"]["<0x78>"]
    yield "some bytes without a token", partly, ["hello x", "xé", "xxélx"]
    for scheme in ["always", "first", "never"]:
        for cut in (False, True):
            space = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": cut}
            spaced = sentence_piece(list("▁helowrd"), [("l", "l"), ("h", "e"), ("he", "ll"), ("hell", "o"), ("▁", "hello"),
                                                       ("o", "▁")])
            spaced |= {"normalizer": None, "pre_tokenizer": space, "decoder": space}
            yield (f"metaspace {scheme}{' split' * cut}", spaced,
                   ["hello hello", " hello", "hello  hello ", "▁hello", "hello</s>hello hello", "</s>hello", ""])
    plain = byte_level(WORD)
    plain["decoder"] = None
    yield "no decoder", plain, ["hello hello", "é"]


def results(tokenizer, texts):
    for text in texts:
        with_model = tokenizer.encode(text).ids
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        tokenizer.encode_special_tokens = True
        spelled = tokenizer.encode(text, add_special_tokens=False).ids
        tokenizer.encode_special_tokens = False
        yield {"text": text, "ids": ids, "ids_with_model_tokens": with_model, "ids_special_as_text": spelled,
               "decoded": tokenizer.decode(with_model, skip_special_tokens=False),
               "decoded_without_special": tokenizer.decode(with_model, skip_special_tokens=True)}


def main():
    out = []
    for title, definition, texts in cases():
        tokenizer = tokenizers.Tokenizer.from_str(json.dumps(definition))
        out.append({"title": title, "tokenizer": definition, "results": list(results(tokenizer, texts))})
    tiny = tokenizers.Tokenizer.from_file(f"{sys.argv[1]}/tokenizer.json")
    texts = [*TEXTS, "<|im_start|>user\nHi there!<|im_end|>\n", "Once upon a time, there was a little girl named Lily."]
    out.append({"title": "bitloss-tiny", "folder": "models/bitloss-tiny", "results": list(results(tiny, texts))})
    # One line for each tokenizer: small enough to keep, and a difference still shows where it is.
    print("[" + ",\n".join(json.dumps(entry, ensure_ascii=False, separators=(",", ":")) for entry in out) + "]")


if __name__ == "__main__":
    main()
