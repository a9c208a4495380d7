#include "bitloss/model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>

#include "bitloss/checkpoint/test_files.h"
#include "bitloss/json/parse.h"

namespace bitloss {
namespace {

using nlohmann::json;
using test_files::Folder;
using test_files::Gguf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

json SmallLlama() {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"hidden_size", 64},
          {"intermediate_size", 172},
          {"num_hidden_layers", 5},
          {"num_attention_heads", 8},
          {"num_key_value_heads", 4},
          {"vocab_size", 512},
          {"max_position_embeddings", 128},
          {"rms_norm_eps", 1e-5},
          {"hidden_act", "silu"},
          {"tie_word_embeddings", true},
          {"eos_token_id", 2}};
}

json Changed(std::string_view key, const json& value) {
  json config = SmallLlama();
  config[std::string(key)] = value;
  return config;
}

json Without(std::string_view key) {
  json config = SmallLlama();
  config.erase(std::string(key));
  return config;
}

// A folder that holds this configuration and a file of no weights.
class ModelFolder {
 public:
  explicit ModelFolder(const json& config) : ModelFolder(config.dump()) {}
  explicit ModelFolder(const std::string& config) {
    folder_.Write("config.json", config);
    folder_.Write("model.safetensors", test_files::Safetensors("{}", ""));
  }
  void Write(const std::string& name, std::string_view text) { folder_.Write(name, text); }

  Result<ModelConfig> Read() const {
    BITLOSS_TRY(const auto checkpoint, Checkpoint::Open(folder_.path()));
    return ReadModelConfig(*checkpoint);
  }
  Result<GenerationConfig> ReadGeneration() const {
    BITLOSS_TRY(const auto checkpoint, Checkpoint::Open(folder_.path()));
    BITLOSS_TRY(const ModelConfig config, ReadModelConfig(*checkpoint));
    return ReadGenerationConfig(*checkpoint, config);
  }

 private:
  Folder folder_;
};

Result<ModelConfig> ReadConfig(const json& config) { return ModelFolder(config).Read(); }

TEST(HfConfigTest, ReadsLlama) {
  const ModelConfig config = ReadConfig(SmallLlama()).value();
  EXPECT_EQ(config.architecture, "llama");
  EXPECT_EQ(config.hidden_size, 64u);
  EXPECT_EQ(config.intermediate_size, 172u);
  EXPECT_EQ(config.num_layers, 5u);
  EXPECT_EQ(config.num_heads, 8u);
  EXPECT_EQ(config.num_kv_heads, 4u);
  EXPECT_EQ(config.head_dim, 8u);
  EXPECT_EQ(config.vocab_size, 512u);
  EXPECT_EQ(config.max_positions, 128u);
  EXPECT_EQ(config.rms_norm_eps, 1e-5);
  EXPECT_EQ(config.ropes[0].theta, 10000.0);
  EXPECT_TRUE(config.tied_embeddings);
  EXPECT_FALSE(config.qkv_bias || config.output_bias || config.mlp_bias);
}

TEST(HfConfigTest, ReadsQwen2WithItsBiasesAndItsWindow) {
  json qwen = Changed("model_type", "qwen2");
  qwen["architectures"] = {"Qwen2ForCausalLM"};
  qwen["use_sliding_window"] = false;
  qwen["sliding_window"] = 32768;
  qwen["max_window_layers"] = 3;
  const ModelConfig config = ReadConfig(qwen).value();
  EXPECT_EQ(config.architecture, "qwen2");
  EXPECT_TRUE(config.qkv_bias);
  EXPECT_FALSE(config.output_bias || config.mlp_bias);
  EXPECT_EQ(config.layer(4).window, 0u);
  qwen["use_sliding_window"] = true;
  const ModelConfig windowed = ReadConfig(qwen).value();
  EXPECT_EQ(windowed.layer(2).window, 0u);
  EXPECT_EQ(windowed.layer(3).window, 32768u);
}

TEST(HfConfigTest, FillsInWhatTransformersFillsIn) {
  json config = SmallLlama();
  for (const char* key : {"num_key_value_heads", "max_position_embeddings", "rms_norm_eps",
                          "hidden_act", "tie_word_embeddings", "architectures"}) {
    config.erase(key);
  }
  const ModelConfig model = ReadConfig(config).value();
  EXPECT_EQ(model.num_kv_heads, 8u);
  EXPECT_EQ(model.max_positions, 2048u);
  EXPECT_EQ(model.rms_norm_eps, 1e-6);
  EXPECT_FALSE(model.tied_embeddings);
}

TEST(HfConfigTest, TakesAnyHeadSizeThatIsGiven) {
  json config = Changed("head_dim", 20);
  config["hidden_size"] = 63;  // not a multiple of the heads
  EXPECT_EQ(ReadConfig(config).value().head_dim, 20u);
}

TEST(HfConfigTest, ReadsLlamaBiases) {
  EXPECT_TRUE(ReadConfig(Changed("attention_bias", true)).value().qkv_bias);
  EXPECT_TRUE(ReadConfig(Changed("attention_bias", true)).value().output_bias);
  EXPECT_TRUE(ReadConfig(Changed("mlp_bias", true)).value().mlp_bias);
}

TEST(HfConfigTest, ReadsTheRotaryBaseInBothSpellings) {
  EXPECT_EQ(ReadConfig(Changed("rope_theta", 1e6)).value().ropes[0].theta, 1e6);
  const json v5 = {{"rope_theta", 500000.0}, {"rope_type", "default"}};
  EXPECT_EQ(ReadConfig(Changed("rope_parameters", v5)).value().ropes[0].theta, 500000.0);
  json both = Changed("rope_parameters", v5);
  both["rope_theta"] = 10000.0;
  EXPECT_THAT(ReadConfig(both).error().message,
              HasSubstr("/rope_parameters/rope_theta: is 500000, but /rope_theta is 10000"));
}

TEST(HfConfigTest, ReadsRotaryScalingAndRefusesOtherKindsByName) {
  const json llama3 = {{"rope_type", "llama3"},
                       {"factor", 32.0},
                       {"low_freq_factor", 1.0},
                       {"high_freq_factor", 4.0},
                       {"original_max_position_embeddings", 8192}};
  const ModelConfig config = ReadConfig(Changed("rope_scaling", llama3)).value();
  const auto& scaling = std::get<Llama3RopeScaling>(config.ropes[0].scaling);
  EXPECT_EQ(scaling.factor, 32.0);
  EXPECT_EQ(scaling.original_max_positions, 8192u);
  const json linear = {{"type", "linear"}, {"factor", 2.0}};
  EXPECT_EQ(std::get<LinearRopeScaling>(
                ReadConfig(Changed("rope_scaling", linear)).value().ropes[0].scaling)
                .factor,
            2.0);
  const json odd = {{"rope_type", "odd"}, {"factor", 4.0}};
  EXPECT_THAT(ReadConfig(Changed("rope_scaling", odd)).error().message,
              HasSubstr("/rope_scaling/rope_type: rotary scaling \"odd\" is not known"));
  EXPECT_THAT(ReadConfig(Changed("rope_scaling", {{"factor", 4.0}})).error().message,
              HasSubstr("/rope_scaling/type: is missing"));
  json flat = llama3;
  flat["high_freq_factor"] = 1.0;
  EXPECT_THAT(ReadConfig(Changed("rope_scaling", flat)).error().message,
              HasSubstr("/rope_scaling/high_freq_factor: is 1, not above"));
}

TEST(HfConfigTest, RefusesAnUnknownArchitectureAndNamesTheKnown) {
  const Error error = ReadConfig(Changed("model_type", "mistrall")).error();
  EXPECT_EQ(error.kind, ErrorKind::kUnsupported);
  EXPECT_THAT(
      error.message,
      HasSubstr("/model_type: architecture 'mistrall' is not known; the nearest of those that "
                "are: mistral"));
  EXPECT_THAT(
      ReadConfig(Changed("architectures", {"LlamaForSequenceClassification"})).error().message,
      HasSubstr("not LlamaForCausalLM"));
}

TEST(HfConfigTest, RefusesAbsurdValuesByTheirPointer) {
  struct Case {
    json config;
    std::string message;
  };
  const Case cases[] = {
      {Without("hidden_size"), "/hidden_size: is missing"},
      {Without("model_type"), "/model_type: is missing"},
      {Changed("hidden_size", 0), "/hidden_size: is 0, not an integer in [1, 1048576]"},
      {Changed("hidden_size", -64), "/hidden_size: is -64"},
      {Changed("hidden_size", 64.5), "/hidden_size: is 64.5"},
      {Changed("hidden_size", "64\n"), "/hidden_size: is \"64\\n\""},
      {Changed("hidden_size", {1, 2}), "/hidden_size: is an array"},
      {Changed("hidden_size", ~uint64_t{0}), "/hidden_size: is 18446744073709551615"},
      {Changed("num_hidden_layers", 100000), "/num_hidden_layers: is 100000"},
      {Changed("num_attention_heads", 7), "/num_key_value_heads: 4 do not divide the 7"},
      {Changed("num_key_value_heads", 3), "/num_key_value_heads: 3 do not divide the 8"},
      {Changed("hidden_size", 60), "/num_attention_heads: 8 do not divide the 60"},
      {Changed("hidden_size", 24), "8 heads of 3 elements; the size must be even"},
      {Changed("head_dim", 1 << 20), "/head_dim: 8 heads of 1048576 elements"},
      {Changed("rms_norm_eps", 0), "/rms_norm_eps: is 0, not a number > 0"},
      {Changed("rope_theta", -1), "/rope_theta: is -1"},
      {Changed("rope_theta", "x"), "/rope_theta: is \"x\""},
      {Changed("rope_scaling", 2), "/rope_scaling: is 2, not an object"},
      {Changed("tie_word_embeddings", 1), "/tie_word_embeddings: is 1, not true or false"},
      {Changed("hidden_act", "gelu"), "/hidden_act: activation \"gelu\" is not known"},
      {Changed("partial_rotary_factor", 0.5), "/partial_rotary_factor: is 0.5"},
      {Changed("layer_types", {"full_attention", "sliding_attention"}), "/layer_types: "},
  };
  for (const Case& c : cases) {
    const Result<ModelConfig> result = ReadConfig(c.config);
    ASSERT_FALSE(result.ok()) << c.message;
    EXPECT_THAT(result.error().message, HasSubstr(c.message));
    EXPECT_THAT(result.error().message, HasSubstr("config.json: "));
    EXPECT_THAT(result.error().message, Not(HasSubstr("\n")));
  }
}

TEST(HfConfigTest, SurvivesEveryTruncationAndEveryChangedByte) {
  const std::string good = Changed("rope_scaling", {{"rope_type", "linear"}, {"factor", 2}}).dump();
  ModelFolder folder(good);
  for (size_t i = 0; i < good.size(); ++i) {
    for (const int flip : {0x00, 0x01, 0x80}) {
      std::string bad = flip == 0 ? good.substr(0, i) : good;
      if (flip != 0) bad[i] = static_cast<char>(bad[i] ^ flip);
      folder.Write("config.json", bad);
      const Result<ModelConfig> result = folder.Read();
      if (!result.ok()) {
        ASSERT_THAT(result.error().message, Not(HasSubstr("\n")));
      }
    }
  }
}

TEST(GenerationConfigTest, PrefersGenerationConfigAndTakesOneIdOrAList) {
  ModelFolder folder(SmallLlama());
  EXPECT_THAT(folder.ReadGeneration().value().eos_ids, ElementsAre(2));
  folder.Write("generation_config.json", R"({"eos_token_id":null})");
  EXPECT_THAT(folder.ReadGeneration().value().eos_ids, ElementsAre(2));
  folder.Write("generation_config.json", R"({"eos_token_id":[7,5,7]})");
  EXPECT_THAT(folder.ReadGeneration().value().eos_ids, ElementsAre(5, 7));
  folder.Write("generation_config.json", R"({"eos_token_id":512})");
  EXPECT_THAT(folder.ReadGeneration().error().message,
              HasSubstr("id 512 is not in the vocabulary"));
  folder.Write("generation_config.json", R"({"eos_token_id":["x"]})");
  EXPECT_THAT(folder.ReadGeneration().error().message,
              HasSubstr("generation_config.json: /eos_token_id: is \"x\""));
  EXPECT_THAT(ModelFolder(Without("eos_token_id")).ReadGeneration().value().eos_ids, ElementsAre());
}

Gguf SmallGguf(const std::string& architecture = "llama") {
  Gguf gguf;
  gguf.Text("general.architecture", architecture);
  gguf.Uint(architecture + ".embedding_length", 64);
  gguf.Uint(architecture + ".feed_forward_length", 172);
  gguf.Uint(architecture + ".block_count", 5);
  gguf.Uint(architecture + ".context_length", 128);
  gguf.Uint(architecture + ".attention.head_count", 8);
  gguf.Float(architecture + ".attention.layer_norm_rms_epsilon", 1e-5f);
  gguf.Texts("tokenizer.ggml.tokens", std::vector<std::string>(512, "x"));
  gguf.Uint("tokenizer.ggml.eos_token_id", 2).Uint("tokenizer.ggml.eot_token_id", 1);
  return gguf;
}

Result<ModelConfig> ReadConfig(const Gguf& gguf) {
  const Folder folder;
  BITLOSS_TRY(const auto checkpoint, Checkpoint::Open(folder.Write("m.gguf", gguf.Build())));
  return ReadModelConfig(*checkpoint);
}

TEST(GgufConfigTest, ReadsMetadataAndAsksTheTensorsForTheRest) {
  const Folder folder;
  Gguf gguf = SmallGguf();
  gguf.Uint("llama.attention.head_count_kv", 4).Float("llama.rope.freq_base", 100000.0f);
  const auto checkpoint = Checkpoint::Open(folder.Write("m.gguf", gguf.Build())).value();
  const ModelConfig config = ReadModelConfig(*checkpoint).value();
  EXPECT_EQ(config.name, "m");
  EXPECT_EQ(config.hidden_size, 64u);
  EXPECT_EQ(config.intermediate_size, 172u);
  EXPECT_EQ(config.num_layers, 5u);
  EXPECT_EQ(config.num_kv_heads, 4u);
  EXPECT_EQ(config.head_dim, 8u);
  EXPECT_EQ(config.vocab_size, 512u);
  EXPECT_EQ(config.max_positions, 128u);
  EXPECT_EQ(config.rms_norm_eps, double{1e-5f});
  EXPECT_EQ(config.ropes[0].theta, 100000.0);
  EXPECT_TRUE(config.tied_embeddings);
  EXPECT_FALSE(config.qkv_bias);
  EXPECT_THAT(ReadGenerationConfig(*checkpoint, config).value().eos_ids, ElementsAre(1, 2));

  const std::vector<float> ones(64, 1.0f);
  gguf.F32("output.weight", {64, 1}, ones).F32("blk.0.attn_q.bias", {64}, ones);
  const ModelConfig untied = ReadConfig(gguf).value();
  EXPECT_FALSE(untied.tied_embeddings);
  EXPECT_TRUE(untied.qkv_bias);
  EXPECT_FALSE(untied.output_bias);
  EXPECT_EQ(ReadConfig(SmallGguf("qwen2")).value().architecture, "qwen2");
}

TEST(GgufConfigTest, RefusesWhatItDoesNotRun) {
  EXPECT_THAT(
      ReadConfig(SmallGguf("phi9")).error().message,
      HasSubstr("m.gguf: architecture 'phi9' is not known; the nearest of those that are: phi3"));
  EXPECT_THAT(ReadConfig(SmallGguf("qwen2").Uint("qwen2.expert_count", 8)).error().message,
              HasSubstr("'qwen2.expert_count' is 8: mixtures of experts are not known in qwen2"));
  EXPECT_THAT(ReadConfig(SmallGguf().Uint("llama.attention.sliding_window", 8)).error().message,
              HasSubstr("'llama.attention.sliding_window' is 8: sliding-window attention is not"));
  EXPECT_THAT(ReadConfig(SmallGguf().Uint("llama.rope.dimension_count", 4)).error().message,
              HasSubstr("'llama.rope.dimension_count' is 4, but heads have 8"));
  EXPECT_THAT(ReadConfig(SmallGguf().Text("llama.rope.scaling.type", "odd")).error().message,
              HasSubstr("'llama.rope.scaling.type': this rotary scaling is not known"));
  EXPECT_THAT(ReadConfig(SmallGguf().Uint("llama.attention.head_count_kv", 3)).error().message,
              HasSubstr("3 do not divide 8 heads"));
  EXPECT_THAT(ReadConfig(SmallGguf().Uint("llama.vocab_size", 0)).error().message,
              HasSubstr("'llama.vocab_size' is 0, not in [1, "));
  EXPECT_THAT(ReadConfig(Gguf().Text("general.architecture", "llama")).error().message,
              HasSubstr("'llama.embedding_length' is missing"));
}

TEST(GgufConfigTest, TakesTheRotaryFactorsThatTheFileHolds) {
  const std::vector<float> factors = {1.0f, 1.0f, 2.0f, 32.0f};
  const ModelConfig config = ReadConfig(SmallGguf().F32("rope_freqs.weight", {4}, factors)).value();
  const std::vector<double> frequencies = RopeInverseFrequencies(config.ropes[0], config.head_dim);
  EXPECT_THAT(frequencies, ElementsAre(1.0, testing::DoubleEq(0.1), testing::DoubleEq(0.01 / 2),
                                       testing::DoubleEq(0.001 / 32)));
  EXPECT_THAT(ReadConfig(SmallGguf().F32("rope_freqs.weight", {2}, {{1, 1}})).error().message,
              HasSubstr("'rope_freqs.weight' has shape [2], not [4]"));
  EXPECT_THAT(ReadConfig(SmallGguf().F32("rope_freqs.weight", {4}, {{1, 1, 0, 1}})).error().message,
              HasSubstr("'rope_freqs.weight': holds 0"));
}

TEST(RopeTest, PlainFrequenciesAreThePowersOfTheBase) {
  ModelConfig config;
  config.head_dim = 4;
  EXPECT_THAT(RopeInverseFrequencies(config.ropes[0], config.head_dim),
              ElementsAre(1.0, testing::DoubleEq(0.01)));
  config.ropes[0].scaling = LinearRopeScaling{4.0};
  EXPECT_THAT(RopeInverseFrequencies(config.ropes[0], config.head_dim),
              ElementsAre(0.25, testing::DoubleEq(0.0025)));
}

// tools/golden/rope_scalings.py asked transformers, which works in float32: an exponent off by
// 2^-25 of itself changes 500000^-x by 13.2 times that, and a few more roundings follow, so the two
// agree to a relative 2e-6.
TEST(RopeTest, ScalesLikeTransformers) {
  const auto cases =
      ReadJsonFile(BITLOSS_SOURCE_DIR "/src/bitloss/model/testdata/rope_scalings.json").value();
  ASSERT_EQ(cases.size(), 16u);
  for (const json& one : cases) {
    SCOPED_TRACE(one["rope"].dump().substr(0, 100));
    json config = Changed("rope_parameters", one["rope"]);
    config["head_dim"] = 64;
    config["max_position_embeddings"] = one["positions"];
    const RopeConfig rope = ReadConfig(config).value().ropes[0];
    const size_t original = OriginalLength(rope);
    const bool is_beyond = original > 0 && one["length"].get<size_t>() > original;
    const std::vector<double> frequencies = RopeInverseFrequencies(
        rope, 64, is_beyond ? SequenceLength::kBeyond : SequenceLength::kOriginal);
    const auto expected = one["frequencies"].get<std::vector<double>>();
    ASSERT_EQ(frequencies.size(), expected.size());
    for (size_t i = 0; i < frequencies.size(); ++i) {
      EXPECT_NEAR(frequencies[i], expected[i], 2e-6 * expected[i]) << i;
    }
    EXPECT_NEAR(rope.magnitude, one["magnitude"].get<double>(), 1e-12);
  }
}

}  // namespace
}  // namespace bitloss
