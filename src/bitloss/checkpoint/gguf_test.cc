#include "bitloss/checkpoint/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bitloss/checkpoint/gguf_header.h"
#include "bitloss/checkpoint/test_files.h"

namespace bitloss {
namespace {

using test_files::Folder;
using test_files::Gguf;
using test_files::Raw;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const std::string kBlocks(2 * 18, '\x11');  // two blocks of Q4_0

Error ErrorOf(const std::string& file) {
  const Result<GgufHeader> parsed = ParseGgufHeader(test_files::Bytes(file));
  if (parsed.ok()) return {ErrorKind::kIo, "no error"};
  return parsed.error();
}

// One pair of 8 + 20 + 4 + 8 + 5 bytes, one entry of 57: the data begin at 128.
TEST(GgufTest, ReadsTheWorkedExample) {
  const std::string file = Gguf()
                               .Text("general.architecture", "llama")
                               .Tensor("token_embd.weight", {32, 2}, 2, kBlocks)
                               .Build();
  EXPECT_EQ(file.size(), 128u + 64u);
  const GgufHeader header = ParseGgufHeader(test_files::Bytes(file)).value();
  EXPECT_EQ(header.num_bytes, 126u);
  EXPECT_EQ(header.metadata.GetString("general.architecture").value(), "llama");
  ASSERT_EQ(header.tensors.size(), 1u);
  EXPECT_THAT(header.tensors[0].shape, ElementsAre(2, 32));  // slowest first
  EXPECT_EQ(header.tensors[0].type->name, "Q4_0");
  EXPECT_EQ(header.tensors[0].bytes.size(), 36u);
  EXPECT_EQ(header.tensors[0].bytes.data()[0], std::byte{0x11});
}

TEST(GgufTest, ReadsEveryKindOfValue) {
  const std::string two_u16 =
      Raw(uint32_t{2}) + Raw(uint64_t{2}) + Raw(uint16_t{1}) + Raw(uint16_t{2});
  const std::string two_i32 = Raw(uint32_t{5}) + Raw(uint64_t{2}) + Raw(-1) + Raw(2);
  const std::string one_f32 = Raw(uint32_t{6}) + Raw(uint64_t{1}) + Raw(0.5f);
  const std::string two_bools = Raw(uint32_t{7}) + Raw(uint64_t{2}) + std::string("\x01\x00", 2);
  const std::string file = Gguf()
                               .Version(2)
                               .Pair("u8", 0, Raw(uint8_t{255}))
                               .Pair("i8", 1, Raw(int8_t{-1}))
                               .Pair("u16", 2, Raw(uint16_t{65535}))
                               .Pair("i16", 3, Raw(int16_t{-2}))
                               .Uint("u32", 7)
                               .Pair("i32", 5, Raw(3))
                               .Float("f32", 0.25f)
                               .Pair("bool", 7, Raw(uint8_t{1}))
                               .Text("string", "two\nlines")
                               .Pair("u64", 10, Raw(~uint64_t{0}))
                               .Pair("i64", 11, Raw(int64_t{-4}))
                               .Pair("f64", 12, Raw(0.1))
                               .Texts("strings", {"a", ""})
                               .Pair("u16s", 9, two_u16)
                               .Pair("i32s", 9, two_i32)
                               .Pair("f32s", 9, one_f32)
                               .Pair("bools", 9, two_bools)
                               .Build();
  const GgufHeader header = ParseGgufHeader(test_files::Bytes(file)).value();
  const GgufMetadata& metadata = header.metadata;
  EXPECT_EQ(header.version, 2u);
  EXPECT_EQ(metadata.GetUint("u8").value(), 255u);
  EXPECT_EQ(metadata.GetUint("u16").value(), 65535u);
  EXPECT_EQ(metadata.GetUint("u32").value(), 7u);
  EXPECT_EQ(metadata.GetUint("i32").value(), 3u);
  EXPECT_EQ(metadata.GetUint("u64").value(), ~uint64_t{0});
  EXPECT_EQ(metadata.GetFloat("f32").value(), 0.25);
  EXPECT_EQ(metadata.GetFloat("f64").value(), 0.1);
  EXPECT_TRUE(metadata.GetBool("bool").value());
  EXPECT_EQ(metadata.GetString("string").value(), "two\nlines");
  EXPECT_THAT(metadata.GetStrings("strings").value(), ElementsAre("a", ""));
  EXPECT_THAT(metadata.GetInts("u16s").value(), ElementsAre(1, 2));
  EXPECT_THAT(metadata.GetInts("i32s").value(), ElementsAre(-1, 2));
  EXPECT_THAT(metadata.GetFloats("f32s").value(), ElementsAre(0.5));
  EXPECT_EQ(std::get<std::vector<bool>>(metadata.values().at("bools")),
            (std::vector<bool>{true, false}));
}

TEST(GgufTest, SaysWhichKeyIsMissingOrOfAnotherKind) {
  GgufMetadata metadata;
  metadata.Insert("name", std::string("x"));
  metadata.Insert("minus", int64_t{-1});
  EXPECT_EQ(metadata.GetUint("absent").error().kind, ErrorKind::kNotFound);
  EXPECT_THAT(metadata.GetUint("absent").error().message, HasSubstr("'absent'"));
  EXPECT_EQ(metadata.GetUint("name").error().kind, ErrorKind::kBadInput);
  EXPECT_THAT(metadata.GetUint("minus").error().message, HasSubstr("'minus' is not an integer"));
  EXPECT_FALSE(metadata.GetFloat("minus").ok());
  EXPECT_FALSE(metadata.GetStrings("name").ok());
  EXPECT_FALSE(metadata.GetInts("name").ok());
  EXPECT_FALSE(metadata.Insert("name", true));
}

TEST(GgufTest, RefusesOtherVersionsByName) {
  EXPECT_THAT(ErrorOf("GGML plus some more bytes").message, HasSubstr("not a GGUF file"));
  EXPECT_THAT(ErrorOf("GG").message, HasSubstr("not a GGUF file"));
  EXPECT_THAT(ErrorOf(Gguf().Version(1).Build()).message, HasSubstr("GGUF version 1"));
  EXPECT_THAT(ErrorOf(Gguf().Version(4).Build()).message, HasSubstr("GGUF version 4"));
  EXPECT_EQ(ErrorOf(Gguf().Version(0x03000000).Build()).kind, ErrorKind::kUnsupported);
  EXPECT_THAT(ErrorOf(Gguf().Version(0x03000000).Build()).message, HasSubstr("big-endian"));
}

TEST(GgufTest, RefusesWhatALiarWrites) {
  const uint64_t huge = uint64_t{1} << 62;
  const std::string long_array = Raw(uint32_t{10}) + Raw(uint64_t{1} << 29);
  const std::string nested = Raw(uint32_t{9}) + Raw(uint64_t{1}) + Raw(uint32_t{0});
  struct Case {
    std::string file;
    std::string message;
  };
  const Case cases[] = {
      {Gguf().NumTensors(huge).Build(), "do not fit a file of"},
      {Gguf().Uint("", 1).Build(), "metadata key is empty"},
      {Gguf().Uint("a\nb", 1).Build(), "not printable"},
      {Gguf().Uint("a", 1).Uint("a", 1).Build(), "metadata key 'a' again"},
      {Gguf().Pair("a", 13, Raw(uint64_t{0})).Build(), "unknown value type 13"},
      {Gguf().Pair("a", 7, Raw(uint8_t{2})).Build(), "a bool of value 2"},
      {Gguf().Pair("a", 8, Raw(huge)).Build(), "string of"},
      {Gguf().Pair("a", 8, Raw(uint64_t{1000})).Build(), "need 1000 bytes"},
      {Gguf().Pair("a", 9, Raw(uint32_t{4}) + Raw(huge)).Build(), "array of"},
      {Gguf().Pair("a", 9, long_array).Build(), "need 4294967296 bytes"},
      {Gguf().Pair("a", 9, Raw(uint32_t{8}) + Raw(uint64_t{1} << 29)).Build(), "do not fit"},
      {Gguf().Pair("a", 9, Raw(uint32_t{99}) + Raw(uint64_t{0})).Build(), "element type 99"},
      {Gguf().Pair("a", 9, nested).Build(), "array of arrays"},
      {Gguf().Uint("general.alignment", 24).Build(), "alignment is 24"},
      {Gguf().Uint("general.alignment", 0).Build(), "alignment is 0"},
      {Gguf().Text("general.alignment", "32").Build(), "not an integer"},
      {Gguf().F32(std::string(64, 'n'), {1}, {{1.0f}}).Build(), "longer than 63"},
      {Gguf().F32("t", {1}, {{1.0f}}).F32("t", {1}, {{1.0f}}).Build(), "tensor 't' again"},
      {Gguf().F32("t", {1, 1, 1, 1, 1}, {{1.0f}}).Build(), "tensor 't': 5 dimensions"},
      {Gguf().F32("t", {}, {{1.0f}}).Build(), "tensor 't': 0 dimensions"},
      {Gguf().F32("t", {0}, {}).Build(), "a dimension of 0"},
      {Gguf().F32("t", {~uint64_t{0}}, {}).Build(), "a dimension of 18446744073709551615"},
      {Gguf().F32("t", {huge, huge}, {}).Build(), "its size overflows"},
      {Gguf().F32("t", {huge}, {}).Build(), "its size overflows"},
      {Gguf().Tensor("t", {32}, 4, kBlocks).Build(), "unknown tensor type 4"},
      {Gguf().Tensor("t", {33}, 2, kBlocks).Build(), "rows of 33 elements end inside a block"},
      {Gguf().Tensor("t", {32, 1000}, 2, kBlocks).Build(), "is truncated"},
      {Gguf().TensorAt(32, "t", {32, 2}, 2, kBlocks).Build(), "begins at offset 32"},
      {Gguf().TensorAt(huge, "t", {32, 2}, 2, kBlocks).Build(), "begins at offset"},
      {Gguf().F32("t", {1}, {{1.0f}}).TensorAt(0, "u", {1}, 0, "1234").Build(), "'u': begins at"},
      {Gguf().F32("t", {1}, {{1.0f}}).Build() + "?", "1 bytes after the end"},
  };
  for (const Case& c : cases) {
    const Error error = ErrorOf(c.file);
    EXPECT_THAT(error.message, HasSubstr(c.message));
    EXPECT_THAT(error.message, Not(HasSubstr("\n")));
  }
}

std::string SmallFile() {
  return Gguf()
      .Text("general.architecture", "llama")
      .Uint("general.alignment", 32)
      .Texts("tokenizer.ggml.tokens", {"a", "b", "\xff"})
      .F32("output_norm.weight", {3}, {{1, 2, 3}})
      .Tensor("token_embd.weight", {32, 2}, 2, kBlocks)
      .Build();
}

// Either the file still is one, with tensors inside it, or there is a reason in one line.
void CheckSurvives(const std::string& file) {
  const auto parsed = ParseGgufHeader(test_files::Bytes(file));
  if (!parsed.ok()) {
    ASSERT_FALSE(parsed.error().message.empty());
    ASSERT_EQ(parsed.error().message.find('\n'), std::string::npos);
    return;
  }
  for (const GgufTensor& tensor : parsed.value().tensors) {
    std::vector<float> row(tensor.shape.back());
    const uint64_t row_bytes = GgmlRowBytes(*tensor.type, row.size());
    (void)DecodeGgmlRow(*tensor.type, tensor.bytes.span().subspan(tensor.bytes.size() - row_bytes),
                        row);
  }
}

TEST(GgufTest, SurvivesEveryTruncationAndEveryChangedByte) {
  const std::string good = SmallFile();
  ASSERT_TRUE(ParseGgufHeader(test_files::Bytes(good)).ok());
  for (size_t i = 0; i < good.size(); ++i) {
    CheckSurvives(good.substr(0, i));
    for (const int flip : {0x01, 0x80, 0xFF}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ flip);
      CheckSurvives(bad);
    }
  }
}

Gguf Part(uint16_t number, uint16_t count) {
  Gguf part;
  part.Pair("split.no", 2, Raw(number)).Pair("split.count", 2, Raw(count));
  part.Pair("split.tensors.count", 5, Raw(int32_t{2}));
  return part;
}

TEST(GgufTest, OpensAllPartsOfASplitFile) {
  const Folder folder;
  const auto first = folder.Write("m-00001-of-00002.gguf",
                                  Part(0, 2).Text("k", "v").F32("a", {1}, {{1.0f}}).Build());
  const auto second =
      folder.Write("m-00002-of-00002.gguf", Part(1, 2).F32("b", {1}, {{2.0f}}).Build());
  const GgufFile file = GgufFile::Open(first).value();
  EXPECT_EQ(file.metadata().GetString("k").value(), "v");
  EXPECT_EQ(file.tensors().size(), 2u);
  ASSERT_NE(file.FindTensor("b"), nullptr);
  EXPECT_EQ(file.FindTensor("c"), nullptr);
  EXPECT_EQ(file.headers().size(), 2u);

  const GgufFile by_second = GgufFile::Open(second).value();
  EXPECT_EQ(by_second.metadata().GetString("k").value(), "v");
  EXPECT_EQ(by_second.tensors()[0].name, "a");
  EXPECT_EQ(by_second.tensors()[1].name, "b");

  folder.Write("m-00002-of-00002.gguf", Part(1, 2).F32("a", {1}, {{2.0f}}).Build());
  EXPECT_THAT(GgufFile::Open(first).error().message, HasSubstr("'a' is in an earlier part too"));

  folder.Write("m-00002-of-00002.gguf", Part(1, 2).Build());
  EXPECT_THAT(GgufFile::Open(first).error().message, HasSubstr("the parts hold 1 tensors"));

  folder.Write("m-00002-of-00002.gguf", Part(0, 2).F32("b", {1}, {{2.0f}}).Build());
  EXPECT_THAT(GgufFile::Open(first).error().message, HasSubstr("says that it is part 1 of 2"));

  Gguf foreign;
  foreign.Pair("split.no", 2, Raw(uint16_t{1})).Pair("split.count", 2, Raw(uint16_t{2}));
  foreign.Pair("split.tensors.count", 5, Raw(int32_t{3}));
  folder.Write("m-00002-of-00002.gguf", foreign.F32("b", {1}, {{2.0f}}).Build());
  EXPECT_THAT(GgufFile::Open(first).error().message,
              HasSubstr("a part of another file: split.tensors.count is 3, in m-00001-of-00002"));

  folder.Write("m-00002-of-00002.gguf", Part(2, 2).F32("b", {1}, {{2.0f}}).Build());
  EXPECT_THAT(GgufFile::Open(second).error().message,
              HasSubstr("split.no is 2, but split.count 2"));

  std::filesystem::remove(second);
  EXPECT_EQ(GgufFile::Open(first).error().kind, ErrorKind::kNotFound);
  EXPECT_THAT(GgufFile::Open(first).error().message, HasSubstr("part 2 of 2 is missing"));

  const auto renamed = folder.Write("m.gguf", Part(0, 2).F32("a", {1}, {{1.0f}}).Build());
  EXPECT_THAT(GgufFile::Open(renamed).error().message, HasSubstr("must end in '-00001-of-00002"));

  std::filesystem::remove(first);
  folder.Write("m-00002-of-00002.gguf", Part(1, 2).F32("b", {1}, {{2.0f}}).Build());
  EXPECT_THAT(GgufFile::Open(second).error().message, HasSubstr("part 1 of 2 is missing"));
}

TEST(GgufTest, NamesAFileThatIsNotThereOrEmpty) {
  const Folder folder;
  EXPECT_EQ(GgufFile::Open(folder.path() / "none.gguf").error().kind, ErrorKind::kNotFound);
  EXPECT_THAT(GgufFile::Open(folder.Write("empty.gguf", "")).error().message,
              HasSubstr("empty.gguf: not a GGUF file"));
}

}  // namespace
}  // namespace bitloss
