// The baseline's hidden rows after its final norm, for the tokens that a study scores: what a lane
// that is added later is compared with, so that the baseline's blocks need not run again. The
// output head makes the same logits of them, bit for bit.
//
// They lie in <folder>/baseline-rows.db, beside the study and no part of it: a file that is
// missing, damaged or of another study is begun anew, and what it lacks is computed again. Rows are
// kept as they come until the file's limit is reached.
#ifndef BITLOSS_STORE_BASELINE_ROWS_H_
#define BITLOSS_STORE_BASELINE_ROWS_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/store/sqlite.h"

namespace bitloss {

// Whose rows: those of a protocol's unit, or of the baseline's answer to a suite's prompt.
enum class RowsOf { kText = 0, kAnswer = 1 };  // on disk
struct RowsKey {
  RowsOf of = RowsOf::kText;
  size_t list = 0;  // protocol or suite
  size_t item = 0;  // unit or prompt
};

class BaselineRows {
 public:
  // `identity` names everything that the rows depend on. max_bytes 0: nothing is kept or found.
  // Requires: this process holds the study's Store.
  static Result<BaselineRows> OpenOrCreate(const std::filesystem::path& folder,
                                           const std::string& identity, uint64_t max_bytes);

  // Whether anything is kept at all.
  bool keeps() const { return max_bytes_ > 0; }
  // rows [scored tokens][hidden_size], FP32; left out where they would pass the limit. A key that
  // is there keeps what it has.
  Status Put(const RowsKey& key, std::span<const float> rows);
  Result<bool> Has(const RowsKey& key) const;
  // kIo if they are not what was put: the file is damaged. Requires: Has(key).
  Result<std::vector<float>> Get(const RowsKey& key) const;

 private:
  std::filesystem::path path_;
  std::optional<Database> database_;
  uint64_t num_bytes_ = 0;
  uint64_t max_bytes_ = 0;
};

}  // namespace bitloss

#endif  // BITLOSS_STORE_BASELINE_ROWS_H_
