#include "bitloss/store/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <fstream>
#include <limits>

#include "bitloss/base/file.h"
#include "bitloss/store/schema.h"
#include "bitloss/store/test_study.h"

namespace bitloss {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Store Open(const TemporaryFolder& folder) {
  Result<Store> store = Store::OpenOrCreate(folder.path(), SmallManifest());
  EXPECT_TRUE(store.ok()) << store.error().message;
  return std::move(store).value();
}

void ExpectOk(const Status& status) {
  EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().message);
}

// Lanes 0 and 1, and the prompts.
Store OpenWithLanes(const TemporaryFolder& folder) {
  Store store = Open(folder);
  ExpectOk(store.PutLane(SmallLane(0)));
  ExpectOk(store.PutLane(SmallLane(1)));
  ExpectOk(store.PutPrompts(0, std::vector{SmallPrompt(0), SmallPrompt(1)}));
  return store;
}

void RunSql(const std::filesystem::path& file, const std::string& sql) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(file.c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(db);
  sqlite3_close(db);
}

TEST(StoreTest, GivesBackEveryRecordAsItWasPut) {
  const TemporaryFolder folder;
  const std::vector<TokenScores> scores = {SmallScores(0, 2), SmallScores(1, 2)};
  const std::vector<Answer> answers = {SmallAnswer(1, 0), SmallAnswer(1, 1)};
  const AnswerScores answer_scores{.suite = 0, .prompt = 1, .scores = SmallScores(1, 0)};
  {
    Store store = OpenWithLanes(folder);
    ExpectOk(store.PutText(SmallUnit(2), scores));
    ExpectOk(store.PutAnswers(answers));
    ExpectOk(store.PutAnswerScores(std::span(&answer_scores, 1)));
  }
  const Store store = std::move(Store::OpenForReading(folder.path())).value();
  EXPECT_EQ(store.Lanes().value(), (std::vector{SmallLane(0), SmallLane(1)}));
  EXPECT_EQ(store.Prompts(0).value(), (std::vector{SmallPrompt(0), SmallPrompt(1)}));
  EXPECT_THAT(store.TextUnits(0).value(), ElementsAre(SmallUnit(2)));
  EXPECT_EQ(store.TextScores(0, 0, 2).value(), scores[0]);
  EXPECT_EQ(store.TextScores(1, 0, 2).value(), scores[1]);
  EXPECT_EQ(store.TextScores(1, 0, 0).value(), std::nullopt);
  EXPECT_EQ(store.Answers(1, 0).value(), answers);
  EXPECT_THAT(store.Answers(0, 0).value(), ElementsAre());
  EXPECT_THAT(store.AllAnswerScores(1, 0).value(), ElementsAre(answer_scores));
  EXPECT_EQ(store.manifest().model.name, "tiny");
}

TEST(StoreTest, KeepsInfinitiesAndEmptyTextsAndZeroBytes) {
  const TemporaryFolder folder;
  Store store = OpenWithLanes(folder);
  TokenScores scores = SmallScores(0, 0);
  scores.nll[1] = std::numeric_limits<double>::infinity();
  ExpectOk(store.PutText(SmallUnit(0), std::span(&scores, 1)));
  EXPECT_EQ(store.TextScores(0, 0, 0).value(), scores);

  Answer empty{.lane = 0, .suite = 0, .prompt = 0};
  Answer zero{.lane = 0, .suite = 0, .prompt = 1, .text = std::string("a\0b", 3)};
  zero.check = CheckResult{.undecided = true, .score = 0.5, .evidence = "[]"};
  ExpectOk(store.PutAnswers(std::vector{empty, zero}));
  EXPECT_THAT(store.Answers(0, 0).value(), ElementsAre(empty, zero));
}

TEST(StoreTest, ReadersReturnIndexOrderWhateverTheOrderOfPuts) {
  const TemporaryFolder folder;
  Store store = OpenWithLanes(folder);
  for (const size_t unit : {size_t{2}, size_t{0}, size_t{1}}) {
    const TokenScores scores = SmallScores(0, unit);
    ExpectOk(store.PutText(SmallUnit(unit), std::span(&scores, 1)));
  }
  EXPECT_THAT(store.TextUnits(0).value(), ElementsAre(SmallUnit(0), SmallUnit(1), SmallUnit(2)));
}

TEST(StoreTest, APutOfAFinishedUnitChangesNothing) {
  const TemporaryFolder folder;
  Store store = OpenWithLanes(folder);
  const TokenScores first = SmallScores(1, 0);
  ExpectOk(store.PutText(SmallUnit(0), std::span(&first, 1)));
  TokenScores second = first;
  second.nll[0] = 99.0;
  ExpectOk(store.PutText(SmallUnit(0), std::span(&second, 1)));
  EXPECT_EQ(store.TextScores(1, 0, 0).value(), first);

  Answer answer = SmallAnswer(0, 0);
  ExpectOk(store.PutAnswers(std::span(&answer, 1)));
  const Answer kept = answer;
  answer.text = "another";
  ExpectOk(store.PutAnswers(std::span(&answer, 1)));
  EXPECT_THAT(store.Answers(0, 0).value(), ElementsAre(kept));
}

TEST(StoreTest, ALaneCanBeAddedToUnitsThatOthersHave) {
  const TemporaryFolder folder;
  Store store = OpenWithLanes(folder);
  const TokenScores baseline = SmallScores(0, 0);
  ExpectOk(store.PutText(SmallUnit(0), std::span(&baseline, 1)));
  EXPECT_TRUE(store.HasText(0, 0, 0).value());
  EXPECT_FALSE(store.HasText(1, 0, 0).value());
  const TokenScores lane = SmallScores(1, 0);
  ExpectOk(store.PutText(SmallUnit(0), std::span(&lane, 1)));
  EXPECT_TRUE(store.HasText(1, 0, 0).value());
}

TEST(StoreTest, KeepsTheExpertsOfAMixtureBesideItsScores) {
  const TemporaryFolder folder;
  Store store = OpenWithLanes(folder);
  const std::vector<TokenScores> scores = {SmallScores(0, 0), SmallScores(1, 0)};
  const ExpertChanges experts{.lane = 1,
                              .layers = {1, 3, 4},
                              .changed = {1, 0, 0, 1, 0, 0,  //
                                          0, 0, 1, 1, 0, 1}};
  ExpectOk(store.PutText(SmallUnit(0), scores, {&experts, 1}));
  ExpectOk(store.PutText(SmallUnit(1), std::vector{SmallScores(0, 1), SmallScores(1, 1)}));
  const auto read = store.ExpertChangesOf(1, 0);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_THAT(read.value(), ElementsAre(testing::Pair(0u, experts)));
  EXPECT_THAT(store.ExpertChangesOf(0, 0).value(), IsEmpty());
  EXPECT_EQ(store.TextScores(1, 0, 0).value(), scores[1]);

  RunSql(folder.path() / "study.db", "UPDATE expert_changes SET changed = x'01'");
  const auto damaged = store.ExpertChangesOf(1, 0);
  ASSERT_FALSE(damaged.ok());
  EXPECT_THAT(damaged.error().message, HasSubstr("1 bytes for 3 layers of 4 tokens"));
}

// So that not a byte of another model's study changes.
TEST(StoreTest, OnlyAMixturesStudyHasATableOfExperts) {
  const TemporaryFolder folder;
  Store store = OpenWithLanes(folder);
  ExpectOk(store.PutText(SmallUnit(0), std::vector{SmallScores(0, 0), SmallScores(1, 0)}));
  EXPECT_THAT(store.ExpertChangesOf(1, 0).value(), IsEmpty());
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open((folder.path() / "study.db").c_str(), &db), SQLITE_OK);
  EXPECT_NE(sqlite3_exec(db, "SELECT * FROM expert_changes", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(db);
}

TEST(StoreTest, RefusesAUnitOfOtherTokens) {
  const TemporaryFolder folder;
  Store store = OpenWithLanes(folder);
  const TokenScores scores = SmallScores(0, 0);
  ExpectOk(store.PutText(SmallUnit(0), std::span(&scores, 1)));
  TextUnit other = SmallUnit(0);
  other.token_hash = "other";
  const Status status = store.PutText(other, std::span(&scores, 1));
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().message, HasSubstr("unit 0 of 'gptq-2048' was measured on other"));
}

TEST(StoreTest, APutOfAnUnknownLaneLeavesNothingBehind) {
  const TemporaryFolder folder;
  Store store = OpenWithLanes(folder);
  const std::vector<TokenScores> scores = {SmallScores(0, 0), SmallScores(5, 0)};
  EXPECT_FALSE(store.PutText(SmallUnit(0), scores).ok());
  EXPECT_FALSE(store.HasText(0, 0, 0).value());
  EXPECT_THAT(store.TextUnits(0).value(), ElementsAre());
}

TEST(StoreTest, ALaneLearnsItsSizesLaterButKeepsItsMeaning) {
  const TemporaryFolder folder;
  Store store = OpenWithLanes(folder);
  const TokenScores scores = SmallScores(1, 0);
  ExpectOk(store.PutText(SmallUnit(0), std::span(&scores, 1)));
  LaneRecord lane = SmallLane(1);
  lane.weight_bytes = 601;
  lane.notes = {"a", "b"};
  ExpectOk(store.PutLane(lane));
  EXPECT_EQ(store.Lanes().value()[1], lane);

  lane.definition = "nf4:32";
  const Status status = store.PutLane(lane);
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().message, HasSubstr("'nf4-1' (nf4:64), and is now asked for"));
  LaneRecord remade = SmallLane(1);
  remade.identity = R"({"files": "others"})";
  EXPECT_FALSE(store.PutLane(remade).ok());
  LaneRecord twin = SmallLane(1);
  twin.lane = 2;
  EXPECT_FALSE(store.PutLane(twin).ok());
}

TEST(StoreTest, RefusesAnotherManifestAndNamesTheKey) {
  const TemporaryFolder folder;
  { Store store = Open(folder); }
  Manifest manifest = SmallManifest();
  manifest.options = R"({ "max_new_tokens":   100 })";  // the same, written otherwise
  EXPECT_TRUE(Store::OpenOrCreate(folder.path(), manifest).ok());
  manifest.options = R"({"max_new_tokens": 50})";
  const Result<Store> store = Store::OpenOrCreate(folder.path(), manifest);
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.error().kind, ErrorKind::kBadInput);
  EXPECT_THAT(
      store.error().message,
      HasSubstr("was begun with /options/max_new_tokens = 100, and is now asked for with 50"));

  manifest = SmallManifest();
  manifest.protocols.clear();
  EXPECT_THAT(Store::OpenOrCreate(folder.path(), manifest).error().message,
              HasSubstr("/protocols"));
}

TEST(StoreTest, OneProcessWritesAtATimeAndOthersRead) {
  const TemporaryFolder folder;
  Store store = OpenWithLanes(folder);
  const Result<Store> second = Store::OpenOrCreate(folder.path(), SmallManifest());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind, ErrorKind::kIo);
  EXPECT_THAT(second.error().message, HasSubstr("being written by another process"));

  const Store reader = std::move(Store::OpenForReading(folder.path())).value();
  const TokenScores scores = SmallScores(0, 0);
  ExpectOk(store.PutText(SmallUnit(0), std::span(&scores, 1)));
  EXPECT_FALSE(reader.HasText(0, 0, 0).value()) << "a reader sees one moment";
  EXPECT_TRUE(Store::OpenForReading(folder.path()).value().HasText(0, 0, 0).value());
}

TEST(StoreTest, RefusesWhatIsNotAStudy) {
  const TemporaryFolder folder;
  EXPECT_EQ(Store::OpenForReading(folder.path()).error().kind, ErrorKind::kNotFound);

  const auto file = folder.path() / "study.db";
  std::ofstream(file) << std::string(4096, 'x');
  for (const Result<Store>& store : {Store::OpenForReading(folder.path()),
                                     Store::OpenOrCreate(folder.path(), SmallManifest())}) {
    ASSERT_FALSE(store.ok());
    EXPECT_EQ(store.error().kind, ErrorKind::kBadInput);
    EXPECT_THAT(store.error().message, HasSubstr("not a bitloss study"));
    EXPECT_THAT(store.error().message, Not(HasSubstr("\n")));
  }

  std::filesystem::remove(file);
  RunSql(file, "CREATE TABLE cats (name TEXT)");
  EXPECT_THAT(Store::OpenForReading(folder.path()).error().message,
              HasSubstr("another program's database"));
  EXPECT_THAT(Store::OpenOrCreate(folder.path(), SmallManifest()).error().message,
              HasSubstr("another program's database"));
}

TEST(StoreTest, KeepsForksAndSampledAnswers) {
  const TemporaryFolder folder;
  const AnswerFork fork{.lane = 1,
                        .prompt = 1,
                        .position = 3,
                        .baseline_token_in_baseline = 0.25,
                        .baseline_token_in_lane = 0.5,
                        .lane_token_in_baseline = std::numeric_limits<double>::infinity(),
                        .lane_token_in_lane = 1.5};
  const AnswerJudgement judgement{.lane = 1, .prompt = 1, .num_tokens = 3, .nll = 4.5};
  Answer answer = SmallAnswer(1, 0);
  answer.top_logits = {};
  const std::vector<SampledAnswer> samples = {{0, answer}, {7, answer}};
  {
    Store store = OpenWithLanes(folder);
    ExpectOk(store.PutAnswers(std::vector{SmallAnswer(1, 1)}));
    for (int again = 0; again < 2; ++again) {
      ExpectOk(store.PutAnswerForks({&fork, 1}));
      ExpectOk(store.PutAnswerJudgements({&judgement, 1}));
      ExpectOk(store.PutSampledAnswers(samples));
    }
    EXPECT_TRUE(store.HasSampledAnswer(1, 0, 0, 7).value());
    EXPECT_FALSE(store.HasSampledAnswer(1, 0, 1, 7).value());
  }
  const Store store = std::move(Store::OpenForReading(folder.path())).value();
  EXPECT_EQ(store.AnswerForks(1, 0).value(), std::vector{fork});
  EXPECT_EQ(store.AnswerJudgements(1, 0).value(), std::vector{judgement});
  EXPECT_EQ(store.SampledAnswers(1, 0).value(), samples);
  EXPECT_THAT(store.AnswerForks(0, 0).value(), IsEmpty());
}

TEST(StoreTest, ReadsAStudyOfVersion1AndRefusesToContinueIt) {
  const TemporaryFolder folder;
  { Store store = OpenWithLanes(folder); }
  RunSql(folder.path() / "study.db",
         "DROP TABLE answer_forks; DROP TABLE sampled_answers; DROP TABLE answer_judgements;"
         "DROP TABLE task_scores; DROP TABLE task_items;"
         "ALTER TABLE prompts DROP COLUMN scripts; ALTER TABLE lanes DROP COLUMN identity;"
         "ALTER TABLE lanes DROP COLUMN not_run; PRAGMA user_version = 1");
  {
    const Store store = std::move(Store::OpenForReading(folder.path())).value();
    EXPECT_THAT(store.AnswerForks(1, 0).value(), IsEmpty());
    EXPECT_THAT(store.AnswerJudgements(1, 0).value(), IsEmpty());
    EXPECT_THAT(store.SampledAnswers(1, 0).value(), IsEmpty());
    EXPECT_THAT(store.TaskItems(0).value(), IsEmpty());
    EXPECT_THAT(store.AllTaskScores(0, 0).value(), IsEmpty());
    EXPECT_THAT(store.Prompts(0).value()[0].scripts, IsEmpty());
    EXPECT_EQ(store.Lanes().value()[1].identity, "{}");
  }
  const Result<Store> continued = Store::OpenOrCreate(folder.path(), SmallManifest());
  ASSERT_FALSE(continued.ok());
  EXPECT_EQ(continued.error().kind, ErrorKind::kUnsupported);
  EXPECT_THAT(continued.error().message, HasSubstr("study version 1"));
  EXPECT_THAT(continued.error().message, HasSubstr("another folder"));
}

TEST(StoreTest, ReadsAStudyOfVersion5AndRefusesToContinueIt) {
  const TemporaryFolder folder;
  { Store store = OpenWithLanes(folder); }
  RunSql(folder.path() / "study.db", "PRAGMA user_version = 5");
  EXPECT_TRUE(Store::OpenForReading(folder.path()).ok());
  const Result<Store> continued = Store::OpenOrCreate(folder.path(), SmallManifest());
  ASSERT_FALSE(continued.ok());
  EXPECT_EQ(continued.error().kind, ErrorKind::kUnsupported);
  EXPECT_THAT(continued.error().message, HasSubstr("study version 5"));
}

TEST(StoreTest, GoesOnWithAStudyOfVersion6WhichHasNoTasks) {
  const TemporaryFolder folder;
  { Store store = OpenWithLanes(folder); }
  RunSql(folder.path() / "study.db",
         "DROP TABLE task_scores; DROP TABLE task_items; PRAGMA user_version = 6");
  EXPECT_THAT(Store::OpenForReading(folder.path()).value().TaskItems(0).value(), IsEmpty());
  Store store = std::move(Store::OpenOrCreate(folder.path(), SmallManifest())).value();
  EXPECT_EQ(store.Lanes().value().size(), 2);
  EXPECT_TRUE(store.PutTaskItems(0, {}).ok());
  EXPECT_THAT(store.TaskItems(0).value(), IsEmpty());
}

TEST(StoreTest, KeepsTasksAndRefusesOthers) {
  const TemporaryFolder folder;
  Store store = OpenWithLanes(folder);
  std::vector<TaskItemRecord> items = {{.task = 0,
                                        .item = 0,
                                        .id = "a",
                                        .answers = {1},
                                        .characters = {3, 4},
                                        .bytes = {3, 5},
                                        .tokens = {1, 2}}};
  ASSERT_TRUE(store.PutTaskItems(0, items).ok());
  EXPECT_TRUE(store.PutTaskItems(0, items).ok());
  EXPECT_EQ(store.TaskItems(0).value(), items);
  const TaskScores scores{
      .lane = 1, .task = 0, .item = 0, .log_likelihoods = {-1.5, -2.25}, .greedy = {1, 0}};
  ASSERT_TRUE(store.PutTaskScores({&scores, 1}).ok());
  TaskScores later = scores;
  later.log_likelihoods[0] = -9;
  ASSERT_TRUE(store.PutTaskScores({&later, 1}).ok());
  EXPECT_EQ(store.AllTaskScores(1, 0).value(), std::vector{scores});
  EXPECT_THAT(store.AllTaskScores(0, 0).value(), IsEmpty());
  items[0].id = "b";
  const Status other = store.PutTaskItems(0, items);
  ASSERT_FALSE(other.ok());
  EXPECT_THAT(other.error().message, HasSubstr("another folder"));
}

TEST(StoreTest, RefusesToAddToTheNumbersOfAnotherProgram) {
  const TemporaryFolder folder;
  { Store store = OpenWithLanes(folder); }
  Manifest later = SmallManifest();
  later.numeric_version = 8;
  const Result<Store> continued = Store::OpenOrCreate(folder.path(), later);
  ASSERT_FALSE(continued.ok());
  EXPECT_THAT(continued.error().message, HasSubstr("numeric version 0, this one's is 8"));
}

TEST(StoreTest, GoesOnUnderAReleaseOfTheSameNumbers) {
  const TemporaryFolder folder;
  { Store store = OpenWithLanes(folder); }
  Manifest later = SmallManifest();
  later.bitloss_version = "0.9.0";
  EXPECT_TRUE(Store::OpenOrCreate(folder.path(), later).ok());
}

TEST(StoreTest, GoesOnWhateverIsSaidOfItsTexts) {
  const TemporaryFolder folder;
  Manifest manifest = SmallManifest();
  manifest.protocols[0].warnings = {"line ends CR LF read as LF: 7"};
  { ASSERT_TRUE(Store::OpenOrCreate(folder.path(), manifest).ok()); }
  EXPECT_EQ(Store::OpenForReading(folder.path()).value().manifest().protocols, manifest.protocols);
  EXPECT_TRUE(Store::OpenOrCreate(folder.path(), SmallManifest()).ok());
}

TEST(StoreTest, RefusesAStudyOfANewerVersion) {
  const TemporaryFolder folder;
  { Store store = Open(folder); }
  RunSql(folder.path() / "study.db", "PRAGMA user_version = 99");
  for (const Result<Store>& store : {Store::OpenForReading(folder.path()),
                                     Store::OpenOrCreate(folder.path(), SmallManifest())}) {
    ASSERT_FALSE(store.ok());
    EXPECT_EQ(store.error().kind, ErrorKind::kUnsupported);
    EXPECT_THAT(store.error().message, HasSubstr("study version 99, this one reads up to 7"));
  }
}

TEST(StoreTest, SaysThatADamagedFileIsDamaged) {
  const TemporaryFolder folder;
  {
    Store store = OpenWithLanes(folder);
    const std::vector<TokenScores> scores = {SmallScores(0, 2), SmallScores(1, 2)};
    ExpectOk(store.PutText(SmallUnit(2), scores));
  }
  const auto file = folder.path() / "study.db";
  const std::string good = ReadFile(file).value();
  // Every page in turn is overwritten, and the file cut at many places: no crash, one line.
  std::vector<std::string> damaged;
  for (size_t at = 0; at < good.size(); at += 1024) {
    damaged.push_back(good.substr(0, at));
    damaged.push_back(good);
    damaged.back().replace(at, 1024, 1024, '\xA5');
  }
  size_t num_refused = 0;
  for (const std::string& bytes : damaged) {
    ASSERT_TRUE(WriteFileAtomically(file, bytes).ok());
    const Result<Store> store = Store::OpenForReading(folder.path());
    std::vector<Error> errors;
    if (!store.ok()) {
      errors.push_back(store.error());
    } else {
      if (const auto lanes = store.value().Lanes(); !lanes.ok()) errors.push_back(lanes.error());
      if (const auto s = store.value().TextScores(1, 0, 2); !s.ok()) errors.push_back(s.error());
    }
    num_refused += errors.empty() ? 0 : 1;
    for (const Error& error : errors) {
      EXPECT_THAT(error.message, HasSubstr("study.db"));
      EXPECT_THAT(error.message, Not(HasSubstr("\n")));
    }
  }
  EXPECT_GT(num_refused, damaged.size() / 2);
}

TEST(StoreTest, RefusesBlobsThatDoNotFitTheirUnit) {
  const TemporaryFolder folder;
  {
    Store store = OpenWithLanes(folder);
    const TokenScores scores = SmallScores(1, 0);
    ExpectOk(store.PutText(SmallUnit(0), std::span(&scores, 1)));
  }
  RunSql(folder.path() / "study.db", "UPDATE text_scores SET kl = x'0102030405060708'");
  const Store store = std::move(Store::OpenForReading(folder.path())).value();
  EXPECT_THAT(store.TextScores(1, 0, 0).error().message,
              HasSubstr("unit 0: the scores of lane 1 are not of one length"));
}

TEST(StoreTest, SaysWhichFolderCannotBeMade) {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "file") << "in the way";
  const Result<Store> store = Store::OpenOrCreate(folder.path() / "file" / "x", SmallManifest());
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.error().kind, ErrorKind::kIo);
  EXPECT_THAT(store.error().message, HasSubstr("cannot create folder"));
}

TEST(StoreTest, TimingsAreReplacedAndPeaksOnlyGrow) {
  const TemporaryFolder folder;
  Store store = OpenWithLanes(folder);
  Timing timing{.lane = 1, .kind = TimingKind::kAnswer, .key = AnswerTimingKey(0, 12)};
  for (const double seconds : {1.0, 2.0}) {
    timing.seconds = seconds;
    ExpectOk(store.PutTimings(std::span(&timing, 1)));
  }
  EXPECT_THAT(store.Timings().value(), ElementsAre(timing));
  EXPECT_EQ(timing.key, "0/12");

  EXPECT_EQ(store.PeakMemory(1).value(), std::nullopt);
  for (const uint64_t bytes : {5, 9, 7}) ExpectOk(store.PutPeakMemory(1, bytes));
  EXPECT_EQ(store.PeakMemory(1).value(), 9u);

  const MachineNote note{.key = "threads", .value = "2"};
  ExpectOk(store.PutMachineNotes(std::span(&note, 1)));
  EXPECT_THAT(store.MachineNotes().value(), ElementsAre(note));
}

}  // namespace
}  // namespace bitloss
