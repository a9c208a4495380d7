#include "bitloss/store/kept_fits.h"

#include <gmock/gmock.h>

#include "bitloss/store/test_study.h"

namespace bitloss {
namespace {

std::vector<std::byte> Bytes(int count, int value) {
  return std::vector<std::byte>(static_cast<size_t>(count), static_cast<std::byte>(value));
}

class KeptFitsTest : public testing::Test {
 protected:
  KeptFits Open(const std::string& identity = "a", uint64_t max_bytes = 1 << 20) {
    auto fits = KeptFits::OpenOrCreate(folder_.path(), identity, max_bytes);
    BITLOSS_CHECK(fits.ok());
    return std::move(fits).value();
  }

  TemporaryFolder folder_;
  const std::vector<std::byte> block_ = Bytes(100, 7);
};

TEST_F(KeptFitsTest, GivesBackWhatWasPutUnderTheSameNames) {
  {
    KeptFits fits = Open();
    ASSERT_TRUE(fits.Put("awq", 1, block_).ok());
    ASSERT_TRUE(fits.PutSeconds("awq", 2.5).ok());
  }
  KeptFits again = Open();
  EXPECT_EQ(again.Get("awq", 1).value(), block_);
  EXPECT_EQ(again.Seconds("awq").value(), 2.5);
  EXPECT_EQ(again.Get("awq", 0).value(), std::nullopt);
  EXPECT_EQ(again.Get("gptq", 1).value(), std::nullopt);
  EXPECT_EQ(again.Seconds("gptq").value(), 0.0);
}

TEST_F(KeptFitsTest, KeepsNothingBeyondItsLimit) {
  KeptFits fits = Open("a", 250);
  for (size_t layer = 0; layer < 4; ++layer) ASSERT_TRUE(fits.Put("awq", layer, block_).ok());
  EXPECT_TRUE(fits.Get("awq", 1).value().has_value());
  EXPECT_FALSE(fits.Get("awq", 2).value().has_value());
}

TEST_F(KeptFitsTest, BeginsAnewForAnotherModel) {
  ASSERT_TRUE(Open().Put("awq", 0, block_).ok());
  EXPECT_FALSE(Open("b").Get("awq", 0).value().has_value());
  EXPECT_FALSE(Open().Get("awq", 0).value().has_value());
}

TEST_F(KeptFitsTest, ABlockThatIsNotWhatWasPutCountsAsMissing) {
  KeptFits fits = Open();
  ASSERT_TRUE(fits.Put("awq", 0, block_).ok());
  const auto file = Database::Open(folder_.path() / "fits.db", DatabaseMode::kReadWrite);
  ASSERT_TRUE(file.value().Run("UPDATE fitted_blocks SET block = zeroblob(100)").ok());
  EXPECT_FALSE(fits.Get("awq", 0).value().has_value());
  ASSERT_TRUE(fits.Put("awq", 0, block_).ok());
  EXPECT_EQ(fits.Get("awq", 0).value(), block_);
}

}  // namespace
}  // namespace bitloss
