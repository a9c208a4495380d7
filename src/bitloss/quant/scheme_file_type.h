// The part of scheme strings that names a file type of llama.cpp (quant/file_type.h):
//
//   q4_k_m, gguf:q6_k:pure+imatrix    a type for each tensor, embedding and head included; options
//                                     behind the ':'
//
// Names of formats, presets and file types may be written in any letter case. A name that is a
// format's means the format ("q6_k": the linears, the rest in FP16), with "gguf:" before it the
// file type. Scheme::format of a file type has its name, "gguf:q4_k_m:pure", and encodes nothing.
#ifndef BITLOSS_QUANT_SCHEME_FILE_TYPE_H_
#define BITLOSS_QUANT_SCHEME_FILE_TYPE_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "bitloss/quant/file_type.h"
#include "bitloss/quant/scheme.h"

namespace bitloss {

struct NamedFileType {
  const FileType* type = nullptr;
  FileTypeOptions options;
};

// What the name of a scheme's format says; nothing if it is a format.
std::optional<NamedFileType> FileTypeOf(const Format& format);

// As they are written in a scheme: "q4_k_m", and "gguf:q6_k" where the name alone is a format's.
std::span<const std::string> FileTypeNames();

// ---- Of ParseScheme

// Whether `family`, what stands before the first ':', is "gguf" or the name of a file type.
bool NamesFileType(std::string_view family);

// "gguf:q4_k_m:pure" into `scheme`. kUnsupported for a file type that is not known.
Status ApplyFileType(std::string_view head, Scheme& scheme);

// kUnsupported: what else a scheme says beside a file type.
Status CheckFileType(const Scheme& scheme);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_SCHEME_FILE_TYPE_H_
