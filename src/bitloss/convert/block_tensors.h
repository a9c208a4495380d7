// A block's tensors as its model's checkpoint calls and shapes them.
#ifndef BITLOSS_CONVERT_BLOCK_TENSORS_H_
#define BITLOSS_CONVERT_BLOCK_TENSORS_H_

#include <span>
#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/checkpoint/layouts/layout.h"
#include "bitloss/model/weights.h"

namespace bitloss {

// What blocks are written in. `layout` null: each tensor as the model has it.
struct BlockForm {
  const Layout* layout = nullptr;
  // What the model is rounded to: preferred for vectors too, where it holds them. Null: nothing.
  const Format* plain = nullptr;
};

// Linears that share a tensor are written as one, experts that are stacked as ModulesOf says;
// norms, routers, biases and what else stays lie where the model has them, in the type that they
// are stored in or, if that does not hold their values, the smallest that does.
//
// kUnsupported, naming the tensor: linears that share one and cannot be joined in their format.
Result<std::vector<SafetensorsEntry>> BlockTensors(const ModelSource& model, size_t layer,
                                                   const LayerSource& source,
                                                   std::span<const EncodedMatrix> linears,
                                                   const BlockForm& form);

// The scales of inputs that calibration found for the linears (FittedLayer::activation_scales), as
// `layout` keeps them beside each module.
//
// kUnsupported, naming the module: one whose inputs calibration never saw above 0, or linears of
// one tensor with scales that differ. Requires: execution.static_activations, layout.supports().
Result<std::vector<SafetensorsEntry>> InputScales(const ModelSource& model, size_t layer,
                                                  std::span<const float> scales,
                                                  const Layout& layout, const Execution& execution);

// A matrix in a plain format, as a tensor of this shape.
SafetensorsEntry PlainTensor(std::string name, std::vector<uint64_t> shape,
                             const EncodedMatrix& matrix);
// A vector in FP16 or BF16 where that changes nothing, else in FP32: in `preferred` (plain) rather
// than another.
Result<SafetensorsEntry> PlainVector(std::string name, std::span<const float> values,
                                     const Format& preferred);

}  // namespace bitloss

#endif  // BITLOSS_CONVERT_BLOCK_TENSORS_H_
