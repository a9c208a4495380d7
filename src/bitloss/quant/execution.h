// What is multiplied: how the linears of a lane compute, as "@w8a8" names it.
#ifndef BITLOSS_QUANT_EXECUTION_H_
#define BITLOSS_QUANT_EXECUTION_H_

#include <span>
#include <string>
#include <string_view>

#include "bitloss/base/result.h"
#include "bitloss/quant/activations/activation_rounding.h"
#include "bitloss/quant/format.h"
#include "bitloss/quant/kv_format.h"

namespace bitloss {

struct Execution {
  enum class Kind {
    kRealActivations,  // decoded weights times FP32 activations
    kLlmInt8,          // int8 weights times int8 activations, outlier columns apart
    // What goes into and comes out of every linear is rounded; products are summed in FP32.
    kBf16Activations,  // to BF16
    kFp16Emulation,    // to FP16, and so are attention's scores, probabilities and sums
    kW8A8,             // int8 weights times int8 activations, one scale for a token or for all
    kGgml,             // as llama.cpp multiplies on a CPU: activations in blocks of int8
    kRoundedInputs,    // decoded weights times what `rounding` makes of the activations
  };
  Kind kind = Kind::kRealActivations;
  // kLlmInt8: |activation| at or above this makes its column an outlier; 0: no decomposition.
  float outlier_threshold = 6.0f;
  const ActivationRounding* rounding = nullptr;  // of kRoundedInputs
  // Whether activations have a scale that calibration found, and that scale, which is each matrix's
  // own and known only when it is packed (ScaleOfInputs).
  bool static_activations = false;
  float activation_scale = 0.0f;
  // What keys and values become on their way through the cache.
  KvRounding kv = {};
};

// A way of multiplying, as a value; the first, without a name, decodes weights.
struct ExecutionInfo {
  std::string_view name;  // "w8a8"; with options where each is a value of its own: "fp8:block"
  Execution::Kind kind;
  std::string_view summary;
  std::string_view source;
  const ActivationRounding* rounding = nullptr;     // of kRoundedInputs
  Status (*check)(const Format& format) = nullptr;  // null: goes with every format
  // "static" of "@w8a8:static"; null: it has none.
  Status (*read_option)(std::string_view option, Execution& execution) = nullptr;
  // The options as a lane's definition says them: ":static"; null: none.
  std::string (*options)(const Execution& execution) = nullptr;
};
std::span<const ExecutionInfo> Executions();
const ExecutionInfo& InfoOf(const Execution& execution);

// "w8a8:static", what follows the '@'. kUnsupported names the known ones.
Result<Execution> ParseExecution(std::string_view text, float outlier_threshold);

// Whether they go together; if not, kUnsupported with the reason.
Status CheckExecution(const Format& format, const ExecutionInfo& execution);

// "@w8a8:static", "" for decoded weights: the same for two executions that compute the same.
std::string DefinitionOf(const Execution& execution);

// Execution::activation_scale of a matrix, the largest magnitude among whose inputs is this.
float ScaleOfInputs(const Execution& execution, float largest);

// How inputs of a matrix in this format are rounded before decoded weights are multiplied with
// them; null: not, or by the product itself.
const ActivationRounding* RoundingOf(const Execution& execution, const Format& format);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_EXECUTION_H_
