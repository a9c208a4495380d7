#include "bitloss/quant/kv_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "bitloss/base/random.h"
#include "bitloss/quant/formats/ggml/ggml_type.h"
#include "bitloss/quant/testdata/golden_json.h"

namespace bitloss {
namespace {

using testing::HasSubstr;

std::vector<float> RandomRow(size_t size) {
  const RandomStream random(7, "row");
  std::vector<float> row(size);
  for (size_t i = 0; i < size; ++i) {
    row[i] = static_cast<float>(random.Uniform(i) - 0.5) * 8.0f;
  }
  return row;
}

double Dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * double{b[i]};
  return sum;
}

TEST(KvFormat, NamesComeBack) {
  for (const std::string_view name : KvFormatNames()) {
    EXPECT_EQ(NameOf(ParseKvFormat(name).value()), name);
  }
  EXPECT_EQ(NameOf(ParseKvFormat("q4_0:plain").value()), "q4_0:plain");
  EXPECT_THAT(ParseKvFormat("q8_1").error().message, HasSubstr("known are q8_0"));
  EXPECT_THAT(ParseKvFormat("f16:plain").error().message, HasSubstr("never turned"));
  EXPECT_EQ(BitsOf(ParseKvFormat("q4_0").value()), 4.5);
  EXPECT_EQ(BitsOf(ParseKvFormat("q5_1").value()), 6.0);
  EXPECT_EQ(BitsOf(ParseKvFormat("fp8_e5m2").value()), 8.0);
}

TEST(KvFormat, IsSaidAsASchemeSaysIt) {
  const KvFormat q8 = ParseKvFormat("q8_0").value(), q4 = ParseKvFormat("q4_0:plain").value();
  EXPECT_EQ(SuffixOf({}), "");
  EXPECT_EQ(SuffixOf({q8, q8}), "+kv=q8_0");
  EXPECT_EQ(SuffixOf({q8, q4}), "+k=q8_0+v=q4_0:plain");
  EXPECT_EQ(SuffixOf({{}, q4}), "+v=q4_0:plain");
}

TEST(KvFormat, FloatsRoundToNearestEvenAndSaturate) {
  std::vector<float> row = {1.0f, 1.03125f, 500.0f, -1e6f, 0.0f, 70000.0f};
  std::vector<float> e4m3 = row, e5m2 = row, f16 = row, bf16 = row;
  RoundKeys(ParseKvFormat("fp8_e4m3").value(), 2, e4m3);
  EXPECT_THAT(e4m3, testing::ElementsAre(1.0f, 1.0f, 448.0f, -448.0f, 0.0f, 448.0f));
  RoundValues(ParseKvFormat("fp8_e5m2").value(), 2, e5m2);
  EXPECT_THAT(e5m2, testing::ElementsAre(1.0f, 1.0f, 512.0f, -57344.0f, 0.0f, 57344.0f));
  RoundKeys(ParseKvFormat("f16").value(), 2, f16);
  EXPECT_EQ(f16[1], 1.03125f);
  EXPECT_EQ(f16[5], std::numeric_limits<float>::infinity());
  RoundKeys(ParseKvFormat("bf16").value(), 2, bf16);
  EXPECT_EQ(bf16[1], 1.03125f);
  EXPECT_EQ(bf16[5], 70144.0f);
}

// testdata/ggml_rows.json: llama.cpp's own functions.
TEST(KvFormat, BlocksOfLlamaCppGiveBackTheSameNumbers) {
  const nlohmann::json golden = golden::Read("ggml_rows.json");
  const Matrix x = golden::MatrixOf(golden, "x");
  ASSERT_EQ(golden.at("caches").size(), 6u);
  for (const nlohmann::json& cache : golden.at("caches")) {
    const auto name = cache.at("name").get<std::string>();
    const KvFormat format = ParseKvFormat(name + ":plain").value();
    const auto expected = golden::Array<float>(cache.at("rounded_f32"));
    for (size_t row = 0; row < x.rows(); ++row) {
      std::vector<float> values(x.Row(row).begin(), x.Row(row).end());
      RoundValues(format, 64, values);
      EXPECT_THAT(values,
                  testing::ElementsAreArray(std::span(expected).subspan(row * x.cols(), x.cols())))
          << name << ", row " << row;
    }
  }
}

// Without turning, the blocks of a file's type, but for the two that a cache writes another way.
TEST(KvFormat, BlocksAreThoseOfFiles) {
  for (const std::string_view name : {"q5_1", "q5_0", "q4_1", "q4_0"}) {
    std::string upper(name);
    for (char& c : upper) c = static_cast<char>(std::toupper(c));
    const GgmlType& type = *FindGgmlType(upper);
    std::vector<float> row = RandomRow(128);
    std::vector<float> expected(row.size());
    for (size_t at = 0; at < row.size(); at += 32) {
      std::vector<std::byte> block(type.bytes_per_block);
      type.encode(std::span(row).subspan(at, 32), {}, 0, block.data());
      type.decode(block, std::span(expected).subspan(at, 32));
    }
    RoundKeys(ParseKvFormat(std::string(name) + ":plain").value(), 64, row);
    EXPECT_EQ(row, expected) << name;
  }
}

TEST(KvFormat, EightBitsAreOneOf255StepsOfTheLargest) {
  std::vector<float> row = RandomRow(64);
  const std::vector<float> before = row;
  RoundKeys(ParseKvFormat("q8_0:plain").value(), 64, row);
  for (size_t at = 0; at < row.size(); at += 32) {
    float largest = 0;
    for (size_t i = at; i < at + 32; ++i) largest = std::max(largest, std::abs(before[i]));
    // Half a step, and the scale's rounding to FP16 (2^-11) times at most 127 steps.
    for (size_t i = at; i < at + 32; ++i) {
      EXPECT_NEAR(row[i], before[i], largest / 127 * (0.5 + 127.0 / 2048));
    }
  }
}

TEST(KvFormat, Iq4NlKeepsLevelsOfOneScale) {
  std::vector<float> row = RandomRow(32);
  const std::vector<float> before = row;
  RoundKeys(ParseKvFormat("iq4_nl:plain").value(), 32, row);
  double error = 0;
  for (size_t i = 0; i < 32; ++i) error += std::pow(double{row[i]} - before[i], 2);
  EXPECT_LT(error / Dot(before, before), 0.01);
  std::ranges::sort(row);
  row.erase(std::unique(row.begin(), row.end()), row.end());
  EXPECT_LE(row.size(), 16u);
}

// Turned keys meet turned queries: their products are those of neither, but for rounding.
TEST(KvFormat, TurningLeavesProductsAlone) {
  for (const size_t head_dim : {64, 128, 192}) {
    std::vector<float> keys = RandomRow(head_dim), queries(keys.rbegin(), keys.rend());
    const double before = Dot(keys, queries);
    const double size = std::sqrt(Dot(keys, keys) * Dot(queries, queries));
    const KvFormat format = ParseKvFormat("q8_0").value();
    RoundKeys(format, head_dim, keys);
    RoundQueries(format, head_dim, queries);
    EXPECT_NEAR(Dot(keys, queries), before, 0.01 * size) << head_dim;
    std::vector<float> values = RandomRow(head_dim);
    const std::vector<float> original = values;
    RoundValues(format, head_dim, values);
    TurnBack(format, head_dim, values);
    for (size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], original[i], 0.05);
  }
}

// Heads that 64 does not divide are not turned.
TEST(KvFormat, NarrowHeadsStayAsTheyAre) {
  std::vector<float> turned = RandomRow(96), plain = turned;
  RoundKeys(ParseKvFormat("q4_0").value(), 96, turned);
  RoundKeys(ParseKvFormat("q4_0:plain").value(), 96, plain);
  EXPECT_EQ(turned, plain);
  EXPECT_TRUE(CheckKvFormat(ParseKvFormat("q4_0").value(), 96).ok());
  EXPECT_THAT(CheckKvFormat(ParseKvFormat("q4_0").value(), 80).error().message,
              HasSubstr("do not divide heads of 80"));
  EXPECT_TRUE(CheckKvFormat(ParseKvFormat("fp8_e4m3").value(), 80).ok());
}

TEST(KvFormat, WhatIsNotFiniteStays) {
  std::vector<float> row = RandomRow(64);
  row[3] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> before = row;
  RoundKeys(ParseKvFormat("q4_0").value(), 64, row);
  EXPECT_TRUE(std::isnan(row[3]));
  EXPECT_TRUE(std::equal(row.begin(), row.begin() + 3, before.begin()));
  EXPECT_TRUE(std::equal(row.begin() + 4, row.end(), before.begin() + 4));
}

}  // namespace
}  // namespace bitloss
