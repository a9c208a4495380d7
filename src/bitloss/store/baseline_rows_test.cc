#include "bitloss/store/baseline_rows.h"

#include <gmock/gmock.h>

#include <fstream>

#include "bitloss/base/file.h"

namespace bitloss {
namespace {

using testing::ElementsAre;

class BaselineRowsTest : public testing::Test {
 protected:
  BaselineRowsTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "bitloss-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~BaselineRowsTest() override { std::filesystem::remove_all(folder_); }

  BaselineRows Open(const std::string& identity = "a", uint64_t max_bytes = 1 << 20) {
    auto rows = BaselineRows::OpenOrCreate(folder_, identity, max_bytes);
    BITLOSS_CHECK(rows.ok());
    return std::move(rows).value();
  }

  std::filesystem::path folder_;
  const RowsKey key_{RowsOf::kText, 1, 2};
  const std::vector<float> values_ = {1.5f, -2.0f, 0x1p-130f};
};

TEST_F(BaselineRowsTest, GivesBackTheBitsThatWerePut) {
  ASSERT_TRUE(Open().Put(key_, values_).ok());
  const BaselineRows again = Open();
  EXPECT_TRUE(again.Has(key_).value());
  EXPECT_THAT(again.Get(key_).value(), ElementsAre(1.5f, -2.0f, 0x1p-130f));
  EXPECT_FALSE(again.Has({RowsOf::kAnswer, 1, 2}).value());
  EXPECT_FALSE(again.Has({RowsOf::kText, 1, 3}).value());
}

TEST_F(BaselineRowsTest, KeepsNothingBeyondItsLimit) {
  BaselineRows rows = Open("a", 20);
  ASSERT_TRUE(rows.Put(key_, values_).ok());
  ASSERT_TRUE(rows.Put({RowsOf::kText, 1, 3}, values_).ok());
  EXPECT_TRUE(rows.Has(key_).value());
  EXPECT_FALSE(rows.Has({RowsOf::kText, 1, 3}).value());
  EXPECT_FALSE(Open("a", 0).Has(key_).value());
}

TEST_F(BaselineRowsTest, BeginsAnewForAnotherStudyAndAfterDamage) {
  ASSERT_TRUE(Open("a").Put(key_, values_).ok());
  EXPECT_FALSE(Open("b").Has(key_).value());
  ASSERT_TRUE(WriteFileAtomically(folder_ / "baseline-rows.db", std::string(9000, 'x')).ok());
  EXPECT_FALSE(Open("b").Has(key_).value());
}

TEST_F(BaselineRowsTest, NoticesAFlippedBit) {
  const std::vector<float> many(5000, 3.25f);
  ASSERT_TRUE(Open().Put(key_, many).ok());
  const auto path = folder_ / "baseline-rows.db";
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-100, std::ios::end);
  file.put('\x7f');
  file.close();
  const auto got = Open().Get(key_);
  ASSERT_FALSE(got.ok());
  EXPECT_THAT(got.error().message, testing::HasSubstr("remove it and run"));
}

}  // namespace
}  // namespace bitloss
