#include "bitloss/checkpoint/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "bitloss/checkpoint/test_files.h"
#include "bitloss/json/parse.h"

namespace bitloss {
namespace {

using test_files::Raw;
using test_files::Safetensors;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

Error ErrorOf(const std::string& file) {
  const auto parsed = SafetensorsFile::Parse(test_files::Bytes(file));
  if (parsed.ok()) return {ErrorKind::kIo, "no error"};
  return parsed.error();
}

// 54 characters padded to 56: the file begins 38 00 ... and has 68 bytes.
TEST(SafetensorsTest, ReadsTheWorkedExample) {
  const std::string file =
      Safetensors(R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}  )",
                  std::string("\0\x3c\0\xc0", 4));
  EXPECT_EQ(file.size(), 68u);
  EXPECT_EQ(file[0], 0x38);
  const auto parsed = SafetensorsFile::Parse(test_files::Bytes(file)).value();
  const SafetensorsEntry* a = parsed.Find("a");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->dtype, DType::kF16);
  EXPECT_THAT(a->shape, ElementsAre(2));
  EXPECT_EQ(a->bytes.data()[1], std::byte{0x3c});
  EXPECT_EQ(parsed.Find("b"), nullptr);
  EXPECT_EQ(parsed.header().size(), 64u);
}

TEST(SafetensorsTest, OrdersTensorsByTheirBytesAndKeepsMetadata) {
  const auto file = SafetensorsFile::Parse(
      test_files::Bytes(Safetensors(R"({"__metadata__":{"format":"pt"},)"
                                    R"("a":{"dtype":"F32","shape":[],"data_offsets":[2,6]},)"
                                    R"("empty":{"dtype":"F64","shape":[0,7],"data_offsets":[2,2]},)"
                                    R"("b":{"dtype":"F4","shape":[2,2],"data_offsets":[0,2]}})",
                                    "123456")));
  ASSERT_TRUE(file.ok());
  EXPECT_THAT(file.value().metadata(), ElementsAre(Pair("format", "pt")));
  std::vector<std::string> names;
  for (const auto& entry : file.value().entries()) names.push_back(entry.name);
  EXPECT_THAT(names, ElementsAre("b", "empty", "a"));
  EXPECT_EQ(file.value().entries()[0].dtype, std::nullopt);  // F4: kept, not read
  EXPECT_EQ(file.value().entries()[0].stored_type, "F4");
}

TEST(SafetensorsTest, RefusesWhatALiarWrites) {
  const auto one = [](const std::string& dtype, const std::string& shape,
                      const std::string& range) {
    return Safetensors(R"({"t":{"dtype":")" + dtype + R"(","shape":)" + shape +
                           R"(,"data_offsets":)" + range + "}}",
                       "12345678");
  };
  const std::string entry = R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  struct Case {
    std::string file;
    std::string message;
  };
  const Case cases[] = {
      {"1234567", "need 8 bytes"},
      {Raw(uint64_t{100'000'001}), "header of 100000001 bytes"},
      {Raw(~uint64_t{0}) + "{}", "header of 18446744073709551615 bytes"},
      {Raw(uint64_t{100}) + "{}", "need 100 bytes, but only 2"},
      {Safetensors("", ""), "does not begin with '{'"},
      {Safetensors(" {}", ""), "does not begin with '{'"},
      {Safetensors("{} x", ""), "not valid JSON"},
      {Safetensors(std::string("{}\0x", 4), ""), "not valid JSON"},
      {Safetensors("{\"\xff\":1}", ""), "not valid JSON"},
      {Safetensors(std::string(1000, '{'), ""), "not valid JSON"},
      {Safetensors("{\"a\":" + std::string(1000, '['), ""), "nest deeper"},
      {Safetensors("{\"a\":" + entry + ",\"a\":" + entry + "}", "1234"), "\"a\" appears twice"},
      {Safetensors("{\"a\\n\":" + entry + "}", "1234"), "unprintable tensor name \"a\\n\""},
      {Safetensors(R"({"a":1})", ""), "tensor 'a': not an object"},
      {Safetensors(R"({"__metadata__":{"a":1}})", ""), "\"a\" is not a string"},
      {Safetensors(R"({"__metadata__":[]})", ""), "is not an object"},
      {Safetensors(R"({"t":{"shape":[1],"data_offsets":[0,4]}})", "1234"), "'dtype' is not"},
      {one("F31", "[2]", "[0,8]"), "unknown dtype \"F31\""},
      {one("F32", "2", "[0,8]"), "'shape' is not an array"},
      {one("F32", "[2.0]", "[0,8]"), "'shape' holds 2.0"},
      {one("F32", "[-2]", "[0,8]"), "'shape' holds -2"},
      {one("F32", "[2]", "[0,8,8]"), "has 3 numbers, not 2"},
      {one("F32", "[2]", "[8,0]"), "does not make the bytes [8, 0)"},
      {one("F32", "[3]", "[0,8]"), "shape [3] of F32 does not make"},
      {one("F4", "[15]", "[0,7]"), "shape [15] of F4 does not make"},
      {one("F32", "[4611686018427387904,4]", "[0,0]"), "overflows"},
      {one("F32", "[18446744073709551616]", "[0,0]"), "'shape' holds"},
      {one("F32", "[1]", "[4,8]"), "begins at byte 4 of the data"},
      {one("F32", "[3]", "[0,12]"), "not inside the data of 8 bytes"},
      {one("F32", "[1]", "[0,4]"), "4 bytes after the last tensor"},
      {Safetensors("{\"a\":" + entry + ",\"b\":" + entry + "}", "1234"), "'b': begins at byte 0"},
  };
  for (const Case& c : cases) {
    const Error error = ErrorOf(c.file);
    EXPECT_THAT(error.message, HasSubstr(c.message));
    EXPECT_THAT(error.message, Not(HasSubstr("\n")));
    EXPECT_EQ(error.kind, ErrorKind::kBadInput);
  }
}

TEST(SafetensorsTest, SurvivesEveryTruncationAndEveryChangedByte) {
  const std::string good =
      Safetensors(R"({"__metadata__":{"format":"pt"},)"
                  R"("x":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
                  R"("y":{"dtype":"BF16","shape":[3],"data_offsets":[8,14]}} )",
                  "abcdefghijklmn");
  ASSERT_TRUE(SafetensorsFile::Parse(test_files::Bytes(good)).ok());
  const auto check = [](const std::string& file) {
    const auto parsed = SafetensorsFile::Parse(test_files::Bytes(file));
    if (parsed.ok()) {
      for (const auto& entry : parsed.value().entries()) {
        ASSERT_LE(entry.bytes.size(), file.size());
        for (const std::byte byte : entry.bytes.span()) ASSERT_LT(std::to_integer<int>(byte), 256);
      }
    } else {
      ASSERT_FALSE(parsed.error().message.empty());
      ASSERT_EQ(parsed.error().message.find('\n'), std::string::npos);
    }
  };
  for (size_t i = 0; i < good.size(); ++i) {
    check(good.substr(0, i));
    for (const int flip : {0x01, 0x80, 0xFF}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ flip);
      check(bad);
    }
  }
}

}  // namespace
}  // namespace bitloss
