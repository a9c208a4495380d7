#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <numeric>

#include "bitloss/base/byte_reader.h"
#include "bitloss/base/file.h"
#include "bitloss/base/hash.h"
#include "bitloss/base/random.h"
#include "bitloss/base/sum.h"
#include "bitloss/base/text.h"
#include "bitloss/base/threads.h"

namespace bitloss {
namespace {

using testing::HasSubstr;

TEST(SumTest, KeepsWhatPlainAdditionLoses) {
  Sum sum;
  for (const double x : {1e100, 1.0, -1e100}) sum.Add(x);
  EXPECT_EQ(sum.Total(), 1.0);
}

TEST(SumTest, MergesLikeOneSum) {
  Sum left, right;
  left.Add(1e16);
  right.Add(1.0);
  right.Add(-1e16);
  left.Merge(right);
  EXPECT_EQ(left.Total(), 1.0);
}

TEST(ByteReaderTest, ReadsLittleEndianAndStopsAtTheEnd) {
  const std::byte bytes[] = {std::byte{0x34}, std::byte{0x12}, std::byte{0xFF}};
  ByteReader reader(bytes);
  EXPECT_EQ(reader.Read<uint16_t>().value(), 0x1234);
  EXPECT_THAT(reader.Read<uint32_t>().error().message, HasSubstr("at byte 2: need 4 bytes"));
  EXPECT_EQ(reader.Take(~uint64_t{0}).error().kind, ErrorKind::kBadInput);
  EXPECT_EQ(reader.remaining(), 1u);
}

// FIPS 180-4 example.
TEST(HashTest, MatchesThePublishedDigest) {
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

// Known answers of the authors' Random123 distribution (kat_vectors, philox4x32 10 rounds).
TEST(RandomTest, PhiloxMatchesItsKnownAnswers) {
  EXPECT_THAT(Philox({0, 0, 0, 0}, {0, 0}),
              testing::ElementsAre(0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u));
  EXPECT_THAT(Philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
              testing::ElementsAre(0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu));
}

TEST(RandomTest, StreamsDifferByNameAndSeedAndStayInsideTheInterval) {
  const RandomStream a(1, "a"), b(1, "b"), c(2, "a");
  EXPECT_NE(a.Bits(0), b.Bits(0));
  EXPECT_NE(a.Bits(0), c.Bits(0));
  EXPECT_EQ(a.Bits(7, 9), RandomStream(1, "a").Bits(7, 9));
  double sum = 0;
  for (uint64_t i = 0; i < 10000; ++i) {
    const double u = a.Uniform(i);
    ASSERT_GT(u, 0.0);
    ASSERT_LT(u, 1.0);
    sum += u;
  }
  // Standard deviation of the mean of 10,000 uniforms: 0.0029.
  EXPECT_NEAR(sum / 10000, 0.5, 5 * 0.0029);
}

TEST(ThreadPoolTest, DoesEachPartOnceForAnyNumberOfThreads) {
  for (const size_t num_threads : {1, 2, 5}) {
    ThreadPool pool(num_threads);
    EXPECT_EQ(pool.num_threads(), num_threads);
    for (const size_t num_parts : {0, 1, 2, 1000}) {
      std::vector<std::atomic<int>> count(num_parts);
      pool.ForEachPart(num_parts, [&](size_t part, size_t thread) {
        ASSERT_LT(thread, num_threads);
        count[part].fetch_add(1);
      });
      for (const auto& n : count) EXPECT_EQ(n.load(), 1);
    }
  }
}

TEST(Utf8Test, FindsTheFirstBadByte) {
  EXPECT_EQ(FindInvalidUtf8("h\xC3\xA9llo \xF0\x9F\xA6\x99"), std::nullopt);
  EXPECT_EQ(FindInvalidUtf8("ab\xFF"), 2u);
  EXPECT_EQ(FindInvalidUtf8("\xC0\x80"), 0u);           // overlong
  EXPECT_EQ(FindInvalidUtf8("a\xED\xA0\x80"), 1u);      // surrogate
  EXPECT_EQ(FindInvalidUtf8("a\xF4\x90\x80\x80"), 1u);  // above U+10FFFF
  EXPECT_EQ(FindInvalidUtf8("abc\xE2\x82"), 3u);        // cut off
}

TEST(TextTest, DecodesWhatIsTextAndKeepsApartWhatIsNot) {
  EXPECT_EQ(CodePointsOf("h\xC3\xA9\xE2\x82\xAC\xF0\x9F\xA6\x99"), U"h\u00E9\u20AC\U0001F999");
  EXPECT_EQ(CodePointsOf("a\xFF\xC3"), (std::u32string{'a', kNotText + 0xFF, kNotText + 0xC3}));
  EXPECT_EQ(CodePointsOf(""), U"");
}

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::temp_directory_path() /
                 ("bitloss_file_test." + std::to_string(::getpid()));
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::filesystem::path directory_;
};

TEST_F(FileTest, WritesAndReadsBack) {
  const auto path = directory_ / "a";
  ASSERT_TRUE(WriteFileAtomically(path, "one").ok());
  ASSERT_TRUE(WriteFileAtomically(path, "two").ok());
  EXPECT_EQ(ReadFile(path).value(), "two");
  const SharedBytes mapped = MapFile(path).value();
  EXPECT_EQ(std::memcmp(mapped.data(), "two", 3), 0);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_), {}), 1);
}

TEST_F(FileTest, SaysWhatIsWrongWithAPath) {
  EXPECT_EQ(ReadFile(directory_ / "none").error().kind, ErrorKind::kNotFound);
  EXPECT_THAT(ReadFile(directory_).error().message, HasSubstr("is not a file"));
  EXPECT_THAT(MapFile(directory_ / "none").error().message, HasSubstr("none"));
  EXPECT_FALSE(WriteFileAtomically(directory_ / "no" / "such", "x").ok());
  ASSERT_TRUE(WriteFileAtomically(directory_ / "big", "12345").ok());
  EXPECT_EQ(ReadFile(directory_ / "big", 4).error().kind, ErrorKind::kBadInput);
}

}  // namespace
}  // namespace bitloss
