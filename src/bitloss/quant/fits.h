// How codes are chosen: each fit a value in one list. What a fit computes on a matrix is in
// fit/<name>.h; model/layer_fit.h runs it on a block.
#ifndef BITLOSS_QUANT_FITS_H_
#define BITLOSS_QUANT_FITS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "bitloss/base/result.h"
#include "bitloss/quant/fit/gptq.h"
#include "bitloss/quant/format.h"

namespace bitloss {

enum class FitKind {
  kNearest,      // each weight by itself
  kMse,          // groups clipped for the least squared error of their weights (fit/clip.h)
  kHqq,          // zero points by half-quadratic steps (fit/hqq.h)
  kImatrix,      // the encoder's weighted form, or clipping for it, by importances (fit/clip.h)
  kAwq,          // activation-aware scaling and clipping, then nearest (fit/awq.h)
  kNoise,        // Gaussian noise, then nearest: no fit, but chosen as one
  kGptq,         // column by column, later columns making up for earlier ones (fit/gptq.h)
  kSmoothQuant,  // activations' magnitude moved into the weights, then nearest
};

// What a fit looks at besides the weights: what enters the linears of unquantized blocks, or of the
// lane's own blocks as far as they are fitted.
enum class FitNeeds { kNothing, kActivations, kOwnActivations };

// What may follow a fit's name.
struct FitOptions {
  double noise = 0.0;  // of kNoise: relative to each tensor's standard deviation
  GptqOptions gptq;
  double smoothing_strength = 0.5;  // of kSmoothQuant: alpha
};

// A way of choosing codes, as "+awq" names it.
struct FitInfo {
  FitKind kind;
  std::string_view name;
  FitNeeds needs;
  std::string_view summary;
  std::string_view source;
  // Whether it goes together with a format; kUnsupported with the reason.
  Status (*check)(const Format& format);
  // What a format's family is told where a format for it is made; by default nothing.
  std::span<const std::string_view> format_parameters = {};
  // One of the options that follow the name, each after a ':', into what goes on with it. Null if
  // there are none. kBadInput.
  Status (*read_option)(std::string_view option, FitOptions& options) = nullptr;
  bool wants_option = false;
  // ":act:damp=0.01": all that differs between lanes, their seed included. Null: nothing does.
  std::string (*describe_options)(const FitOptions& options, uint64_t seed) = nullptr;
};
std::span<const FitInfo> Fits();
const FitInfo& InfoOf(FitKind kind);

// Whether they go together; if not, kUnsupported with the reason.
Status CheckFit(const Format& format, FitKind fit);

// The fit that "awq" or "gptq:act" (what stands after a '+') asks for, its options into `options`.
// kUnsupported names those that are known; kBadInput.
Result<FitKind> ParseFit(std::string_view word, FitOptions& options);

// "+gptq:damp=0.01", what a fit adds to a lane's definition; "" of kNearest.
std::string DefinitionOf(FitKind fit, const FitOptions& options, uint64_t seed);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FITS_H_
