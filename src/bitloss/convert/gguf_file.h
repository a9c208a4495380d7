// A model as a GGUF file: what llama.cpp's converter would have written, in the types of a scheme.
#ifndef BITLOSS_CONVERT_GGUF_FILE_H_
#define BITLOSS_CONVERT_GGUF_FILE_H_

#include <filesystem>
#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/checkpoint/layouts/layout.h"
#include "bitloss/quant/file_type.h"
#include "bitloss/study/model_files.h"

namespace bitloss {

// How a finished part holds a matrix until the file is put together: "<module>.weight.<TYPE>", U8
// [rows][bytes of a row]. Not one of Layouts(): no folder is laid out so.
const Layout& GgufLayout();

struct GgufTarget {
  std::filesystem::path path;
  std::filesystem::path folder;              // for a file that is written and removed again
  const FileType* file_type = nullptr;       // null: that of what most of the matrices are in
  Precision precision = Precision::kStored;  // of what the parts do not have and the model uses
};

// Writes target.path from finished parts: those of GgufLayout and plain tensors, by the names that
// the model's checkpoint has for them. Rows of q and k are put in GGUF's order where the
// architecture has one; vectors become F32. Of a model that is a GGUF file the metadata are its
// own, and what the parts do not have is taken along (rotary factors, heads that predict further
// tokens); else they are made from its configuration and tokenizer.
//
// kUnsupported: a tokenizer that no "tokenizer.ggml.pre" stands for (tried one by one, by the ids
// that they give), or one that is not byte-level BPE.
Status WriteGgufFile(const ModelFiles& model, std::vector<SafetensorsEntry> parts,
                     const GgufTarget& target);

}  // namespace bitloss

#endif  // BITLOSS_CONVERT_GGUF_FILE_H_
