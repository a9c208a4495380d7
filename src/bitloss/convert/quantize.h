// One scheme of a model as a checkpoint that others load.
#ifndef BITLOSS_CONVERT_QUANTIZE_H_
#define BITLOSS_CONVERT_QUANTIZE_H_

#include <cstdint>
#include <filesystem>
#include <string>

#include "bitloss/base/result.h"
#include "bitloss/checkpoint/write_safetensors.h"
#include "bitloss/study/options.h"
#include "bitloss/study/progress.h"

namespace bitloss {

struct QuantizeOptions {
  std::string scheme;
  std::string layout = {};         // empty: the scheme's own
  std::filesystem::path out = {};  // a folder, or NAME.gguf: that file alone
  uint64_t max_shard_bytes = kMaxShardBytes;
  // Of which the model, the calibration, the threshold of LLM.int8 and the threads are used.
  StudyOptions study = {};
};

struct QuantizeResult {
  std::string layout;             // "bitsandbytes-4bit", "plain"
  uint64_t num_bytes = 0;         // of the weights' files
  size_t num_layers_resumed = 0;  // found finished
  double seconds = 0.0;           // fitting, encoding and writing the other layers
};

// Makes `out`, which must not be there. kBadInput: `out` is NAME.gguf and `layout` another one.
// What it holds, loaded with --lane, has the bits of the lane of the same scheme. Interrupted, the
// same call goes on after the last finished layer.
Result<QuantizeResult> QuantizeModel(const QuantizeOptions& options, const ProgressSink& progress);

}  // namespace bitloss

#endif  // BITLOSS_CONVERT_QUANTIZE_H_
