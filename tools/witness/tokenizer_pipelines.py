#!/usr/bin/env python3
"""Random Unicode strings through every kind of pipeline: our ids against those of Hugging Face's
`tokenizers`, from tokenizer.json and, where GGUF has a name for it, from a GGUF file.

usage: tokenizer_pipelines.py TOKENIZE_LINES TEXT [--count N] [--seed N] [--only WORD]
       tokenizer_pipelines.py TOKENIZE_LINES --vectors FOLDER

TOKENIZE_LINES is that program of bitloss (ninja tokenize_lines). The pipelines are those of
../golden/tokenizer_pipelines.py, over larger models, trained on TEXT and on other random strings.
With --vectors: the texts and ids that llama.cpp keeps beside its vocabularies (its folder models).
Prints a line for each; exits 1 if an id differs. Written for tokenizers 0.23.3 and gguf 0.19.0.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import tokenizers

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "golden"))
import tokenizer_pipelines as golden  # noqa: E402
from tokenizer_fuzz import Strings  # noqa: E402


def ours(program, path, texts):
    done = subprocess.run([program, path], input="".join(json.dumps(text) + "\n" for text in texts),
                          stdout=subprocess.PIPE, text=True, encoding="utf-8", check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def expected(tokenizer, text):
    """None where `tokenizers` itself panics."""
    try:
        return tokenizer.encode(text).ids
    except BaseException as panic:
        if type(panic).__name__ != "PanicException":
            raise
        return None


def differences(title, texts, got, wanted):
    """Prints how many differ and the first few."""
    compared = [(t, g, w) for t, g, w in zip(texts, got, wanted, strict=True) if w is not None]
    different = [(t, g, w) for t, g, w in compared if g != w]
    print(f"{title}: {len(compared)} strings, {sum(len(w) for _, _, w in compared)} ids, "
          f"{len(different)} different", flush=True)
    for text, ids, witness in different[:2]:
        print(f"  {json.dumps(text)}\n    ours    {ids}\n    witness {witness}")
    return len(different)


def write_gguf(path, base, pre):
    import gguf
    writer = gguf.GGUFWriter(path, "llama")
    vocab = sorted(base["model"]["vocab"], key=base["model"]["vocab"].get)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(vocab)
    writer.add_token_types([1] * len(vocab))
    writer.add_token_merges([" ".join(merge) for merge in base["model"]["merges"]])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def renumbered(definition):
    """Added tokens that the larger model has learned keep its ids, others follow on."""
    vocab = definition["model"]["vocab"]
    if isinstance(vocab, list):
        return definition
    number = len(vocab)
    for token in definition["added_tokens"]:
        token["id"] = vocab.get(token["content"], number)
        number += token["id"] == number
    return definition


def fuzz(options):
    with open(options.text, encoding="utf-8") as file:
        lines = file.read().splitlines()
    special = ["<|a|>", "<|a|>b", "<L>", "<R>", "<B>", "<unk>", "<0x00>", "the", "caf\u00e9"]
    training = Strings(options.seed + 1000, ["<|x|>"], False)  # models learn no token that is there already
    bases = golden.train(lines + [training.string() for _ in range(3000)], 6000)
    source = Strings(options.seed, special, False)
    texts = [source.string() for _ in range(options.count)]
    num_different = 0
    with tempfile.TemporaryDirectory() as folder:
        for title, model, changes, names in golden.pipelines(bases):
            if options.only not in title:
                continue
            definition = json.dumps(renumbered(golden.apply(bases[model], changes)))
            pathlib.Path(folder, "tokenizer.json").write_text(definition, encoding="utf-8")
            tokenizer = tokenizers.Tokenizer.from_str(definition)
            wanted = [expected(tokenizer, text) for text in texts]
            num_different += differences(title, texts, ours(options.program, folder, texts), wanted)
            if names:
                path = f"{folder}/t.gguf"
                write_gguf(path, bases[model], names[0])
                num_different += differences(f"{title} from GGUF", texts, ours(options.program, path, texts), wanted)
    return num_different


def vectors(options):
    num_different = 0
    for path in sorted(pathlib.Path(options.vectors).glob("ggml-vocab-*.gguf")):
        if not path.with_suffix(".gguf.inp").exists():
            continue
        texts = path.with_suffix(".gguf.inp").read_text(encoding="utf-8").split("\n__ggml_vocab_test__\n")
        wanted = [list(map(int, line.split())) for line in path.with_suffix(".gguf.out").read_text().split("\n")]
        try:
            got = ours(options.program, str(path), texts)
        except subprocess.CalledProcessError:
            print(f"{path.name}: refused")
            continue
        # The ids are those of the text alone.
        bos = {ids[0] for ids in got if ids}
        if len(bos) == 1 and any(not ids or ids[0] not in bos for ids in wanted):
            got = [ids[1:] for ids in got]
        num_different += differences(path.name, texts, got, wanted[:len(texts)])
    return num_different


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("text", nargs="?")
    parser.add_argument("--vectors")
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    sys.exit((vectors if options.vectors else fuzz)(options) > 0)


if __name__ == "__main__":
    main()
