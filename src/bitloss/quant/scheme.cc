#include "bitloss/quant/scheme.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <vector>

#include "bitloss/quant/formats/int_group/int_group.h"
#include "bitloss/quant/nearest_names.h"

namespace bitloss {
namespace {

constexpr std::string_view kAutoGroup = ":auto";
constexpr std::array<size_t, 3> kAutoGroups = {128, 64, 32};  // largest first
constexpr std::string_view kLlmInt8 = "llm.int8";
constexpr std::string_view kBf16 = "bf16";
constexpr std::string_view kFp16 = "fp16";
constexpr std::string_view kNoise = "noise";
constexpr std::string_view kHeadPrefix = "head=";

constexpr std::array kPresets = {
    Preset{"fp16", "f16", "the model itself: the baseline", "IEEE 754 binary16"},
    Preset{"fp32", "f32+head=f32", "the stored weights in float32", "IEEE 754 binary32"},
    Preset{"int8", "int8_row@llm.int8", "LLM.int8: integer product, outlier columns apart",
           "bitsandbytes load_in_8bit; arXiv 2208.07339"},
    Preset{"nf4", "nf4+nearest", "QLoRA's NormalFloat",
           "bitsandbytes load_in_4bit; arXiv 2305.14314"},
    Preset{"nf4-dq", "nf4_dq+nearest", "NormalFloat with double quantization",
           "bitsandbytes load_in_4bit, bnb_4bit_use_double_quant; arXiv 2305.14314"},
    Preset{"fp4", "fp4+nearest", "bitsandbytes' 4-bit float", "bitsandbytes load_in_4bit, fp4"},
    Preset{"awq", "int4_group:auto:asym+awq", "activation-aware scaling and clipping, 4 bits",
           "AutoAWQ 0.2.9; arXiv 2306.00978"},
    Preset{"rtn4", "int4_group:auto:asym+nearest",
           "the format of awq, each weight rounded by itself",
           "AutoAWQ 0.2.9, pseudo_quantize_tensor"},
    Preset{"control-bf16", "f16@bf16", "A/A control: the baseline with BF16 activations",
           "what a BF16 engine computes"},
    Preset{"control-fp16", "f16@fp16",
           "A/A control: the baseline in FP16 arithmetic, attention scores too",
           "what eager attention in FP16 computes"},
};

constexpr std::array kFits = {
    FitInfo{FitKind::kNearest, "nearest", "each weight to the nearest value, by itself", ""},
    FitInfo{FitKind::kAwq, "awq",
            "columns scaled by what activations need, groups clipped, then nearest",
            "AutoAWQ 0.2.9; arXiv 2306.00978"},
    FitInfo{FitKind::kNoise, "noise",
            "isotropic control; written +noise:S, S relative to the tensor's standard deviation",
            ""},
};

const Preset* FindPreset(std::string_view name) {
  const auto preset = std::ranges::find(kPresets, name, &Preset::name);
  return preset == kPresets.end() ? nullptr : &*preset;
}

// The format's part of a scheme's text: all before the first '+' or '@'.
std::string_view Head(std::string_view text) { return text.substr(0, text.find_first_of("+@")); }

// Presets and format families, for messages.
std::vector<std::string_view> KnownNames() {
  std::vector<std::string_view> names;
  for (const Preset& preset : kPresets) names.push_back(preset.name);
  for (const FormatFamily& family : FormatFamilies()) {
    if (std::ranges::find(names, family.name) == names.end()) names.push_back(family.name);
  }
  return names;
}

Error UnknownScheme(std::string_view text, std::string_view name) {
  constexpr size_t kShown = 4;
  return Unsupported("unknown scheme '{}'; nearest known: {} (`bitloss schemes` lists all)", text,
                     NearestNames(name, KnownNames(), kShown));
}

Result<Execution> ParseExecution(std::string_view text, const SchemeOptions& options) {
  const std::string_view name = text.substr(0, text.find(':'));
  if (text == kBf16) return Execution{Execution::Kind::kBf16Activations, 0.0f};
  if (text == kFp16) return Execution{Execution::Kind::kFp16Emulation, 0.0f};
  if (name != kLlmInt8) {
    return Unsupported("unknown execution '@{}'; known are @{}, @{}, @{}", name, kLlmInt8, kBf16,
                       kFp16);
  }
  Execution execution{Execution::Kind::kLlmInt8, options.int8_threshold};
  if (name.size() < text.size()) {
    const std::string_view number = text.substr(name.size() + 1);
    const char* end = number.data() + number.size();
    const auto [stop, error] = std::from_chars(number.data(), end, execution.outlier_threshold);
    if (error != std::errc() || stop != end) {
      return BadInput("'@{}': the outlier threshold '{}' is not a number", text, number);
    }
  }
  if (!std::isfinite(execution.outlier_threshold) || execution.outlier_threshold < 0.0f) {
    return BadInput("the outlier threshold {} of @{} is not zero or a positive number",
                    execution.outlier_threshold, kLlmInt8);
  }
  return execution;
}

// "noise:0.01", into `scheme`.
Status ParseNoise(std::string_view word, Scheme& scheme) {
  const std::string_view number =
      word.size() > kNoise.size() ? word.substr(kNoise.size() + 1) : std::string_view();
  const char* end = number.data() + number.size();
  const auto [stop, error] = std::from_chars(number.data(), end, scheme.noise);
  if (error != std::errc() || stop != end || !(scheme.noise > 0 && scheme.noise <= 1)) {
    return BadInput("'+{}': write +noise:S with S above 0 and at most 1, e.g. +noise:0.01", word);
  }
  scheme.fit = FitKind::kNoise;
  return Ok();
}

// What follows the format's name, "+awq" or "@llm.int8" or "+head=int8_row", into `scheme`.
Status ApplySuffix(std::string_view suffix, const SchemeOptions& options, Scheme& scheme) {
  const std::string_view word = suffix.substr(1);
  if (suffix[0] == '@') {
    BITLOSS_TRY(scheme.execution, ParseExecution(word, options));
    return Ok();
  }
  if (word.starts_with(kHeadPrefix)) {
    BITLOSS_TRY(scheme.head_format, ParseFormat(word.substr(kHeadPrefix.size())));
    return Ok();
  }
  if (word.substr(0, word.find(':')) == kNoise) return ParseNoise(word, scheme);
  const auto fit = std::ranges::find(kFits, word, &FitInfo::name);
  if (fit == kFits.end()) {
    std::vector<std::string_view> names;
    for (const FitInfo& known : kFits) names.push_back(known.name);
    return Unsupported("unknown fit '+{}'; known are {}, and +head=FORMAT for the output head",
                       word, NearestNames(word, names, names.size()));
  }
  scheme.fit = fit->kind;
  return Ok();
}

Status ApplySuffixes(std::string_view suffixes, const SchemeOptions& options, Scheme& scheme) {
  while (!suffixes.empty()) {
    const size_t end = suffixes.find_first_of("+@", 1);
    BITLOSS_DO(ApplySuffix(suffixes.substr(0, end), options, scheme));
    suffixes = end == std::string_view::npos ? "" : suffixes.substr(end);
  }
  return Ok();
}

// "int4_group:auto:sym" -> "int4_group:128:sym": a format to go on with until the widths are known.
std::string WithLargestGroup(std::string_view format, size_t auto_at) {
  return fmt::format("{}:{}{}", format.substr(0, auto_at), kAutoGroups[0],
                     format.substr(auto_at + kAutoGroup.size()));
}

Status ApplyFormat(std::string_view text, Scheme& scheme) {
  const size_t auto_at = text.find(kAutoGroup);
  scheme.chooses_group = auto_at != std::string_view::npos;
  BITLOSS_TRY(scheme.format, ParseFormat(scheme.chooses_group ? WithLargestGroup(text, auto_at)
                                                              : std::string(text)));
  return Ok();
}

Status CheckTogether(const Scheme& scheme) {
  if (scheme.execution.kind == Execution::Kind::kLlmInt8 && scheme.format.name != "int8_row") {
    return Unsupported("scheme '{}': @{} multiplies the codes of int8_row, not of {}", scheme.text,
                       kLlmInt8, scheme.format.name);
  }
  const bool int_group =
      scheme.format.group_size > 0 && scheme.format.row_coding == RowCoding::kIndependent;
  if (scheme.fit == FitKind::kAwq && !int_group) {
    return Unsupported(
        "scheme '{}': +awq clips groups of a row's weights, which {} does not have; "
        "use int4_group, int3_group or int2_group",
        scheme.text, scheme.format.name);
  }
  return Ok();
}

// A format or preset with everything after it, into `scheme`.
Status ApplyMeaning(std::string_view meaning, const SchemeOptions& options, Scheme& scheme) {
  const std::string_view head = Head(meaning);
  BITLOSS_DO(ApplyFormat(head, scheme));
  return ApplySuffixes(meaning.substr(head.size()), options, scheme);
}

bool DividesAll(size_t group, std::span<const size_t> widths) {
  return std::ranges::all_of(widths, [&](size_t width) { return width % group == 0; });
}

}  // namespace

std::span<const Preset> Presets() { return kPresets; }
std::span<const FitInfo> Fits() { return kFits; }

bool IsControl(const Scheme& scheme) {
  const bool rounds = scheme.execution.kind == Execution::Kind::kBf16Activations ||
                      scheme.execution.kind == Execution::Kind::kFp16Emulation;
  return rounds && scheme.fit == FitKind::kNearest && scheme.format.name == F16Format().name &&
         scheme.head_format.name == F16Format().name;
}

Result<Scheme> ParseScheme(std::string_view text, const SchemeOptions& options) {
  Scheme scheme;
  scheme.text = text;
  scheme.head_format = F16Format();
  const std::string_view head = Head(text);
  const Preset* preset = FindPreset(head);
  const std::string_view family = head.substr(0, head.find(':'));
  if (preset == nullptr &&
      std::ranges::find(FormatFamilies(), family, &FormatFamily::name) == FormatFamilies().end()) {
    return UnknownScheme(text, family);
  }
  BITLOSS_DO(ApplyMeaning(preset != nullptr ? preset->meaning : head, options, scheme));
  BITLOSS_DO(ApplySuffixes(text.substr(head.size()), options, scheme));
  BITLOSS_DO(CheckTogether(scheme));
  return scheme;
}

Result<Scheme> ResolveForWidths(Scheme scheme, std::span<const size_t> widths) {
  if (scheme.chooses_group) {
    const auto group = std::ranges::find_if(
        kAutoGroups, [&](size_t candidate) { return DividesAll(candidate, widths); });
    if (group == kAutoGroups.end()) {
      const auto width =
          std::ranges::find_if(widths, [](size_t w) { return w % kAutoGroups.back() != 0; });
      return Unsupported("scheme '{}': none of the group sizes 128, 64 and 32 divides the width {}",
                         scheme.text, *width);
    }
    scheme.format = IntGroupFormat(scheme.format.bits, *group, scheme.format.symmetry);
    scheme.chooses_group = false;
  }
  for (const size_t width : widths) {
    if (const Status status = scheme.format.supports(scheme.format, 1, width); !status.ok()) {
      return Within(fmt::format("scheme '{}'", scheme.text), status.error());
    }
  }
  return scheme;
}

}  // namespace bitloss
