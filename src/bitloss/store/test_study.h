// For tests: small made-up records.
#ifndef BITLOSS_STORE_TEST_STUDY_H_
#define BITLOSS_STORE_TEST_STUDY_H_

#include <unistd.h>

#include <filesystem>
#include <string>

#include "bitloss/store/records.h"

namespace bitloss {

// A folder of its own, gone with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = std::filesystem::temp_directory_path() / "bitloss-study-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline Manifest SmallManifest() {
  return {.bitloss_version = "0.1.0",
          .model = {.name = "tiny",
                    .architecture = "qwen2",
                    .num_parameters = 1000,
                    .identity = "model-hash"},
          .tokenizer_identity = "tokenizer-hash",
          .protocols = {{.id = "gptq-2048",
                         .text = "held-out",
                         .text_hash = "text-hash",
                         .aggregation = "mean over all scored tokens",
                         .num_units = 3}},
          .suites = {{.id = "two", .hash = "suite-hash", .num_prompts = 2}},
          .seed = 7,
          .options = R"({"max_new_tokens": 100})"};
}

inline LaneRecord SmallLane(size_t lane) {
  if (lane == 0) {
    return {.lane = 0,
            .scheme = "fp16",
            .definition = "fp16",
            .baseline = true,
            .weight_bytes = 2000,
            .bits_per_weight = 16.0};
  }
  return {.lane = lane,
          .scheme = "nf4-" + std::to_string(lane),
          .definition = "nf4:64",
          .weight_bytes = 600,
          .bits_per_weight = 4.8,
          .quantized_bits_per_weight = 4.5,
          .group_size = 64,
          .notes = {"block 64"},
          .coverage = R"({"parts": [{"tensors": "linears", "format": "nf4:64", "weights": 900}]})"};
}

// Unit `unit` of protocol 0: 4 + unit scored tokens in two clusters.
inline TextUnit SmallUnit(size_t unit) {
  const auto num_scored = static_cast<uint32_t>(4 + unit);
  return {
      .protocol = 0,
      .unit = unit,
      .num_tokens = num_scored + 1,
      .num_scored = num_scored,
      .weight = static_cast<double>(num_scored),
      .clusters = {{.cluster = 0, .num_scored = 3}, {.cluster = 1, .num_scored = num_scored - 3}},
      .token_hash = "unit-" + std::to_string(unit)};
}

// Exact in binary: differences and sums of these can be compared with ==.
inline TokenScores SmallScores(size_t lane, size_t unit) {
  TokenScores scores{.lane = lane};
  for (size_t t = 0; t < 4 + unit; ++t) {
    const double x = static_cast<double>(t) + 0.25 * static_cast<double>(lane);
    scores.nll.push_back(x);
    if (lane == 0) {
      scores.entropy.push_back(x / 2);
      scores.top1_probability.push_back(0.5);
    } else {
      scores.kl.push_back(x / 64);
      scores.kl_reverse.push_back(x / 32);
      scores.top1_agrees.push_back(t % 4 != 0);
    }
  }
  return scores;
}

inline PromptRecord SmallPrompt(size_t prompt) {
  return {.prompt = prompt,
          .id = "p-" + std::to_string(prompt),
          .category = prompt == 0 ? "Mathematics" : "Science",
          .text = "Question " + std::to_string(prompt) + "?"};
}

inline Answer SmallAnswer(size_t lane, size_t prompt) {
  return {
      .lane = lane,
      .suite = 0,
      .prompt = prompt,
      .text = "answer of lane " + std::to_string(lane),
      .token_ids = {5, 6, static_cast<int32_t>(lane)},
      .finish = prompt == 0 ? FinishReason::kEos : FinishReason::kLimit,
      .top_logits = {{.ids = {5, 2}, .logits = {3.5f, -1.0f}}, {.ids = {6}, .logits = {1.0f}}},
      .check = CheckResult{
          .passed = lane == 0, .score = lane == 0 ? 1.0 : 0.5, .evidence = R"([{"id":"value"}])"}};
}

}  // namespace bitloss

#endif  // BITLOSS_STORE_TEST_STUDY_H_
