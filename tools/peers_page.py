"""The page that tools/peers writes: each figure, what was asked of it, what was measured."""

import statistics

WINDOW = 512
DECODED = 48  # tokens of one answer
LANES = ["int8", "nf4", "int4_group:64", "q4_0", "q8_0"]

# name, name for bitloss bench, share of the FMA peak asked of the FP16 lane, and sizes:
# hidden, feed-forward, layers, heads x head_dim, kv heads x head_dim, vocabulary
MODELS = {"smollm2": ("SmolLM2-135M", "smollm2-135m", 80, (576, 1536, 30, 576, 192, 49152)),
          "qwen": ("Qwen2.5-0.5B shape", "qwen2.5-0.5b", 85, (896, 4864, 24, 896, 128, 151936))}


class Model:
    """One checkpoint as bitloss, llama.cpp and transformers take it, and what was found once."""

    def __init__(self, key, ours, f16, q8_0, q4_0, transformers, tokenizer=None):
        self.key, self.ours, self.transformers = key, ours, transformers
        self.tokenizer = tokenizer or ours
        self.name, self.bench_name, self.asked_share, self.sizes = MODELS[key]
        self.gguf = {"F16": f16, "Q8_0": q8_0, "Q4_0": q4_0}
        self.kernels, self.study = [], None

    def linear_weights(self):
        hidden, feed_forward, layers, queries, keys, _ = self.sizes
        return layers * hidden * (2 * queries + 2 * keys + 3 * feed_forward)

    def head_weights(self):
        return self.sizes[0] * self.sizes[5]

    def flops_per_token(self):
        """Of a window whose second half is scored: blocks for all tokens, head for that half."""
        _, _, layers, queries, _, _ = self.sizes
        attention = layers * 2 * queries * (WINDOW + 1) / 2
        return 2.0 * (self.linear_weights() + attention) + self.head_weights()

    def decode_flops(self):
        return 2.0 * (self.linear_weights() + self.head_weights())

    def packed_bytes(self, bits):
        """Read for one token: blocks at `bits` per weight, the head in FP16."""
        return self.linear_weights() * bits / 8 + self.head_weights() * 2


def rows(model):
    """(what, asked, figure of a round -> number, unit) of each line of a model's table."""
    def share(flops):
        return lambda f: 100 * f["text fp16"] * flops / 1e9 / f["fma"]
    asked_share = f">= {model.asked_share} %"
    yield "FP16 lane, 512-token windows", "", lambda f: f["text fp16"], "tokens/s"
    yield "... of the FP32 FMA peak", asked_share, share(model.flops_per_token()), "%"
    yield ("... against llama.cpp F16", ">= 1.35", lambda f: f["text fp16"] / f["text F16"], "x")
    yield ("... against transformers float32", ">= 1.5",
           lambda f: f["text fp16"] / f["text transformers"], "x")
    for lane in ("nf4", "int4_group:64", "q4_0", "q8_0"):
        yield (f"{lane} lane against our FP16 lane", ">= 92 %",
               lambda f, lane=lane: 100 * f[f"text {lane}"] / f["text fp16"], "%")
    yield ("int8 lane against our FP16 lane", ">= 2.2 (VNNI)",
           lambda f: f["text int8"] / f["text fp16"], "x")
    yield ("... both under AVX2 alone", ">= 1.2", lambda f: f["int8 avx2 gain"], "x")
    yield ("int8 lane against llama.cpp Q8_0", ">= 2 (VNNI)",
           lambda f: f["text int8"] / f["text Q8_0"], "x")
    yield ("q4_0 lane against llama.cpp Q4_0 (8-bit activations)", "",
           lambda f: f["text q4_0"] / f["text Q4_0"], "x")
    yield ("KL both ways and agreement add to a lane", "<= 12 %",
           lambda f: 100 * max(f[f"compare {lane}"] for lane in LANES if lane != "int8"), "%")
    for lane, bits in (("fp16", 16), ("int8", 8), ("nf4", 4.5), ("q4_0", 4.5), ("q8_0", 8.5)):
        yield (f"decode, one sequence, {lane}: of read bandwidth / packed bytes", ">= 88 %",
               lambda f, lane=lane, bits=bits: 100 * f[f"decode {lane}"] *
               model.packed_bytes(bits) / 1e9 / f["read"], "%")
    for lane, peer in (("fp16", "F16"), ("q8_0", "Q8_0"), ("q4_0", "Q4_0")):
        yield (f"decode, one sequence, {lane} against llama.cpp {peer}", ">= 1",
               lambda f, lane=lane, peer=peer: f[f"decode {lane}"] / f[f"decode {peer}"], "x")
    yield ("decode, 96 prompts at once: of the FMA peak", ">= 60 %",
           lambda f: 100 * f["answers fp16"] * model.decode_flops() / 1e9 / f["fma"], "%")
    yield ("decode, 96 prompts at once, against llama.cpp F16", "",
           lambda f: f["answers fp16"] / f["answers F16"], "x")
    yield ("checkpoint opened to first token, beyond the tokenizer", "< 0.3 s",
           lambda f: f["open"], "s")
    which = f" ({model.tokenizer.name})"
    yield f"tokenizer loads{which}", "< 0.25 s", lambda f: f["tokenizer load"], "s"
    yield f"encodes on one core{which}", ">= 10 MB/s", lambda f: f["encode"], "MB/s"


def spread(numbers, unit):
    digits = 1 if unit in ("%", "tokens/s", "MB/s") else 2
    low, middle, high = min(numbers), statistics.median(numbers), max(numbers)
    return f"{middle:.{digits}f} {unit} ({low:.{digits}f} to {high:.{digits}f})"


def study_lines(model):
    study = model.study
    lines = ["", "The whole study, once: FP16, int8, nf4 and awq over "
             f"{study['study lines']} lines ({study['study tokens']} tokens) of text with KL, 96 prompts with "
             f"{study['study answer']} tokens each by all four; with llama.cpp an F16 base run, KL "
             "runs of Q8_0, Q4_0 and Q4_0 again over as many tokens, and the same generation; with "
             "transformers and bitsandbytes float32, LLM.int8 and NF4 (three forms, not four)."]
    if study["study lines"] < 500 or study["study answer"] < 100:
        lines[-1] += (" Scaled down from 500 lines and 100 tokens: what is done once (reading, "
                      "calibrating, quantizing) weighs more than it would.")
    lines += ["", "| program | asked: ours is | seconds | ours is |", "|---|---|---|---|",
              f"| bitloss | | {study['study ours']:.0f} | |"]
    for key, name, asked in (("llama", "llama.cpp", "<= 60 %"),
                             ("transformers", "transformers + bitsandbytes", "<= 25 %")):
        seconds = study[f"study {key}"]
        lines.append(f"| {name} | {asked} | {seconds:.0f} | "
                     f"{100 * study['study ours'] / seconds:.0f} % |")
    lines += ["", f"Of bitloss' seconds {study['study fitting']:.0f} are fitting and packing its lanes; the "
              "other programs' models were read and quantized before, which is not counted."]
    return lines


def kernel_lines(model):
    lines = ["", "Kernels at 512 rows, weights in the caches:", "",
             "| kernel | share of its limit |", "|---|---|"]
    names = {"fma": "FMA peak", "bytes": "byte product peak", "read": "read bandwidth"}
    for kernel in model.kernels:
        if "product" in kernel:
            what = f"{kernel['kernel']} {kernel['product']}, {kernel['in']} -> {kernel['out']}"
        elif kernel["kernel"] in ("attention", "loss", "divergence"):
            what = kernel["kernel"]
        else:
            continue
        share = f"{100 * kernel['share_of_limit']:.0f} % of {names[kernel['limit']]}"
        lines.append(f"| {what} | {share} |")
    return lines


def page(options, results, report, versions, notes):
    lines = ["# Performance", "",
             "Made by `tools/peers`; every figure is the median of "
             f"{len(results[0][1])} rounds with the lowest and highest. A round runs each piece of "
             "work with each program in turn, and ratios are taken within a round.", "",
             f"Machine: {versions['machine']}; {report['backend']}.", "",
             f"llama.cpp: {versions['llama']} ({versions['features']}). transformers "
             f"{versions['transformers']}, torch "
             f"{versions['torch']}." + (
                 f" This processor has {versions['unused']}, which this build of llama.cpp leaves "
                 "out and bitloss does not use; with it llama.cpp's 8-bit and 4-bit figures would "
                 "be higher." if versions["unused"] else ""), "",
             f"Text is cut into windows of 512 tokens ({options.chunks} in a run) of which the "
             "second half is scored, as llama-perplexity does; a window's head and loss are counted "
             "for that half. A lane's speed is that of its blocks, head and loss; what comparing it "
             "with the baseline adds has a line of its own. llama.cpp's Q4_0 and Q8_0 round "
             "activations to 8 bits; our q4_0, q8_0, nf4 and int4_group lanes multiply real FP32 "
             "activations.", "",
             "## The machine's limits", "",
             "| threads | FP32 multiply-adds | from the first cache | products of bytes | read |",
             "|---|---|---|---|---|"]
    for limit in report["limits"]:
        byte = f"{limit['byte_gops']:.0f} Gop/s" if "byte_gops" in limit else "none"
        lines.append(f"| {limit['threads']} | {limit['fma_gflops']:.1f} GFLOP/s | "
                     f"{limit['tile_gflops']:.1f} GFLOP/s | {byte} | "
                     f"{limit['read_gigabytes_per_second']:.1f} GB/s |")
    caches = report["cache_bytes"]
    lines += ["", f"Caches: {caches['level1'] >> 10} KiB, {caches['level2'] >> 10} KiB, "
              f"{caches['level3'] >> 10} KiB."]
    for model, rounds in results:
        lines += ["", f"## {model.name}", "", "| work | asked | measured |", "|---|---|---|"]
        for what, asked, figure, unit in rows(model):
            numbers = [figure(figures) for figures in rounds]
            lines.append(f"| {what} | {asked} | {spread(numbers, unit)} |")
        lines += ["", "Speeds behind the ratios, tokens/s:", "", "| | median |", "|---|---|"]
        for name in sorted(rounds[0]):
            if name.split()[0] in ("text", "decode", "answers"):
                middle = statistics.median(figures[name] for figures in rounds)
                lines.append(f"| {name} | {middle:.1f} |")
        lines += study_lines(model) if model.study else [
            "", "The whole study beside the other programs' tools was not measured in this run."]
        lines += kernel_lines(model)
    if notes:
        lines += ["", notes.strip()]
    return "\n".join(lines) + "\n"
