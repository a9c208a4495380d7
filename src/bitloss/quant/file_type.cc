#include "bitloss/quant/file_type.h"

#include <algorithm>
#include <array>
#include <regex>

#include "bitloss/base/text.h"
#include "bitloss/quant/formats/ggml/ggml_format.h"
#include "bitloss/quant/nearest_names.h"

namespace bitloss {
namespace {

constexpr std::array kFileTypes = {
    FileType{"Q4_0", "Q4_0", 2},        FileType{"Q4_1", "Q4_1", 3},
    FileType{"Q8_0", "Q8_0", 7},        FileType{"Q5_0", "Q5_0", 8},
    FileType{"Q5_1", "Q5_1", 9},        FileType{"Q2_K", "Q2_K", 10},
    FileType{"Q3_K_S", "Q3_K", 11},     FileType{"Q3_K_M", "Q3_K", 12},
    FileType{"Q3_K_L", "Q3_K", 13},     FileType{"Q4_K_S", "Q4_K", 14},
    FileType{"Q4_K_M", "Q4_K", 15},     FileType{"Q5_K_S", "Q5_K", 16},
    FileType{"Q5_K_M", "Q5_K", 17},     FileType{"Q6_K", "Q6_K", 18},
    FileType{"IQ2_XXS", "IQ2_XXS", 19}, FileType{"IQ2_XS", "IQ2_XS", 20},
    FileType{"Q2_K_S", "Q2_K", 21},     FileType{"IQ3_XS", "IQ3_S", 22},
    FileType{"IQ3_XXS", "IQ3_XXS", 23}, FileType{"IQ1_S", "IQ1_S", 24},
    FileType{"IQ4_NL", "IQ4_NL", 25},   FileType{"IQ3_S", "IQ3_S", 26},
    FileType{"IQ3_M", "IQ3_S", 27},     FileType{"IQ2_S", "IQ2_XS", 28},
    FileType{"IQ2_M", "IQ2_S", 29},     FileType{"IQ4_XS", "IQ4_XS", 30},
    FileType{"IQ1_M", "IQ1_M", 31},     FileType{"TQ1_0", "TQ1_0", 36},
    FileType{"TQ2_0", "TQ2_0", 37},     FileType{"MXFP4_MOE", "MXFP4", 38},
};

char InUpperCase(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

std::string InUpperCase(std::string_view text) {
  std::string upper(text);
  std::ranges::transform(upper, upper.begin(), [](char c) { return InUpperCase(c); });
  return upper;
}

bool CanBeMade(const GgmlType& type) { return type.encode != nullptr || type.name == "F16"; }

Result<const GgmlType*> ReadType(std::string_view name) {
  const GgmlType* type = FindGgmlType(InUpperCase(name));
  if (type != nullptr && CanBeMade(*type)) return type;
  std::vector<std::string_view> known;
  for (const GgmlType& candidate : GgmlTypes()) {
    if (CanBeMade(candidate)) known.push_back(candidate.name);
  }
  return BadInput("'{}' is no type of tensors that can be made; those are {}", name,
                  NearestNames(InUpperCase(name), known, known.size()));
}

// Expressions are looked for as they are written, in the form that std::regex reads.
Status CheckExpression(std::string_view expression) {
  try {
    const std::regex compiled{std::string(expression)};
  } catch (const std::regex_error& error) {
    return BadInput("'{}' is no regular expression: {}", expression, error.what());
  }
  return Ok();
}

}  // namespace

std::span<const FileType> FileTypes() { return kFileTypes; }

const FileType* FindFileType(std::string_view name) {
  std::string upper = InUpperCase(name);
  if (upper == "Q3_K" || upper == "Q4_K" || upper == "Q5_K") upper += "_M";
  const auto found = std::ranges::find(kFileTypes, upper, &FileType::name);
  return found == kFileTypes.end() ? nullptr : &*found;
}

Status FileTypeOptions::Read(std::string_view option) {
  constexpr std::string_view kEmbedding = "token-embedding-type=";
  constexpr std::string_view kOutput = "output-tensor-type=";
  constexpr std::string_view kTensor = "tensor-type=";
  if (option == "pure") {
    mixture = Mixture::kPure;
    return Ok();
  }
  if (option.starts_with(kEmbedding)) {
    BITLOSS_TRY(token_embedding, ReadType(option.substr(kEmbedding.size())));
    return Ok();
  }
  if (option.starts_with(kOutput)) {
    BITLOSS_TRY(output, ReadType(option.substr(kOutput.size())));
    return Ok();
  }
  const size_t equals = option.rfind('=');
  if (!option.starts_with(kTensor) || equals < kTensor.size()) {
    return BadInput(
        "'{}' is no option of a file type; those are pure, token-embedding-type=TYPE, "
        "output-tensor-type=TYPE and tensor-type=REGEX=TYPE",
        option);
  }
  std::string expression(option.substr(kTensor.size(), equals - kTensor.size()));
  expression = InLowerCase(expression);
  BITLOSS_DO(CheckExpression(expression));
  BITLOSS_TRY(const GgmlType* type, ReadType(option.substr(equals + 1)));
  tensors.emplace_back(std::move(expression), type);
  return Ok();
}

}  // namespace bitloss
