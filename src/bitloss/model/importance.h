// Importance matrices as llama.cpp's llama-imatrix writes them: for each matrix the mean square of
// each of its inputs over a calibration text.
//
//   .dat    int32 entries, then for each: int32 name length, name, int32 calls, int32 values,
//           float32 sums; importance = sum / calls (sum where calls is 0). What follows is not
//           read.
//   .gguf   tensors NAME.in_sum2 [matrices][in] and NAME.counts [matrices][1] of float32;
//           importance = in_sum2 / counts. One matrix to a name (no experts).
//
// Names are GGUF's, such as "blk.0.attn_q.weight". (Source: llama.cpp tools/imatrix/imatrix.cpp,
// tools/quantize/quantize.cpp.)
#ifndef BITLOSS_MODEL_IMPORTANCE_H_
#define BITLOSS_MODEL_IMPORTANCE_H_

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/model/weights.h"

namespace bitloss {

class ImportanceFile {
 public:
  // Either kind, told apart by GGUF's magic. kBadInput for a damaged file and for importances that
  // are negative or not finite.
  static Result<ImportanceFile> Open(const std::filesystem::path& path);

  // Of the linears of a block. kBadInput names one that is missing or of another width.
  // kUnsupported for a block with experts.
  Result<std::vector<std::vector<float>>> OfLayer(size_t layer, const LayerSource& source) const;

  const std::map<std::string, std::vector<float>>& entries() const { return entries_; }

 private:
  std::map<std::string, std::vector<float>> entries_;
};

}  // namespace bitloss

#endif  // BITLOSS_MODEL_IMPORTANCE_H_
