#include "bitloss/quant/execution.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include "bitloss/base/check.h"
#include "bitloss/quant/formats/ggml/ggml_format.h"

namespace bitloss {
namespace {

constexpr float kMaxInt8Code = 127.0f;

Status ReadThreshold(std::string_view option, Execution& execution) {
  const auto [stop, error] =
      std::from_chars(option.data(), option.data() + option.size(), execution.outlier_threshold);
  if (error == std::errc() && stop == option.data() + option.size()) return Ok();
  return BadInput("the outlier threshold '{}' is not a number", option);
}

Status ReadStatic(std::string_view option, Execution& execution) {
  execution.static_activations = option == "static";
  if (option == "static" || option == "dynamic") return Ok();
  return BadInput("@w8a8 has no option '{}'", option);
}

template <const char* kName>
Status CheckInt8Row(const Format& format) {
  if (format.name == "int8_row") return Ok();
  return Unsupported("@{} multiplies the codes of int8_row, not of {}", kName, format.name);
}
constexpr char kW8A8Name[] = "w8a8";
constexpr char kLlmInt8Name[] = "llm.int8";

Status CheckGgml(const Format& format) {
  if (GgmlTypeOf(format) != nullptr) return Ok();
  return Unsupported("@ggml multiplies GGUF's types (q4_0, q4_k, iq4_xs, ...), not {}",
                     format.name);
}

std::vector<ExecutionInfo> MakeExecutions() {
  using Kind = Execution::Kind;
  std::vector<ExecutionInfo> all = {
      {.name = "",
       .kind = Kind::kRealActivations,
       .summary = "decoded weights times FP32 activations",
       .source = ""},
      {.name = "llm.int8",
       .kind = Kind::kLlmInt8,
       .summary = "exact int8 products, outlier columns apart; option :6.0, the threshold",
       .source = "bitsandbytes; arXiv 2208.07339",
       .check = CheckInt8Row<kLlmInt8Name>,
       .read_option = ReadThreshold,
       .options = [](const Execution& e) { return fmt::format("({})", e.outlier_threshold); }},
      {.name = "w8a8",
       .kind = Kind::kW8A8,
       .summary = "exact int8 products, a scale for each token; option :static, one for all",
       .source = "smoothquant fake_quant.py",
       .check = CheckInt8Row<kW8A8Name>,
       .read_option = ReadStatic,
       .options = [](const Execution& e) -> std::string {
         return e.static_activations ? ":static" : "";
       }},
      {.name = "bf16",
       .kind = Kind::kBf16Activations,
       .summary = "inputs and outputs of every linear rounded to BF16",
       .source = ""},
      {.name = "fp16",
       .kind = Kind::kFp16Emulation,
       .summary = "the same to FP16, and attention's scores and sums",
       .source = ""},
      {.name = "ggml",
       .kind = Kind::kGgml,
       .summary = "int8 activations in the blocks that llama.cpp's CPU kernels take",
       .source = "ggml-cpu",
       .check = CheckGgml},
  };
  for (const ActivationRounding& rounding : ActivationRoundings()) {
    all.push_back({.name = rounding.name,
                   .kind = Kind::kRoundedInputs,
                   .summary = rounding.summary,
                   .source = rounding.source,
                   .rounding = &rounding});
  }
  return all;
}

std::vector<std::string_view> NamesWithoutOptions() {
  std::vector<std::string_view> names;
  for (const ExecutionInfo& info : Executions()) {
    const std::string_view name = info.name.substr(0, info.name.find(':'));
    if (!name.empty() && std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  return names;
}

// What else "@name" may be followed by, for messages: " (@fp8:static, @fp8:block)".
std::string Siblings(std::string_view name) {
  std::vector<std::string> siblings;
  for (const ExecutionInfo& info : Executions()) {
    if (info.name.starts_with(fmt::format("{}:", name))) {
      siblings.push_back(fmt::format("@{}", info.name));
    }
  }
  return siblings.empty() ? "" : fmt::format("; there are {}", fmt::join(siblings, ", "));
}

Status ReadOptions(std::string_view text, const ExecutionInfo& info, Execution& execution) {
  for (std::string_view rest = text.substr(info.name.size()); !rest.empty();) {
    rest.remove_prefix(1);
    const std::string_view option = rest.substr(0, rest.find(':'));
    rest.remove_prefix(option.size());
    if (info.read_option == nullptr) {
      return BadInput("'@{}': @{} has no option '{}'{}", text, info.name, option,
                      Siblings(info.name));
    }
    const Status read = info.read_option(option, execution);
    if (!read.ok()) return Within(fmt::format("'@{}'", text), read.error());
  }
  return Ok();
}

}  // namespace

std::span<const ExecutionInfo> Executions() {
  static const std::vector<ExecutionInfo> kAll = MakeExecutions();
  return kAll;
}

const ExecutionInfo& InfoOf(const Execution& execution) {
  return *std::ranges::find_if(Executions(), [&](const ExecutionInfo& info) {
    return info.kind == execution.kind && info.rounding == execution.rounding;
  });
}

Result<Execution> ParseExecution(std::string_view text, float outlier_threshold) {
  auto info = std::ranges::find(Executions(), text, &ExecutionInfo::name);
  const std::string_view name = text.substr(0, text.find(':'));
  if (info == Executions().end()) {
    info = std::ranges::find(Executions(), name, &ExecutionInfo::name);
  }
  if (info == Executions().end() || name.empty()) {
    return Unsupported("unknown execution '@{}'; known are @{}", name,
                       fmt::join(NamesWithoutOptions(), ", @"));
  }
  Execution execution{
      .kind = info->kind, .outlier_threshold = outlier_threshold, .rounding = info->rounding};
  if (info->rounding != nullptr) {
    execution.static_activations = info->rounding->scale_for != nullptr;
  }
  BITLOSS_DO(ReadOptions(text, *info, execution));
  if (!std::isfinite(execution.outlier_threshold) || execution.outlier_threshold < 0.0f) {
    return BadInput("the outlier threshold {} of @llm.int8 is not zero or a positive number",
                    execution.outlier_threshold);
  }
  return execution;
}

Status CheckExecution(const Format& format, const ExecutionInfo& execution) {
  if (execution.rounding != nullptr) return CheckRounding(*execution.rounding, format);
  return execution.check == nullptr ? Ok() : execution.check(format);
}

std::string DefinitionOf(const Execution& execution) {
  const ExecutionInfo& info = InfoOf(execution);
  if (info.name.empty()) return "";
  return fmt::format("@{}{}", info.name, info.options == nullptr ? "" : info.options(execution));
}

float ScaleOfInputs(const Execution& execution, float largest) {
  BITLOSS_CHECK(execution.static_activations);
  return execution.rounding == nullptr ? largest / kMaxInt8Code
                                       : execution.rounding->scale_for(largest);
}

const ActivationRounding* RoundingOf(const Execution& execution, const Format& format) {
  return execution.kind == Execution::Kind::kGgml ? GgmlRoundingFor(format) : execution.rounding;
}

}  // namespace bitloss
