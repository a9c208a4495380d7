#include "bitloss/quant/scheme.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "bitloss/base/text.h"
#include "bitloss/quant/formats/int_group/int_group.h"
#include "bitloss/quant/nearest_names.h"
#include "bitloss/quant/scheme_file_type.h"

namespace bitloss {
namespace {

constexpr std::string_view kAutoGroup = ":auto";
constexpr std::array<size_t, 3> kAutoGroups = {128, 64, 32};  // largest first
constexpr std::string_view kHeadPrefix = "head=";
constexpr std::string_view kBaseline = "baseline";

constexpr std::array kPresets = {
    Preset{"fp16", "f16", "FP16: most models' own weights, or what a cast makes of them",
           "IEEE 754 binary16"},
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
    Preset{"control-bf16", "baseline@bf16", "A/A control: the baseline with BF16 activations",
           "what a BF16 engine computes"},
    Preset{"control-fp16", "baseline@fp16",
           "A/A control: the baseline in FP16 arithmetic, attention scores too",
           "what eager attention in FP16 computes"},
    Preset{"gptq", "int4_group:auto:full+gptq",
           "4 bits, each column's error made up for by those after it",
           "IST-DASLab/gptq; arXiv 2210.17323"},
    Preset{"hqq", "int4_group:auto:float+hqq", "4 bits, zero points by half-quadratic steps",
           "hqq 0.2.8"},
    Preset{"smoothquant", "int8_row+smoothquant@w8a8",
           "8-bit weights and activations, outliers moved into the weights",
           "mit-han-lab/smoothquant; arXiv 2211.10438"},
    Preset{"w8a8", "int8_row@w8a8", "8-bit weights and activations, a scale for each token",
           "smoothquant fake_quant.py"},
    Preset{"fp8", "fp8_e4m3:row+nearest", "8-bit floats, a scale for each output",
           "compressed-tensors FP8_DYNAMIC, weights"},
    Preset{"fp8-dynamic", "fp8_e4m3:row@fp8", "the same, inputs too, a scale for each token",
           "vLLM; compressed-tensors FP8_DYNAMIC"},
    Preset{"fp8-static", "fp8_e4m3:tensor@fp8:static",
           "8-bit floats, one scale for a matrix and one from calibration for its inputs",
           "vLLM; compressed-tensors FP8"},
    Preset{"fp8-block", "fp8_e4m3:block@fp8:block",
           "8-bit floats, blocks of 128 x 128 weights and of 128 inputs", "DeepSeek-V3; vLLM"},
    Preset{"int8-w8a8", "int8_row@w8a8",
           "w8a8: 127 steps to the largest, as vLLM's kernel; @w8a8:ct has 127.5",
           "vLLM; smoothquant fake_quant.py"},
    Preset{"nvfp4-w4a4", "nvfp4@nvfp4", "4-bit floats with scales for 16, inputs too",
           "compressed-tensors NVFP4"},
    Preset{"mxfp4-w4a4", "mxfp4@mxfp4", "4-bit floats with powers of two for 32, inputs too",
           "compressed-tensors MXFP4"},
    Preset{"mxfp8-w8a8", "mxfp8:e4m3@mxfp8", "8-bit floats with powers of two for 32, inputs too",
           "compressed-tensors MXFP8"},
    Preset{"w4a16", "int4_group:auto:sym", "4-bit groups, symmetric", "compressed-tensors W4A16"},
    Preset{"w4a8", "int4_group:auto:sym@w4a8", "4-bit groups, 8-bit inputs, a scale for each token",
           "vLLM; compressed-tensors W4A8"},
};

const Preset* FindPreset(std::string_view name) {
  const auto preset = std::ranges::find(kPresets, name, &Preset::name);
  return preset == kPresets.end() ? nullptr : &*preset;
}

// The format's part of a scheme's text: all before the first '+' or '@'.
std::string_view Head(std::string_view text) { return text.substr(0, text.find_first_of("+@")); }

// Presets, format families and file types, for messages.
std::vector<std::string_view> KnownNames() {
  std::vector<std::string_view> names;
  for (const Preset& preset : kPresets) names.push_back(preset.name);
  for (const FormatFamily& family : FormatFamilies()) {
    if (std::ranges::find(names, family.name) == names.end()) names.push_back(family.name);
  }
  std::ranges::copy(FileTypeNames(), std::back_inserter(names));
  return names;
}

Error UnknownScheme(std::string_view text, std::string_view name) {
  constexpr size_t kShown = 4;
  return Unsupported("unknown scheme '{}'; nearest known: {} (`bitloss schemes` lists all)", text,
                     NearestNames(name, KnownNames(), kShown));
}

// Whose rounding "kv=q8_0", "k=..." or "v=..." is; none of another word.
enum class KvTarget { kBoth, kKeys, kValues };
std::optional<KvTarget> KvTargetOf(std::string_view word) {
  if (word.starts_with("kv=")) return KvTarget::kBoth;
  if (word.starts_with("k=")) return KvTarget::kKeys;
  if (word.starts_with("v=")) return KvTarget::kValues;
  return std::nullopt;
}

// What follows the format's name, "+awq" or "@llm.int8" or "+head=int8_row", into `scheme`.
Status ApplySuffix(std::string_view suffix, const SchemeOptions& options, Scheme& scheme) {
  const std::string_view word = suffix.substr(1);
  if (suffix[0] == '@') {
    const KvRounding kv = scheme.execution.kv;
    BITLOSS_TRY(scheme.execution, ParseExecution(word, options.int8_threshold));
    scheme.execution.kv = kv;
    return Ok();
  }
  if (const std::optional<KvTarget> target = KvTargetOf(word)) {
    BITLOSS_TRY(const KvFormat format, ParseKvFormat(word.substr(word.find('=') + 1)));
    KvRounding& kv = scheme.execution.kv;
    if (*target != KvTarget::kValues) kv.keys = format;
    if (*target != KvTarget::kKeys) kv.values = format;
    return Ok();
  }
  if (word.starts_with(kHeadPrefix)) {
    BITLOSS_TRY(scheme.head_format, ParseFormat(word.substr(kHeadPrefix.size())));
    scheme.names_head = true;
    return Ok();
  }
  BITLOSS_TRY(scheme.fit, ParseFit(word, scheme.fit_options));
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
  scheme.follows_baseline = text == kBaseline;
  if (scheme.follows_baseline) {
    scheme.format = F16Format();
    return Ok();
  }
  const size_t auto_at = text.find(kAutoGroup);
  scheme.chooses_group = auto_at != std::string_view::npos;
  BITLOSS_TRY(scheme.format, ParseFormat(scheme.chooses_group ? WithLargestGroup(text, auto_at)
                                                              : std::string(text)));
  return Ok();
}

Status CheckTogether(const Scheme& scheme) {
  if (FileTypeOf(scheme.format)) return CheckFileType(scheme);
  if (const Status fit = CheckFit(scheme.format, scheme.fit); !fit.ok()) {
    return Within(fmt::format("scheme '{}'", scheme.text), fit.error());
  }
  if (const Status execution = CheckExecution(scheme.format, InfoOf(scheme.execution));
      !execution.ok()) {
    return Within(fmt::format("scheme '{}'", scheme.text), execution.error());
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
bool QuantizesHead(const Scheme& scheme) {
  return scheme.names_head && scheme.head_format.name != scheme.baseline &&
         scheme.head_format.name != F32Format().name;
}

bool IsControl(const Scheme& scheme) {
  const bool rounds = scheme.execution.kind == Execution::Kind::kBf16Activations ||
                      scheme.execution.kind == Execution::Kind::kFp16Emulation;
  return rounds && !scheme.execution.kv.any() && scheme.fit == FitKind::kNearest &&
         scheme.format.name == scheme.baseline && scheme.head_format.name == scheme.baseline;
}

Result<Scheme> ParseScheme(std::string_view written, const SchemeOptions& options) {
  Scheme scheme;
  scheme.text = written;
  scheme.head_format = F16Format();
  const std::string text = InLowerCase(written);
  const std::string head(Head(text));
  const std::string_view family = std::string_view(head).substr(0, head.find(':'));
  const Preset* preset = FindPreset(head);
  const bool is_format =
      family == kBaseline ||
      std::ranges::find(FormatFamilies(), family, &FormatFamily::name) != FormatFamilies().end();
  if (preset != nullptr || is_format) {
    BITLOSS_DO(ApplyMeaning(preset != nullptr ? preset->meaning : head, options, scheme));
  } else if (NamesFileType(family)) {
    BITLOSS_DO(ApplyFileType(head, scheme));
  } else {
    return UnknownScheme(written, family);
  }
  BITLOSS_DO(ApplySuffixes(std::string_view(text).substr(head.size()), options, scheme));
  BITLOSS_DO(CheckTogether(scheme));
  return scheme;
}

Scheme OnBaseline(Scheme scheme, const Format& baseline) {
  if (scheme.follows_baseline) scheme.format = baseline;
  // A lane in a plain format is in it whole.
  if (!scheme.names_head) scheme.head_format = IsPlain(scheme.format) ? scheme.format : baseline;
  scheme.baseline = baseline.name;
  return scheme;
}

Result<Scheme> ResolveForWidths(Scheme scheme, std::span<const size_t> widths) {
  if (FileTypeOf(scheme.format)) {
    return Unsupported("scheme '{}': a file type is of a whole model; use it with run or quantize",
                       scheme.text);
  }
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
