// Layouts: how a tool that quantizes models lays its matrices out in a folder's safetensors files.
// A matrix "P.weight" becomes several tensors (codes, scales, zero points), which its file here
// names, beside the config.json entry "quantization_config" that says how to read them.
//
// A layout is a value; reader and writer of one stand side by side in its file, and the list is in
// layouts.cc. Inside the module, except for the writers.
#ifndef BITLOSS_CHECKPOINT_LAYOUTS_LAYOUT_H_
#define BITLOSS_CHECKPOINT_LAYOUTS_LAYOUT_H_

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/checkpoint/checkpoint.h"
#include "bitloss/checkpoint/safetensors.h"
#include "bitloss/quant/format.h"
#include "bitloss/quant/scheme.h"

namespace bitloss {

// The tensors of all files of a folder, by name.
using StoredTensors = std::map<std::string, SafetensorsEntry, std::less<>>;

// A matrix [rows][cols] made of several stored tensors whose types and shapes have been checked.
struct QuantizedTensor {
  std::string type;  // for people: "nf4"
  uint64_t rows = 0;
  uint64_t cols = 0;
  uint64_t num_bytes = 0;  // of its parts
  // Reads and repacks the parts. Errors do not name the matrix.
  std::function<Result<EncodedMatrix>()> load;
};

struct QuantizedTensors {
  StoredQuantization quantization;
  std::map<std::string, QuantizedTensor, std::less<>> matrices;  // "P.weight"
  std::set<std::string, std::less<>> parts;                      // the stored names behind them
  // The model's makers publish it so: what the matrices hold are its own weights.
  bool is_published_form = false;
};

// What a tool makes of experts that a model has as one tensor of three axes: a module for each of
// their matrices, or nothing, as it looks for modules alone.
enum class StackedExperts { kTakenApart, kLeftAlone };

// The modules that a written checkpoint leaves as they are, lm_head aside; a name without a dot
// stands for all that is below it, wherever it is.
using LeftAlone = std::span<const std::string>;

struct Layout {
  std::string_view name;
  // Whether a "quantization_config" (an object) is one of this layout's.
  bool (*recognizes)(const nlohmann::json& config) = nullptr;
  // kUnsupported: something that the layout has and bitloss does not read, by name. kBadInput:
  // parts that are missing, of another type, or of a shape that does not fit. Messages name the
  // tensor.
  Result<QuantizedTensors> (*read)(const nlohmann::json& config,
                                   const StoredTensors& tensors) = nullptr;
  // Whether matrices [rows][cols] in `format` can be written so that others run them as `execution`
  // says; kUnsupported says why not.
  Status (*supports)(const Format& format, const Execution& execution, size_t rows,
                     size_t cols) = nullptr;
  // The parts of matrix "<module>.weight". Requires: supports(). Null: the layout is only read.
  Result<std::vector<SafetensorsEntry>> (*write)(const std::string& module,
                                                 const EncodedMatrix& matrix) = nullptr;
  // The part of matrix "<module>.weight" that holds the scale of its inputs, where calibration
  // finds it. Requires: supports(), execution.static_activations. Null: the layout has none.
  SafetensorsEntry (*write_input_scale)(const std::string& module, const Execution& execution,
                                        float scale) = nullptr;
  // The "quantization_config" of a model whose linears are in `format`, but for those left alone.
  nlohmann::ordered_json (*config)(const Format& format, const Execution& execution,
                                   LeftAlone left_alone) = nullptr;
  StackedExperts stacked_experts = StackedExperts::kTakenApart;
};

// In the order in which a config.json is offered to them.
std::span<const Layout> Layouts();

// Null if unknown.
const Layout* FindLayout(std::string_view name);

// kUnsupported names the methods that are read.
Result<QuantizedTensors> ReadQuantizedTensors(const nlohmann::json& config,
                                              const StoredTensors& tensors);

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_LAYOUTS_LAYOUT_H_
