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

Some witnesses compute something else than their files say (CAUSES): bitsandbytes rounds to BF16 on
a CPU that has instructions for it, and two multiply 8-bit activations by other constants than bitloss
does. They are asked again with that put right. Those that round activations to 8 bits (SCATTERED) are
then asked once more for each of PERTURBATIONS of one norm's weights in the files, and the lanes of these
files with them (not for GGUF: a lane "@ggml" has the model's norms, in FP16). That says what is left:
how far either is from itself when its last bits change.
"""

import argparse
import contextlib
import json
import math
import operator
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import tempfile

ROUNDED = "transformers + compressed-tensors, rounded activations"

# Scheme, options of `bitloss quantize`, witness.
CASES = [
    ("nf4", [], "transformers + bitsandbytes"),
    ("nf4-dq", [], "transformers + bitsandbytes"),
    ("fp4", [], "transformers + bitsandbytes"),
    ("fp4_dq", [], "transformers + bitsandbytes"),
    ("int8", [], "transformers + bitsandbytes"),
    ("rtn4", ["--layout", "compressed-tensors"], "transformers + compressed-tensors"),
    ("int4_group:64:sym", ["--layout", "compressed-tensors"], "transformers + compressed-tensors"),
    ("int8_group:64:sym", ["--layout", "compressed-tensors"], "transformers + compressed-tensors"),
    ("int3_group:64:sym", ["--layout", "compressed-tensors"], "transformers + compressed-tensors"),
    ("int2_group:64:asym", ["--layout", "compressed-tensors"], "transformers + compressed-tensors"),
    ("int8_row", ["--layout", "compressed-tensors"], "transformers + compressed-tensors"),
    ("awq", [], "transformers + gptqmodel"),
    ("int4_group:128:sym", ["--layout", "gptq"], "transformers + gptqmodel"),
    ("int4_group:64:asym", ["--layout", "gptq"], "transformers + gptqmodel"),
    ("int4_group:64:full:index+gptq:act", ["--layout", "gptq"], "transformers + gptqmodel"),
    ("int8_group:64:sym", ["--layout", "gptq"], "transformers + gptqmodel"),
    ("int3_group:64:sym", ["--layout", "gptq"], "transformers + gptqmodel"),
    ("int2_group:64:asym", ["--layout", "gptq"], "transformers + gptqmodel"),
    ("w8a8", ["--layout", "compressed-tensors"], "transformers + compressed-tensors, int8 activations"),
    ("fp8", ["--layout", "compressed-tensors"], "transformers + compressed-tensors"),
    ("fp8_e4m3:tensor", ["--layout", "compressed-tensors"], "transformers + compressed-tensors"),
    ("fp8_e4m3:block", ["--layout", "compressed-tensors"], "transformers + compressed-tensors"),
    ("nvfp4", [], "transformers + compressed-tensors"),
    ("mxfp4", [], "transformers + compressed-tensors"),
    ("mxfp6", [], "transformers + compressed-tensors"),
    ("mxfp8", [], "transformers + compressed-tensors"),
    ("fp8-block", ["--layout", "fp8"], "transformers, fine-grained FP8"),
    ("fp8-dynamic", [], ROUNDED),
    ("mxfp8-w8a8", [], ROUNDED),
    ("mxfp4-w4a4", [], ROUNDED),
    ("w4a8", [], ROUNDED),
    ("fp8-static", [], ROUNDED),
    ("int8_row@w8a8:ct:static", [], ROUNDED),
    ("nvfp4-w4a4", [], ROUNDED),
    ("fp16", ["--layout", "gguf"], "llama.cpp"),
] + [(name, [], "llama.cpp") for name in
     "q8_0 q4_0 q4_1 q5_0 q5_1 iq4_nl q2_k q3_k q4_k q5_k q6_k iq4_xs mxfp4_gguf".split()]

# Types for which bitloss has llama.cpp's arithmetic too.
GGML_PRODUCTS = {"q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "iq4_nl"}
# Checkpoints that ask for rounded activations, whose witness rounds none: what their weights alone are.
WEIGHTS_ALONE = {"fp8-block": "fp8_e4m3:block"}
SCATTERED = {"int8", "w8a8", "w4a8", "q8_0", "q4_0"}
PERTURBATIONS = [1e-6, -1e-6, 2e-6, -2e-6, 3e-6, -3e-6, 4e-6, -4e-6]


def run_lanes(args, schemes, checkpoints, study):
    """Perplexities of the baseline, the lanes that schemes make and the checkpoints as lanes."""
    lanes = [word for checkpoint in checkpoints for word in ["--lane", checkpoint]]
    subprocess.run([args.bitloss, "run", args.model, "--schemes", ",".join(schemes), *lanes, "--text",
                    args.text, "--protocol", "llamacpp-512", "--max-samples", str(args.chunks),
                    "--suite", "none", "--control", "none", "--out", study], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    lanes = json.loads((study / "report.json").read_text())["lanes"]
    return [lane["protocols"][0]["perplexity"] for lane in lanes]


def lane_results(args, schemes, checkpoint, folder):
    if schemes == ["fp16"]:  # a lane that is the baseline is refused
        return run_lanes(args, schemes, [], folder / "study") * 3
    return run_lanes(args, schemes, [checkpoint], folder / "study")


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


def transformers_perplexity(checkpoint, text, count, prepare=None, **options):
    """Each chunk by itself, as a batch of one, by the model as `prepare` leaves it."""
    import torch
    import transformers
    torch.set_grad_enabled(False)
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        checkpoint, dtype=torch.float32, device_map="cpu", attn_implementation="eager",
        **options).eval()
    compute_in_float32(model)
    if prepare:
        prepare(model)
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


@contextlib.contextmanager
def float32_products():
    """bitsandbytes, multiplying as on a CPU without instructions for BF16: decoded to float32."""
    from bitsandbytes.nn import modules
    shipped = modules.has_avx512bf16
    modules.has_avx512bf16 = lambda: False
    yield
    modules.has_avx512bf16 = shipped


# Scheme: what differs there, and the witness without it.
IN_BF16 = ("levels, absmax, inputs and outputs of linears in BF16, where a CPU has AVX512-BF16",
           float32_products)
WHOLE_STEPS = ("activations in 127.5 steps of their largest, not 127", whole_steps)
CAUSES = {"nf4": IN_BF16, "nf4-dq": IN_BF16, "fp4": IN_BF16, "fp4_dq": IN_BF16,
          "int8": ("6.200124e-05 for 1 / 127^2", exact_product_of_steps),
          "w8a8": WHOLE_STEPS, "w4a8": WHOLE_STEPS}


def perturbed(checkpoint, perturbation, folder):
    """The checkpoint with the weights of its first norm a little larger, in float32."""
    from safetensors import torch as files
    name = "model.layers.0.input_layernorm.weight"
    shutil.copytree(checkpoint, folder)
    tensors = files.load_file(folder / "model.safetensors")
    tensors[name] = tensors[name].double().mul(1 + perturbation).float()
    files.save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder


def without_cause(args, scheme, checkpoint, text, lane, evaluate, folder):
    cause, patched = CAUSES[scheme]
    with patched():
        found = evaluate(checkpoint, text, args.chunks)
        result = {"cause": cause, "witness perplexity without it": found,
                  "relative difference without it": found / lane - 1}
        if scheme in SCATTERED:
            result |= scatter_of_files(args, checkpoint, text, lane, found, evaluate, folder)
    return result


def scatter_of_files(args, checkpoint, text, lane, found, evaluate, folder):
    folders = [perturbed(checkpoint, perturbation, folder / f"perturbed-{i}")
               for i, perturbation in enumerate(PERTURBATIONS)]
    lanes = run_lanes(args, ["fp16"], folders, folder / "perturbed-study")[1:]
    theirs = [evaluate(each, text, args.chunks) for each in folders]
    return scatter([lane] + lanes, [found] + theirs)


def perturbed_gguf(source, perturbation, path):
    import gguf
    shutil.copy(source, path)
    reader = gguf.GGUFReader(path, "r+")
    norm = next(tensor for tensor in reader.tensors if tensor.name == "blk.0.attn_norm.weight")
    norm.data[:] = norm.data.astype("float64") * (1 + perturbation)
    reader.data.flush()
    return path


def scatter(lanes, witnesses):
    """Of each the perplexities as they are and then perturbed."""
    result = {"norm perturbed by": PERTURBATIONS, "witness then": witnesses[1:],
              "relative difference of the means":
                  statistics.mean(witnesses) / statistics.mean(lanes) - 1,
              "relative standard deviation, witness": deviation(witnesses)}
    if len(lanes) > 1:
        result |= {"lane then": lanes[1:], "relative standard deviation, lane": deviation(lanes)}
    return result


def deviation(values):
    return statistics.stdev(values) / statistics.mean(values)


def scatter_of_kernels(args, checkpoint, text, lane, theirs, folder):
    """llama.cpp's kernels, of files whose first norm is perturbed."""
    witnesses = [theirs]
    for perturbation in PERTURBATIONS:
        model = perturbed_gguf(checkpoint / "model.gguf", perturbation, folder / "perturbed.gguf")
        witnesses.append(run_llama_perplexity(model, text, args.chunks))
    return scatter([lane], witnesses)


def compressed_tensors_perplexity(checkpoint, text, count):
    """Decompressed as it is loaded: transformers 5.23 does not keep packed zero points packed."""
    import transformers
    config = transformers.CompressedTensorsConfig(dequantize=True)
    return transformers_perplexity(checkpoint, text, count, quantization_config=config)


def input_scales(checkpoint):
    """By module: "input_scale" or "input_global_scale"."""
    from safetensors import safe_open
    found = {}
    for file in pathlib.Path(checkpoint).glob("*.safetensors"):
        with safe_open(file, "pt") as tensors:
            for name in tensors.keys():
                if name.endswith((".input_scale", ".input_global_scale")):
                    found[name.rpartition(".")[0]] = tensors.get_tensor(name).float()
    return found


def rounded_activations_perplexity(checkpoint, text, count):
    """Decompressed as it is loaded, after which transformers rounds no activations either: here each
    linear's inputs go through compressed-tensors' own fake quantization, as its config asks, with the
    scales that the file holds where it holds them."""
    import torch
    from compressed_tensors.quantization import QuantizationConfig
    from compressed_tensors.quantization.lifecycle.forward import fake_quantize
    from compressed_tensors.quantization.utils.helpers import compute_dynamic_scales_and_zp
    from torch import nn
    config = json.loads((pathlib.Path(checkpoint) / "config.json").read_text())
    config = QuantizationConfig.model_validate(config["quantization_config"])
    group, = config.config_groups.values()
    arguments = group.input_activations

    stored = input_scales(checkpoint)

    def round_inputs_of(name):
        def round_inputs(module, inputs):
            found = stored.get(name)
            if arguments.dynamic is False:
                return (fake_quantize(inputs[0], found, torch.zeros_like(found), arguments), *inputs[1:])
            scale, zero = compute_dynamic_scales_and_zp(inputs[0], arguments, module, found)
            return (fake_quantize(inputs[0], scale, zero, arguments, global_scale=found), *inputs[1:])
        return round_inputs

    import transformers
    return transformers_perplexity(
        checkpoint, text, count, prepare=lambda model: [
            module.register_forward_pre_hook(round_inputs_of(name)) for name, module in model.named_modules()
            if isinstance(module, nn.Linear) and name not in config.ignore],
        quantization_config=transformers.CompressedTensorsConfig(dequantize=True))


def fine_grained_fp8_perplexity(checkpoint, text, count):
    """Decoded as it is loaded: the kernels that multiply FP8 need a GPU."""
    import transformers
    config = transformers.FineGrainedFP8Config(dequantize=True)
    return transformers_perplexity(checkpoint, text, count, quantization_config=config)


def run_llama_perplexity(model, text, count):
    """llama.cpp's own tokenizer; attention and its cache in float32. Without repacked weights, whose
    AMX kernels crash in some virtual machines. The program of 2026 may end before the last line of
    its log is written; it is run again then."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(text.removesuffix("\n"))
        file.flush()
        for _ in range(40):
            result = subprocess.run(
                [LLAMA_CPP / "llama-perplexity", "-m", model, "-f", file.name, "-c", "512",
                 "--chunks", str(count), "-t", "1", "--no-repack", "-fa", "off", "-ctk", "f32",
                 "-ctv", "f32"], capture_output=True, text=True, check=True)
            found = re.search(r"Final estimate: PPL = ([0-9.]+)", result.stderr + result.stdout)
            if found:
                return float(found[1])
    raise RuntimeError(f"llama-perplexity says no perplexity: {result.stderr[-2000:]}")


def llama_cpp_perplexity(checkpoint, text, count):
    """The weights as llama-quantize decodes them to F32, which are multiplied by F32 activations."""
    decoded = checkpoint / "f32.gguf"
    subprocess.run([LLAMA_CPP / "llama-quantize", "--allow-requantize", checkpoint / "model.gguf",
                    decoded, "F32"], check=True, capture_output=True)
    return run_llama_perplexity(decoded, text, count)


WITNESSES = {"transformers + bitsandbytes": transformers_perplexity,
             "transformers + compressed-tensors": compressed_tensors_perplexity,
             "transformers + compressed-tensors, int8 activations": transformers_perplexity,
             ROUNDED: rounded_activations_perplexity,
             "transformers, fine-grained FP8": fine_grained_fp8_perplexity,
             "transformers + gptqmodel": transformers_perplexity,
             "llama.cpp": llama_cpp_perplexity}


def versions():
    import importlib.metadata as metadata
    flags = pathlib.Path("/proc/cpuinfo").read_text().split()
    found = {"python": platform.python_version(), "CPU with AVX512-BF16": "avx512_bf16" in flags}
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
        schemes = [WEIGHTS_ALONE.get(scheme, scheme)] + ([f"{scheme}@ggml"] if scheme in GGML_PRODUCTS else [])
        lane = f"{checkpoint}@weights" if scheme in WEIGHTS_ALONE else checkpoint
        baseline, made, *ggml, stored = lane_results(args, schemes, lane, folder)
        theirs = WITNESSES[witness](checkpoint, text, args.chunks)
        apart = {}
        if scheme in CAUSES:
            apart = without_cause(args, scheme, checkpoint, text, stored, WITNESSES[witness], folder)
        elif witness == ROUNDED:
            apart = scatter_of_files(args, checkpoint, text, stored, theirs, WITNESSES[witness],
                                     folder)
        kernels = (run_llama_perplexity(checkpoint / "model.gguf", text, args.chunks)
                   if witness == "llama.cpp" else None)
        if ggml and scheme in SCATTERED:
            apart = scatter_of_kernels(args, checkpoint, text, ggml[0], kernels, folder)
    assert made == stored, (scheme, made, stored)
    result = {"model": pathlib.Path(args.model).name, "text": pathlib.Path(args.text).name,
              "scheme": scheme, "options": " ".join(options), "witness": witness,
              "chunks": args.chunks, "baseline": baseline, "lane": made, "checkpoint as lane": stored,
              "witness perplexity": theirs, "relative difference": theirs / stored - 1}
    if kernels:
        result["witness perplexity, 8-bit activations"] = kernels
    if ggml:
        result["lane @ggml"] = ggml[0]
        result["relative difference, 8-bit activations"] = kernels / ggml[0] - 1
    return result | apart


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
    results = [result for result in results if (result["scheme"], result["options"]) in order]
    results.sort(key=lambda result: (result["model"] != "bitloss-tiny",
                                    order.index((result["scheme"], result["options"]))))
    record |= {"made_by": "tools/witness/checkpoints.py",
               "versions": {**record.get("versions", {}), **versions()},
               "protocol": "llamacpp-512", "results": results}
    path.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
