#!/usr/bin/env python3
"""Goldens of bitsandbytes' CPU code: NF4, FP4, nested absmax, LLM.int8.

    python tools/golden/quant_golden.py     (packages: tools/witness/README.md)

writes src/bitloss/quant/testdata/bnb_4bit.json, bnb_nested.json and bnb_int8.json. Inputs are
random by a fixed seed or made by hand; all outputs are what bitsandbytes returned. Arrays are
strings of hexadecimal digits: the raw little-endian bytes in row-major order; the suffix of a key
says the element (_f16, _f32, _i32, _i8, _u8). The "format" field of each file says the rest.
"""

import json
import pathlib
import platform

import bitsandbytes
import bitsandbytes.functional as functional
import numpy
import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "src" / "bitloss" / "quant" / "testdata"
HEX = ("Arrays are hexadecimal raw little-endian bytes, row-major; the key's suffix names the "
       "element.")

FORMAT_4BIT = HEX + """ weights_f16 or weights_f32: the matrix of `shape`. Blocks of `blocksize` run
over the flattened matrix, whatever its row length. nf4 and fp4: codes_u8 holds two codes a byte,
the first in the high nibble; an odd count is filled up with the code of 0; absmax_f32, one a block;
decoded_f32 (small cases) = level * absmax in float32. How this backend computes: v = w * (1 /
absmax) in full blocks but w / absmax in a last block that is not full; v clamped to [-1, 1]; the
code of the nearest level, a tie to the lower level (so a negative FP4 tie goes away from zero). A
full block of zeros has absmax 0 and codes 7 (NF4) or 0 (FP4); the CUDA backend writes NF4 code 0
there. A last, not full block of zeros has absmax 1e-38 here (decoded values are 0 either way). FP4
has two zeros: this backend gives code 0 to v in (-0.0026, 0] and code 8 (decoded -0) to v in (0,
0.0026]; the CUDA backend gives code 8 to the negative ones, and there FP4 ties go toward zero on
both sides."""

FORMAT_NESTED = HEX + """ map_f32: the 256 ascending values of the signed dynamic map. Each case:
quantize_4bit(..., 'nf4', blocksize 64, compress_statistics) of a matrix [n, 64] whose row b is
absmax_f32[b] followed by 63 zeros, so that these are its block maxima. offset_f32 = mean(absmax) (a
float32 sum in torch's order: the last bit may differ elsewhere); c = absmax - offset;
absmax2_f32[k] = max |c| over 256 consecutive blocks; v = c * (1 / absmax2). q8_u8: what the CPU
library stored: the entry nearest to lookup point i = int((v + 1) * 0.5 * 65535 + 0.5), that is to i
/ 65535 * 2 - 1. q8_nearest_u8: the entry nearest to v itself, a tie to the lower (torch.bucketize
on the midpoints; what the CUDA backend aims at). They differ at a few places only. restored_f32 =
map[q8_u8] * absmax2 + offset as dequantize_blockwise gives it."""

FORMAT_INT8 = HEX + """ weights[]: cb_i8 and scb_f32 = int8_vectorwise_quant(weights_f16): scb =
absmax of the row, cb = rne(w * (127 / scb)), a row of zeros gives codes 0. products[]: x_f32
[tokens, in] through bitsandbytes.matmul with a state that is not training: x is rounded to FP16,
outlier columns are those with an element |x16| >= threshold in any row; sca_f32 = row maxima over
the elements that are not outliers; ca_i8 = rne(x16 * (127 / sca)), 0 at outlier elements and, if
there is more than one row, in outlier columns; acc_i32 = ca * cb^T exact; out_f32 = acc * (sca *
scb) * 6.200124e-05 [+ bias] + x[:, columns] * (cb[:, columns] * scb / 127)^T in float32. The
constant is this backend's: 1/16129 = 6.2000124e-05 is meant (and the CUDA backend has
6.200012e-05), so a right implementation differs from out_f32 by 1.8e-5 of the first term;
out_exact_f64 has the same terms with 1/16129 in float64."""


def hexed(tensor):
    return tensor.contiguous().numpy().tobytes().hex()


def header(what):
    return {"made_by": "tools/golden/quant_golden.py",
            "versions": {"bitsandbytes": bitsandbytes.__version__ + " (CPU)",
                         "torch": torch.__version__, "numpy": numpy.__version__,
                         "python": platform.python_version()},
            "format": " ".join(what.split())}


def write(name, content):
    path = FOLDER / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes")


def stored(weights):
    suffix = "f16" if weights.dtype == torch.float16 else "f32"
    return {"shape": list(weights.shape), f"weights_{suffix}": hexed(weights)}


def random_f16(generator, rows, cols, scale=0.05):
    return (torch.randn(rows, cols, generator=generator) * scale).half()


def tie_block(kind):
    """[1, 64] float32 with absmax 1: every midpoint of two levels and its float32 neighbours."""
    levels = torch.sort(functional.get_4bit_type(kind, device="cpu")).values.unique().numpy()
    midpoints = (levels[:-1] + levels[1:]) / numpy.float32(2)
    below = numpy.nextafter(midpoints, numpy.float32(-2))
    above = numpy.nextafter(midpoints, numpy.float32(2))
    values = numpy.stack([below, midpoints, above], 1).reshape(-1)
    block = numpy.zeros((1, 64), numpy.float32)
    block[0, : len(values)] = values
    block[0, 63] = 1.0
    return torch.from_numpy(block)


def matrices_4bit(generator):
    heavy = random_f16(generator, 4, 192)
    heavy[torch.rand(4, 192, generator=generator) < 0.02] *= 30
    zeros = random_f16(generator, 2, 128)
    zeros[0, 64:] = 0.0
    zeros[1, :64] = -0.0
    extremes = torch.zeros(3, 64).half()
    extremes[0, :6] = torch.tensor([65504.0, -65504.0, 1.0, -1.0, 6e-8, -32752.0])
    extremes[1, :6] = torch.tensor([6e-8, -6e-8, 1.2e-7, 3e-7, -3e-7, 0.0])  # subnormal FP16
    extremes[2, :6] = torch.tensor([-0.1, 0.05, 0.02, -0.031, 0.008, 0.0])
    example = torch.tensor([[0.02, -0.05, 0.1, 0.0, 0.031, -0.008]])
    return [("worked example", example, 64), ("whole blocks", random_f16(generator, 8, 64), 64),
            ("blocks that span rows", random_f16(generator, 6, 96), 64),
            ("a last block of 58", random_f16(generator, 5, 50), 64),
            ("an odd number of weights", random_f16(generator, 3, 7), 64),
            ("blocks of zeros", zeros, 64),
            ("a last block of zeros", torch.cat([random_f16(generator, 1, 64).view(1, -1),
                                                 torch.zeros(1, 16).half()], 1), 64),
            ("extreme values", extremes, 64), ("heavy tails", heavy, 64),
            ("NF4 ties", tie_block("nf4"), 64), ("FP4 ties", tie_block("fp4"), 64),
            ("blocks of 128", random_f16(generator, 4, 96), 128)]


def case_4bit(name, weights, blocksize):
    case = {"name": name, **stored(weights), "blocksize": blocksize}
    for kind in ("nf4", "fp4"):
        # As float32, so that the decoded values are not rounded to FP16.
        codes, state = functional.quantize_4bit(weights.float(), blocksize=blocksize,
                                                quant_type=kind)
        same, state16 = functional.quantize_4bit(weights, blocksize=blocksize, quant_type=kind)
        assert torch.equal(codes, same) and torch.equal(state.absmax, state16.absmax)
        case[kind] = {"codes_u8": hexed(codes), "absmax_f32": hexed(state.absmax)}
        if weights.numel() <= 256:
            case[kind]["decoded_f32"] = hexed(functional.dequantize_4bit(codes, state))
    return case


def case_nested(name, absmax):
    matrix = torch.zeros(len(absmax), 64)
    matrix[:, 0] = absmax
    _, state = functional.quantize_4bit(matrix, blocksize=64, quant_type="nf4",
                                        compress_statistics=True)
    entries, inner = functional.create_dynamic_map(), state.state2
    assert torch.equal(entries, inner.code) and inner.blocksize == 256
    scale = inner.absmax.repeat_interleave(256)[: len(absmax)]
    scaled = ((absmax - state.offset) * (1 / scale)).clamp(-1, 1)
    nearest = torch.bucketize(scaled, (entries[:-1] + entries[1:]) / 2).to(torch.uint8)
    restored = functional.dequantize_blockwise(state.absmax, inner) + state.offset
    return {"name": name, "absmax_f32": hexed(absmax), "offset_f32": hexed(state.offset),
            "absmax2_f32": hexed(inner.absmax), "q8_u8": hexed(state.absmax),
            "q8_nearest_u8": hexed(nearest), "restored_f32": hexed(restored)}


def int8_weights(generator):
    ties = torch.zeros(3, 8).half()  # w * 127 / absmax at k + 0.5 exactly
    ties[0] = torch.tensor([127.0, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 126.5])
    ties[1] = torch.tensor([-1.0, 0.5, -0.5, 0.25, 0.75, -0.75, 0.125, 0.0])
    with_zeros = random_f16(generator, 4, 24)
    with_zeros[2] = 0.0
    example = torch.tensor([[0.5, -0.25, 0.1, 1.0], [0.2, 0.4, -0.3, -0.1]]).half()
    return [("worked example", example), ("random", random_f16(generator, 12, 40)),
            ("ties", ties), ("a row of zeros", with_zeros)]


def case_int8_weights(name, weights):
    cb, scb, _ = functional.int8_vectorwise_quant(weights.clone())
    return {"name": name, **stored(weights), "cb_i8": hexed(cb), "scb_f32": hexed(scb)}


def int8_inputs(generator, weights):
    """(name, x, threshold, bias) for a weight matrix of 40 columns."""
    plain = torch.randn(5, 40, generator=generator)
    outliers = torch.randn(5, 40, generator=generator)
    outliers[:, 7] *= 9.0     # some elements of the column are outliers, some are not
    outliers[2, 19] = -11.25
    outliers[4, 33] = 6.0     # equal to the threshold: an outlier
    edge = torch.randn(3, 40, generator=generator)
    edge[0, 3] = 5.999        # 6.0 in FP16: an outlier
    edge[1, 3] = 5.9          # the largest of its row that stays, in an outlier column
    edge[2, 5] = 5.997        # 5.99609375 in FP16: not an outlier
    flooded = torch.randn(2, 40, generator=generator)
    flooded[1] = torch.where(torch.arange(40) % 2 == 0, 7.5, -8.5)  # all of a row is outlier
    bias = torch.randn(weights.shape[0], generator=generator)
    return [("no outliers, threshold 6", plain.clamp(-3, 3), 6.0, None),
            ("outlier columns", outliers, 6.0, None),
            ("the same, threshold 0", outliers, 0.0, None),
            ("the same with bias", outliers, 6.0, bias),
            ("one token", outliers[2:3].clone(), 6.0, None),
            ("edges of the threshold", edge, 6.0, None),
            ("a row of outliers only", flooded, 6.0, None)]


def case_product(name, x, threshold, bias, weights):
    cb, scb, _ = functional.int8_vectorwise_quant(weights.clone())
    state = bitsandbytes.MatmulLtState()
    state.CB, state.SCB, state.threshold = cb, scb, threshold
    state.has_fp16_weights, state.is_training = False, False
    with torch.no_grad():
        out = bitsandbytes.matmul(x.clone(), weights, state=state, bias=bias, threshold=threshold)
    ca, sca, columns = functional.int8_vectorwise_quant(x.half(), threshold=threshold)
    columns = torch.empty(0, dtype=torch.int64) if columns is None else columns
    acc = functional.int8_linear_matmul(ca, cb)
    assert torch.equal(acc, (ca.int() @ cb.int().T))
    exact = acc.double() * sca.double()[:, None] * scb.double() / (127 * 127)
    decoded = cb[:, columns].double() * scb.double()[:, None] / 127
    exact += x[:, columns].double() @ decoded.T
    case = {"name": name, "shape": list(x.shape), "x_f32": hexed(x), "threshold": threshold}
    if bias is not None:
        case["bias_f32"], exact = hexed(bias), exact + bias.double()
    assert (exact - out.double()).abs().max() < 3e-5 * float(exact.abs().max()) + 1e-5
    return case | {"ca_i8": hexed(ca), "sca_f32": hexed(sca), "outlier_columns": columns.tolist(),
                   "acc_i32": hexed(acc.int()), "out_f32": hexed(out),
                   "out_exact_f64": hexed(exact)}


def main():
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(20250917)
    write("bnb_4bit.json", header(FORMAT_4BIT) | {
        "nf4_levels_f32": hexed(functional.get_4bit_type("nf4", device="cpu")),
        "fp4_levels_f32": hexed(functional.get_4bit_type("fp4", device="cpu")),
        "cases": [case_4bit(*matrix) for matrix in matrices_4bit(generator)]})

    typical = 0.05 * (2.2 + 0.4 * torch.randn(600, generator=generator)).abs()
    write("bnb_nested.json", header(FORMAT_NESTED) | {
        "map_f32": hexed(functional.create_dynamic_map()),
        "cases": [case_nested("worked example", torch.tensor([0.10, 0.12, 0.08, 0.11])),
                  case_nested("three second-level blocks, the last not full", typical),
                  case_nested("one large absmax",
                              torch.cat([typical[:70], torch.tensor([3.0]), typical[70:99]]))]})

    matrices = int8_weights(generator)
    weights = dict(matrices)["random"]
    write("bnb_int8.json", header(FORMAT_INT8) | {
        "weights": [case_int8_weights(*matrix) for matrix in matrices],
        "products_use_weights": "random",
        "products": [case_product(*given, weights) for given in int8_inputs(generator, weights)]})


if __name__ == "__main__":
    main()
