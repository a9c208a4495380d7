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
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/base/threads.h"
#include "bitloss/report/bands.h"
#include "bitloss/report/fork.h"
#include "bitloss/stats/estimate.h"
#include "bitloss/stats/paired_outcomes.h"
#include "bitloss/stats/verdict.h"
#include "bitloss/store/records.h"
#include "bitloss/store/store.h"

namespace bitloss {

// A name for how far a lane is from the baseline, by mean KL and top-1 agreement together. Names,
// not judgements: nobody has validated such bands against what users see.
enum class DivergenceLabel {
  kIndistinguishable,  // KL at most 3 times the noise floor
  kNearLossless,       // <= 0.01 and >= 95 %; ranking lanes in here is not supported
  kModerate,           // <= 0.1 and >= 85 %
  kHeavy,              // <= 0.5 and >= 65 %
  kBroken,             // beyond
};
std::string_view Name(DivergenceLabel label);
DivergenceLabel LabelOf(double mean_kl, double top1_agreement, double floor_kl);

// KL divergences of many tokens.
struct DivergenceSummary {
  Estimate mean;
  double median = 0.0;
  double p90 = 0.0;
  double p95 = 0.0;
  double p99 = 0.0;
  std::optional<double> p999 = {};  // of 20,000 tokens or more
  double max = 0.0;                 // has no interval: more text finds larger ones
  // Of the quantiles: bootstrap over clusters. Absent with one cluster.
  std::optional<Interval> median_interval = {};
  std::optional<Interval> p90_interval = {};
  std::optional<Interval> p95_interval = {};
  std::optional<Interval> p99_interval = {};
  std::optional<Interval> p999_interval = {};
};

// The sums over one cluster (article) of a text: what every estimate is made of, for whoever wants
// to make it again.
struct ClusterScores {
  uint32_t cluster = 0;
  double delta_nll_sum = 0.0;     // weighted as the protocol weighs
  double delta_nll_weight = 0.0;  // delta_nll = sum of sums / sum of weights
  double kl_sum = 0.0;
  double kl_tokens = 0.0;
  double top1_agreements = 0.0;  // of kl_tokens
};

// What an A/A control, the baseline under another legitimate arithmetic, differs from it by: what
// lies at or below this is no quantizer's doing.
struct NoiseFloor {
  size_t lane = 0;  // of ReportData::lanes
  double kl = 0.0;  // mean
  double top1_agreement = 0.0;
};

// Of a mixture of experts: the share of tokens whose set of experts is not the baseline's, of 1.
struct ExpertShares {
  struct OfLayer {
    uint32_t layer = 0;  // of the model
    Estimate changed = {};
  };
  Estimate all = {};  // mean over the layers that have experts
  std::vector<OfLayer> layers = {};
};

// One lane under one protocol.
struct TextResult {
  size_t protocol = 0;  // in Manifest::protocols
  uint64_t num_sequences = 0;
  uint64_t num_tokens = 0;
  uint64_t num_predictions = 0;
  bool complete = false;  // every unit of the protocol
  // SHA-256 over the token ids of its units: lanes with the same one were asked the same thing.
  std::string tokens_hash;
  // perplexity = exp(nll); nll = sum_u weight * mean / sum_u weight (records.h), or, of a protocol
  // that counts words, the sum of all losses / words.
  double nll = 0.0;
  double perplexity = 0.0;
  // What the perplexity of other such texts would be, clusters drawn anew. Two lanes' are made on
  // the same text: compare them by delta_nll, never by whether these overlap.
  std::optional<Interval> perplexity_interval = {};
  bool per_word = false;
  std::optional<double> byte_perplexity;
  std::optional<double> bits_per_byte;
  std::optional<double> mean_entropy;  // lane 0: of its distributions

  // Against the baseline on the same tokens; absent for the baseline.
  std::optional<Estimate> delta_nll;  // nll of the lane - nll of the baseline, paired
  // Where clusters are few: bootstrap-t, a check on delta_nll's interval (stats/bootstrap_t.h).
  std::optional<Interval> delta_nll_check;
  std::optional<Estimate> change_percent;  // 100 (exp(delta_nll) - 1)
  std::optional<DivergenceSummary> kl;
  std::optional<Estimate> kl_reverse;
  std::optional<Estimate> top1_agreement;
  std::optional<ExpertShares> experts;
  std::vector<ClusterScores> clusters;  // by rising cluster
  // Of a lane that is neither baseline nor control, where the study has a control.
  std::optional<NoiseFloor> floor;
  std::optional<DivergenceLabel> label;
  Bands bands;
};

enum class Outcome {
  kUnchecked,  // the prompt has no checks, or one of the two answers is missing
  kUndecided,  // the checks cannot decide one of the two: neither lost nor regained
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
  uint64_t num_kl_tokens = 0;     // of that answer
  Outcome outcome = Outcome::kUnchecked;
  bool identical = false;    // the same tokens as the baseline's answer
  std::optional<Fork> fork;  // where it leaves the baseline's answer
  // Mean -ln p of its tokens in the baseline: high where a fluent answer is an odd one.
  std::optional<double> baseline_loss;
  bool passed() const { return answer.check && answer.check->passed; }
  bool undecided() const { return answer.check && answer.check->undecided; }
  bool completed() const { return answer.finish != FinishReason::kError; }
};

// Counts over some prompts of a suite: all, or one category.
struct PromptCounts {
  uint64_t num_prompts = 0;
  uint64_t num_completed = 0;  // ended by itself or by the limit, without an error
  uint64_t num_checked = 0;    // have a machine check
  uint64_t num_undecided = 0;  // of those checked, what the checks cannot decide
  uint64_t num_passed = 0;
  // What `num_passed` is counted among.
  uint64_t num_decided() const { return num_checked - num_undecided; }
  // Against the baseline; of the baseline itself all are zero and are not reported.
  uint64_t num_regressions = 0;
  uint64_t num_recoveries = 0;
  uint64_t num_identical = 0;
  uint64_t num_compared = 0;         // decided in both: what regressions are counted among
  uint64_t num_baseline_passed = 0;  // among those
  // Where the baseline passes less than 30% a lane has little left to lose.
  bool CanShowRegressions() const;
  // Those compared, by who passes.
  PairedTable Outcomes() const;
  std::optional<double> mean_seconds = {};
  // Mean over the tokens of the baseline's answers, clustered by prompt.
  std::optional<Estimate> answer_kl = {};
  std::optional<Estimate> answer_top1_agreement = {};
};

// What a few prompts say, with what the others lend them. Exploratory: it suggests where to look,
// it decides nothing.
struct CategoryEvidence {
  double p = 1.0;           // McNemar, exact
  double p_adjusted = 1.0;  // Benjamini and Hochberg, over all categories of all lanes
  // Of the prompts that the baseline passes: partially pooled over the suite's categories.
  double regression_rate = 0.0;
  Interval regression_interval{};
};

struct CategoryResult {
  std::string name;
  PromptCounts counts;
  std::optional<CategoryEvidence> evidence = {};
};

struct SurvivalPoint {
  uint64_t tokens = 0;
  double share = 0.0;  // of answers whose first `tokens` tokens are the baseline's (Kaplan-Meier)
  std::optional<Interval> interval = {};
};

// How a lane's answers differ from the baseline's.
struct Behaviour {
  uint64_t num_compared = 0;        // pairs of answers
  uint64_t num_wrong_to_wrong = 0;  // neither passes, and they differ
  Estimate chrf2 = {};              // of 100, mean over prompts
  Estimate edit_distance = {};      // of tokens, as a share of the longer answer
  std::vector<SurvivalPoint> survival = {};
  std::vector<SurvivalPoint> curve = {};  // all of it: where it falls, and to what
  uint64_t longest_common = 0;            // tokens
  // The first token that half of the answers do not share; none if more than half never part.
  std::optional<uint64_t> median_divergence = {};
  // Its 95% interval; an end that is absent lies beyond the answers' ends.
  std::optional<uint64_t> median_divergence_low = {};
  std::optional<uint64_t> median_divergence_high = {};
};

// One sign of degeneration over the answers of a suite (signals.h).
struct Signal {
  std::string id;  // "repeated_2"
  uint64_t num_prompts = 0;
  std::optional<Estimate> mean = {};    // over prompts
  std::optional<Estimate> change = {};  // against the baseline, paired; absent for the baseline
};

// How many answers of a suite show one kind of hard failure (failures.h).
struct FailureCount {
  std::string id;             // "loop"
  uint64_t num_answers = 0;   // that show it
  uint64_t num_compared = 0;  // of so many: those whose prompt the baseline answered too
  uint64_t num_new = 0;       // of those, whose baseline's answer does not
  Interval share_interval{};  // of num_answers / num_compared: Wilson
  // Of the share, against the baseline's answers to the same prompts; absent for the baseline.
  std::optional<double> change = {};
  std::optional<Interval> change_interval = {};  // Tango
};

// What the A/A control that differs most from the baseline does to a suite's answers.
struct SuiteFloor {
  size_t lane = 0;  // of ReportData::lanes
  std::optional<double> answer_kl = {};
  uint64_t num_regressions = 0;
  uint64_t num_recoveries = 0;
  uint64_t num_identical = 0;
};

// Answers sampled with the same dice in every lane (samples.h). Shares are of 1.
struct SampleResult {
  uint64_t num_per_prompt = 0;
  uint64_t num_prompts = 0;
  uint64_t num_varying = 0;  // of those, whose samples of the baseline are not all alike
  // The baseline against itself, under other dice.
  Estimate self_identical = {};
  Estimate self_chrf2 = {};
  // A lane against the baseline, under the same; absent for the baseline.
  std::optional<Estimate> identical = {};
  std::optional<Estimate> chrf2 = {};
  // 0: as different as two honest samples; 1: the same; below 0: further off.
  std::optional<Estimate> identical_place = {};
  std::optional<Estimate> chrf2_place = {};
  // Of the share of samples that pass their checks; p by flipping the signs of prompts.
  std::optional<Estimate> pass_change = {};
  std::optional<double> pass_p = {};
};

struct SuiteResult {
  size_t suite = 0;  // in Manifest::suites
  bool complete = false;
  PromptCounts counts;
  std::vector<CategoryResult> categories;  // in the order of the suite
  std::vector<AnswerResult> answers;       // by prompt
  std::optional<Behaviour> behaviour = {};
  std::optional<SampleResult> samples = {};
  std::vector<Signal> signals = {};
  std::vector<FailureCount> failures = {};
  // Of a lane that is neither baseline nor control, where the study has a control.
  std::optional<SuiteFloor> floor = {};
  std::optional<DivergenceLabel> label = {};  // by answer KL and top-1
};

// A task by one way of comparing continuations: by their log-likelihood ("acc"), or by that over
// the choice's characters ("acc_norm") or bytes ("acc_bytes"). Of a cloze there is "acc" alone:
// whether the model would have written the continuation itself.
struct TaskDecision {
  std::string measure;
  uint64_t num_right = 0;     // of TaskResult::num_items
  Interval share_interval{};  // of num_right / num_items: Wilson
  // How far the right choice is ahead, mean over items: its score minus the best wrong one's, of a
  // cloze the continuation's log-likelihood. Nats, or nats per character or byte.
  Estimate margin = {};
  // Against the baseline on the same items; of the baseline itself empty.
  PairedTable outcomes = {};
  std::optional<Estimate> margin_change = {};
  // The smallest true change that so many items show four times of five, at 5%, with what varies as
  // it did; absent where nothing did.
  std::optional<double> smallest_change = {};
  std::optional<double> smallest_margin_change = {};
};

struct TaskResult {
  size_t task = 0;  // in Manifest::tasks
  bool complete = false;
  uint64_t num_items = 0;               // scored
  double chance = 0.0;                  // of guessing right, mean over items; of a cloze 0
  std::vector<TaskDecision> decisions;  // the one that decides first
  std::vector<size_t> lost = {};        // items that the baseline gets right and the lane does not
  std::vector<size_t> regained = {};    // by the first decision both
  std::optional<double> perplexity = {};  // of a cloze: exp(-mean log-likelihood), per continuation
  std::optional<double> items_per_second = {};
};

// What is tested to confirm, for each lane: these and no more, named before the data are seen.
enum class Measure {
  kLoss,        // delta_nll under a protocol
  kDivergence,  // mean KL above the noise floor under a protocol
  kAnswers,     // share of a suite's prompts passed by the baseline, minus that of the lane
  kTask,        // share of a task's items that the baseline gets right, minus that of the lane
};
std::string_view Name(Measure measure);  // "loss", "divergence", "answers", "task"

// One verdict with everything that it rests on. Effects are harm where they are positive.
struct Finding {
  Measure measure = Measure::kLoss;
  size_t place = 0;  // which protocol, suite or task
  Verdict verdict = Verdict::kNotMeasured;
  double margin = 0.0;                   // in `unit`
  std::string_view unit = "nats/token";  // of the value, its bounds and the margin; points are of 1
  std::string sentence = {};             // what may be said, or why nothing
  // Absent of what was not measured.
  std::optional<double> value = {};
  std::optional<Interval> interval = {};   // at ReportData::confirmatory.confidence
  std::optional<double> upper_bound = {};  // one-sided, 95%
  std::optional<double> lower_bound = {};  // one-sided, 95%
  std::optional<double> p = {};            // of no effect; two-sided
  std::optional<double> p_holm = {};       // adjusted over the confirmatory tests
  std::optional<double> p_bonferroni =
      {};  // m p, at most 1: what the interval's confidence follows
};

// The family of all findings that were measured, over all lanes.
struct ConfirmatoryFamily {
  size_t num_tests = 0;
  double alpha = 0.05;
  double confidence = 0.95;  // of each interval: 1 - alpha / num_tests (Bonferroni)
};

struct LaneResult {
  LaneRecord record;
  std::vector<Finding> findings;    // empty of the baseline and of controls
  std::vector<TextResult> texts;    // by protocol; those with at least one unit
  std::vector<SuiteResult> suites;  // by suite; those with at least one answer
  std::vector<TaskResult> tasks;    // by task; those with at least one item
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
  ConfirmatoryFamily confirmatory;
  std::vector<std::vector<PromptRecord>> prompts;  // by suite
  std::vector<std::vector<TaskItemRecord>> items;  // by task
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
