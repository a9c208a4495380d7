#!/usr/bin/env python3
"""Quantizes a model with AutoAWQ or GPTQModel on the CPU, for tools/fit-peers, which calls it.

    fit_peers_theirs.py awq|gptq MODEL IDS OUT GROUP [--autoawq SOURCE [--products]]

MODEL is a folder in Hugging Face layout, IDS a JSON file of calibration sequences (lists of token
ids), OUT the checkpoint's folder, GROUP the group size. Prints the seconds of the fit alone, without
loading, packing and writing. Float32, in as many threads as OMP_NUM_THREADS says.

awq is AutoAWQ 0.2.9 from its source distribution (SOURCE, unpacked; its package itself does not
install beside transformers 5): its AwqQuantizer, its llama layers, its packing, as they are, but for
two things without which it does not work here. What enters the first block is caught by a hook,
since transformers 5 calls blocks in another way. And the search's copy of a module's weights is a
copy: AutoAWQ's is none where the weights are on the CPU already, so that every candidate would be
scaled on top of the one before. With --products the clipping search's sums are matrix products
instead of a multiplication and a sum over arrays of all products: the same formula in a tenth of the
time, for who wants the checkpoint and not the seconds.
"""

import argparse
import copy
import json
import pathlib
import shutil
import sys
import time
import types

import torch
import transformers


def load(folder):
    return transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, device_map="cpu", attn_implementation="sdpa").eval()


def stand_in(name, **contents):
    module = types.ModuleType(name)
    vars(module).update(contents)
    sys.modules[name] = module
    return module


def import_autoawq(source):
    """The quantizer and its llama layers, without the packages of other models and data sets."""
    stand_in("awq").__path__ = [str(source / "awq")]
    stand_in("awq.models").__path__ = [str(source / "awq" / "models")]
    stand_in("awq.utils.calib_data", get_calib_dataset=None)
    for name in ["awq.utils.fused_utils", "awq.modules.fused.block", "awq.modules.fused.model",
                 "awq.modules.fused.norm"]:
        stand_in(name, fuse_qkv=None, LlamaLikeBlock=None, LlamaLikeModel=None,
                 FasterTransformerRMSNorm=None)
    stand_in("awq.models.base", BaseAWQForCausalLM=object)
    from awq.models.llama import LlamaAWQForCausalLM
    from awq.quantize.quantizer import AwqQuantizer
    return AwqQuantizer, LlamaAWQForCausalLM


def best_clip(quantizer, weight, inputs, steps=10, samples=512):
    """AwqQuantizer._compute_best_clip by matrix products, group by group of inputs."""
    group = quantizer.group_size
    inputs = inputs.view(-1, inputs.shape[-1])
    inputs = inputs[::max(1, inputs.shape[0] // samples)]
    bounds = []
    for first in range(0, weight.shape[1], group):
        x, w = inputs[:, first:first + group], weight[:, first:first + group]
        largest = w.abs().amax(dim=1, keepdim=True)
        best, least = largest.clone(), torch.full_like(largest, 1e9)
        expected = x @ w.T
        for step in range(steps):
            bound = largest * (1 - step / 20)
            rounded = quantizer.pseudo_quantize_tensor(w.clamp(-bound, bound))[0]
            error = (x @ rounded.T - expected).pow(2).mean(dim=0).view(-1, 1)
            better = error < least
            least[better] = error[better]
            best[better] = bound[better]
        bounds.append(best)
    return torch.stack(bounds, dim=1)


def quantizer_of(args, model, sequences):
    base, layers = import_autoawq(args.autoawq)

    class Quantizer(base):
        def init_quant(self, n_samples, max_seq_len):
            caught = {}

            def catch(_, arguments, options):
                caught.update(inputs=arguments[0], options=options)

            blocks = self.awq_model.get_model_layers(self.model)
            hook = blocks[0].register_forward_pre_hook(catch, with_kwargs=True)
            self.model(torch.tensor(sequences), use_cache=False)
            hook.remove()
            return blocks, caught["options"], caught["inputs"]

        def _compute_best_scale(self, x, w_mean, x_mean, module2inspect, *rest):
            own = copy.deepcopy(module2inspect.state_dict())
            module2inspect.state_dict = lambda: own
            try:
                return super()._compute_best_scale(x, w_mean, x_mean, module2inspect, *rest)
            finally:
                del module2inspect.state_dict

        def _compute_best_clip(self, w, input_feat, *rest):
            if args.products:
                return best_clip(self, w, input_feat)
            return super()._compute_best_clip(w, input_feat, *rest)

    wrapper = type("Llama", (layers,), {"model_type": "llama"})
    return Quantizer(wrapper, model, None, w_bit=4, group_size=args.group, zero_point=True,
                     version="gemm", calib_data=None, split=None, text_column=None,
                     duo_scaling=True, export_compatible=True)


@torch.no_grad()
def fit_awq(args, sequences):
    from safetensors.torch import save_file
    model = load(args.model)
    start = time.perf_counter()
    quantizer = quantizer_of(args, model, sequences)
    quantizer.quantize()
    seconds = time.perf_counter() - start

    quantizer.pack()
    args.out.mkdir()
    tensors = {name: tensor.contiguous() if tensor.dtype == torch.int32 else
               tensor.half().contiguous() for name, tensor in model.state_dict().items()
               if not (name == "lm_head.weight" and model.config.tie_word_embeddings)}
    save_file(tensors, args.out / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((args.model / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "awq", "bits": 4, "group_size": args.group,
                                     "zero_point": True, "version": "gemm",
                                     "modules_to_not_convert": None}
    (args.out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    for file in args.model.glob("*token*"):
        shutil.copy(file, args.out)
    return seconds


def fit_gptq(args, sequences):
    from gptqmodel import GPTQModel, QuantizeConfig
    config = QuantizeConfig(bits=4, group_size=args.group, sym=True, desc_act=False,
                            act_group_aware=False, damp_percent=0.01, damp_auto_increment=0.01,
                            device="cpu", offload_to_disk=False)
    model = GPTQModel.load(str(args.model), config, dtype=torch.float32)
    start = time.perf_counter()
    model.quantize([{"input_ids": ids, "attention_mask": [1] * len(ids)} for ids in sequences],
                   batch_size=1)
    seconds = time.perf_counter() - start
    model.save(str(args.out))
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("method", choices=["awq", "gptq"])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("ids", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("group", type=int)
    parser.add_argument("--autoawq", type=pathlib.Path)
    parser.add_argument("--products", action="store_true")
    args = parser.parse_args()
    sequences = json.loads(args.ids.read_text())
    fit = fit_awq if args.method == "awq" else fit_gptq
    print(json.dumps({"seconds": fit(args, sequences), "torch": torch.__version__,
                      "transformers": transformers.__version__}))


if __name__ == "__main__":
    main()
