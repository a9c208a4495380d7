#include "bitloss/checkpoint/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "bitloss/checkpoint/gguf_checkpoint.h"
#include "bitloss/checkpoint/test_files.h"

namespace bitloss {
namespace {

using test_files::Floats;
using test_files::Folder;
using test_files::Gguf;
using test_files::Safetensors;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;

std::string OneTensor(const std::string& name, std::span<const float> values) {
  return Safetensors(
      fmt::format(R"({{"{}":{{"dtype":"F32","shape":[{},2],"data_offsets":[0,{}]}}}})", name,
                  values.size() / 2, values.size() * 4),
      Floats(values));
}

std::vector<float> ReadAll(const Checkpoint& checkpoint, std::string_view name) {
  const TensorInfo info = checkpoint.Info(name).value();
  std::vector<float> values(info.rows * info.cols);
  const Status status = checkpoint.ReadRows(name, 0, info.rows, values);
  EXPECT_TRUE(status.ok());
  return values;
}

TEST(HfCheckpointTest, ReadsAFolderWithOneFile) {
  const Folder folder;
  folder.Write("config.json", "{}");
  folder.Write("model.safetensors",
               Safetensors(R"({"half":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},)"
                           R"("brain":{"dtype":"BF16","shape":[2,1],"data_offsets":[4,8]},)"
                           R"("int":{"dtype":"I32","shape":[],"data_offsets":[8,12]}})",
                           std::string("\x00\x3c\x00\xc0\x80\x3f\x00\xc0\x01\x00\x00\x00", 12)));
  const auto checkpoint = Checkpoint::Open(folder.path()).value();
  EXPECT_THAT(checkpoint->TensorNames(), ElementsAre("brain", "half", "int"));
  EXPECT_THAT(ReadAll(*checkpoint, "half"), ElementsAre(1.0f, -2.0f));
  EXPECT_THAT(ReadAll(*checkpoint, "brain"), ElementsAre(1.0f, -2.0f));
  EXPECT_THAT(checkpoint->Shape("brain").value(), ElementsAre(2, 1));
  EXPECT_EQ(checkpoint->StoredType("brain").value(), "BF16");
  EXPECT_EQ(checkpoint->View("half")->dtype, DType::kF16);
  EXPECT_EQ(checkpoint->View("half")->bytes.size(), 4u);
  EXPECT_FALSE(checkpoint->View("int"));
  EXPECT_EQ(checkpoint->gguf(), nullptr);

  std::vector<float> last(1);
  ASSERT_TRUE(checkpoint->ReadRows("brain", 1, 2, last).ok());
  EXPECT_EQ(last[0], -2.0f);

  EXPECT_EQ(checkpoint->ReadRows("int", 0, 1, last).error().kind, ErrorKind::kUnsupported);
  EXPECT_THAT(checkpoint->ReadRows("int", 0, 1, last).error().message,
              HasSubstr("tensor 'int' is stored as I32; F16, BF16 and F32 are read"));
  EXPECT_FALSE(checkpoint->Has("none"));
  EXPECT_EQ(checkpoint->ReadRows("none", 0, 1, last).error().kind, ErrorKind::kNotFound);
}

TEST(HfCheckpointTest, ReadsShardsAndNamesAllThatAreMissing) {
  const Folder folder;
  folder.Write("config.json", "{}");
  folder.Write("model.safetensors.index.json",
               R"({"metadata":{"total_size":16},"weight_map":{"a":"s1.safetensors",)"
               R"("b":"s2.safetensors","c":"s3.safetensors"}})");
  folder.Write("s1.safetensors", OneTensor("a", {{1, 2}}));
  const Error missing = Checkpoint::Open(folder.path()).error();
  EXPECT_EQ(missing.kind, ErrorKind::kNotFound);
  EXPECT_THAT(missing.message, HasSubstr("2 of 3 shards missing: s2.safetensors, s3.safetensors"));

  folder.Write("s2.safetensors", OneTensor("b", {{3, 4, 5, 6}}));
  folder.Write("s3.safetensors", OneTensor("other", {{7, 8}}));
  EXPECT_THAT(Checkpoint::Open(folder.path()).error().message,
              HasSubstr("tensor \"c\" is not in \"s3.safetensors\""));

  folder.Write("s3.safetensors", OneTensor("c", {{7, 8}}));
  const auto checkpoint = Checkpoint::Open(folder.path()).value();
  EXPECT_THAT(ReadAll(*checkpoint, "b"), ElementsAre(3, 4, 5, 6));
  EXPECT_THAT(ReadAll(*checkpoint, "c"), ElementsAre(7, 8));

  // A file cut short is named.
  folder.Write("s3.safetensors", OneTensor("c", {{7, 8}}).substr(0, 70));
  EXPECT_THAT(Checkpoint::Open(folder.path()).error().message, HasSubstr("s3.safetensors: "));
}

TEST(HfCheckpointTest, RefusesAnIndexThatLeadsElsewhere) {
  const Folder folder;
  folder.Write("config.json", "{}");
  for (const char* shard : {"\"../x\"", "\"/etc/passwd\"", "\"..\"", "\"\"", "\"a\\nb\"", "1"}) {
    folder.Write("model.safetensors.index.json",
                 fmt::format(R"({{"weight_map":{{"a":{}}}}})", shard));
    EXPECT_THAT(Checkpoint::Open(folder.path()).error().message, HasSubstr("/weight_map/\"a\": "));
  }
  folder.Write("model.safetensors.index.json", "[]");
  EXPECT_THAT(Checkpoint::Open(folder.path()).error().message,
              HasSubstr("/weight_map is not an object"));
}

TEST(HfCheckpointTest, SaysWhatIsNotAModel) {
  const Folder folder;
  EXPECT_EQ(Checkpoint::Open(folder.path() / "none").error().kind, ErrorKind::kNotFound);
  EXPECT_THAT(Checkpoint::Open(folder.path()).error().message, HasSubstr("no config.json"));
  folder.Write("config.json", "{}");
  EXPECT_THAT(Checkpoint::Open(folder.path()).error().message,
              HasSubstr("neither model.safetensors nor"));
  folder.Write("model.safetensors", OneTensor("w", {{1, 2}}));
  folder.Write("config.json", R"({"quantization_config":{"quant_method":"quip"}})");
  EXPECT_THAT(Checkpoint::Open(folder.path()).error().message,
              HasSubstr("quantized by \"quip\", which is not read; read are bitsandbytes"));
  EXPECT_EQ(Checkpoint::Open(folder.path()).error().kind, ErrorKind::kUnsupported);
}

TEST(GgufCheckpointTest, KnowsTheHuggingFaceNames) {
  EXPECT_EQ(HfTensorName("token_embd.weight"), "model.embed_tokens.weight");
  EXPECT_EQ(HfTensorName("output_norm.weight"), "model.norm.weight");
  EXPECT_EQ(HfTensorName("output.weight"), "lm_head.weight");
  EXPECT_EQ(HfTensorName("rope_freqs.weight"), "rope_freqs");
  EXPECT_EQ(HfTensorName("blk.0.attn_norm.weight"), "model.layers.0.input_layernorm.weight");
  EXPECT_EQ(HfTensorName("blk.12.attn_k.bias"), "model.layers.12.self_attn.k_proj.bias");
  EXPECT_EQ(HfTensorName("blk.3.attn_output.weight"), "model.layers.3.self_attn.o_proj.weight");
  EXPECT_EQ(HfTensorName("blk.3.ffn_norm.weight"),
            "model.layers.3.post_attention_layernorm.weight");
  EXPECT_EQ(HfTensorName("blk.3.ffn_down.weight"), "model.layers.3.mlp.down_proj.weight");
  for (const char* other :
       {"blk.3.ffn_gate_exps.weight", "blk.03.attn_q.weight", "blk..attn_q.bias",
        "blk.x.attn_q.bias", "blk.1.attn_q.scale", "blk.1", "blk.", "q"}) {
    EXPECT_EQ(HfTensorName(other), std::nullopt) << other;
  }
}

std::vector<float> Counting(size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 0.0f);
  return values;
}

// Head size 8: the file's rows are Hugging Face's rows 0, 4, 1, 5, 2, 6, 3, 7.
TEST(GgufCheckpointTest, PutsTheRowsOfLlamaQueriesAndKeysBack) {
  const Folder folder;
  const std::vector<float> file_order = {0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15};
  std::vector<float> key_rows;  // one head of 8 rows with 2 columns: row r is (r, -r)
  for (size_t i = 0; i < 8; ++i) key_rows.insert(key_rows.end(), {file_order[i], -file_order[i]});
  Gguf gguf;
  gguf.Text("general.architecture", "llama");
  gguf.Uint("llama.attention.head_count", 2).Uint("llama.attention.head_count_kv", 1);
  gguf.F32("blk.0.attn_q.weight", {1, 16}, file_order);
  gguf.F32("blk.0.attn_q.bias", {16}, file_order);
  gguf.F32("blk.0.attn_k.weight", {2, 8}, key_rows);
  gguf.F32("blk.0.attn_v.weight", {1, 16}, Counting(16));
  const auto checkpoint = Checkpoint::Open(folder.Write("m.gguf", gguf.Build())).value();

  const std::string layer = "model.layers.0.self_attn.";
  EXPECT_THAT(ReadAll(*checkpoint, layer + "q_proj.weight"), ElementsAreArray(Counting(16)));
  EXPECT_THAT(ReadAll(*checkpoint, layer + "q_proj.bias"), ElementsAreArray(Counting(16)));
  EXPECT_THAT(ReadAll(*checkpoint, layer + "v_proj.weight"), ElementsAreArray(Counting(16)));
  std::vector<float> rows(3 * 2);
  ASSERT_TRUE(checkpoint->ReadRows(layer + "k_proj.weight", 3, 6, rows).ok());
  EXPECT_THAT(rows, ElementsAre(3, -3, 4, -4, 5, -5));

  EXPECT_FALSE(checkpoint->View(layer + "q_proj.weight"));  // not in this order in the file
  EXPECT_TRUE(checkpoint->View(layer + "v_proj.weight"));
  EXPECT_NE(checkpoint->gguf(), nullptr);
}

TEST(GgufCheckpointTest, LeavesTheRowsOfQwen2Alone) {
  const Folder folder;
  Gguf gguf;
  gguf.Text("general.architecture", "qwen2").Uint("qwen2.attention.head_count", 2);
  gguf.F32("blk.0.attn_q.weight", {1, 16}, Counting(16));
  const auto checkpoint = Checkpoint::Open(folder.Write("m.gguf", gguf.Build())).value();
  EXPECT_THAT(ReadAll(*checkpoint, "model.layers.0.self_attn.q_proj.weight"),
              ElementsAreArray(Counting(16)));
}

TEST(GgufCheckpointTest, RefusesHeadsThatDoNotDivideTheRows) {
  const Folder folder;
  for (const uint32_t heads : {3u, 16u, 0xFFFFFFFFu}) {
    Gguf gguf;
    gguf.Text("general.architecture", "llama").Uint("llama.attention.head_count", heads);
    gguf.F32("blk.0.attn_q.weight", {1, 16}, Counting(16));
    EXPECT_THAT(Checkpoint::Open(folder.Write("m.gguf", gguf.Build())).error().message,
                HasSubstr("are not pairs of"));
  }
  Gguf none;
  none.Text("general.architecture", "llama").F32("blk.0.attn_q.weight", {1, 16}, Counting(16));
  EXPECT_THAT(Checkpoint::Open(folder.Write("m.gguf", none.Build())).error().message,
              HasSubstr("'llama.attention.head_count' is missing"));
}

TEST(GgufCheckpointTest, RefusesToReadATypeOfActivationsByName) {
  const Folder folder;
  Gguf gguf;
  gguf.Tensor("token_embd.weight", {256}, 15, std::string(292, '\1'));
  const auto checkpoint = Checkpoint::Open(folder.Write("m.gguf", gguf.Build())).value();
  std::vector<float> row(256);
  const Status status = checkpoint->ReadRows("model.embed_tokens.weight", 0, 1, row);
  EXPECT_EQ(status.error().kind, ErrorKind::kUnsupported);
  EXPECT_THAT(status.error().message,
              HasSubstr("tensor 'model.embed_tokens.weight': type Q8_K cannot be decoded"));
}

TEST(CheckpointTest, FindsTheFirstWeightThatIsNotANumber) {
  const Folder folder;
  folder.Write("config.json", "{}");
  const float nan = std::numeric_limits<float>::quiet_NaN();
  folder.Write("model.safetensors", OneTensor("w", {{1, 2, 3, nan, INFINITY, 6}}));
  const auto checkpoint = Checkpoint::Open(folder.path()).value();
  std::vector<float> row(2);
  EXPECT_TRUE(ReadFiniteRows(*checkpoint, "w", 0, 1, row).ok());
  EXPECT_THAT(ReadFiniteRows(*checkpoint, "w", 1, 2, row).error().message,
              HasSubstr("tensor 'w': element 3 is nan"));
  EXPECT_THAT(ReadFiniteRows(*checkpoint, "w", 2, 3, row).error().message,
              HasSubstr("tensor 'w': element 4 is inf"));
}

TEST(CheckpointTest, IdentityFollowsTheModelAndNotItsPlace) {
  const auto identity = [](std::span<const float> weights, std::string_view config) {
    const Folder folder;
    folder.Write("config.json", config);
    folder.Write("model.safetensors", OneTensor("w", weights));
    return Checkpoint::Open(folder.path()).value()->Identity().value();
  };
  std::vector<float> weights = Counting(200'000);
  const std::string original = identity(weights, "{}");
  EXPECT_EQ(original.size(), 64u);
  EXPECT_EQ(identity(weights, "{}"), original);
  EXPECT_NE(identity(weights, R"({"rope_theta":1})"), original);
  // Of a large tensor too each element counts.
  for (const size_t i : {size_t{0}, size_t{1500}, size_t{123'457}, weights.size() - 1}) {
    const float kept = std::exchange(weights[i], -1.0f);
    EXPECT_NE(identity(weights, "{}"), original);
    weights[i] = kept;
  }
}

}  // namespace
}  // namespace bitloss
