#include "bitloss/model/importance.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "bitloss/model/measure_importance.h"

namespace bitloss {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Bytes {
 public:
  template <class T>
  Bytes& Put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(T));
    return *this;
  }
  Bytes& Text(std::string_view text) {
    bytes_ += text;
    return *this;
  }
  Bytes& Floats(std::initializer_list<float> values) {
    for (const float value : values) Put(value);
    return *this;
  }
  const std::string& get() const { return bytes_; }

 private:
  std::string bytes_;
};

std::filesystem::path Write(const std::string& bytes) {
  const auto path = std::filesystem::path(testing::TempDir()) / "importance_test.imatrix";
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

TEST(ImportanceTest, ReadsWhatItWrites) {
  MeasuredImportances measured;
  measured.entries = {{"blk.0.attn_q.weight", {0.5f, 3.0f}}, {"blk.0.ffn_down.weight", {0.0f}}};
  measured.text_name = "calibration.txt";
  measured.num_sequences = 8;
  measured.sequence_tokens = 512;  // sums of a power of two of tokens are exact
  const auto path = std::filesystem::path(testing::TempDir()) / "importance_test.gguf";
  ASSERT_TRUE(WriteImportanceFile(measured, path).ok());
  EXPECT_EQ(ImportanceFile::Open(path).value().entries(), measured.entries);
}

std::string LegacyFile() {
  Bytes file;
  file.Put(int32_t{2});
  file.Put(int32_t{4}).Text("blk0").Put(int32_t{10}).Put(int32_t{3}).Floats({20.0f, 5.0f, 0.0f});
  file.Put(int32_t{4}).Text("blk1").Put(int32_t{0}).Put(int32_t{1}).Floats({7.0f});
  return file.get();
}

// A GGUF with NAME.in_sum2 [1][2] and NAME.counts [1][1].
std::string GgufFileWith(float count) {
  Bytes file;
  file.Text("GGUF").Put(uint32_t{3}).Put(uint64_t{2}).Put(uint64_t{0});
  const auto tensor = [&](std::string_view name, uint64_t width, uint64_t offset) {
    file.Put(uint64_t{name.size()}).Text(name).Put(uint32_t{2}).Put(width).Put(uint64_t{1});
    file.Put(uint32_t{0}).Put(offset);
  };
  tensor("a.weight.in_sum2", 2, 0);
  tensor("a.weight.counts", 1, 32);
  std::string bytes = file.get();
  bytes.resize((bytes.size() + 31) / 32 * 32);
  Bytes data;
  data.Floats({6.0f, 9.0f});
  bytes += data.get();
  bytes.resize((bytes.size() + 31) / 32 * 32);
  Bytes last;
  last.Put(count);
  return bytes + last.get() + std::string(28, '\0');
}

TEST(ImportanceFileTest, DividesSumsByCallsInLegacyFiles) {
  const auto file = ImportanceFile::Open(Write(LegacyFile())).value();
  EXPECT_THAT(file.entries().at("blk0"), ElementsAre(2.0f, 0.5f, 0.0f));
  EXPECT_THAT(file.entries().at("blk1"), ElementsAre(7.0f));
}

TEST(ImportanceFileTest, DividesSumsByCountsInGgufFiles) {
  const auto file = ImportanceFile::Open(Write(GgufFileWith(3.0f))).value();
  EXPECT_THAT(file.entries().at("a.weight"), ElementsAre(2.0f, 3.0f));
  EXPECT_THAT(ImportanceFile::Open(Write(GgufFileWith(0.0f))).error().message,
              HasSubstr("'a.weight.counts' is not one positive number"));
}

TEST(ImportanceFileTest, RefusesFilesThatEndEarly) {
  const std::string whole = LegacyFile();
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(ImportanceFile::Open(Write(whole.substr(0, size))).ok()) << size;
  }
}

TEST(ImportanceFileTest, RefusesSizesAndValuesThatCannotBe) {
  Bytes negative;
  negative.Put(int32_t{1}).Put(int32_t{-4});
  EXPECT_THAT(ImportanceFile::Open(Write(negative.get())).error().message,
              HasSubstr("the size -4 is negative"));
  Bytes square;
  square.Put(int32_t{1}).Put(int32_t{1}).Text("a").Put(int32_t{1}).Put(int32_t{1}).Floats({-1.0f});
  EXPECT_THAT(ImportanceFile::Open(Write(square.get())).error().message,
              HasSubstr("importance 0 of 'a' is -1"));
}

TEST(ImportanceFileTest, NamesTheMatrixThatItDoesNotHave) {
  const auto file = ImportanceFile::Open(Write(LegacyFile())).value();
  ModelConfig config;
  config.hidden_size = config.intermediate_size = config.head_dim = 2;
  config.num_layers = config.num_heads = config.num_kv_heads = 1;
  LayerSource block;
  block.plan = std::make_shared<const LayerPlan>(PlanLayer(config, 0));
  block.weights.resize(block.plan->linears.size());
  EXPECT_THAT(file.OfLayer(3, block).error().message, HasSubstr("has no 'blk.3.attn_q.weight'"));
}

}  // namespace
}  // namespace bitloss
