// How serving engines round what enters a linear before they multiply it, as "@fp8" names it. A
// rounding is a value: a row of inputs becomes what its codes mean. The product that follows is of
// decoded weights and such rows, exact term by term, summed in float32 as every product is.
// (Machines that sum in fewer bits between roundings come out worse than that; nothing here
// imitates them.)
//
// Adding one: its function in a file beside this one, its value in that file's list.
#ifndef BITLOSS_QUANT_ACTIVATIONS_ACTIVATION_ROUNDING_H_
#define BITLOSS_QUANT_ACTIVATIONS_ACTIVATION_ROUNDING_H_

#include <span>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/quant/format.h"

namespace bitloss {

struct ActivationRounding {
  std::string_view name;  // what a scheme writes after the '@': "fp8:block"
  std::string_view summary;
  std::string_view source;
  // The formats of weights that are multiplied so; "int4_group" stands for all of its parameters.
  std::span<const std::string_view> formats;
  // The matrix's own number, of the largest magnitude that calibration saw among its inputs; null:
  // every row is rounded by itself.
  float (*scale_for)(float largest) = nullptr;
  // One row, in place. `scale`: what scale_for gave. Requires: all numbers are finite.
  void (*round)(float scale, std::span<float> row) = nullptr;
};

// All that a scheme may name.
const std::vector<ActivationRounding>& ActivationRoundings();

// kUnsupported if no engine multiplies weights in this format so.
Status CheckRounding(const ActivationRounding& rounding, const Format& weights);

// The row as `rounding` makes it; all NaN if one of its numbers is not finite.
void ApplyRounding(const ActivationRounding& rounding, float scale, std::span<float> row);

// What llama.cpp's CPU kernels do to the inputs of a matrix in this format; null where it is not a
// type of GGUF, where nothing is rounded (f32) or where blocks of 32 are multiplied as integers
// (MultipliesInGgmlBlocks).
const ActivationRounding* GgmlRoundingFor(const Format& weights);

// Q8_0 as processors write it, in place: blocks of 32 (the last may be shorter), codes by the
// unrounded inverse, to nearest even; the scale in FP16.
void RoundToQ8_0(std::span<float> row);

// --- The lists, a file each.
std::span<const ActivationRounding> Int8Roundings();
std::span<const ActivationRounding> Fp8Roundings();
std::span<const ActivationRounding> BlockFloatRoundings();

}  // namespace bitloss

#endif  // BITLOSS_QUANT_ACTIVATIONS_ACTIVATION_ROUNDING_H_
