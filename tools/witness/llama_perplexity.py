#!/usr/bin/env python3
"""Whether `bitloss report --format llama` prints what llama-perplexity prints, name by name.

    llama_perplexity.py --bitloss build/release/bitloss --llama-cpp FOLDER --model MODEL --text FILE \\
        --record FILE [--chunks N] [--schemes q8_0,q4_0]

FOLDER holds llama-perplexity and llama-quantize. MODEL as FP16 and in each scheme is written as GGUF, and
llama-perplexity --kl-divergence asked about each twice:

decoded   both files as llama-quantize decodes them to F32, attention and its cache in FP32: the same
          arithmetic as the lane, so that what is left is its file of 16-bit log-probabilities;
kernels   the F16 and the quantized file as they are, with llama.cpp's own kernels and its FP16 cache: the
          lane "@ggml", but that there FP16 weights meet activations in FP16, and so do keys and values.

FILE gets, for each model, scheme and way, every statistic as [asked of llama-perplexity, printed
by bitloss], errors ("+/-") included, and the largest difference beyond what its own file's 16 bits may do.
"""

import argparse
import json
import pathlib
import re
import subprocess
import tempfile

NUMBER = r"(-?[\d.]+|-?nan|-?inf)"
STATISTIC = re.compile(rf"^ ?(\S.*?(?:KLD|Δp|top p|\))) *: *{NUMBER} *%?(?: *± *{NUMBER})?", re.M)


def run(command):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stdout[-2000:]}")
    return done.stdout


def statistics(text):
    """What stands under each name: a value, or a value and its error."""
    found = {}
    for name, value, error in STATISTIC.findall(text):
        found[" ".join(name.split())] = [float(value)] + ([float(error)] if error else [])
    return found


def whole(command, last):
    """What is printed, with `last` in it: the program of 2026 may end before its log is written."""
    for _ in range(40):
        text = run(command)
        if last in text:
            return text
    raise RuntimeError(f"{command[0]} never prints '{last}': {text[-2000:]}")


def asked(args, base, quantized, folder, exact):
    logits = folder / "base.kld"
    how = ["-c", "512", "-b", "512", "-t", args.threads, "--no-repack"]
    if exact:
        how += ["-fa", "off", "-ctk", "f32", "-ctv", "f32"]
    program = args.llama_cpp / "llama-perplexity"
    alone = whole([program, "-m", base, "-f", args.text, "--chunks", args.chunks,
                 "--kl-divergence-base", logits, *how], "Final estimate")
    compared = whole([program, "-m", quantized, "--kl-divergence-base", logits, "--kl-divergence",
                      *how], "Same top p: ")
    logits.unlink()
    final = re.search(rf"Final estimate: PPL = {NUMBER} \+/- {NUMBER}", alone)
    return statistics(compared) | {"Final estimate of the base": [float(x) for x in final.groups()]}


def printed(args, folder, schemes):
    """By lane."""
    study = folder / "study"
    run([args.bitloss, "run", args.model, "--schemes", ",".join(schemes), "--text", args.text,
         "--protocol", "llamacpp-512", "--max-samples", args.chunks, "--suite", "none", "--control",
         "none", "--threads", args.threads, "--out", study])
    report = run([args.bitloss, "report", study, "--format", "llama"])
    final = re.search(rf"Final estimate: PPL = {NUMBER} \+/- {NUMBER}", report)
    final = [float(x) for x in final.groups()]
    lanes = {}
    for section in re.split(r"^# (?=.* \(Q\) against)", report, flags=re.M)[1:]:
        lane = re.match(r".*: (\S+) \(Q\)", section)[1]
        lanes[lane] = statistics(section) | {"Final estimate of the base": final}
    return lanes


def beside(theirs, ours):
    assert theirs.keys() == ours.keys(), theirs.keys() ^ ours.keys()
    return {name: [theirs[name], ours[name]] for name in theirs}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for option in ["bitloss", "model", "text", "record"]:
        parser.add_argument(f"--{option}", required=True)
    parser.add_argument("--llama-cpp", type=pathlib.Path, required=True)
    parser.add_argument("--chunks", default="16")
    parser.add_argument("--schemes", default="q8_0,q4_0")
    parser.add_argument("--threads", default="2")
    args = parser.parse_args()
    schemes = args.schemes.split(",")
    record = pathlib.Path(args.record)
    results = json.loads(record.read_text()) if record.exists() else {}
    model = results.setdefault(pathlib.Path(args.model).name, {"chunks": int(args.chunks)})
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        lanes = printed(args, folder, schemes + [scheme + "@ggml" for scheme in schemes])

        def written(scheme):
            file = folder / f"{scheme}.gguf"
            decoded = folder / f"{scheme}-f32.gguf"
            run([args.bitloss, "quantize", args.model, "--scheme", scheme, "--out", file])
            run([args.llama_cpp / "llama-quantize", "--allow-requantize", file, decoded, "F32"])
            return file, decoded
        base, base_decoded = written("fp16")
        for scheme in schemes:
            file, decoded = written(scheme)
            model[scheme] = {
                "decoded": beside(asked(args, base_decoded, decoded, folder, True), lanes[scheme]),
                "kernels": beside(asked(args, base, file, folder, False), lanes[scheme + "@ggml"])}
            for way, pairs in model[scheme].items():
                for statistic, (theirs, ours) in pairs.items():
                    print(f"{scheme:6} {way:8} {statistic:32} {theirs} {ours}", flush=True)
    lines = json.dumps(results, indent=1, ensure_ascii=False)
    lines = re.sub(r"\[\s*(\[[^\]]*\]),\s*(\[[^\]]*\])\s*\]", lambda pair: " ".join(pair[0].split()), lines)
    lines = lines.replace("[ ", "[").replace(" ]", "]")
    record.write_text(lines + "\n")


if __name__ == "__main__":
    main()
