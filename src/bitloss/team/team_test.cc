// Runs as one process, and as three ranks of an MPI job: every test is called by all ranks.
#include "bitloss/team/team.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "bitloss/team/codec.h"

namespace bitloss {
namespace {

Team& Ranks() {
  static const std::unique_ptr<Team> team = [] {
    const std::filesystem::path plugin = BITLOSS_MPI_PLUGIN;
    Result<std::unique_ptr<Team>> joined = JoinTeam({&plugin, 1});
    if (!joined.ok()) {
      ADD_FAILURE() << joined.error().message;
      return OneRank();
    }
    return std::move(joined).value();
  }();
  return *team;
}

Message Number(uint64_t value) { return Encode(value); }
uint64_t NumberIn(MessageView message) { return Decode<uint64_t>(message).value(); }

Result<Message> Square(MessageView job) { return Number(NumberIn(job) * NumberIn(job)); }

// Deals on rank 0, serves elsewhere.
Status DealTo(const Team::Jobs& jobs, const Team::Work& work) {
  Team& team = Ranks();
  if (!team.leads()) return team.Serve(work);
  const Status status = team.Deal(jobs, work);
  team.Dismiss();
  return status;
}

TEST(TeamTest, AcceptsOneResultForEachItem) {
  constexpr size_t kItems = 200;
  std::vector<uint64_t> results(kItems);
  std::vector<int> times(kItems);
  const Status status =
      DealTo({.num_items = kItems,
              .job = [](size_t item) -> Result<Message> { return Number(item + 7); },
              .accept =
                  [&](size_t item, MessageView result) {
                    results[item] = NumberIn(result);
                    ++times[item];
                    return Ok();
                  }},
             Square);
  ASSERT_TRUE(status.ok());
  if (!Ranks().leads()) return;
  for (size_t item = 0; item < kItems; ++item) {
    EXPECT_EQ(results[item], (item + 7) * (item + 7));
    EXPECT_EQ(times[item], 1);
  }
}

TEST(TeamTest, EveryFreeRankWorks) {
  std::vector<uint64_t> ranks;
  const Status status = DealTo({.num_items = 8 * Ranks().size(),
                                .job = [](size_t) -> Result<Message> { return Message(); },
                                .accept =
                                    [&](size_t, MessageView result) {
                                      ranks.push_back(NumberIn(result));
                                      return Ok();
                                    }},
                               [](MessageView) -> Result<Message> {
                                 std::this_thread::sleep_for(std::chrono::milliseconds(20));
                                 return Number(Ranks().rank());
                               });
  ASSERT_TRUE(status.ok());
  if (!Ranks().leads()) return;
  for (uint64_t rank = 0; rank < Ranks().size(); ++rank) {
    EXPECT_THAT(ranks, testing::Contains(rank));
  }
}

TEST(TeamTest, CarriesLargeMessages) {
  constexpr size_t kNumbers = 3'000'000;
  uint64_t sum = 0;
  const Status status =
      DealTo({.num_items = 4,
              .job = [](size_t item) -> Result<Message> {
                return Encode(std::vector<uint64_t>(kNumbers, item));
              },
              .accept =
                  [&](size_t, MessageView result) {
                    const auto numbers = Decode<std::vector<uint64_t>>(result);
                    if (!numbers.ok()) return Status(numbers.error());
                    for (const uint64_t n : numbers.value()) sum += n;
                    return Ok();
                  }},
             [](MessageView job) -> Result<Message> { return Message(job.begin(), job.end()); });
  ASSERT_TRUE(status.ok());
  if (Ranks().leads()) {
    EXPECT_EQ(sum, kNumbers * (0 + 1 + 2 + 3));
  }
}

TEST(TeamTest, AnErrorOfWorkEndsTheDealAndReachesRankZero) {
  const auto job = [](size_t item) -> Result<Message> { return Number(item); };
  const auto accept = [](size_t, MessageView) { return Ok(); };
  const Status status =
      DealTo({.num_items = 50, .job = job, .accept = accept}, [](MessageView message) {
        return NumberIn(message) == 5 ? Result<Message>(BadInput("no fives"))
                                      : Result<Message>(Message());
      });
  if (!Ranks().leads()) {
    EXPECT_TRUE(status.ok());
    return;
  }
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::kBadInput);
  EXPECT_THAT(status.error().message, testing::HasSubstr("no fives"));
}

TEST(TeamTest, AnErrorOfAcceptEndsTheDeal) {
  size_t accepted = 0;
  const Status status = DealTo({.num_items = 1000,
                                .job = [](size_t item) -> Result<Message> { return Number(item); },
                                .accept = [&](size_t, MessageView) -> Status {
                                  if (++accepted == 3) return IoError("disk full");
                                  return Ok();
                                }},
                               Square);
  if (!Ranks().leads()) return;
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "disk full");
  EXPECT_EQ(accepted, 3u);
}

TEST(TeamTest, SharesValuesAndErrors) {
  Team& team = Ranks();
  for (size_t from = 0; from < team.size(); ++from) {
    const Result<Message> shared = team.Share(from, Number(100 * team.rank() + 1));
    ASSERT_TRUE(shared.ok());
    EXPECT_EQ(NumberIn(shared.value()), 100 * from + 1);
  }
  const size_t last = team.size() - 1;
  Result<Message> mine = Message();
  if (team.rank() == last) mine = NotFound("no such file");
  const Result<Message> shared = team.Share(last, mine);
  ASSERT_FALSE(shared.ok());
  EXPECT_EQ(shared.error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(shared.error().message, "no such file");
}

TEST(TeamTest, StatusIsTheLowestRanksError) {
  Team& team = Ranks();
  EXPECT_TRUE(ShareStatus(team, Ok()).ok());
  const Status shared = ShareStatus(team, Status(BadInput("rank {}", team.rank())));
  ASSERT_FALSE(shared.ok());
  EXPECT_EQ(shared.error().message, "rank 0");
}

struct Inner {
  std::vector<std::string> names;
  std::optional<double> value;
};
struct Outer {
  int32_t number = 0;
  ErrorKind kind = ErrorKind::kIo;
  std::vector<Inner> inner;
};
template <class Codec>
void Members(Codec& codec, Inner& value) {
  codec(value.names, value.value);
}
template <class Codec>
void Members(Codec& codec, Outer& value) {
  codec(value.number, value.kind, value.inner);
}

TEST(CodecTest, GivesBackWhatWasPut) {
  const Outer outer{-3, ErrorKind::kNotFound, {{{"a", ""}, 0.5}, {{}, std::nullopt}}};
  const Result<Outer> back = Decode<Outer>(Encode(outer));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back.value().number, -3);
  EXPECT_EQ(back.value().kind, ErrorKind::kNotFound);
  ASSERT_EQ(back.value().inner.size(), 2u);
  EXPECT_THAT(back.value().inner[0].names, testing::ElementsAre("a", ""));
  EXPECT_EQ(back.value().inner[0].value, 0.5);
  EXPECT_EQ(back.value().inner[1].value, std::nullopt);
}

TEST(CodecTest, RefusesAMessageOfAnotherLength) {
  Message message = Encode(std::vector<double>{1.0, 2.0});
  message.push_back(std::byte{0});
  EXPECT_FALSE(Decode<std::vector<double>>(message).ok());
  message.resize(message.size() - 2);
  EXPECT_FALSE(Decode<std::vector<double>>(message).ok());
  EXPECT_FALSE(Decode<std::string>(Encode(uint64_t{1} << 60)).ok());
}

}  // namespace
}  // namespace bitloss
