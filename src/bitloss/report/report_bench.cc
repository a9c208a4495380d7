// Times all statistics of a study of the size of WikiText-2: a baseline, a control and eight lanes
// over 300,000 scored tokens in 60 articles, and 96 prompts. The records are made up; what is timed
// is MakeReport, from opening the study to the last verdict.
//
// usage: report_bench [THREADS]
#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "bitloss/base/random.h"
#include "bitloss/base/stopwatch.h"
#include "bitloss/report/report_data.h"
#include "bitloss/store/store.h"

namespace bitloss {
namespace {

constexpr size_t kLanes = 10;
constexpr size_t kUnits = 147;
constexpr uint32_t kScored = 2047;
constexpr uint32_t kArticles = 60;
constexpr size_t kPrompts = 96;
constexpr size_t kCategories = 12;
constexpr uint32_t kAnswerTokens = 80;

Manifest MakeManifest() {
  Manifest manifest;
  manifest.model = {"made-up", "llama", 135'000'000, "none"};
  manifest.protocols = {{"gptq-2048", "made-up", "none", "plain mean", "article", kUnits}};
  manifest.suites = {{"made-up", "none", kPrompts}};
  return manifest;
}

LaneRecord MakeLane(size_t lane) {
  LaneRecord record;
  record.lane = lane;
  record.scheme = lane == 0 ? "fp16" : fmt::format("lane-{}", lane);
  record.definition = record.scheme;
  record.baseline = lane == 0;
  record.control = lane == 1;
  return record;
}

TextUnit MakeUnit(size_t unit) {
  const auto cluster = static_cast<uint32_t>(unit * kArticles / kUnits);
  TextUnit record;
  record.unit = unit;
  record.num_tokens = kScored + 1;
  record.num_scored = kScored;
  record.weight = kScored;
  record.clusters = {{cluster, kScored / 2}, {(cluster + 1) % kArticles, kScored - kScored / 2}};
  record.token_hash = fmt::format("{}", unit);
  return record;
}

TokenScores MakeScores(const RandomStream& random, size_t lane, uint64_t unit, size_t count) {
  TokenScores scores;
  scores.lane = lane;
  for (size_t t = 0; t < count; ++t) {
    const double loss = -3 * std::log(random.Uniform(unit, t));
    const double noise = random.Uniform(unit + 1'000'000 * (lane + 1), t);
    scores.nll.push_back(loss + (lane == 0 ? 0.0 : 0.05 * noise));
    if (lane == 0) {
      scores.entropy.push_back(loss);
      scores.top1_probability.push_back(noise);
    } else {
      scores.kl.push_back(0.01 * static_cast<double>(lane) * noise);
      scores.kl_reverse.push_back(0.02 * noise);
      scores.top1_agrees.push_back(noise > 0.1);
    }
  }
  return scores;
}

Status PutTexts(const RandomStream& random, Store& store) {
  for (size_t unit = 0; unit < kUnits; ++unit) {
    std::vector<TokenScores> lanes;
    for (size_t lane = 0; lane < kLanes; ++lane) {
      lanes.push_back(MakeScores(random, lane, unit, kScored));
    }
    BITLOSS_DO(store.PutText(MakeUnit(unit), lanes));
  }
  return Ok();
}

Status PutSuite(const RandomStream& random, Store& store) {
  std::vector<PromptRecord> prompts;
  for (size_t p = 0; p < kPrompts; ++p) {
    prompts.push_back({p, fmt::format("p-{}", p), fmt::format("c-{}", p % kCategories), "?"});
  }
  BITLOSS_DO(store.PutPrompts(0, prompts));
  std::vector<Answer> answers;
  std::vector<AnswerScores> scores;
  for (size_t lane = 0; lane < kLanes; ++lane) {
    for (size_t p = 0; p < kPrompts; ++p) {
      Answer& answer = answers.emplace_back();
      answer.lane = lane;
      answer.prompt = p;
      for (uint32_t t = 0; t < kAnswerTokens; ++t) {
        answer.token_ids.push_back(static_cast<int32_t>(random.Bits(p, t) % 1000));
        answer.text += fmt::format("word{} ", answer.token_ids.back());
      }
      answer.check =
          CheckResult{.passed = random.Uniform(lane, p) > 0.3, .score = 1.0, .evidence = "[]"};
      scores.push_back({0, p, MakeScores(random, lane, 1000 + p, kAnswerTokens)});
    }
  }
  BITLOSS_DO(store.PutAnswers(answers));
  return store.PutAnswerScores(scores);
}

Status Write(const std::filesystem::path& folder) {
  BITLOSS_TRY(Store store, Store::OpenOrCreate(folder, MakeManifest()));
  for (size_t lane = 0; lane < kLanes; ++lane) BITLOSS_DO(store.PutLane(MakeLane(lane)));
  const RandomStream random(1, "report_bench");
  BITLOSS_DO(PutTexts(random, store));
  return PutSuite(random, store);
}

Status Time(const std::filesystem::path& folder, size_t num_threads) {
  const auto start = Clock::now();
  BITLOSS_TRY(const Store store, Store::OpenForReading(folder));
  ThreadPool threads(num_threads);
  BITLOSS_TRY(const ReportData report, MakeReport(store, threads));
  fmt::print("{} lanes x {} tokens, {} prompts, {} tests, {} threads: {:.2f} s\n", kLanes - 1,
             kUnits * kScored, kPrompts, report.confirmatory.num_tests, num_threads,
             SecondsSince(start));
  return Ok();
}

int Main(size_t num_threads) {
  std::string name = std::filesystem::temp_directory_path() / "bitloss-bench-XXXXXX";
  const std::filesystem::path folder = mkdtemp(name.data());
  Status status = Write(folder);
  if (status.ok()) status = Time(folder, num_threads);
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  if (status.ok()) return 0;
  fmt::print(stderr, "report_bench: {}\n", status.error().message);
  return 3;
}

}  // namespace
}  // namespace bitloss

int main(int argc, char** argv) {
  const size_t threads = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 2;
  return bitloss::Main(threads > 0 ? threads : 2);
}
