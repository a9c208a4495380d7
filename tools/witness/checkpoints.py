#!/usr/bin/env python3
"""Whether other programs load the checkpoints that bitloss writes, and read the same model in them.

    checkpoints.py --bitloss build/release/bitloss --model MODEL --text TEXT [--chunks 40] \\
        --record FILE [--only nf4,...] [--llama-cpp FOLDER]

For each scheme: `bitloss quantize` writes a checkpoint, `bitloss run --lane` evaluates it beside the
lane that made it, and a witness loads the same files and evaluates the same tokens. The protocol is
llamacpp-512: chunks of 512 tokens, those of the second half scored. Python witnesses compute in
float32 on the CPU. llama.cpp multiplies quantized weights by activations in blocks of 8 bits, so
there are two comparisons: its own decoded weights times real activations against the lane, and its
own kernels against the lane that does as they do ("@ggml"). FOLDER holds its llama-perplexity and
llama-quantize. FILE gets every perplexity and how far the witness is from the lane.

Two witnesses multiply 8-bit activations by other constants than bitloss does (CAUSES). They are
asked again with bitloss' constant in that place, and then once more for each of PERTURBATIONS of one
norm's weights, which says what is left: how far the witness is from itself when its last bits change.
"""

import argparse
import contextlib
import json
import math
import operator
import pathlib
import platform
import re
import subprocess
import tempfile

# Scheme, options of `bitloss quantize`, witness.
CASES = [
    ("nf4", [], "transformers + bitsandbytes"),
    ("nf4-dq", [], "transformers + bitsandbytes"),
    ("fp4", [], "transformers + bitsandbytes"),
    ("int8", [], "transformers + bitsandbytes"),
    ("rtn4", ["--layout", "compressed-tensors"], "transformers + compressed-tensors"),
    ("int4_group:64:sym", ["--layout", "compressed-tensors"], "transformers + compressed-tensors"),
    ("int8_row", ["--layout", "compressed-tensors"], "transformers + compressed-tensors"),
    ("awq", [], "transformers + gptqmodel"),
    ("int4_group:128:sym", ["--layout", "gptq"], "transformers + gptqmodel"),
    ("int4_group:64:asym", ["--layout", "gptq"], "transformers + gptqmodel"),
    ("int4_group:64:full:index+gptq:act", ["--layout", "gptq"], "transformers + gptqmodel"),
    ("int8_group:64:sym", ["--layout", "gptq"], "transformers + gptqmodel"),
    ("w8a8", ["--layout", "compressed-tensors"], "transformers + compressed-tensors, int8 activations"),
    ("fp8", ["--layout", "compressed-tensors"], "transformers + compressed-tensors"),
    ("fp8_e4m3:block", ["--layout", "fp8"], "transformers, fine-grained FP8"),
    ("fp16", ["--layout", "gguf"], "llama.cpp"),
] + [(name, [], "llama.cpp") for name in
     "q8_0 q4_0 q4_1 q5_0 q5_1 iq4_nl q2_k q3_k q4_k q5_k q6_k iq4_xs".split()]

# Types for which bitloss has llama.cpp's arithmetic too.
GGML_PRODUCTS = {"q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "iq4_nl"}


def lane_results(bitloss, model, schemes, checkpoint, text, chunks, folder):
    """Perplexities of the baseline, the lanes that schemes make and the checkpoint as a lane."""
    study = folder / "study"
    plain = schemes == ["fp16"]  # a lane that is the baseline is refused
    lane = [] if plain else ["--lane", checkpoint]
    subprocess.run([bitloss, "run", model, "--schemes", ",".join(schemes), *lane, "--text", text,
                    "--protocol", "llamacpp-512", "--max-samples", str(chunks), "--suite", "none",
                    "--out", study], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    lanes = json.loads((study / "report.json").read_text())["lanes"]
    found = [lane["protocols"][0]["perplexity"] for lane in lanes]
    return found * 3 if plain else found


def chunks_of(tokenizer, text, count):
    ids = tokenizer(text.removesuffix("\n"), add_special_tokens=False).input_ids
    return [ids[i * 512:(i + 1) * 512] for i in range(min(count, len(ids) // 512))]


def compute_in_float32(model):
    """transformers leaves what is not quantized in the FP16 that a checkpoint stores, whatever dtype
    it was asked for, and computes in it. Kernels of GPTQModel take their scales as they are."""
    import torch
    for module in model.modules():
        if type(module).__module__.startswith("gptqmodel"):
            continue
        for tensor in [*module.parameters(recurse=False), *module.buffers(recurse=False)]:
            if tensor.dtype in (torch.float16, torch.bfloat16):
                tensor.data = tensor.data.float()


def transformers_perplexity(checkpoint, text, count, perturbation=0.0, **options):
    """Each chunk by itself, as a batch of one."""
    import torch
    import transformers
    torch.set_grad_enabled(False)
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        checkpoint, dtype=torch.float32, device_map="cpu", attn_implementation="eager",
        **options).eval()
    compute_in_float32(model)
    model.model.layers[0].input_layernorm.weight.mul_(1 + perturbation)
    total, scored = 0.0, 0
    for ids in chunks_of(tokenizer, text, count):
        logits = model(torch.tensor([ids])).logits[0].double()
        losses = -torch.log_softmax(logits[:-1], dim=-1)[range(511), ids[1:]]
        total += losses[256:].sum().item()
        scored += 255
    return math.exp(total / scored)


@contextlib.contextmanager
def exact_product_of_steps():
    """bitsandbytes' generic code, with 1 / 127^2 where it has 6.200124e-05."""
    import bitsandbytes
    import torch

    def dequantize(codes, row_stats, col_stats, dtype=None, bias=None):
        out = codes.view(-1, codes.shape[-1]) * (row_stats.reshape(-1, 1) * col_stats.reshape(1, -1))
        out = out / 16129.0
        return (out if bias is None else out + bias).to(dtype or torch.float16)

    library = torch.library.Library("bitsandbytes", "IMPL")
    library.impl("int8_mm_dequant", dequantize, "CPU", allow_override=True)
    yield
    library._destroy()


@contextlib.contextmanager
def whole_steps():
    """compressed-tensors, with scales of the largest magnitude / 127 where it has / 127.5."""
    from compressed_tensors.quantization.utils import helpers
    shipped = helpers.calculate_qparams

    def calculate(min_vals, max_vals, *rest, **options):
        scales, zeros = shipped(min_vals, max_vals, *rest, **options)
        return scales * (127.5 / 127), zeros

    helpers.calculate_qparams = calculate
    yield
    helpers.calculate_qparams = shipped


# Scheme: what differs there, and the witness without it.
CAUSES = {"int8": ("6.200124e-05 for 1 / 127^2", exact_product_of_steps),
          "w8a8": ("activations in 127.5 steps of their largest, not 127", whole_steps)}
PERTURBATIONS = [1e-6, -1e-6]


def without_cause(scheme, checkpoint, text, count, lane):
    cause, patched = CAUSES[scheme]
    with patched():
        found = [transformers_perplexity(checkpoint, text, count, perturbation)
                 for perturbation in [0.0] + PERTURBATIONS]
    return {"cause": cause, "witness perplexity without it": found[0],
            "relative difference without it": found[0] / lane - 1,
            "norm perturbed by": PERTURBATIONS,
            "relative differences then": [value / lane - 1 for value in found[1:]]}


def compressed_tensors_perplexity(checkpoint, text, count):
    """Decompressed as it is loaded: transformers 5.23 does not keep packed zero points packed."""
    import transformers
    config = transformers.CompressedTensorsConfig(dequantize=True)
    return transformers_perplexity(checkpoint, text, count, quantization_config=config)


def fine_grained_fp8_perplexity(checkpoint, text, count):
    """Decoded as it is loaded: the kernels that multiply FP8 need a GPU."""
    import transformers
    config = transformers.FineGrainedFP8Config(dequantize=True)
    return transformers_perplexity(checkpoint, text, count, quantization_config=config)


def run_llama_perplexity(model, text, count):
    """llama.cpp's own tokenizer; attention and its cache in float32. Without repacked weights, whose
    AMX kernels crash in some virtual machines."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(text.removesuffix("\n"))
        file.flush()
        result = subprocess.run(
            [LLAMA_CPP / "llama-perplexity", "-m", model, "-f", file.name, "-c", "512", "--chunks",
             str(count), "-t", "1", "--no-repack", "-fa", "off", "-ctk", "f32", "-ctv", "f32"],
            capture_output=True, text=True, check=True)
    found = re.search(r"Final estimate: PPL = ([0-9.]+)", result.stderr + result.stdout)
    assert found, result.stderr[-2000:]
    return float(found[1])


def llama_cpp_perplexity(checkpoint, text, count):
    """The weights as llama-quantize decodes them to F32, which are multiplied by F32 activations."""
    decoded = checkpoint / "f32.gguf"
    subprocess.run([LLAMA_CPP / "llama-quantize", "--allow-requantize", checkpoint / "model.gguf",
                    decoded, "F32"], check=True, capture_output=True)
    return run_llama_perplexity(decoded, text, count)


WITNESSES = {"transformers + bitsandbytes": transformers_perplexity,
             "transformers + compressed-tensors": compressed_tensors_perplexity,
             "transformers + compressed-tensors, int8 activations": transformers_perplexity,
             "transformers, fine-grained FP8": fine_grained_fp8_perplexity,
             "transformers + gptqmodel": transformers_perplexity,
             "llama.cpp": llama_cpp_perplexity}


def versions():
    import importlib.metadata as metadata
    found = {"python": platform.python_version()}
    for name in ["torch", "transformers", "bitsandbytes", "compressed-tensors", "gptqmodel",
                 "llama_cpp_python"]:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            pass  # its cases are not asked for
    return found


def measure(args, scheme, options, witness, text):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        checkpoint = folder / "checkpoint"
        subprocess.run([args.bitloss, "quantize", args.model, "--scheme", scheme, "--out",
                        checkpoint, *options], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        schemes = [scheme] + ([f"{scheme}@ggml"] if scheme in GGML_PRODUCTS else [])
        baseline, made, *ggml, stored = lane_results(args.bitloss, args.model, schemes, checkpoint,
                                                     args.text, args.chunks, folder)
        theirs = WITNESSES[witness](checkpoint, text, args.chunks)
        apart = (without_cause(scheme, checkpoint, text, args.chunks, stored)
                 if scheme in CAUSES else {})
        kernels = (run_llama_perplexity(checkpoint / "model.gguf", text, args.chunks)
                   if witness == "llama.cpp" else None)
    assert made == stored, (scheme, made, stored)
    result = {"model": pathlib.Path(args.model).name, "text": pathlib.Path(args.text).name,
              "scheme": scheme, "options": " ".join(options), "witness": witness,
              "chunks": args.chunks, "baseline": baseline, "lane": made, "checkpoint as lane": stored,
              "witness perplexity": theirs, "relative difference": theirs / stored - 1, **apart}
    if kernels:
        result["witness perplexity, 8-bit activations"] = kernels
    if ggml:
        result["lane @ggml"] = ggml[0]
        result["relative difference, 8-bit activations"] = kernels / ggml[0] - 1
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bitloss", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--text", required=True)
    parser.add_argument("--chunks", type=int, default=40)
    parser.add_argument("--record", required=True)
    parser.add_argument("--only", help="schemes, separated by commas")
    parser.add_argument("--llama-cpp", type=pathlib.Path, default=pathlib.Path())
    args = parser.parse_args()
    global LLAMA_CPP
    LLAMA_CPP = args.llama_cpp
    text = pathlib.Path(args.text).read_text("utf-8")
    wanted = args.only.split(",") if args.only else [scheme for scheme, _, _ in CASES]
    results = []
    for scheme, options, witness in CASES:
        if scheme not in wanted:
            continue
        result = measure(args, scheme, options, witness, text)
        print(json.dumps(result), flush=True)
        results.append(result)
    path = pathlib.Path(args.record)
    record = {}
    if path.exists():  # cases that were not asked for stay
        case = operator.itemgetter("model", "scheme", "options")
        made = {case(result) for result in results}
        record = json.loads(path.read_text())
        results += [old for old in record["results"] if case(old) not in made]
    order = [(scheme, " ".join(options)) for scheme, options, _ in CASES]
    results.sort(key=lambda result: (result["model"] != "bitloss-tiny",
                                    order.index((result["scheme"], result["options"]))))
    record = {"made_by": "tools/witness/checkpoints.py",
              "versions": {**record.get("versions", {}), **versions()},
              "protocol": "llamacpp-512", "results": results}
    path.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
