// The modules that a quantized block is written as.
#ifndef BITLOSS_CONVERT_BLOCK_MODULES_H_
#define BITLOSS_CONVERT_BLOCK_MODULES_H_

#include <string>
#include <vector>

#include "bitloss/model/weights.h"

namespace bitloss {

// One matrix of a checkpoint, and the linears whose rows it holds: one, or those that the model's
// own checkpoint has in one tensor.
struct BlockModule {
  std::string name;  // what stands before ".weight"; empty: of an expert that can have no name
  LinearShape shape;
  std::vector<size_t> linears;
  std::vector<TensorPart> places;  // of each, in the matrix
  bool was_stacked = false;        // an expert's, which the model has in one tensor with all others
};

// In the order of the block's linears. Experts that a folder stacks are modules of their own, a few
// for each expert, as the tools make them that quantize experts; a GGUF file's stay one.
std::vector<BlockModule> ModulesOf(const ModelSource& model, size_t layer);

// The name of a tensor without ".weight".
std::string ModuleOf(const std::string& tensor);

}  // namespace bitloss

#endif  // BITLOSS_CONVERT_BLOCK_MODULES_H_
