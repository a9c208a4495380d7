// What a study remembers: plain structs, in the words of the design (lane, unit, protocol, suite).
// The tables and blobs that hold them are described in docs/study-format.md.
//
// Lanes, protocols, units, suites and prompts are named by their index: lanes from 0 (the
// baseline), protocols and suites by their place in the manifest, units by their place in the
// protocol, prompts by their place in the suite.
//
// Every member has a default, so that callers may name only what they set.
//
// Everything here but Timing and MachineNote is a pure function of the manifest: two runs of the
// same study, on any machine, interrupted or not, hold equal records.
#ifndef BITLOSS_STORE_RECORDS_H_
#define BITLOSS_STORE_RECORDS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bitloss/metrics/expert_changes.h"
#include "bitloss/metrics/token_scores.h"

namespace bitloss {

struct ModelRecord {
  std::string name = {};
  std::string architecture = {};  // "qwen2"
  uint64_t num_parameters = 0;    // a tied matrix counts once
  std::string identity = {};      // hash of everything that decides its numbers
  // Of a model whose weights were quantized before they became the FP16 baseline: the types that
  // its file has for them, most weights first ("Q4_1", "Q4_K, Q6_K"), and the bytes of all its
  // tensors. Empty and 0 of any other.
  std::string stored_types = {};
  uint64_t stored_bytes = 0;
  bool operator==(const ModelRecord&) const = default;
};

// A protocol applied to a text.
struct ProtocolRecord {
  std::string id = {};         // "lines-512-seed"
  std::string text = {};       // "wikitext2", or the file's name
  std::string text_hash = {};  // SHA-256 of its bytes
  // One sentence: how units become one number, e.g. "mean loss of a line weighted by its tokens".
  std::string aggregation = {};
  // What the clusters are: "article", or "block" where a text has no headings.
  std::string cluster_kind = "article";
  uint64_t num_units = 0;  // to be measured: the study is complete when every lane has them all;
                           // 0: as many as come
  // What of the text was not scored, or not as it stands in the file. Decides no number.
  std::vector<std::string> warnings = {};
  bool operator==(const ProtocolRecord&) const = default;
};

struct SuiteRecord {
  std::string id = {};    // "core96"
  std::string hash = {};  // SHA-256 of the suite's file
  uint64_t num_prompts = 0;
  bool operator==(const SuiteRecord&) const = default;
};

// A task by likelihood (docs/tasks.md).
struct TaskRecord {
  std::string id = {};           // "hellaswag"
  std::string hash = {};         // SHA-256 of its file
  std::string tokens_hash = {};  // SHA-256 over all that is asked: tokens, what of them is scored
  std::string kind = {};         // "choice", "cloze"
  std::string measure = {};      // what decides: "acc", "acc_norm", "acc_bytes"
  uint64_t num_items = 0;
  std::string few_shot_hash = {};  // SHA-256 of the file of examples, or empty
  bool chat = false;               // contexts are what a user says, in the chat template
  // What was asked otherwise than it stands in the file. Decides no number.
  std::vector<std::string> warnings = {};
  bool operator==(const TaskRecord&) const = default;
};

// Everything that the numbers of a study depend on, except its lanes (which may be added later).
// The number of threads and the machine are not here: no number depends on them.
struct Manifest {
  std::string bitloss_version = {};
  uint64_t numeric_version = 0;  // store/numeric_version.h; 0: an earlier bitloss, which had none
  ModelRecord model = {};
  std::string tokenizer_identity = {};
  std::vector<ProtocolRecord> protocols = {};
  std::vector<SuiteRecord> suites = {};
  std::vector<TaskRecord> tasks = {};
  uint64_t seed = 0;
  // The other options that numbers depend on, as the text of a JSON object, e.g.
  // {"max_new_tokens": 100, "decoding": "greedy", "calibration": {"text": "...", "hash": "..."}}.
  std::string options = "{}";
  bool operator==(const Manifest&) const = default;
};

struct LaneRecord {
  size_t lane = 0;
  std::string scheme = {};      // its name, as asked for: "awq"; no two lanes share one
  std::string definition = {};  // what it stands for here, with every choice settled, for people:
                                // "int4_group:64:asym+awq"
  // The text of a JSON object with everything that the lane's numbers depend on beyond the
  // manifest, files by their hashes: a lane that has another one is another lane. "{}" in a study
  // of version 4 and earlier.
  std::string identity = "{}";
  bool baseline = false;  // lane 0
  bool control = false;   // an A/A control: may equal the baseline exactly

  uint64_t weight_bytes = 0;  // all weights of the model as this lane stores them: codes, scales,
                              // zero points, and what stays FP16; a tied matrix counts once
  double bits_per_weight = 0.0;  // 8 * weight_bytes / num_parameters
  // Over the tensors that the scheme changed, scales included; none for the baseline.
  std::optional<double> quantized_bits_per_weight = {};
  std::optional<uint64_t> group_size = {};
  std::vector<std::string> notes = {};  // sentences for the reader: "group size 64: ..."
  // JSON object texts. Coverage: {"parts": [{"tensors": "decoder linears", "format": "nf4:64",
  // "weights": 106168320, "bytes": 59719680}, ...]}, every weight in one part. Calibration: text,
  // hash, sequences, tokens; "{}" for a fit that uses none.
  std::string coverage = "{}";
  std::string calibration = "{}";
  // What a checkpoint asks of the program that serves it and what this lane did not do, in words:
  // "activations in fp8, a scale for each token". Empty: it ran as it would be served.
  std::vector<std::string> not_run = {};
  bool operator==(const LaneRecord&) const = default;
};

// Neighbouring scored tokens of one unit that lie in the same cluster (article).
struct ClusterRun {
  uint32_t cluster = 0;
  uint32_t num_scored = 0;
  bool operator==(const ClusterRun&) const = default;
};

// One sequence of a protocol. Its perplexity over units u, with mean_nll(u) the plain mean over the
// scored tokens of u:
//
//   perplexity = exp( sum_u weight(u) * mean_nll(u) / sum_u weight(u) )
//
// weight is num_scored, unless the protocol says otherwise (lines-512-seed: num_tokens; hf-stride
// in its current form: targets - 1). A unit with num_scored == 0 (a text of one token) has weight
// 0.
struct TextUnit {
  size_t protocol = 0;
  size_t unit = 0;
  uint32_t num_tokens = 0;  // that the model saw
  uint32_t num_scored = 0;  // predictions; the length of every array of its TokenScores
  double weight = 0.0;
  std::vector<ClusterRun> clusters = {};  // in order; their num_scored sum to num_scored
  // Denominators of rolling-doc: of the page as it was read, before anything is rewritten.
  std::optional<uint64_t> num_words = {};
  std::optional<uint64_t> num_bytes = {};
  std::string token_hash = {};  // SHA-256 of the token ids as little-endian u32
  bool operator==(const TextUnit&) const = default;
};

struct PromptRecord {
  size_t prompt = 0;
  std::string id = {};        // "math-003"
  std::string category = {};  // "Mathematics"
  std::string text = {};      // what the user would type, before the chat template
  // Unicode scripts that the suite expects the answer in: "Latin"; empty: it does not say.
  std::vector<std::string> scripts = {};
  bool operator==(const PromptRecord&) const = default;
};

enum class FinishReason { kEos = 0, kLimit = 1, kError = 2 };  // on disk: never renumbered

struct CheckResult {
  bool passed = false;          // every required check passed
  bool undecided = false;       // no required check failed, but one could not decide; not `passed`
  double score = 0.0;           // weighted share of decided checks passed, in [0, 1]
  std::string evidence = "[]";  // JSON array text: [{"id": "value", "passed": false, "evidence":
                                // "found 35"}, ...], one for each check
  bool operator==(const CheckResult&) const = default;
};

// The largest logits at one generated position, raw (before temperature), largest first.
struct TopLogits {
  std::vector<int32_t> ids = {};
  std::vector<float> logits = {};  // as many
  bool operator==(const TopLogits&) const = default;
};

struct Answer {
  size_t lane = 0;
  size_t suite = 0;
  size_t prompt = 0;
  std::string text = {};
  std::vector<int32_t> token_ids = {};  // generated, without the ending token
  FinishReason finish = FinishReason::kEos;
  std::string error = {};                  // one line, if finish is kError
  std::vector<TopLogits> top_logits = {};  // of the first 10 positions
  std::optional<CheckResult> check = {};   // none: the prompt has no checks
  bool operator==(const Answer&) const = default;
};

// A lane on the baseline's own answer, teacher-forced. Lane 0 has its nll, entropy and
// top1_probability. An empty answer has empty arrays.
struct AnswerScores {
  size_t suite = 0;
  size_t prompt = 0;
  TokenScores scores = {};
  bool operator==(const AnswerScores&) const = default;
};

// Where a lane's answer leaves the baseline's, and what both models give to both continuations
// there, as -ln p on the beginning that the two answers share (over the whole vocabulary, before
// any temperature). An answer that ends there "says" any of the tokens that end an answer. Only of
// lanes other than 0 whose answer differs.
struct AnswerFork {
  size_t lane = 0;
  size_t suite = 0;
  size_t prompt = 0;
  uint32_t position = 0;  // tokens that both answers share
  double baseline_token_in_baseline = 0.0;
  double baseline_token_in_lane = 0.0;
  double lane_token_in_baseline = 0.0;
  double lane_token_in_lane = 0.0;
  bool operator==(const AnswerFork&) const = default;
};

// What the baseline makes of a lane's own answer: the sum of -ln p over its tokens. Only of lanes
// other than 0 whose answer differs and is not empty.
struct AnswerJudgement {
  size_t lane = 0;
  size_t suite = 0;
  size_t prompt = 0;
  uint32_t num_tokens = 0;
  double nll = 0.0;
  bool operator==(const AnswerJudgement&) const = default;
};

// One of the answers that every lane samples to a prompt beside its Answer; sample number k has the
// same dice in every lane. Its answer has no top logits.
struct SampledAnswer {
  uint32_t sample = 0;
  Answer answer = {};
  bool operator==(const SampledAnswer&) const = default;
};

// An item of a task, as far as its numbers need it.
struct TaskItemRecord {
  size_t task = 0;  // in the manifest
  size_t item = 0;
  std::string id = {};
  std::vector<uint32_t> answers = {};     // the right choices, rising
  std::vector<uint32_t> characters = {};  // of each choice
  std::vector<uint32_t> bytes = {};       // of each choice
  std::vector<uint32_t> tokens = {};      // that are scored of each choice
  bool operator==(const TaskItemRecord&) const = default;
};

// What a lane finds of an item's choices.
struct TaskScores {
  size_t lane = 0;
  size_t task = 0;
  size_t item = 0;
  std::vector<double> log_likelihoods = {};  // of each choice, nats
  std::vector<uint8_t> greedy = {};          // of each: 1: every token was the most likely one
  bool operator==(const TaskScores&) const = default;
};

// What took how long. Put again, it replaces what was there; nothing but speeds is made of it.
// kCompare is what comparing a lane with the baseline added to its kPrefill.
enum class TimingKind {  // on disk
  kPrefill = 0,
  kDecode = 1,
  kQuantize = 2,
  kAnswer = 3,
  kCompare = 4,
  kTask = 5
};
struct Timing {
  size_t lane = 0;
  TimingKind kind = TimingKind::kPrefill;
  // Which piece of work: "<protocol>/<unit>" or what the study likes; kAnswer: AnswerTimingKey.
  std::string key = {};
  double seconds = 0.0;
  uint64_t num_tokens = 0;  // done in that time; 0 where tokens mean nothing
  bool operator==(const Timing&) const = default;
};

// The key of one answer's time in a kAnswer timing: "<suite>/<prompt>".
std::string AnswerTimingKey(size_t suite, size_t prompt);

// What the last run ran on, for the reader: "threads", "cpu", "simd", "timestamp" (ISO 8601, UTC).
struct MachineNote {
  std::string key = {};
  std::string value = {};
  bool operator==(const MachineNote&) const = default;
};

}  // namespace bitloss

#endif  // BITLOSS_STORE_RECORDS_H_
