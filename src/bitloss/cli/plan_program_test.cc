// `run --plan`, by the program itself: it says what the study will find, and does nothing for it.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "bitloss/cli/lanes_program.h"

namespace bitloss {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

struct PlannedLane {
  std::string name;
  double megabytes = 0.0;
  double bits = 0.0;
};

// The table that a plan opens with.
std::vector<PlannedLane> LanesOf(const std::string& plan) {
  std::istringstream lines(plan);
  std::string line;
  std::getline(lines, line);
  EXPECT_THAT(line, AllOf(HasSubstr("lane"), HasSubstr("MB"), HasSubstr("bits/weight")));
  std::vector<PlannedLane> lanes;
  while (std::getline(lines, line)) {
    std::istringstream cells(line);
    PlannedLane lane;
    if (!(cells >> lane.name >> lane.megabytes >> lane.bits)) break;
    lanes.push_back(lane);
  }
  return lanes;
}

// "1,077"
std::string Thousands(uint64_t count) {
  EXPECT_TRUE(count >= 1000 && count < 1'000'000) << count;
  return fmt::format("{},{:03}", count / 1000, count % 1000);
}

// A copy of the embedded model in whose last weight matrix a number is none.
std::string DamagedModel(const TestFolder& folder) {
  const std::string path = folder / "damaged";
  std::filesystem::copy(kTiny, path, std::filesystem::copy_options::recursive);
  std::string bytes = TextOf(path + "/model.safetensors");
  const std::string nans(4096, '\xff');
  bytes.replace(bytes.size() / 2, nans.size(), nans);
  std::ofstream(path + "/model.safetensors", std::ios::binary) << bytes;
  return path;
}

TEST_F(LanesProgram, APlanSaysTheSizesAndUnitsThatTheStudyFinds) {
  Quantize("nf4", folder_ / "mine");
  const Arguments study = Lines("int8,awq,gptq,q4_k_m,nf4+head=q8_0,control-bf16") +
                          Arguments{"--calibration-tokens", "512", "--lane", folder_ / "mine"};
  const std::string plan = MustRun(study + Arguments{"--plan"}).out;
  EXPECT_FALSE(std::filesystem::exists(folder_ / "study"));
  MustRun(study);
  const json report = Report();
  const std::vector<PlannedLane> planned = LanesOf(plan);
  ASSERT_EQ(planned.size(), report.at("lanes").size());
  for (size_t i = 0; i < planned.size(); ++i) {
    const json& lane = report.at("lanes").at(i);
    // A checkpoint is planned with what lies beside its codes in the file.
    const double tolerance = planned[i].name == "mine" ? 0.01 : 0.0051;
    EXPECT_EQ(planned[i].name, lane.at("scheme"));
    EXPECT_NEAR(planned[i].megabytes, 1e-6 * lane.at("size").at("weight_bytes").get<double>(),
                tolerance)
        << planned[i].name;
    EXPECT_NEAR(planned[i].bits, lane.at("size").at("bits_per_weight").get<double>(), tolerance)
        << planned[i].name;
  }
  const json& text = report.at("lanes").at(0).at("protocols").at(0);
  EXPECT_THAT(plan, HasSubstr(fmt::format("  {} sequences, {} tokens, {} predictions",
                                          text.at("sequences").get<int>(),
                                          Thousands(text.at("tokens").get<uint64_t>()),
                                          Thousands(text.at("predictions").get<uint64_t>()))));
  EXPECT_THAT(plan, AllOf(HasSubstr("fitted first: awq, gptq; calibration on 512 tokens\n"),
                          HasSubstr("\nmemory: at least ")));
}

TEST_F(LanesProgram, APlanReadsNoWeights) {
  const std::string damaged = DamagedModel(folder_);
  const Arguments study = {"run",     damaged,  "--schemes", "awq,gptq,q4_k_m+imatrix,int8",
                           "--suite", "tiny96", "--out",     folder_ / "study"};
  const std::string plan = MustRun(study + Arguments{"--plan"}).out;
  EXPECT_THAT(plan, AllOf(HasSubstr("multiply-adds"), HasSubstr("96 prompts"),
                          HasSubstr("prompts lost and none regained show harm")));
  const Finished piloted = RunBitloss(study + Arguments{"--pilot"});
  EXPECT_EQ(piloted.exit_code, 3);
  EXPECT_THAT(piloted.err, HasSubstr("the checkpoint is damaged"));
}

TEST_F(LanesProgram, APlanFetchesNothing) {
  const Finished finished =
      RunBitloss({"run", "somebody/no-such-model", "--plan", "--out", folder_ / "study"},
                 {.launcher = {"/usr/bin/env", "HF_HOME=" + (folder_ / "hub"),
                               "HF_ENDPOINT=http://127.0.0.1:9"}});
  EXPECT_EQ(finished.exit_code, 4);
  EXPECT_EQ(std::ranges::count(finished.err, '\n'), 1) << finished.err;
  EXPECT_THAT(finished.err, AllOf(HasSubstr("somebody/no-such-model"), HasSubstr("bitloss pull"),
                                  Not(HasSubstr("127.0.0.1"))));
}

TEST_F(LanesProgram, APlanRefusesWhatTheStudyWould) {
  const Finished little = RunBitloss(Lines("awq") + Arguments{"--plan", "--memory", "1M"});
  EXPECT_EQ(little.exit_code, 3);
  EXPECT_THAT(little.err, HasSubstr("--memory 1M is too little"));
  EXPECT_EQ(RunBitloss(Lines("nf5") + Arguments{"--plan"}).exit_code, 5);
}

}  // namespace
}  // namespace bitloss
