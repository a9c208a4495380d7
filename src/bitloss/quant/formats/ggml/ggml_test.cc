#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "bitloss/base/file.h"
#include "bitloss/quant/formats/ggml/ggml_format.h"
#include "bitloss/quant/formats/ggml/ggml_type.h"
#include "bitloss/quant/formats/ggml/k_blocks.h"
#include "bitloss/quant/testdata/gaussian_matrix.h"

namespace bitloss {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::byte> FromHex(std::string_view hex) {
  std::vector<std::byte> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(std::byte(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

std::vector<float> DecodeBlock(std::string_view type_name, std::string_view hex) {
  const GgmlType& type = *FindGgmlType(type_name);
  std::vector<float> values(type.elements_per_block);
  const Status status = DecodeGgmlRow(type, FromHex(hex), values);
  EXPECT_TRUE(status.ok());
  return values;
}

// testdata/make_ggml_blocks.py asked gguf-py.
TEST(GgmlTest, DecodesRandomBlocksOfEveryTypeToTheBitsOfGgufPy) {
  const std::string golden =
      ReadFile(BITLOSS_SOURCE_DIR "/src/bitloss/quant/formats/ggml/testdata/ggml_blocks.txt")
          .value();
  std::istringstream lines(golden);
  std::string name, block, expected;
  std::map<std::string, int> num_blocks;
  while (lines >> name >> block >> expected) {
    const std::vector<float> values = DecodeBlock(name, block);
    const std::vector<std::byte> bits = FromHex(expected);
    ASSERT_EQ(bits.size(), values.size() * sizeof(float));
    ASSERT_EQ(std::memcmp(values.data(), bits.data(), bits.size()), 0) << name << " " << block;
    ++num_blocks[name];
  }
  for (const GgmlType& type : GgmlTypes()) {
    if (type.unpack == nullptr) continue;
    EXPECT_GE(num_blocks[std::string(type.name)], 4) << type.name;
  }
}

// testdata/make_ggml_encodes.py asked gguf-py and the ggml-quants.c of llama.cpp.
TEST(GgmlTest, EncodesToTheBitsOfLlamaCppWithAndWithoutImportances) {
  const std::string golden =
      ReadFile(BITLOSS_SOURCE_DIR "/src/bitloss/quant/formats/ggml/testdata/ggml_encodes.txt")
          .value();
  std::istringstream lines(golden);
  std::string name, row, hex;
  Matrix weights(1, 256);
  std::vector<float> importance(256);
  std::map<std::string, int> num_rows;
  while (lines >> name >> row >> hex) {
    const std::vector<std::byte> bytes = FromHex(hex);
    if (name == "weights") {
      ASSERT_TRUE(DecodeGgmlRow(*FindGgmlType("F16"), bytes, weights.Row(0)).ok());
    } else if (name == "importance") {
      ASSERT_TRUE(DecodeGgmlRow(*FindGgmlType("F32"), bytes, importance).ok());
    } else {
      const Format& format = GgmlFormat(*FindGgmlType(name.substr(0, name.find('/'))));
      const bool weighted = name.ends_with("/imatrix");
      const EncodedMatrix encoded =
          weighted ? format.encode_weighted(format, weights, importance).value()
                   : format.encode(format, weights).value();
      ASSERT_EQ(encoded.codes.size(), bytes.size());
      EXPECT_EQ(std::memcmp(encoded.codes.data(), bytes.data(), bytes.size()), 0)
          << name << " of row " << row;
      ++num_rows[name];
    }
  }
  const auto format_of = [](std::string_view type) -> const Format& {
    return GgmlFormat(*FindGgmlType(type));
  };
  for (const FormatFamily& family : GgmlFamilies()) {
    const std::string type(GgmlTypeOf(family.make({}).value())->name);
    const bool is_defined = format_of(type).encode(format_of(type), weights).ok();
    EXPECT_EQ(num_rows[type], is_defined ? 11 : 0) << type;
    EXPECT_EQ(num_rows[type + "/imatrix"], 11) << type;
  }
}

TEST(GgmlTest, StoresRowsThatSuperBlocksDoNotDivideAsLlamaCppDoes) {
  constexpr std::pair<std::string_view, std::string_view> kStored[] = {
      {"Q2_K", "iq4_nl"},  {"Q3_K", "iq4_nl"}, {"IQ4_XS", "iq4_nl"},
      {"IQ3_S", "iq4_nl"}, {"TQ1_0", "q4_0"},  {"TQ2_0", "q4_0"},
      {"Q4_K", "q5_0"},    {"Q5_K", "q5_1"},   {"Q6_K", "q8_0"}};
  for (const auto& [name, stored] : kStored) {
    const Format& format = GgmlFormat(*FindGgmlType(name));
    EXPECT_EQ(format.stored_as(format, 576).name, stored);
    EXPECT_EQ(format.stored_as(format, 1536).name, format.name);
    const EncodedMatrix encoded = format.encode(format, GaussianMatrix(3, 576, 1)).value();
    EXPECT_EQ(encoded.format.name, stored);
    EXPECT_EQ(encoded.num_bytes(), format.num_bytes(format, 3, 576));
    EXPECT_EQ(format.supports(format, 1, 100).error().kind, ErrorKind::kUnsupported);
  }
}

TEST(GgmlTest, TypesThatAreOnlyReadSayThatTheyAreNotMade) {
  const Format& format = GgmlFormat(*FindGgmlType("NVFP4"));
  const auto encoded = format.encode(format, GaussianMatrix(1, 256, 1));
  EXPECT_EQ(encoded.error().kind, ErrorKind::kUnsupported);
  EXPECT_THAT(encoded.error().message, HasSubstr("nvfp4_gguf is only read from files"));
}

TEST(GgmlTest, TypesThatAreMadeByImportancesAloneSayHowToAskForThem) {
  for (const char* type : {"IQ1_S", "IQ2_XXS", "IQ2_XS"}) {
    const Format& format = GgmlFormat(*FindGgmlType(type));
    EXPECT_TRUE(NeedsImportances(format));
    const auto encoded = format.encode(format, GaussianMatrix(1, 256, 1));
    EXPECT_EQ(encoded.error().kind, ErrorKind::kUnsupported);
    EXPECT_THAT(encoded.error().message, HasSubstr("ask for " + format.name + "+imatrix"));
  }
}

TEST(GgmlTest, RefusesWeightsBeyondFp16) {
  Matrix weights = GaussianMatrix(2, 256, 1);
  weights.Row(1)[7] = 7e4f;
  const Format& format = GgmlFormat(*FindGgmlType("Q4_1"));
  EXPECT_THAT(format.encode(format, weights).error().message, HasSubstr("row 1, column 7"));
}

TEST(GgmlTest, UnpacksTheWorkedSixBitScales) {
  SixBitScales scales;
  const std::vector<std::byte> bytes = FromHex("1081f203eff05f40e0e42478");
  std::memcpy(scales.bytes.data(), bytes.data(), bytes.size());
  constexpr std::array<uint8_t, 16> kScales = {0,  1,  2,  3,  15, 16, 31, 32,
                                               33, 40, 47, 48, 62, 63, 5,  20};
  for (size_t s = 0; s < 16; ++s) EXPECT_EQ(scales[s], kScales[s]) << s;
  EXPECT_EQ(PackSixBitScales(kScales).bytes, scales.bytes);
}

// Of the table "int4 group conventions": 0.30, -0.70, 0.05, 0.42 as Q4_0, scale 0.0875.
TEST(GgmlTest, EncodesTheWorkedGroupAsQ4_0) {
  Matrix row(1, 32);
  row.Fill(0.0f);
  std::ranges::copy(std::array{0.30f, -0.70f, 0.05f, 0.42f}, row.data());
  const Format& format = GgmlFormat(*FindGgmlType("Q4_0"));
  const GroupedCodes grouped = format.unpack(format.encode(format, row).value());
  EXPECT_THAT(std::vector(grouped.codes.begin(), grouped.codes.begin() + 4),
              ElementsAre(11, 0, 9, 13));
  EXPECT_EQ(grouped.scales[0], ThroughF16(0.0875f));
}

// 0.5, -1, 0.25 at 0..2 and 0.9, -0.3 at 16, 17, the rest 0, as ggml's encoder stores them.
TEST(GgmlTest, DecodesTheWorkedBlockAsQ4_0) {
  const std::vector<float> x = DecodeBlock("Q4_0", "0030fc608a88888888888888888888888888");
  EXPECT_THAT(std::vector(x.begin(), x.begin() + 4), ElementsAre(0.5f, -1.0f, 0.25f, 0.0f));
  EXPECT_THAT(std::vector(x.begin() + 16, x.begin() + 19), ElementsAre(0.875f, -0.25f, 0.0f));
}

TEST(GgmlTest, DecodesTheWorkedBlockAsQ8_0) {
  const std::string zeros(64, '0');
  const std::string block = "0820408120" + zeros.substr(0, 26) + "72da" + zeros.substr(0, 28);
  const std::vector<float> x = DecodeBlock("Q8_0", block);
  const float d = 0.00787353515625f;  // FP16 of 1 / 127
  EXPECT_THAT(std::vector(x.begin(), x.begin() + 4), ElementsAre(64 * d, -127 * d, 32 * d, 0.0f));
  EXPECT_THAT(std::vector(x.begin() + 16, x.begin() + 19), ElementsAre(114 * d, -38 * d, 0.0f));
}

TEST(GgmlTest, DecodesTheWorkedBlockAsQ4_1WhereAZeroIsNotZero) {
  // d = FP16(1.9 / 15) = 0x300E, m = -1 = 0xBC00.
  const std::vector<float> x = DecodeBlock("Q4_1", "0e3000bcfc608a88888888888888888888888888");
  const float d = 0.126708984375f;
  EXPECT_THAT(std::vector(x.begin(), x.begin() + 3), ElementsAre(12 * d - 1, -1.0f, 10 * d - 1));
  EXPECT_NEAR(x[3], 0.0137, 5e-5);
  EXPECT_THAT(std::vector(x.begin() + 16, x.begin() + 18), ElementsAre(15 * d - 1, 6 * d - 1));
}

TEST(GgmlTest, UnpacksTheWorkedSixBitPairs) {
  SixBitPairs pairs;
  const std::vector<std::byte> bytes = FromHex("018203c40a0bcc4de5f1071f");
  std::memcpy(pairs.bytes.data(), bytes.data(), bytes.size());
  std::vector<int> scales, mins;
  for (size_t s = 0; s < 8; ++s) {
    scales.push_back(pairs.Scale(s));
    mins.push_back(pairs.Min(s));
  }
  EXPECT_THAT(scales, ElementsAre(1, 2, 3, 4, 5, 33, 7, 63));
  EXPECT_THAT(mins, ElementsAre(10, 11, 12, 13, 14, 15, 48, 17));
}

TEST(GgmlTest, DecodesPlainTypesAtAnyAlignment) {
  const std::vector<std::byte> bytes = FromHex("ff003c00c0");  // FP16 1 and -2 at byte 1
  std::vector<float> values(2);
  ASSERT_TRUE(DecodeGgmlRow(*FindGgmlType("F16"), std::span(bytes).subspan(1), values).ok());
  EXPECT_THAT(values, ElementsAre(1.0f, -2.0f));
  EXPECT_THAT(DecodeBlock("BF16", "803f"), ElementsAre(1.0f));
  EXPECT_THAT(DecodeBlock("F32", "0000803f"), ElementsAre(1.0f));
}

TEST(GgmlTest, RefusesATypeWithoutADecoderByName) {
  std::vector<float> values(32);
  const std::vector<std::byte> block(18);
  const Status status = DecodeGgmlRow(*FindGgmlType("Q8_1"), block, values);
  EXPECT_EQ(status.error().kind, ErrorKind::kUnsupported);
  EXPECT_THAT(status.error().message, HasSubstr("Q8_1"));
  EXPECT_THAT(status.error().message, HasSubstr("Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K"));
}

TEST(GgmlTest, RefusesSizesThatDoNotFit) {
  const GgmlType& type = *FindGgmlType("Q4_0");
  const std::vector<std::byte> bytes(18);
  std::vector<float> half(16), whole(32), twice(64);
  EXPECT_EQ(DecodeGgmlRow(type, bytes, half).error().kind, ErrorKind::kBadInput);
  EXPECT_EQ(DecodeGgmlRow(type, bytes, twice).error().kind, ErrorKind::kBadInput);
  EXPECT_TRUE(DecodeGgmlRow(type, bytes, whole).ok());
  EXPECT_TRUE(DecodeGgmlRow(type, {}, {}).ok());
}

TEST(GgmlTest, KnowsNoRetiredType) {
  EXPECT_EQ(FindGgmlType(4), nullptr);
  EXPECT_EQ(FindGgmlType(36), nullptr);
  EXPECT_EQ(FindGgmlType(30)->plain, DType::kBF16);
  EXPECT_EQ(GgmlRowBytes(*FindGgmlType("Q6_K"), 4096), 16u * 210u);
}

}  // namespace
}  // namespace bitloss
