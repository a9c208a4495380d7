// A model as the user names it, opened: checkpoint, configuration, tokenizer, what belongs together
// checked.
#ifndef BITLOSS_STUDY_MODEL_FILES_H_
#define BITLOSS_STUDY_MODEL_FILES_H_

#include <filesystem>
#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/model/weights.h"
#include "bitloss/tokenizer/tokenizer.h"

namespace bitloss {

// What MODEL stands for: a folder in Hugging Face layout, a .gguf file, or a name on a hub
// ("owner/name", hub/hub_name.h) that lies in the local hub cache. kNotFound says where it was
// looked for. Nothing is fetched here (hub/pull.h).
Result<std::filesystem::path> FindModel(const std::string& model);

struct ModelFiles {
  std::filesystem::path path;
  std::string name;  // for people: the folder's, file's or hub name
  ModelSource source;
  Tokenizer tokenizer;
  std::vector<int32_t> end_tokens;  // any of them ends an answer
};

// kBadInput or kUnsupported, in one line, for anything that does not fit together: a tokenizer with
// more tokens than the model has rows, a missing tensor, an unknown architecture.
// kUnsupported also for a checkpoint that another tool has quantized: it is a lane, not a baseline.
// Without a name: the model that ships with the program. `baseline`: "fp16", "bf16", "f32", or
// empty for the form that the model is stored in.
Result<ModelFiles> OpenModel(const std::string& model, std::string_view baseline = {});

// The same, quantized or not.
Result<ModelFiles> OpenAnyModel(const std::string& model, std::string_view baseline = {});

// The weights alone, quantized or not; the folder need not hold a tokenizer.
Result<ModelSource> OpenModelSource(const std::string& model, std::string_view baseline = {});

// The tokenizer alone; the folder need not hold a model.
Result<Tokenizer> OpenTokenizer(const std::string& model);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_MODEL_FILES_H_
