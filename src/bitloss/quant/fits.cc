#include "bitloss/quant/fits.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <vector>

#include "bitloss/quant/formats/ggml/ggml_format.h"
#include "bitloss/quant/nearest_names.h"

namespace bitloss {
namespace {

// The whole text as a number.
std::optional<double> ParseNumber(std::string_view text) {
  double number = 0.0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  return number;
}

bool IsIndependent(const Format& format) { return format.row_coding == RowCoding::kIndependent; }
bool HasCodes(const Format& format) { return format.unpack != nullptr; }

Status AnyFormat(const Format&) { return Ok(); }

Status CheckClipping(std::string_view fit, const Format& format) {
  if (HasCodes(format) && (IsIndependent(format) || format.encode_weighted != nullptr)) return Ok();
  return Unsupported(
      "+{} clips the groups of a row by themselves, but the rows of {} are not encoded one by one",
      fit, format.name);
}
Status CheckMse(const Format& format) { return CheckClipping("mse", format); }
Status CheckImatrix(const Format& format) { return CheckClipping("imatrix", format); }

Status CheckHqq(const Format& format) {
  if (format.symmetry == Symmetry::kFloatZero) return Ok();
  const std::string family = format.name.substr(0, format.name.find(':'));
  return Unsupported(
      "+hqq finds zero points that are floats, which {} does not have; use {}:64:float",
      format.name, family.ends_with("_group") ? family : "int4_group");
}

Status CheckAwq(const Format& format) {
  if (HasCodes(format) && IsIndependent(format) && format.group_size > 0) return Ok();
  return Unsupported(
      "+awq clips groups of a row's weights, which {} does not have; "
      "use int4_group, int3_group or int2_group",
      format.name);
}

Status ReadNoise(std::string_view option, FitOptions& options) {
  const std::optional<double> noise = ParseNumber(option);
  if (!noise || !(*noise > 0.0 && *noise <= 1.0)) {
    return BadInput("'+noise:{}': write +noise:S with S above 0 and at most 1, e.g. +noise:0.01",
                    option);
  }
  options.noise = *noise;
  return Ok();
}

std::string DescribeNoise(const FitOptions& options, uint64_t seed) {
  return fmt::format("({}, seed {})", options.noise, seed);
}

Status CheckGptq(const Format& format) {
  if (HasCodes(format) && format.pack != nullptr) return Ok();
  return Unsupported("+gptq gives each group a scale of its own, but {} {}", format.name,
                     HasCodes(format) ? "makes its scales of others" : "has none");
}

Status ReadGptqOption(std::string_view option, FitOptions& options) {
  GptqOptions& gptq = options.gptq;
  if (option == "act") {
    gptq.order = GptqOptions::Order::kByActivation;
    return Ok();
  }
  if (option == "static") {
    gptq.groups = GptqOptions::Groups::kStatic;
    return Ok();
  }
  constexpr std::string_view kDamp = "damp=";
  const std::optional<double> damping =
      option.starts_with(kDamp) ? ParseNumber(option.substr(kDamp.size())) : std::nullopt;
  if (!damping || !(*damping > 0.0 && *damping <= 1.0)) {
    return BadInput(
        "+gptq has no option '{}'; possible are act, static and damp= with a number "
        "above 0, at most 1",
        option);
  }
  gptq.damping = *damping;
  return Ok();
}

std::string DescribeGptq(const FitOptions& options, uint64_t /*seed*/) {
  const GptqOptions& gptq = options.gptq;
  return fmt::format("{}{}:damp={}", gptq.order == GptqOptions::Order::kByActivation ? ":act" : "",
                     gptq.groups == GptqOptions::Groups::kStatic ? ":static" : "", gptq.damping);
}

Status CheckSmoothQuant(const Format& format) {
  if (HasCodes(format)) return Ok();
  return Unsupported(
      "+smoothquant makes weights harder to round and activations easier; {} rounds neither",
      format.name);
}

Status ReadStrength(std::string_view option, FitOptions& options) {
  const std::optional<double> strength = ParseNumber(option);
  if (!strength || !(*strength >= 0.0 && *strength <= 1.0)) {
    return BadInput("+smoothquant:{}: its strength is a number from 0 to 1", option);
  }
  options.smoothing_strength = *strength;
  return Ok();
}

std::string DescribeStrength(const FitOptions& options, uint64_t /*seed*/) {
  return fmt::format(":{}", options.smoothing_strength);
}

constexpr std::array<std::string_view, 2> kGroupsWithFloatZeros = {"64", "float"};

constexpr std::array kFits = {
    FitInfo{.kind = FitKind::kNearest,
            .name = "nearest",
            .needs = FitNeeds::kNothing,
            .summary = "each weight to the nearest value, by itself",
            .source = "",
            .check = AnyFormat},
    FitInfo{.kind = FitKind::kMse,
            .name = "mse",
            .needs = FitNeeds::kNothing,
            .summary = "each group clipped where the squared error of its weights is least",
            .source = "",
            .check = CheckMse},
    FitInfo{.kind = FitKind::kHqq,
            .name = "hqq",
            .needs = FitNeeds::kNothing,
            .summary = "zero points that minimise an l_0.7 norm of the errors",
            .source = "hqq 0.2.8",
            .check = CheckHqq,
            .format_parameters = kGroupsWithFloatZeros},
    FitInfo{.kind = FitKind::kImatrix,
            .name = "imatrix",
            .needs = FitNeeds::kActivations,
            .summary = "errors weighted by the mean squares of the inputs (--imatrix: by a file)",
            .source = "llama.cpp llama-imatrix, llama-quantize",
            .check = CheckImatrix},
    FitInfo{.kind = FitKind::kAwq,
            .name = "awq",
            .needs = FitNeeds::kActivations,
            .summary = "columns scaled by what activations need, groups clipped, then nearest",
            .source = "AutoAWQ 0.2.9; arXiv 2306.00978",
            .check = CheckAwq},
    FitInfo{.kind = FitKind::kNoise,
            .name = "noise",
            .needs = FitNeeds::kNothing,
            .summary = "isotropic control; written +noise:S, S relative to the tensor's standard "
                       "deviation",
            .source = "",
            .check = AnyFormat,
            .read_option = ReadNoise,
            .wants_option = true,
            .describe_options = DescribeNoise},
    FitInfo{.kind = FitKind::kGptq,
            .name = "gptq",
            .needs = FitNeeds::kOwnActivations,
            .summary = "columns in turn, later ones making up; options :act, :static, :damp=0.01",
            .source = "IST-DASLab/gptq; arXiv 2210.17323",
            .check = CheckGptq,
            .read_option = ReadGptqOption,
            .describe_options = DescribeGptq},
    FitInfo{
        .kind = FitKind::kSmoothQuant,
        .name = "smoothquant",
        .needs = FitNeeds::kActivations,
        .summary = "inputs' largest magnitudes moved into the weights; option :0.5, their share",
        .source = "mit-han-lab/smoothquant; arXiv 2211.10438",
        .check = CheckSmoothQuant,
        .read_option = ReadStrength,
        .describe_options = DescribeStrength},
};

Error UnknownFit(std::string_view word) {
  std::vector<std::string_view> names;
  for (const FitInfo& known : kFits) names.push_back(known.name);
  return Unsupported(
      "unknown fit '+{}'; known are {}, +head=FORMAT for the output head and "
      "+kv=FORMAT for keys and values",
      word, NearestNames(word, names, names.size()));
}

}  // namespace

std::span<const FitInfo> Fits() { return kFits; }
const FitInfo& InfoOf(FitKind kind) { return *std::ranges::find(kFits, kind, &FitInfo::kind); }

Status CheckFit(const Format& format, FitKind fit) {
  if (fit != FitKind::kImatrix && NeedsImportances(format)) {
    return Unsupported(
        "{0} is not made without importances, by llama.cpp neither: write {0}+imatrix",
        format.name);
  }
  return InfoOf(fit).check(format);
}

Result<FitKind> ParseFit(std::string_view word, FitOptions& options) {
  size_t end = std::min(word.find(':'), word.size());
  const auto fit = std::ranges::find(kFits, word.substr(0, end), &FitInfo::name);
  if (fit == kFits.end()) return UnknownFit(word);
  if (end == word.size() && fit->wants_option) BITLOSS_DO(fit->read_option("", options));
  while (end < word.size()) {
    const size_t begin = end + 1;
    end = std::min(word.find(':', begin), word.size());
    const std::string_view option = word.substr(begin, end - begin);
    if (fit->read_option == nullptr) {
      return BadInput("+{} has no options, but has ':{}'", fit->name, option);
    }
    BITLOSS_DO(fit->read_option(option, options));
  }
  return fit->kind;
}

std::string DefinitionOf(FitKind fit, const FitOptions& options, uint64_t seed) {
  if (fit == FitKind::kNearest) return "";
  const FitInfo& info = InfoOf(fit);
  std::string text = fmt::format("+{}", info.name);
  if (info.describe_options != nullptr) text += info.describe_options(options, seed);
  return text;
}

}  // namespace bitloss
