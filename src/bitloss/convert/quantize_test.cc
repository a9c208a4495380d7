#include "bitloss/convert/quantize.h"

#include <gmock/gmock.h>

#include <stdexcept>

#include "bitloss/base/file.h"
#include "bitloss/checkpoint/checkpoint.h"
#include "bitloss/checkpoint/gguf.h"
#include "bitloss/checkpoint/test_files.h"
#include "bitloss/convert/gguf_tokenizer.h"
#include "bitloss/convert/test_written.h"
#include "bitloss/study/model_files.h"

namespace bitloss {
namespace {

namespace fs = std::filesystem;
using test_files::Folder;
using testing::HasSubstr;
using testing::StartsWith;

const std::string kTiny = BITLOSS_SOURCE_DIR "/models/bitloss-tiny";

QuantizeOptions Options(const std::string& scheme, const fs::path& out) {
  return OptionsFor(kTiny, scheme, out);
}

// ---- What a written checkpoint is as a lane

struct Written {
  std::string scheme;
  std::string layout;
};

class EveryWrittenScheme : public testing::TestWithParam<Written> {};
INSTANTIATE_TEST_SUITE_P(
    Schemes, EveryWrittenScheme,
    testing::Values(Written{"nf4", "bitsandbytes-4bit"}, Written{"nf4-dq", "bitsandbytes-4bit"},
                    Written{"fp4", "bitsandbytes-4bit"}, Written{"int8", "bitsandbytes-8bit"},
                    Written{"awq", "awq"}, Written{"int3_group:128:sym", "gptq"},
                    Written{"rtn4", "gptq"}, Written{"int8_row", "compressed-tensors"},
                    Written{"rtn4", "compressed-tensors"}, Written{"q4_0", "gguf"},
                    Written{"q8_0", "gguf"}, Written{"q4_k", "gguf"},
                    Written{"int4_group:64:full:index+gptq:act", "gptq"},
                    Written{"w8a8", "compressed-tensors"}, Written{"fp8", "compressed-tensors"},
                    Written{"fp8-block", "fp8"}, Written{"fp4_dq", "bitsandbytes-4bit"},
                    Written{"nvfp4", "compressed-tensors"}, Written{"mxfp4", "compressed-tensors"},
                    Written{"mxfp6", "compressed-tensors"}, Written{"mxfp8", "compressed-tensors"},
                    Written{"int8_row+gptq@w8a8", "compressed-tensors"},
                    Written{"q4_k+head=q6_k", "gguf"}, Written{"Q4_K_M", "gguf"},
                    Written{"IQ2_M:token-embedding-type=q5_1+imatrix", "gguf"},
                    Written{"iq1_m+imatrix", "gguf"}, Written{"tq1_0", "gguf"}),
    [](const auto& tested) {
      std::string name = tested.param.scheme + "_" + tested.param.layout;
      std::ranges::replace_if(
          name, [](char c) { return !std::isalnum(c); }, '_');
      return name;
    });

TEST_P(EveryWrittenScheme, RunsWithTheBitsOfTheLaneThatMadeIt) {
  const Folder folder;
  const fs::path out = folder.path() / "written";
  QuantizeOptions options = Options(GetParam().scheme, out);
  options.layout = GetParam().layout;
  const auto result = QuantizeModel(options, kSilent);
  ASSERT_EQ(MessageOf(result), "");
  EXPECT_EQ(result.value().layout, GetParam().layout);
  EXPECT_FALSE(fs::exists(out.string() + ".partial"));

  const Store store = StudyOfBoth(options, folder.path() / "study");
  const std::vector<LaneRecord> lanes = store.Lanes().value();
  ASSERT_EQ(lanes.size(), 3u);
  EXPECT_EQ(lanes[2].scheme, "written");
  // GGUF files hold vectors in F32.
  if (GetParam().layout != "gguf") {
    EXPECT_EQ(lanes[2].weight_bytes, lanes[1].weight_bytes);
  }
  EXPECT_EQ(lanes[2].quantized_bits_per_weight, lanes[1].quantized_bits_per_weight);
  EXPECT_EQ(GetParam().layout == "gguf",
            std::ranges::any_of(lanes[2].notes, [](const std::string& note) {
              return note.find("activations in FP32") != note.npos;
            }));
  ExpectSameBits(store);
}

// Each kind of linear in the first or the second format, the layers in turns.
std::string MixOf(const std::string& first, const std::string& second) {
  nlohmann::json layers;
  for (int layer = 0; layer < 4; ++layer) {
    nlohmann::json of_layer;
    int place = layer;
    for (const Linear linear : kAllLinears) {
      of_layer[std::string(ModuleName(linear))] = ++place % 2 == 0 ? first : second;
    }
    layers.push_back(of_layer);
  }
  return nlohmann::json{{"schema", "bitloss.mixed-scheme/1"}, {"layers", layers}}.dump();
}

TEST(QuantizeTest, WritesAMixedSchemeAsAFileWhoseMatricesHaveTypesOfTheirOwn) {
  const Folder folder;
  folder.Write("mix.json", MixOf("q4_0", "q8_0"));
  const QuantizeOptions options = Options(folder.path() / "mix.json", folder.path() / "mixed.gguf");
  const auto result = QuantizeModel(options, kSilent);
  ASSERT_EQ(MessageOf(result), "");
  EXPECT_EQ(result.value().layout, "gguf");
  ASSERT_TRUE(fs::is_regular_file(options.out)) << "a file is what its name asks for";
  EXPECT_FALSE(fs::exists(options.out.string() + ".partial"));
  const GgufFile file = GgufFile::Open(options.out).value();
  for (const auto& [name, type] : {std::pair{"blk.0.attn_q", "Q8_0"},
                                   {"blk.0.attn_k", "Q4_0"},
                                   {"blk.1.attn_q", "Q4_0"},
                                   {"blk.1.attn_k", "Q8_0"}}) {
    EXPECT_EQ(file.FindTensor(std::string(name) + ".weight")->type->name, type) << name;
  }
  ExpectSameBits(StudyOfBoth(options, folder.path() / "study"));
}

TEST(QuantizeTest, SaysWhyAMixedSchemeOrAFileCannotBeWritten) {
  const Folder folder;
  folder.Write("mix.json", MixOf("q4_0", "nf4"));
  const std::string mix = folder.path() / "mix.json";
  EXPECT_THAT(MessageOf(QuantizeModel(Options(mix, folder.path() / "out"), kSilent)),
              testing::AllOf(HasSubstr("which cannot hold 'nf4'"), HasSubstr("no type for nf4")));
  QuantizeOptions awq = Options(mix, folder.path() / "out");
  awq.layout = "awq";
  EXPECT_THAT(MessageOf(QuantizeModel(awq, kSilent)), HasSubstr("written as gguf, not as awq"));
  QuantizeOptions file = Options("awq", folder.path() / "out.gguf");
  EXPECT_THAT(MessageOf(QuantizeModel(file, kSilent)),
              testing::AllOf(HasSubstr("gguf has no type for"), HasSubstr("a folder's name")));
  file.layout = "awq";
  EXPECT_THAT(MessageOf(QuantizeModel(file, kSilent)), HasSubstr("names a GGUF file"));
  EXPECT_FALSE(fs::exists(folder.path() / "out.partial"));
}

// ---- Interrupted and resumed

std::string Contents(const fs::path& path) { return ReadFile(path).value(); }

TEST(QuantizeTest, GoesOnAfterTheLastFinishedLayerAndEndsWithTheSameBytes) {
  const Folder folder;
  const fs::path whole = folder.path() / "whole", resumed = folder.path() / "resumed";
  ASSERT_EQ(MessageOf(QuantizeModel(Options("nf4", whole), kSilent)), "");

  const ProgressSink kill_after_two = [](const Progress& progress) {
    if (progress.done == 2) throw std::runtime_error("killed");
  };
  EXPECT_THROW((void)QuantizeModel(Options("nf4", resumed), kill_after_two), std::runtime_error);
  EXPECT_FALSE(fs::exists(resumed));
  EXPECT_TRUE(fs::exists(resumed.string() + ".partial"));

  // Another job does not take it over.
  EXPECT_THAT(MessageOf(QuantizeModel(Options("fp4", resumed), kSilent)),
              HasSubstr("holds the beginning of another job"));

  const auto result = QuantizeModel(Options("nf4", resumed), kSilent);
  ASSERT_EQ(MessageOf(result), "");
  EXPECT_EQ(result.value().num_layers_resumed, 2u);
  for (const char* name : {"model.safetensors", "config.json", "tokenizer.json",
                           "tokenizer_config.json", "generation_config.json"}) {
    EXPECT_EQ(Contents(resumed / name), Contents(whole / name)) << name;
  }
}

TEST(QuantizeTest, CutsLargeWeightsIntoShards) {
  const Folder folder;
  QuantizeOptions options = Options("nf4", folder.path() / "shards");
  options.max_shard_bytes = 1'000'000;
  ASSERT_EQ(MessageOf(QuantizeModel(options, kSilent)), "");
  EXPECT_FALSE(fs::exists(options.out / "model.safetensors"));
  EXPECT_TRUE(fs::exists(options.out / "model.safetensors.index.json"));
  const std::string index = Contents(options.out / "model.safetensors.index.json");
  EXPECT_THAT(index, HasSubstr("model-00001-of-0000"));
  EXPECT_THAT(index, HasSubstr("model-00003-of-0000"));
  const auto checkpoint = Checkpoint::Open(options.out);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().message;
  EXPECT_TRUE(checkpoint.value()->Has("model.layers.3.mlp.down_proj.weight"));
}

TEST(QuantizeTest, WritesThePlainModelToo) {
  const Folder folder;
  const fs::path out = folder.path() / "plain";
  ASSERT_EQ(MessageOf(QuantizeModel(Options("fp16", out), kSilent)), "");
  const auto made = Checkpoint::Open(out).value();
  const auto original = Checkpoint::Open(kTiny).value();
  EXPECT_EQ(made->TensorNames(), original->TensorNames());
  for (const std::string& name : original->TensorNames()) {
    const auto a = made->View(name)->bytes, b = original->View(name)->bytes;
    EXPECT_TRUE(std::ranges::equal(a.span(), b.span())) << name;
  }
}

// bitloss-tiny as a GGUF file and back: the same tensors, tokenizer and configuration.
TEST(QuantizeTest, CarriesAModelThroughGgufAndBack) {
  const Folder folder;
  QuantizeOptions there = Options("fp16", folder.path() / "there");
  there.layout = "gguf";
  ASSERT_EQ(MessageOf(QuantizeModel(there, kSilent)), "");
  QuantizeOptions back = Options("fp16", folder.path() / "back");
  back.study.model = (there.out / "model.gguf").string();
  ASSERT_EQ(MessageOf(QuantizeModel(back, kSilent)), "");
  const ModelFiles original = OpenModel(kTiny).value();
  const ModelFiles returned = OpenModel(back.out.string()).value();
  EXPECT_TRUE(GiveTheSameIds(returned.tokenizer, original.tokenizer).value());
  EXPECT_EQ(returned.end_tokens, original.end_tokens);
  EXPECT_EQ(returned.tokenizer.chat_template(), original.tokenizer.chat_template());
  for (const std::string& name : original.source.checkpoint().TensorNames()) {
    const auto a = original.source.checkpoint().View(name),
               b = returned.source.checkpoint().View(name);
    ASSERT_TRUE(a && b) << name;
    EXPECT_TRUE(std::ranges::equal(a->bytes.span(), b->bytes.span())) << name;
  }
}

// A GGUF file whose token `id` has another type: 3, a control token.
void MakeControlToken(const fs::path& gguf, size_t id) {
  std::string bytes = Contents(gguf);
  const std::string key = "tokenizer.ggml.token_type";
  const size_t at = bytes.find(key);
  ASSERT_NE(at, bytes.npos);
  const size_t values = at + key.size() + 4 + 4 + 8;  // the value's type, the elements', the count
  bytes[values + 4 * id] = 3;
  ASSERT_TRUE(WriteFileAtomically(gguf, bytes).ok());
}

// Special tokens need not come last: SmolLM2's are the first.
TEST(QuantizeTest, WritesSpecialTokensThatStandAmongTheOthers) {
  const Folder folder;
  QuantizeOptions there = Options("fp16", folder.path() / "there");
  there.layout = "gguf";
  ASSERT_EQ(MessageOf(QuantizeModel(there, kSilent)), "");
  MakeControlToken(there.out / "model.gguf", 40);
  QuantizeOptions back = Options("nf4", folder.path() / "back");
  back.study.model = (there.out / "model.gguf").string();
  ASSERT_EQ(MessageOf(QuantizeModel(back, kSilent)), "");
  const ModelFiles from = OpenModel(back.study.model).value();
  const auto made = Tokenizer::FromFolder(back.out);
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_TRUE(GiveTheSameIds(made.value(), from.tokenizer).value());
}

// ---- Refusals

TEST(QuantizeTest, DoesNotTouchWhatIsThere) {
  const Folder folder;
  folder.Write("out", "precious");
  EXPECT_THAT(MessageOf(QuantizeModel(Options("nf4", folder.path() / "out"), kSilent)),
              HasSubstr("is there already"));
  EXPECT_EQ(Contents(folder.path() / "out"), "precious");
}

TEST(QuantizeTest, SaysWhyASchemeCannotBeWritten) {
  const Folder folder;
  const fs::path out = folder.path() / "out";
  EXPECT_THAT(MessageOf(QuantizeModel(Options("nf4+head=int8_row", out), kSilent)),
              HasSubstr("folders keep lm_head as it is"));
  EXPECT_THAT(MessageOf(QuantizeModel(Options("q4_0+head=int8_row", out), kSilent)),
              HasSubstr("gguf has no type for a head in int8_row"));
  EXPECT_THAT(MessageOf(QuantizeModel(Options("nf4@bf16", out), kSilent)),
              HasSubstr("bitsandbytes-4bit multiplies real activations"));
  QuantizeOptions wrong_layout = Options("nf4", out);
  wrong_layout.layout = "bitsandbytes-8bit";
  EXPECT_THAT(MessageOf(QuantizeModel(wrong_layout, kSilent)),
              HasSubstr("bitsandbytes-8bit holds int8_row, not nf4"));
  wrong_layout.layout = "x";
  EXPECT_THAT(MessageOf(QuantizeModel(wrong_layout, kSilent)), HasSubstr("no layout 'x'"));
  EXPECT_FALSE(fs::exists(out.string() + ".partial"));
}

// Rows of 384 fall back, those of 768 (ffn_down) do not; the last two of four layers get more bits.
TEST(QuantizeTest, WritesAFileTypeInTheTypesThatLlamaQuantizeChooses) {
  const Folder folder;
  ASSERT_EQ(MessageOf(QuantizeModel(Options("q4_k_m", folder.path() / "out"), kSilent)), "");
  const GgufFile file = GgufFile::Open(folder.path() / "out" / "model.gguf").value();
  EXPECT_EQ(file.metadata().GetUint("general.file_type").value(), 15u);
  for (const auto& [name, type] : {std::pair{"token_embd", "Q8_0"},
                                   {"blk.0.attn_q", "Q5_0"},
                                   {"blk.1.attn_v", "Q5_0"},
                                   {"blk.2.attn_v", "Q8_0"},
                                   {"blk.1.ffn_down", "Q4_K"},
                                   {"blk.3.ffn_down", "Q6_K"},
                                   {"output_norm", "F32"}}) {
    EXPECT_EQ(file.FindTensor(std::string(name) + ".weight")->type->name, type) << name;
  }
}

TEST(QuantizeTest, RefusesAFileTypeThatNeedsImportancesAndALayoutThatIsNotGguf) {
  const Folder folder;
  QuantizeOptions options = Options("gguf:iq2_xs", folder.path() / "out");
  EXPECT_EQ(MessageOf(QuantizeModel(options, kSilent)),
            "scheme 'gguf:iq2_xs': blk.0.ffn_down.weight would be IQ2_XS, which file type IQ2_XS "
            "makes by importances alone: add +imatrix");
  options = Options("q4_k_m", folder.path() / "out");
  options.layout = "gptq";
  EXPECT_EQ(MessageOf(QuantizeModel(options, kSilent)),
            "scheme 'q4_k_m': a file type is written as gguf, not as gptq");
}

TEST(QuantizeTest, AQuantizedModelIsNoBaseline) {
  const Folder folder;
  const fs::path out = folder.path() / "out";
  ASSERT_EQ(MessageOf(QuantizeModel(Options("nf4", out), kSilent)), "");
  QuantizeOptions again = Options("int8", folder.path() / "again");
  again.study.model = out.string();
  EXPECT_THAT(MessageOf(QuantizeModel(again, kSilent)),
              HasSubstr("already quantized (bitsandbytes nf4); give the unquantized model"));
}

}  // namespace
}  // namespace bitloss
