// Everything that a report says, computed once from a study's records; the writers only format it.
//
// Conventions. Losses and divergences are in nats per scored token, unless the protocol counts per
// word (TextResult::per_word). Percentiles interpolate at rank f (n - 1) of the sorted values.
// Intervals are 95%, two-sided, from clusters (articles of a text, prompts of a suite), never from
// single tokens. What was not measured is absent, never zero. docs/report.md explains every field.
#ifndef BITLOSS_REPORT_REPORT_DATA_H_
#define BITLOSS_REPORT_REPORT_DATA_H_

#include <optional>
#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/base/threads.h"
#include "bitloss/stats/estimate.h"
#include "bitloss/store/records.h"
#include "bitloss/store/store.h"

namespace bitloss {

// KL divergences of many tokens.
struct DivergenceSummary {
  Estimate mean;
  double median = 0.0;
  double p90 = 0.0;
  double p95 = 0.0;
  double p99 = 0.0;
  std::optional<double> p999 = {};  // of 20,000 tokens or more
  double max = 0.0;
};

// One lane under one protocol.
struct TextResult {
  size_t protocol = 0;  // in Manifest::protocols
  uint64_t num_sequences = 0;
  uint64_t num_tokens = 0;
  uint64_t num_predictions = 0;
  bool complete = false;  // every unit of the protocol
  // perplexity = exp(nll); nll = sum_u weight * mean / sum_u weight (records.h), or, of a protocol
  // that counts words, the sum of all losses / words.
  double nll = 0.0;
  double perplexity = 0.0;
  bool per_word = false;
  std::optional<double> byte_perplexity;
  std::optional<double> bits_per_byte;
  std::optional<double> mean_entropy;  // lane 0: of its distributions

  // Against the baseline on the same tokens; absent for the baseline.
  std::optional<Estimate> delta_nll;       // nll of the lane - nll of the baseline, paired
  std::optional<Estimate> change_percent;  // 100 (exp(delta_nll) - 1)
  std::optional<DivergenceSummary> kl;
  std::optional<Estimate> kl_reverse;
  std::optional<Estimate> top1_agreement;
};

enum class Outcome {
  kUnchecked,  // the prompt has no checks, or one of the two answers is missing
  kBothPass,
  kRegression,  // the baseline passes, the lane does not
  kRecovery,    // the other way round
  kNeitherPasses,
};

// One answer, and how it compares with the baseline's to the same prompt.
struct AnswerResult {
  Answer answer;
  std::optional<double> seconds;
  std::optional<double> mean_kl;  // on the baseline's own answer, teacher-forced
  Outcome outcome = Outcome::kUnchecked;
  bool identical = false;  // the same tokens as the baseline's answer
  bool passed() const { return answer.check && answer.check->passed; }
  bool completed() const { return answer.finish != FinishReason::kError; }
};

// Counts over some prompts of a suite: all, or one category.
struct PromptCounts {
  uint64_t num_prompts = 0;
  uint64_t num_completed = 0;  // ended by itself or by the limit, without an error
  uint64_t num_checked = 0;    // have a machine check
  uint64_t num_passed = 0;
  // Against the baseline; of the baseline itself all are zero and are not reported.
  uint64_t num_regressions = 0;
  uint64_t num_recoveries = 0;
  uint64_t num_identical = 0;
  std::optional<double> mean_seconds;
  // Mean over the tokens of the baseline's answers, clustered by prompt.
  std::optional<Estimate> answer_kl;
  std::optional<Estimate> answer_top1_agreement;
};

struct CategoryResult {
  std::string name;
  PromptCounts counts;
};

struct SuiteResult {
  size_t suite = 0;  // in Manifest::suites
  bool complete = false;
  PromptCounts counts;
  std::vector<CategoryResult> categories;  // in the order of the suite
  std::vector<AnswerResult> answers;       // by prompt
};

struct LaneResult {
  LaneRecord record;
  std::vector<TextResult> texts;    // by protocol; those with at least one unit
  std::vector<SuiteResult> suites;  // by suite; those with at least one answer
  std::optional<double> prefill_tokens_per_second;
  std::optional<double> decode_tokens_per_second;
  std::optional<double> quantize_seconds;
  std::optional<uint64_t> peak_memory_bytes;
  // Why this lane's numbers must not be used: its divergences are all exactly zero although it is
  // neither baseline nor control, or a loss is not finite.
  std::optional<std::string> error;
};

struct ReportData {
  Manifest manifest;
  bool complete = false;  // every lane has every unit and every answer
  std::vector<LaneResult> lanes;
  std::vector<std::vector<PromptRecord>> prompts;  // by suite
  std::vector<MachineNote> machine;

  // Whether some lane has an error; then the command that made the study must not succeed.
  bool HasErrors() const;
};

// Reads a study and computes its report. The same records give the same bits, on any number of
// threads. kBadInput if the study is damaged, or holds no baseline.
Result<ReportData> MakeReport(const Store& store, ThreadPool& threads);

// What may differ between two runs of one study: seconds, speeds, peak memory, the machine.
enum class Timings { kInclude, kOmit };

}  // namespace bitloss

#endif  // BITLOSS_REPORT_REPORT_DATA_H_
