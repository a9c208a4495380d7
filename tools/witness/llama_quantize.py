#!/usr/bin/env python3
"""Whether bitloss and llama-quantize write the same blocks, tensor by tensor.

    llama_quantize.py --bitloss build/release/bitloss --llama-quantize PROGRAM --model MODEL \\
        --record FILE [--name LABEL] [--only q4_k,...] [--llama-imatrix PROGRAM --text TEXT]
    llama_quantize.py ... --file-types [--text TEXT]

For each type: the model as an F16 GGUF file is quantized by llama-quantize (--pure, embedding and head
left alone) and by `bitloss quantize`; the bytes of every tensor are compared, and where they differ
the blocks are counted. No importance matrix is used, or, with a TEXT, the one that llama-imatrix
makes of its first chunks, in its old and in its new file format. FILE gets the counts under LABEL, which
says how llama-quantize was built: compilers that fuse multiplications and additions (the default of
GCC where the processor can) decide near ties otherwise than the C sources do as written, and bitloss
follows the sources. With --file-types every file type is made by both, embedding and head included,
plain and by the importance matrix that `bitloss imatrix` writes of the TEXT (by default of the one
that ships), which llama-quantize reads, too; what llama-quantize refuses to make plain, bitloss must
refuse. Needs gguf-py.
"""

import argparse
import json
import pathlib
import shutil
import resource
import subprocess
import tempfile

import gguf
import numpy

TYPES = "q4_0 q4_1 q5_0 q5_1 q8_0 q2_k q3_k q4_k q5_k q6_k iq4_nl iq4_xs".split()
FILE_TYPES = """Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q2_K_S Q3_K_S Q3_K_M Q3_K_L Q4_K_S Q4_K_M Q5_K_S Q5_K_M Q6_K
    IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ2_M IQ3_XXS IQ3_XS IQ3_S IQ3_M IQ4_NL IQ4_XS TQ1_0 TQ2_0
    MXFP4_MOE""".split()
# llama-quantize's names of mixes whose base is the type.
MIXES = {"q2_k": "Q2_K", "q3_k": "Q3_K_S", "q4_k": "Q4_K_S", "q5_k": "Q5_K_S"}


def quiet(command):
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def compare(ours, theirs):
    """Counts over the tensors of two files, which must have the same names. Where rows do not divide
    into super-blocks, versions of llama.cpp differ in the type that they store instead: those
    tensors are counted apart."""
    a = {tensor.name: tensor for tensor in gguf.GGUFReader(ours).tensors}
    b = {tensor.name: tensor for tensor in gguf.GGUFReader(theirs).tensors}
    assert a.keys() == b.keys(), a.keys() ^ b.keys()
    counts = {"tensors": 0, "equal": 0, "blocks": 0, "differing blocks": 0, "types": {},
              "another type there": {}}
    for name, tensor in a.items():
        kind = tensor.tensor_type
        if kind != b[name].tensor_type:
            pair = f"{kind.name}, there {b[name].tensor_type.name}"
            counts["another type there"][pair] = counts["another type there"].get(pair, 0) + 1
            continue
        if kind in (gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.F16):
            continue
        block_bytes = gguf.GGML_QUANT_SIZES[kind][1]
        left = numpy.frombuffer(tensor.data.tobytes(), numpy.uint8).reshape(-1, block_bytes)
        right = numpy.frombuffer(b[name].data.tobytes(), numpy.uint8).reshape(-1, block_bytes)
        differing = int((left != right).any(axis=1).sum())
        counts["tensors"] += 1
        counts["equal"] += differing == 0
        counts["blocks"] += len(left)
        counts["differing blocks"] += differing
        counts["types"][kind.name] = counts["types"].get(kind.name, 0) + 1
    return counts


def make_importances(program, model, text, folder):
    """The importance matrix of 8 chunks as a file of each of llama-imatrix's formats."""
    made = {}
    for kind in ["dat", "gguf"]:
        made[kind] = folder / f"imatrix.{kind}"
        quiet([program, "-m", model, "-f", text, "-o", made[kind], "--output-format", kind, "-c", "512",
               "--chunks", "8", "--no-ppl"])
    return made


def succeeds(command):
    return subprocess.run([str(word) for word in command], check=False, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


def processor_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def compare_file_types(args, f16, folder):
    """Counts by file type, "+imatrix" behind those that are made by importances; the seconds that
    each program had processors for."""
    importance = folder / "imatrix.gguf"
    text = ["--calibration", args.text] if args.text else []
    quiet([args.bitloss, "imatrix", args.model, "--out", importance, *text])
    counts = {}
    for kind in args.only.split(",") if args.only else FILE_TYPES:
        for given in [[], ["--imatrix", importance]]:
            label = kind + ("+imatrix" if given else "")
            ours, theirs = folder / "ours", folder / "theirs.gguf"
            shutil.rmtree(ours, ignore_errors=True)
            theirs.unlink(missing_ok=True)
            start = processor_seconds()
            made = succeeds([args.bitloss, "quantize", args.model, "--scheme", "gguf:" + label,
                             *given, "--threads", args.threads, "--out", ours])
            middle = processor_seconds()
            made_there = succeeds([args.llama_quantize, *given, f16, theirs, kind, args.threads])
            end = processor_seconds()
            if not made or not made_there:
                counts[label] = {"refused by": [name for name, done in [
                    ("bitloss", made), ("llama-quantize", made_there)] if not done]}
            else:
                counts[label] = compare(ours / "model.gguf", theirs)
                counts[label]["seconds"] = [round(middle - start, 1), round(end - middle, 1)]
            print(label, json.dumps(counts[label]), flush=True)
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for option in ["bitloss", "llama-quantize", "model", "record"]:
        parser.add_argument(f"--{option}", required=True)
    parser.add_argument("--name", default="as built")
    parser.add_argument("--only", help="types, separated by commas")
    parser.add_argument("--llama-imatrix")
    parser.add_argument("--text")
    parser.add_argument("--file-types", action="store_true")
    parser.add_argument("--threads", default="2")
    args = parser.parse_args()
    record = pathlib.Path(args.record)
    results = json.loads(record.read_text()) if record.exists() else {}
    model = pathlib.Path(args.model).name
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        quiet([args.bitloss, "quantize", args.model, "--scheme", "fp16", "--layout", "gguf",
               "--out", folder / "f16"])
        f16 = folder / "f16" / "model.gguf"
        if args.file_types:
            label = args.name + ", file types"
            results.setdefault(label, {})[model] = compare_file_types(args, f16, folder)
            record.write_text(json.dumps(results, indent=1) + "\n")
            return
        importances = {None: None}
        if args.text:
            importances = make_importances(args.llama_imatrix, f16, args.text, folder)
        for kind in args.only.split(",") if args.only else TYPES:
            for form, importance in importances.items():
                given = ["--imatrix", importance] if importance else []
                ours = folder / f"{kind}-{form}"
                quiet([args.bitloss, "quantize", args.model, "--scheme",
                       kind + ("+imatrix" if importance else ""), *given, "--out", ours])
                quiet([args.llama_quantize, "--pure", "--token-embedding-type", "f16",
                       "--output-tensor-type", "f16", *given, f16, folder / "theirs.gguf",
                       MIXES.get(kind, kind.upper())])
                counts = compare(ours / "model.gguf", folder / "theirs.gguf")
                label = args.name + (f", importances from imatrix.{form}" if form else "")
                print(model, kind, form or "", json.dumps(counts), flush=True)
                results.setdefault(label, {}).setdefault(model, {})[kind] = counts
                shutil.rmtree(ours)
    record.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
