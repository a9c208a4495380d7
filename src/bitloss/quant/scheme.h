// A scheme: format + fit + execution, by a preset's name ("awq") or written out:
//
//   FORMAT[+FIT][@EXECUTION][+head=FORMAT][+kv=KV]
//
//   int4_group:64+awq         a format (quant/format.h) and how its codes are chosen
//   int3_group:auto:sym       the group size follows from the model's widths (ResolveForWidths)
//   int8_row@llm.int8:6.0     integer product; after the ':' its outlier threshold
//   fp8_e4m3:row@fp8          inputs rounded too (activations/activation_rounding.h)
//   int4_group:64:full+gptq:act   a fit with options: GPTQ's act order
//   nf4+head=int8_row         the output head quantized too
//   fp16+kv=q8_0              keys and values rounded (kv_format.h); +k= and +v= apart
//   fp16+noise:0.01           Gaussian noise instead of rounding: what no structure explains
//   baseline@bf16             the model itself under another arithmetic: an A/A control; `baseline`
//                             is the format of its weights: f16, bf16 or f32
//
// What follows a preset's name changes what the preset stands for: "awq+nearest" is "rtn4".
#ifndef BITLOSS_QUANT_SCHEME_H_
#define BITLOSS_QUANT_SCHEME_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "bitloss/base/result.h"
#include "bitloss/quant/execution.h"
#include "bitloss/quant/fits.h"
#include "bitloss/quant/format.h"
#include "bitloss/quant/kv_format.h"

namespace bitloss {

struct Scheme {
  std::string text;  // as the user wrote it
  Format format;     // the linears of the decoder blocks
  FitKind fit = FitKind::kNearest;
  FitOptions fit_options;
  Execution execution;
  // The group size is the largest of 128, 64, 32 that divides every quantized width, and not known
  // before ResolveForWidths; until then `format` stands with 128.
  bool chooses_group = false;
  // The format of lm_head (and of a tied embedding); the baseline's unless +head= names one.
  Format head_format;
  bool names_head = false;
  // Whether `format` is the baseline's, whatever that is (controls).
  bool follows_baseline = false;
  // The format that the model's weights have where nothing rounds them. OnBaseline settles it;
  // until then all that follows it stands with f16.
  std::string baseline = "f16";
};

// Whether the output head is in a format of its own (+head=), which a tied embedding then shares.
bool QuantizesHead(const Scheme& scheme);

// Whether a scheme is an A/A control: the baseline's weights under another, equally legitimate
// arithmetic. Its distance from the baseline is the noise floor of a study.
bool IsControl(const Scheme& scheme);

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

// Settles what follows the baseline, a plain format: the format of what the scheme leaves alone.
Scheme OnBaseline(Scheme scheme, const Format& baseline);

// Settles what depends on the model: the group size, for matrices whose rows have these lengths.
// kUnsupported names the width that the format cannot take.
Result<Scheme> ResolveForWidths(Scheme scheme, std::span<const size_t> widths);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_SCHEME_H_
