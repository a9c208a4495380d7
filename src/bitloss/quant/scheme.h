// A scheme: format + fit + execution, by a preset's name ("awq") or written out:
//
//   FORMAT[+FIT][@EXECUTION][+head=FORMAT]
//
//   int4_group:64+awq         a format (quant/format.h) and how its codes are chosen
//   int3_group:auto:sym       the group size follows from the model's widths (ResolveForWidths)
//   int8_row@llm.int8:6.0     integer product; after the ':' its outlier threshold
//   nf4+head=int8_row         the output head quantized too
//   fp16+noise:0.01           Gaussian noise instead of rounding: what no quantizer's structure
//   does f16@bf16                  the model itself under another arithmetic: an A/A control
//
// What follows a preset's name changes what the preset stands for: "awq+nearest" is "rtn4".
#ifndef BITLOSS_QUANT_SCHEME_H_
#define BITLOSS_QUANT_SCHEME_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "bitloss/base/result.h"
#include "bitloss/quant/format.h"

namespace bitloss {

// How codes are chosen.
enum class FitKind {
  kNearest,  // each weight by itself
  kAwq,      // activation-aware scaling and clipping, then nearest
  kNoise,    // Gaussian noise of Scheme::noise times the tensor's standard deviation, then nearest
};

// What is multiplied.
struct Execution {
  enum class Kind {
    kRealActivations,  // decoded weights times FP32 activations
    kLlmInt8,          // int8 weights times int8 activations, outlier columns apart
    // What goes into and comes out of every linear is rounded; products are summed in FP32.
    kBf16Activations,  // to BF16
    kFp16Emulation,    // to FP16, and so are attention's scores, probabilities and sums
  };
  Kind kind = Kind::kRealActivations;
  // kLlmInt8: |activation| at or above this makes its column an outlier; 0: no decomposition.
  float outlier_threshold = 6.0f;
};

struct Scheme {
  std::string text;  // as the user wrote it
  Format format;     // the linears of the decoder blocks
  FitKind fit = FitKind::kNearest;
  double noise = 0.0;  // of kNoise: relative to each tensor's standard deviation
  Execution execution;
  // The group size is the largest of 128, 64, 32 that divides every quantized width, and not known
  // before ResolveForWidths; until then `format` stands with 128.
  bool chooses_group = false;
  // The format of lm_head (and of a tied embedding); FP16 unless asked.
  Format head_format;
};

// Whether a scheme is an A/A control: the baseline's weights under another, equally legitimate
// arithmetic. Its distance from the baseline is the noise floor of a study.
bool IsControl(const Scheme& scheme);

// A way of choosing codes, as "+awq" names it.
struct FitInfo {
  FitKind kind;
  std::string_view name;
  std::string_view summary;
  std::string_view source;
};
std::span<const FitInfo> Fits();

struct Preset {
  std::string_view name;     // "awq"
  std::string_view meaning;  // "int4_group:auto:asym+awq"
  std::string_view summary;
  std::string_view source;
};
std::span<const Preset> Presets();

struct SchemeOptions {
  // Of @llm.int8 where the text gives none.
  float int8_threshold = 6.0f;
};

// kBadInput or kUnsupported in one line, naming what is known (the nearest first).
Result<Scheme> ParseScheme(std::string_view text, const SchemeOptions& options = {});

// Settles what depends on the model: the group size, for matrices whose rows have these lengths.
// kUnsupported names the width that the format cannot take.
Result<Scheme> ResolveForWidths(Scheme scheme, std::span<const size_t> widths);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_SCHEME_H_
