// Whole studies by several ranks of an MPI job on this machine: the bits of one process, and not to
// be lost with a rank.
#include <gmock/gmock.h>

#include <fmt/format.h>

#include "bitloss/cli/small_study.h"

namespace bitloss {
namespace {

Arguments Ranks(int count) { return {BITLOSS_MPIRUN, "-n", std::to_string(count)}; }

// The same where rank `killed` dies after `seconds`.
Arguments RanksOneOfWhichDies(int count, int killed, const std::string& seconds) {
  const std::string script = fmt::format(
      "if [ $OMPI_COMM_WORLD_RANK = {} ]; then exec timeout -s KILL {} \"$@\"; fi; exec \"$@\"",
      killed, seconds);
  return Ranks(count) + Arguments{"/bin/sh", "-c", script, "sh"};
}

class StudyRanks : public SmallStudyTest {
 protected:
  // Enough groups for every rank, which has one thread.
  Arguments Study(const std::string& out, const std::string& schemes) const {
    return SmallStudyTest::Study(out, schemes, "12") + Arguments{"--threads", "1"};
  }
};

TEST_F(StudyRanks, SayTheSameAsOneProcess) {
  const std::string schemes = "int8,nf4,awq,int4_group:64:asym+gptq";
  MustRun(Study(folder_ / "one", schemes));
  const std::string records = Records(folder_ / "one");
  MustRun(Study(folder_ / "three", schemes), Ranks(3));
  EXPECT_EQ(Records(folder_ / "three"), records);
}

TEST_F(StudyRanks, ScoreATaskAsOneProcessDoes) {
  const Arguments task = {"--task", BITLOSS_SOURCE_DIR "/src/bitloss/cli/testdata/choices.jsonl"};
  MustRun(Study(folder_ / "one", "int8,nf4") + task);
  MustRun(Study(folder_ / "three", "int8,nf4") + task, Ranks(3));
  EXPECT_EQ(Records(folder_ / "three"), Records(folder_ / "one"));
}

TEST_F(StudyRanks, AddALaneToAStudyThatOneProcessBegan) {
  MustRun(Study(folder_ / "grown", "int8"));
  MustRun(Study(folder_ / "grown", "int8,nf4"), Ranks(3));
  MustRun(Study(folder_ / "at-once", "int8,nf4"));
  EXPECT_EQ(Records(folder_ / "grown"), Records(folder_ / "at-once"));
}

TEST_F(StudyRanks, LeaveAStudyThatGoesOnWhenOneOfThemDies) {
  MustRun(Study(folder_ / "whole", "int8,nf4"));
  const Arguments arguments = Study(folder_ / "killed", "int8,nf4");
  int deaths = 0;
  for (const auto& [killed, seconds] :
       {std::pair{2, "0.3"}, {0, "0.5"}, {1, "0.7"}, {0, "0.9"}, {2, "1.1"}}) {
    const Finished finished =
        RunBitloss(arguments, {.launcher = RanksOneOfWhichDies(3, killed, seconds)});
    if (finished.exit_code == 0) break;
    ++deaths;
  }
  EXPECT_GE(deaths, 1);
  MustRun(arguments, Ranks(2));
  EXPECT_EQ(Records(folder_ / "killed"), Records(folder_ / "whole"));
}

TEST_F(StudyRanks, SayAnErrorOnce) {
  const Finished refused = RunBitloss(Study(folder_ / "study", "nf5"), {.launcher = Ranks(3)});
  EXPECT_EQ(refused.exit_code, 5) << refused.err;
  const size_t first = refused.err.find("bitloss: ");
  ASSERT_NE(first, std::string::npos) << refused.err;
  EXPECT_EQ(refused.err.find("bitloss: ", first + 1), std::string::npos) << refused.err;
  EXPECT_THAT(refused.err, testing::HasSubstr("nf5"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "study"));
}

class WithoutMpi : public SmallStudyTest {
 protected:
  // The program started with these variables refuses with one line.
  void ExpectRefused(const Arguments& launcher, const std::string& expected) const {
    const Finished refused = RunBitloss(Study(folder_ / "study"), {.launcher = launcher});
    EXPECT_EQ(refused.exit_code, 5) << refused.err;
    const size_t first = refused.err.find("bitloss: ");
    ASSERT_NE(first, std::string::npos) << refused.err;
    EXPECT_EQ(refused.err.find("bitloss: ", first + 1), std::string::npos) << refused.err;
    EXPECT_THAT(refused.err.substr(first), testing::StartsWith("bitloss: this is one of 2"));
    EXPECT_THAT(refused.err, testing::HasSubstr(expected));
    EXPECT_FALSE(std::filesystem::exists(folder_ / "study"));
  }
};

TEST_F(WithoutMpi, RanksSayOnceThatThereIsNoPlugin) {
  ExpectRefused({"/usr/bin/env", "BITLOSS_MPI_PLUGIN=/nowhere", BITLOSS_MPIRUN, "-n", "2"},
                "no MPI plugin is beside the program");
}

TEST_F(WithoutMpi, APluginThatDoesNotLoadIsTold) {
  const std::string plugin = folder_.Write("plugin.so", "this is no library");
  ExpectRefused({"/usr/bin/env", "BITLOSS_MPI_PLUGIN=" + plugin, BITLOSS_MPIRUN, "-n", "2"},
                "cannot load the MPI plugin");
}

// Each process would take itself for the only one, and all would write one study.
TEST_F(WithoutMpi, TheLauncherOfAnotherMpiIsTold) {
  ExpectRefused({"/usr/bin/env", "PMI_RANK=0", "PMI_SIZE=2"}, "knows of 1");
}

TEST_F(WithoutMpi, OneProcessNeedsNone) {
  MustRun(Study(folder_ / "study"), {"/usr/bin/env", "BITLOSS_MPI_PLUGIN=/nowhere"});
}

}  // namespace
}  // namespace bitloss
