// A study of logits that other programs computed: rows of a baseline and of its lanes go through
// the same measures, into the same kind of folder, as what bitloss runs itself, so that every
// report, verdict and gate works on them.
//
// The study has one protocol, `external`: a unit is a sequence of tokens, row t of its logits
// predicts token t + 1, and the perplexity is that of the mean loss over all scored tokens. Logits
// are rounded to FP32 where they are wider; sums are double (metrics/divergence.h), so
// log-probabilities do as well as logits.
//
// Each unit is one transaction: after a crash the folder holds every whole unit, and Open goes on.
// No number depends on the threads, on how a unit is cut into tiles, or on the order of units.
#ifndef BITLOSS_COMPARE_LOGIT_STUDY_H_
#define BITLOSS_COMPARE_LOGIT_STUDY_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/base/threads.h"
#include "bitloss/compare/logit_rows.h"
#include "bitloss/store/store.h"

namespace bitloss {

// What is known of a lane that somebody else ran. Absent sizes are absent from reports.
struct ExternalLane {
  std::string name;
  uint64_t weight_bytes = 0;
  double bits_per_weight = 0.0;
};

struct LogitStudyOptions {
  std::filesystem::path folder;
  std::vector<ExternalLane> lanes;  // the baseline first; names differ
  std::string model = "external";
  std::string text = "external";
  size_t num_threads = DefaultNumThreads();
};

// A sequence of which logits will come.
struct ExternalUnit {
  size_t unit = 0;
  uint32_t cluster = 0;  // what varies independently: an article, a prompt; the grain of intervals
  std::vector<int32_t> tokens = {};
  size_t first_scored = 1;  // tokens before it are context alone

  // The rows of logits that are scored: row t, predicting token t + 1, for t in
  // [first_row(), num_rows()).
  size_t first_row() const { return first_scored - 1; }
  size_t num_rows() const { return tokens.size() - 1; }
  size_t num_scored() const { return num_rows() - first_row(); }
};

class LogitStudy {
 public:
  // Rows of every lane of one unit, in any number of tiles.
  class Tiles {
   public:
    // Rows [first_row, first_row + rows) of each lane, in the order of the options. Rows before the
    // first scored one are left out, as is the row of the last token; nothing may come twice.
    // kBadInput, and nothing is kept of the tile, for lanes of unequal shapes, another vocabulary
    // than before, a token beyond it, and logits that are NaN or +inf: the lane and row are named.
    // `interrupted`, asked now and then by the calling thread, may stop it.
    Status Add(size_t first_row, std::span<const LogitRows> lanes,
               const std::function<bool()>& interrupted = {});

    // How many rows are there of those that are scored.
    size_t num_rows() const { return num_there_; }

   private:
    friend class LogitStudy;
    Tiles(LogitStudy& study, ExternalUnit unit);
    Status CheckShapes(size_t first_row, std::span<const LogitRows> lanes) const;

    LogitStudy* study_;
    ExternalUnit unit_;
    std::vector<TokenScores> scores_;  // [lane]
    std::vector<uint8_t> there_;       // [scored row]
    size_t num_there_ = 0;
  };

  // Creates the study or goes on with it. kBadInput if its lanes, model or text are others.
  static Result<LogitStudy> Open(const LogitStudyOptions& options);

  const LogitStudyOptions& options() const { return options_; }

  // Whether the unit is there, whole.
  Result<bool> Has(size_t unit) const;

  // kBadInput for fewer than two tokens, nothing scored, a negative token, and for a unit that is
  // there already with other tokens.
  Result<Tiles> Begin(ExternalUnit unit);

  // Stores a unit whose rows are all there (kBadInput otherwise). One that is there already stays.
  Status Put(Tiles&& tiles);

  // kBadInput if some lane has all the baseline's numbers, bit for bit: quantization did not
  // engage. Call it when all is there.
  Status CheckLanesDiffer() const;

 private:
  LogitStudy(LogitStudyOptions options, Store store);
  struct Row;
  Status ScoreRows(const ExternalUnit& unit, std::span<const Row> rows,
                   std::span<const LogitRows> lanes, std::vector<TokenScores>& scores,
                   const std::function<bool()>& interrupted);

  LogitStudyOptions options_;
  Store store_;
  std::unique_ptr<ThreadPool> threads_;
  size_t vocabulary_ = 0;  // 0: not known yet
};

}  // namespace bitloss

#endif  // BITLOSS_COMPARE_LOGIT_STUDY_H_
