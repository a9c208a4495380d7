// The study survives kill -9 at any moment, and a disk that takes no more.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <random>

#include "bitloss/store/store.h"
#include "bitloss/store/test_study.h"

namespace bitloss {
namespace {

using testing::HasSubstr;

constexpr size_t kNumUnits = 40;
constexpr size_t kNumLanes = 3;

Manifest ManyUnits() {
  Manifest manifest = SmallManifest();
  manifest.protocols[0].num_units = kNumUnits;
  return manifest;
}

// What a study's loop does: whatever is missing is measured and put.
Status WriteStudy(const std::filesystem::path& folder) {
  BITLOSS_TRY(Store store, Store::OpenOrCreate(folder, ManyUnits()));
  for (size_t lane = 0; lane < kNumLanes; ++lane) BITLOSS_DO(store.PutLane(SmallLane(lane)));
  BITLOSS_DO(store.PutPrompts(0, std::vector{SmallPrompt(0), SmallPrompt(1)}));
  for (size_t unit = 0; unit < kNumUnits; ++unit) {
    std::vector<TokenScores> missing;
    for (size_t lane = 0; lane < kNumLanes; ++lane) {
      BITLOSS_TRY(const bool done, store.HasText(lane, 0, unit));
      if (!done) missing.push_back(SmallScores(lane, unit));
    }
    if (!missing.empty()) BITLOSS_DO(store.PutText(SmallUnit(unit), missing));
  }
  for (size_t lane = 0; lane < kNumLanes; ++lane) {
    BITLOSS_TRY(const bool done, store.HasAnswer(lane, 0, 0));
    if (done) continue;
    BITLOSS_DO(store.PutAnswers(std::vector{SmallAnswer(lane, 0), SmallAnswer(lane, 1)}));
  }
  return Ok();
}

void ExpectWholeStudy(const std::filesystem::path& folder) {
  const Result<Store> store = Store::OpenForReading(folder);
  ASSERT_TRUE(store.ok()) << store.error().message;
  const std::vector<TextUnit> units = store.value().TextUnits(0).value();
  ASSERT_EQ(units.size(), kNumUnits);
  for (size_t unit = 0; unit < kNumUnits; ++unit) {
    EXPECT_EQ(units[unit], SmallUnit(unit));
    for (size_t lane = 0; lane < kNumLanes; ++lane) {
      EXPECT_EQ(store.value().TextScores(lane, 0, unit).value(), SmallScores(lane, unit));
    }
  }
  for (size_t lane = 0; lane < kNumLanes; ++lane) {
    EXPECT_EQ(store.value().Answers(lane, 0).value(),
              (std::vector{SmallAnswer(lane, 0), SmallAnswer(lane, 1)}));
  }
}

// Whether a child that writes the study was killed before it had finished.
bool WriteStudyInAChildKilledAfter(const std::filesystem::path& folder, useconds_t microseconds) {
  const pid_t child = fork();
  if (child == 0) _exit(WriteStudy(folder).ok() ? 0 : 1);
  usleep(microseconds);
  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0) << "the child met an error";
  return WIFSIGNALED(status);
}

TEST(StoreKillTest, AKilledStudyGoesOnToTheSameRecords) {
  const TemporaryFolder folder;
  std::mt19937 random(17);
  std::uniform_int_distribution<useconds_t> delay(100, 8000);
  size_t num_kills = 0;
  for (size_t attempt = 0; attempt < 30; ++attempt) {
    num_kills += WriteStudyInAChildKilledAfter(folder.path(), delay(random)) ? 1 : 0;
    // Between the kills the study can be read, unless it died before its first record.
    const Result<Store> store = Store::OpenForReading(folder.path());
    if (!store.ok()) {
      EXPECT_THAT(store.error().message,
                  testing::AnyOf(HasSubstr("no study there"), HasSubstr("never begun")));
      continue;
    }
    const std::vector<TextUnit> units = store.value().TextUnits(0).value();
    for (const TextUnit& unit : units) {
      for (size_t lane = 0; lane < kNumLanes; ++lane) {
        EXPECT_EQ(store.value().TextScores(lane, 0, unit.unit).value(),
                  SmallScores(lane, unit.unit));
      }
    }
  }
  EXPECT_GT(num_kills, 0u);
  ASSERT_TRUE(WriteStudy(folder.path()).ok());
  ExpectWholeStudy(folder.path());
}

TEST(StoreKillTest, AFailedWriteIsOneLineAndTheStudyGoesOn) {
  const TemporaryFolder folder;
  const pid_t child = fork();
  if (child == 0) {
    // A limit on the size of files fails writes half-way, as a full disk does.
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{.rlim_cur = 150 * 1024, .rlim_max = 150 * 1024};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(2);
    const Status status = WriteStudy(folder.path());
    const bool as_expected = !status.ok() && status.error().kind == ErrorKind::kIo &&
                             status.error().message.find("study.db'") != std::string::npos &&
                             status.error().message.find('\n') == std::string::npos;
    _exit(as_expected ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  ASSERT_EQ(WEXITSTATUS(status), 0);
  ASSERT_TRUE(WriteStudy(folder.path()).ok());
  ExpectWholeStudy(folder.path());
}

}  // namespace
}  // namespace bitloss
