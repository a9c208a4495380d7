#!/usr/bin/env python3
"""Whether bitloss reads in other programs' checkpoints the model that they read in them.

    read_checkpoints.py --bitloss build/release/bitloss --model MODEL --text TEXT --record FILE
                        [--chunks 4] [--only nf4,...]

Each checkpoint is made of MODEL by the package that defines it: bitsandbytes through transformers'
save_pretrained, compressed-tensors' presets with scales from the weights' ranges, GPTQModel's GPTQ on
1024 tokens of TEXT. `bitloss run --lane` evaluates it, and so does transformers in float32, by the
protocol of checkpoints.py (llamacpp-512) and with its corrections. FILE gets both perplexities.

compressed-tensors decodes to the scales' type, BF16 for most presets as for most models; activations
that a preset quantizes to anything but int8 by token stay as they are on both sides.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile

import checkpoints
import torch
import transformers

FP16, BF16 = torch.float16, torch.bfloat16
# Name: the options of transformers' BitsAndBytesConfig, and the model's dtype.
BITSANDBYTES = {
    "nf4": (dict(load_in_4bit=True, bnb_4bit_quant_type="nf4"), FP16),
    "nf4, nested, BF16": (dict(load_in_4bit=True, bnb_4bit_quant_type="nf4",
                               bnb_4bit_use_double_quant=True), BF16),
    "fp4, nested": (dict(load_in_4bit=True, bnb_4bit_use_double_quant=True), FP16),
    "int8": (dict(load_in_8bit=True), FP16),
    "int8, threshold 4": (dict(load_in_8bit=True, llm_int8_threshold=4.0), FP16),
}
# compressed-tensors' presets; "in FP16": of a model in FP16, not BF16.
COMPRESSED_TENSORS = ["W4A16 in FP16"] + ("W4A16 W4A16_ASYM W8A16 W3A16 W2A16 W8A8 W4A8 FP8 FP8_DYNAMIC FP8_BLOCK NVFP4A16 "
                      "NVFP4 MXFP4A16 MXFP4 MXFP6A16 MXFP8A16 MXFP8").split()
# Name: options of GPTQModel's QuantizeConfig.
GPTQ = {
    "gptq 2 bits": dict(bits=2, group_size=64, sym=True),
    "gptq 3 bits": dict(bits=3, group_size=128, sym=True),
    "gptq 8 bits, rows": dict(bits=8, group_size=-1, sym=True),
    "gptq desc_act": dict(bits=4, group_size=128, sym=True, desc_act=True),
    "gptq asymmetric, v1": dict(bits=4, group_size=64, sym=False),
    "gptq asymmetric, v2": dict(bits=4, group_size=64, sym=False, format="gptq_v2"),
}
CASES = [*BITSANDBYTES, *COMPRESSED_TENSORS, *GPTQ]


def make_bitsandbytes(args, name, folder):
    options, dtype = BITSANDBYTES[name]
    model = transformers.AutoModelForCausalLM.from_pretrained(
        args.model, dtype=dtype, device_map="cpu",
        quantization_config=transformers.BitsAndBytesConfig(**options))
    model.save_pretrained(folder)


def ranges(weight, arguments):
    """The smallest and largest weight of whatever shares a scale."""
    strategy = arguments.strategy
    if strategy in ("group", "tensor_group"):
        groups = weight.view(weight.shape[0], -1, arguments.group_size)
        return groups.amin(-1), groups.amax(-1)
    if strategy == "channel":
        return weight.amin(1, keepdim=True), weight.amax(1, keepdim=True)
    if strategy == "block":
        rows, cols = arguments.block_structure
        blocks = weight.view(weight.shape[0] // rows, rows, weight.shape[1] // cols, cols)
        return blocks.amin((1, 3)), blocks.amax((1, 3))
    return weight.min().reshape(1), weight.max().reshape(1)


def find_scales(module):
    from compressed_tensors.quantization import QuantizationStatus
    from compressed_tensors.quantization.utils import calculate_qparams, generate_gparam
    arguments, weight = module.quantization_scheme.weights, module.weight.data
    options = {}
    if arguments.strategy == "tensor_group":
        options["global_scale"] = generate_gparam(weight.min().reshape(1), weight.max().reshape(1))
        module.weight_global_scale.data.copy_(options["global_scale"])
    scales, zeros = calculate_qparams(*ranges(weight, arguments), arguments, **options)
    module.weight_scale.data.copy_(scales.reshape(module.weight_scale.shape))
    if getattr(module, "weight_zero_point", None) is not None:
        module.weight_zero_point.data.copy_(zeros.reshape(module.weight_zero_point.shape))
    module.quantization_status = QuantizationStatus.FROZEN


def make_compressed_tensors(args, name, folder):
    from compressed_tensors.compressors import ModelCompressor
    from compressed_tensors.quantization import (QuantizationConfig, apply_quantization_config,
                                                 preset_name_to_scheme)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        args.model, dtype=FP16 if name.endswith("in FP16") else BF16, device_map="cpu")
    scheme = preset_name_to_scheme(name.split()[0], ["Linear"])
    apply_quantization_config(model, QuantizationConfig(config_groups={"group_0": scheme},
                                                        ignore=["lm_head"]))
    for module in model.modules():
        if getattr(module, "quantization_scheme", None) is not None:
            find_scales(module)
    compressor = ModelCompressor.from_pretrained_model(model)
    compressor.compress_model(model)
    model.save_pretrained(folder)
    compressor.update_config(folder)


def make_gptq(args, name, folder):
    import gptqmodel
    options = {"desc_act": False} | GPTQ[name]
    config = gptqmodel.QuantizeConfig(device="cpu", offload_to_disk=False, act_group_aware=False,
                                      **options)
    model = gptqmodel.GPTQModel.load(args.model, config, dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(args.model)
    ids = tokenizer(pathlib.Path(args.text).read_text("utf-8")).input_ids
    model.quantize([{"input_ids": ids[i:i + 256], "attention_mask": [1] * 256}
                    for i in range(0, 1024, 256)], batch_size=1)
    model.save(str(folder))


def witness(name, folder, text, chunks):
    if name in COMPRESSED_TENSORS and name != "W8A8":
        return checkpoints.compressed_tensors_perplexity(folder, text, chunks)
    patched = {"W8A8": checkpoints.whole_steps, "nf4": checkpoints.float32_products,
               "nf4, nested, BF16": checkpoints.float32_products,
               "fp4, nested": checkpoints.float32_products,
               "int8": checkpoints.exact_product_of_steps,
               "int8, threshold 4": checkpoints.exact_product_of_steps}.get(name)
    if patched is None:
        return checkpoints.transformers_perplexity(folder, text, chunks)
    with patched():
        return checkpoints.transformers_perplexity(folder, text, chunks)


def measure(args, name, text):
    make = (make_bitsandbytes if name in BITSANDBYTES else
            make_compressed_tensors if name in COMPRESSED_TENSORS else make_gptq)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary) / "checkpoint"
        with torch.enable_grad():
            make(args, name, folder)
        transformers.AutoTokenizer.from_pretrained(args.model).save_pretrained(folder)
        baseline, lane = checkpoints.run_lanes(args, ["fp16"], [folder], folder.parent / "study")
        theirs = witness(name, folder, text, args.chunks)
    return {"checkpoint": name, "chunks": args.chunks, "baseline": baseline, "lane": lane,
            "witness perplexity": theirs, "relative difference": theirs / lane - 1}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for option in ["bitloss", "model", "text", "record"]:
        parser.add_argument(f"--{option}", required=True)
    parser.add_argument("--chunks", type=int, default=4)
    parser.add_argument("--only", help="checkpoints, separated by semicolons")
    args = parser.parse_args()
    path = pathlib.Path(args.record)
    results = json.loads(path.read_text())["results"] if path.exists() else {}
    text = pathlib.Path(args.text).read_text("utf-8")
    for name in args.only.split(";") if args.only else CASES:
        results[name] = measure(args, name, text)
        print(json.dumps(results[name]), flush=True)
        record = {"made_by": "tools/witness/read_checkpoints.py", "versions": checkpoints.versions(),
                  "model": pathlib.Path(args.model).name, "text": pathlib.Path(args.text).name,
                  "protocol": "llamacpp-512",
                  "results": {case: results[case] for case in CASES if case in results}}
        path.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
