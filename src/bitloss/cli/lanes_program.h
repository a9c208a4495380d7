// For tests: studies of a few lines, and their lanes.
#ifndef BITLOSS_CLI_LANES_PROGRAM_H_
#define BITLOSS_CLI_LANES_PROGRAM_H_

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bitloss/cli/small_study.h"
#include "bitloss/json/parse.h"

namespace bitloss {

inline const std::string kTiny = BITLOSS_SOURCE_DIR "/models/bitloss-tiny";

class LanesProgram : public SmallStudyTest {
 protected:
  // A checkpoint of the embedded model at `path`, in place of what is there.
  static void Quantize(const std::string& scheme, const std::string& path,
                       const Arguments& more = {}) {
    std::filesystem::remove_all(path);
    MustRun(Arguments{"quantize", kTiny, "--scheme", scheme, "--out", path} + more);
  }

  // Six lines of text, no prompts.
  Arguments Lines(const std::string& schemes = "fp16") const {
    return {"run",       "--schemes", schemes, "--max-samples",  "6", "--suite", "none",
            "--control", "none",      "--out", folder_ / "study"};
  }

  // The program refuses in one line that says `expected` and how to go on, and the study stays.
  void ExpectAnotherLane(const Arguments& arguments, const std::string& expected) const {
    const auto json_of = [&] {
      return MustRun({"report", folder_ / "study", "--format", "json"}).out;
    };
    const std::string before = json_of();
    const Finished finished = RunBitloss(arguments);
    EXPECT_GE(finished.exit_code, 3) << expected;
    EXPECT_EQ(finished.out, "");
    EXPECT_EQ(std::ranges::count(finished.err, '\n'), 1) << finished.err;
    EXPECT_THAT(finished.err,
                testing::AllOf(testing::HasSubstr(expected), testing::HasSubstr("NAME="),
                               testing::HasSubstr("another folder")));
    EXPECT_EQ(json_of(), before);
  }

  nlohmann::json Report() const { return ParseJson(TextOf(folder_ / "study/report.json")).value(); }

  std::vector<std::string> LaneNames() const {
    std::vector<std::string> names;
    const nlohmann::json report = Report();
    for (const nlohmann::json& lane : report.at("lanes")) names.push_back(lane.at("scheme"));
    return names;
  }

  nlohmann::json Lane(const std::string& name) const {
    const nlohmann::json report = Report();
    for (const nlohmann::json& lane : report.at("lanes")) {
      if (lane.at("scheme") == name) return lane;
    }
    ADD_FAILURE() << "no lane " << name;
    return {};
  }
};

}  // namespace bitloss

#endif  // BITLOSS_CLI_LANES_PROGRAM_H_
