#include "bitloss/quant/scheme_file_type.h"

#include <algorithm>
#include <vector>

#include "bitloss/base/text.h"
#include "bitloss/quant/formats/ggml/ggml_format.h"
#include "bitloss/quant/nearest_names.h"

namespace bitloss {
namespace {

constexpr std::string_view kPrefix = "gguf:";

bool IsFormat(std::string_view name) {
  return std::ranges::find(FormatFamilies(), name, &FormatFamily::name) != FormatFamilies().end();
}

// Stands for all types of a file: what it would encode is said by no single one.
Result<EncodedMatrix> EncodeNothing(const Format& format, ConstMatrixView) {
  return Unsupported("{} has a type for each tensor of a model, not one for all", format.name);
}

Error UnknownFileType(std::string_view name) {
  std::vector<std::string> known;
  for (const FileType& file_type : FileTypes()) known.push_back(InLowerCase(file_type.name));
  const std::vector<std::string_view> names(known.begin(), known.end());
  return Unsupported("unknown file type '{}'; known are {}", name,
                     NearestNames(name, names, names.size()));
}

// "gguf:q4_k_m:pure", or without the prefix.
Result<NamedFileType> ReadFileType(std::string_view head) {
  if (head.starts_with(kPrefix)) head.remove_prefix(kPrefix.size());
  NamedFileType named;
  const std::string_view name = head.substr(0, head.find(':'));
  named.type = FindFileType(name);
  if (named.type == nullptr) return UnknownFileType(name);
  for (std::string_view rest = head.substr(name.size()); !rest.empty();) {
    rest.remove_prefix(1);
    const std::string_view option = rest.substr(0, rest.find(':'));
    BITLOSS_DO(named.options.Read(option));
    rest.remove_prefix(option.size());
  }
  return named;
}

}  // namespace

std::optional<NamedFileType> FileTypeOf(const Format& format) {
  if (!format.name.starts_with(kPrefix)) return std::nullopt;
  return ReadFileType(format.name).value();  // ParseScheme has read it
}

std::span<const std::string> FileTypeNames() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names;
    for (const FileType& file_type : FileTypes()) {
      const std::string name = InLowerCase(file_type.name);
      names.push_back(IsFormat(name) ? fmt::format("{}{}", kPrefix, name) : name);
    }
    return names;
  }();
  return kNames;
}

bool NamesFileType(std::string_view family) {
  return family == kPrefix.substr(0, kPrefix.size() - 1) || FindFileType(family) != nullptr;
}

Status ApplyFileType(std::string_view head, Scheme& scheme) {
  auto named = ReadFileType(head);
  if (!named.ok()) return Within(fmt::format("scheme '{}'", scheme.text), named.error());
  const FileType& type = *named.value().type;
  scheme.format = GgmlFormat(*FindGgmlType(type.base));
  const size_t options = head.find(':', head.starts_with(kPrefix) ? kPrefix.size() : 0);
  scheme.format.name =
      fmt::format("{}{}{}", kPrefix, InLowerCase(type.name),
                  options == std::string_view::npos ? std::string_view() : head.substr(options));
  scheme.format.group_size = 0;
  scheme.format.encode = EncodeNothing;
  scheme.format.encode_weighted = nullptr;
  scheme.format.stored_as = nullptr;
  return Ok();
}

Status CheckFileType(const Scheme& scheme) {
  const bool fits = scheme.fit == FitKind::kNearest || scheme.fit == FitKind::kImatrix;
  if (!fits) {
    return Unsupported("scheme '{}': file types are rounded to nearest or by +imatrix, not by +{}",
                       scheme.text, InfoOf(scheme.fit).name);
  }
  const Execution::Kind execution = scheme.execution.kind;
  if (execution != Execution::Kind::kRealActivations && execution != Execution::Kind::kGgml) {
    return Unsupported(
        "scheme '{}': the types of a file are multiplied decoded, or as llama.cpp does with @ggml",
        scheme.text);
  }
  if (QuantizesHead(scheme)) {
    return Unsupported(
        "scheme '{}': a file type says what the head is in; to change it write "
        "{}:output-tensor-type=TYPE",
        scheme.text, scheme.format.name);
  }
  return Ok();
}

}  // namespace bitloss
