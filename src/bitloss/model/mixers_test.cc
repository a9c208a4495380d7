// Latent attention, delta rules and short convolutions: what configurations say of them, what a
// block is made of, and what a sequence keeps.
#include <gmock/gmock.h>

#include "bitloss/checkpoint/test_files.h"
#include "bitloss/json/parse.h"
#include "bitloss/model/architecture.h"
#include "bitloss/model/batch.h"
#include "bitloss/model/config.h"
#include "bitloss/model/layer_plan.h"
#include "bitloss/model/stream.h"

namespace bitloss {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json Sizes(std::string_view model_type, std::string_view of_class) {
  return {
      {"architectures", {of_class}}, {"model_type", model_type}, {"hidden_size", 32},
      {"intermediate_size", 48},     {"num_hidden_layers", 4},   {"num_attention_heads", 4},
      {"num_key_value_heads", 4},    {"vocab_size", 160},        {"max_position_embeddings", 64}};
}

json DeepSeek() {
  json config = Sizes("deepseek_v3", "DeepseekV3ForCausalLM");
  config.update({{"q_lora_rank", nullptr},
                 {"kv_lora_rank", 16},
                 {"qk_nope_head_dim", 12},
                 {"qk_rope_head_dim", 8},
                 {"v_head_dim", 10},
                 {"n_routed_experts", 8},
                 {"num_experts_per_tok", 2},
                 {"n_group", 1},
                 {"topk_group", 1},
                 {"moe_intermediate_size", 16}});
  return config;
}

json Qwen35() {
  json config = Sizes("qwen3_5_text", "Qwen3_5ForCausalLM");
  config.update({{"head_dim", 16},
                 {"linear_num_key_heads", 2},
                 {"linear_num_value_heads", 4},
                 {"linear_key_head_dim", 6},
                 {"linear_value_head_dim", 8}});
  return config;
}

Result<ModelConfig> Read(const json& config) {
  test_files::Folder folder;
  folder.Write("config.json", config.dump());
  folder.Write("model.safetensors", test_files::Safetensors("{}", ""));
  BITLOSS_TRY(const auto checkpoint, Checkpoint::Open(folder.path()));
  return ReadModelConfig(*checkpoint);
}

std::string RefusalOf(json config, std::string_view key, const json& value) {
  config[std::string(key)] = value;
  const auto read = Read(config);
  return read.ok() ? "read" : read.error().message;
}

// The last two of five layers have no keys of their own.
json Gemma4() {
  json config = Sizes("gemma4_text", "Gemma4ForCausalLM");
  config.update({{"num_hidden_layers", 5},
                 {"num_key_value_heads", 2},
                 {"head_dim", 8},
                 {"global_head_dim", 12},
                 {"num_kv_shared_layers", 2},
                 {"use_double_wide_mlp", true},
                 {"hidden_size_per_layer_input", 4},
                 {"vocab_size_per_layer_input", 160},
                 {"sliding_window", 9},
                 {"layer_types",
                  {"sliding_attention", "full_attention", "sliding_attention", "sliding_attention",
                   "full_attention"}}});
  return config;
}

void ExpectSameLayers(const ModelConfig& a, const ModelConfig& b) {
  for (size_t i = 0; i < a.num_layers; ++i) {
    EXPECT_EQ(a.head_dim_of(i), b.head_dim_of(i)) << i;
    EXPECT_EQ(a.kv_heads_of(i), b.kv_heads_of(i)) << i;
    EXPECT_EQ(a.mlp_width(i), b.mlp_width(i)) << i;
    EXPECT_EQ(a.layer(i).window, b.layer(i).window) << i;
    EXPECT_EQ(a.layer(i).rope, b.layer(i).rope) << i;
    EXPECT_EQ(a.layer(i).kv_source, b.layer(i).kv_source) << i;
  }
  for (size_t rope = 0; rope < 2; ++rope) {
    EXPECT_EQ(RopeInverseFrequencies(a.ropes[rope], 0), RopeInverseFrequencies(b.ropes[rope], 0));
  }
}

TEST(Gemma4, ReadsSizesOfLayersInEitherSpelling) {
  const ModelConfig config = Read(Gemma4()).value();
  EXPECT_EQ(config.head_dim_of(0), 8u);
  EXPECT_EQ(config.head_dim_of(1), 12u);
  EXPECT_EQ(config.layer(2).kv_source, std::nullopt);
  EXPECT_EQ(config.layer(3).kv_source, 2u) << "the last before that slides";
  EXPECT_EQ(config.layer(4).kv_source, 1u);
  EXPECT_EQ(config.mlp_width(2), 48u);
  EXPECT_EQ(config.mlp_width(3), 96u);
  // A quarter of the pairs of a whole head turn, the others stand still.
  EXPECT_THAT(RopeInverseFrequencies(config.ropes[0], 12), testing::ElementsAre(1, 0, 0, 0, 0, 0));

  json newer = Gemma4();
  newer.erase("global_head_dim");
  newer["per_layer_config"] = {{"1", {{"head_dim", 12}}}, {"4", {{"head_dim", 12}}}};
  newer["rope_parameters"] = {
      {"full_attention",
       {{"rope_type", "proportional"}, {"rope_theta", 1e6}, {"partial_rotary_factor", 0.25}}},
      {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 1e4}}}};
  ExpectSameLayers(Read(newer).value(), config);
}

TEST(Gemma4, KeepsKeysOnceAndCarriesThemBetweenBlocks) {
  const ModelConfig config = Read(Gemma4()).value();
  EXPECT_FALSE(PlanLayer(config, 3).Find(Linear::kKey));
  EXPECT_FALSE(PlanLayer(config, 3).Has(Kept::kKeyNorm));
  // Two heads of 8, 12 and 8 numbers, keys and values.
  EXPECT_EQ(KvCache::BytesOf(config, 10, 1), 10u * 2 * 2 * (8 + 12 + 8) * 4);
  const StreamLayout stream(config);
  EXPECT_EQ(stream.keys(0).size(), 0u);
  EXPECT_EQ(stream.keys(1).size(), 24u);
  EXPECT_EQ(stream.values(2).size(), 16u);
  EXPECT_EQ(stream.per_layer(4).size(), 4u);
  EXPECT_EQ(stream.width(), 32u + 5 * 4 + 2 * 24 + 2 * 16);
}

TEST(Gemma4, PutsExpertsBesideItsMlp) {
  json json_config = Gemma4();
  json_config.update({{"enable_moe_block", true},
                      {"num_experts", 4},
                      {"top_k_experts", 2},
                      {"moe_intermediate_size", 16},
                      {"attention_k_eq_v", true},
                      {"num_global_key_value_heads", 1},
                      {"num_kv_shared_layers", 0}});
  const ModelConfig config = Read(json_config).value();
  const LayerPlan plan = PlanLayer(config, 1);
  EXPECT_TRUE(HasExpertsBeside(plan));
  EXPECT_TRUE(plan.mlp);
  EXPECT_EQ(plan.experts.size(), 4u);
  EXPECT_FALSE(plan.Find(Linear::kValue)) << "values are keys";
  EXPECT_EQ(plan.linears[plan.At(Linear::kKey)].shape.out, 12u);
  EXPECT_TRUE(PlanLayer(config, 0).Find(Linear::kValue));
  EXPECT_EQ(LinearsInWords(config), "q, k, v, o, gate, up, down, experts' gate, up, down");
  EXPECT_EQ(KeptInWords(config), "routers, per-layer inputs, layer scales, norms, biases");
}

TEST(Gemma4, RefusesByNameWhatContradicts) {
  EXPECT_THAT(RefusalOf(Gemma4(), "num_kv_shared_layers", 5), HasSubstr("is 5 of 5 layers"));
  EXPECT_THAT(RefusalOf(Gemma4(), "num_kv_shared_layers", 4),
              HasSubstr("none of the first 1 layers sees what layer 1 sees"));
  EXPECT_THAT(RefusalOf(Gemma4(), "use_bidirectional_attention", "all"),
              HasSubstr("/use_bidirectional_attention"));
  EXPECT_EQ(RefusalOf(Gemma4(), "use_bidirectional_attention", "vision"), "read");
  EXPECT_THAT(RefusalOf(Gemma4(), "global_head_dim", 11), HasSubstr("4 heads of 11 elements"));
  const json by_layer = {{"1", {{"head_dim", 12}, {"num_key_value_heads", 3}}}};
  EXPECT_THAT(RefusalOf(Gemma4(), "per_layer_config", by_layer), HasSubstr("of which 3 have keys"));
  const json uneven = {{"1", {{"head_dim", 12}}}};
  EXPECT_THAT(RefusalOf(Gemma4(), "per_layer_config", uneven), HasSubstr("different shapes"));
}

json Gemma3n() {
  json config = Sizes("gemma3n_text", "Gemma3nForCausalLM");
  config.update({{"num_key_value_heads", 2},
                 {"head_dim", 8},
                 {"intermediate_size", {48, 40, 48, 40}},
                 {"num_kv_shared_layers", 2},
                 {"activation_sparsity_pattern", {0.95, 0.0, 0.5, 0.0}},
                 {"hidden_size_per_layer_input", 4},
                 {"altup_num_inputs", 3},
                 {"laurel_rank", 6},
                 {"sliding_window", 9},
                 {"layer_types",
                  {"sliding_attention", "full_attention", "sliding_attention", "full_attention"}}});
  return config;
}

TEST(Gemma3n, ReadsWhatDiffersByLayer) {
  const ModelConfig config = Read(Gemma3n()).value();
  EXPECT_EQ(config.mlp_width(0), 48u);
  EXPECT_EQ(config.mlp_width(3), 40u);
  // Of 100 numbers of a bell curve 5 are above this many deviations.
  EXPECT_NEAR(config.layer(0).gate_cutoff.value(), 1.6448536269514722, 1e-12);
  EXPECT_FALSE(config.layer(1).gate_cutoff);
  EXPECT_NEAR(config.layer(2).gate_cutoff.value(), 0.0, 1e-12);
  EXPECT_EQ(config.layer(2).kv_source, 0u);
  EXPECT_EQ(config.layer(3).kv_source, 1u);
  EXPECT_EQ(StreamLayout(config).width(), 3u * 32 + 4 * 4 + 4 * 16);
  json older = Gemma3n();
  older["intermediate_size"] = 48;
  EXPECT_EQ(Read(older).value().mlp_width(3), 48u);
}

TEST(Gemma3n, RefusesByNameWhatContradicts) {
  EXPECT_THAT(RefusalOf(Gemma3n(), "intermediate_size", {48, 40}), HasSubstr("2 widths for 4"));
  EXPECT_THAT(RefusalOf(Gemma3n(), "intermediate_size", {48, 0, 48, 40}), HasSubstr("holds 0"));
  EXPECT_THAT(RefusalOf(Gemma3n(), "activation_sparsity_pattern", {0.5}),
              HasSubstr("1 shares for 4 layers"));
  EXPECT_THAT(RefusalOf(Gemma3n(), "activation_sparsity_pattern", {0.5, 1.0, 0, 0}),
              HasSubstr("not below 1"));
  EXPECT_THAT(RefusalOf(Gemma3n(), "altup_active_idx", 3), HasSubstr("stream 3 of 3"));
  // Other architectures have one width.
  EXPECT_THAT(RefusalOf(Gemma4(), "intermediate_size", {48, 40}), HasSubstr("/intermediate_size"));
}

TEST(Mixers, ReadLatentAttention) {
  const ModelConfig config = Read(DeepSeek()).value();
  EXPECT_EQ(config.head_dim, 20u);
  EXPECT_EQ(config.value_dim, 10u);
  const LayerPlan plan = PlanLayer(config, 3);
  EXPECT_EQ(plan.linears[plan.At(Linear::kQuery)].shape.out, 80u);
  EXPECT_EQ(plan.linears[plan.At(Linear::kKeyValueDown)].shape.out, 24u);
  EXPECT_EQ(plan.linears[plan.At(Linear::kKeyUp)].shape.out, 48u);
  EXPECT_EQ(plan.linears[plan.At(Linear::kValueUp)].shape.in, 16u);
  EXPECT_EQ(plan.linears[plan.At(Linear::kOutput)].shape.in, 40u);
  EXPECT_FALSE(plan.Find(Linear::kQueryDown));
  EXPECT_EQ(LinearsInWords(config), "q, kv_a, k_b, v_b, o, experts' gate, up, down");
  // 4 layers of keys of 80 and values of 40 numbers.
  EXPECT_EQ(KvCache::BytesOf(config, 10, 2), 4u * 10 * 120 * 4);
}

TEST(Mixers, ReadDeltaRulesBetweenAttention) {
  const ModelConfig config = Read(Qwen35()).value();
  EXPECT_EQ(config.layer(2).mixer, Mixer::kDeltaRule);
  EXPECT_EQ(config.layer(3).mixer, Mixer::kAttention);
  EXPECT_EQ(LinearsInWords(config), "q, k, v, gate, o, gate, up, down");
  // 3 layers with 3 rows of 56 channels and states of 24 by 8, and one of keys and values.
  EXPECT_EQ(KvCache::BytesOf(config, 10, 2), (3u * 2 * (3 * 56 + 24 * 8) + 10 * 2 * 64) * 4);
}

TEST(Mixers, RefuseByNameWhatIsNotKnown) {
  EXPECT_THAT(RefusalOf(DeepSeek(), "scoring_func", "softmax"), HasSubstr("/scoring_func"));
  EXPECT_THAT(RefusalOf(DeepSeek(), "moe_layer_freq", 2), HasSubstr("/moe_layer_freq"));
  EXPECT_THAT(RefusalOf(DeepSeek(), "qk_rope_head_dim", 7), HasSubstr("/qk_rope_head_dim"));
  EXPECT_THAT(RefusalOf(DeepSeek(), "kv_lora_rank", 0), HasSubstr("/kv_lora_rank"));
  EXPECT_THAT(RefusalOf(DeepSeek(), "n_group", 3), HasSubstr("3 groups"));
  EXPECT_THAT(RefusalOf(Qwen35(), "linear_num_key_heads", 3), HasSubstr("/linear_num_key_heads"));
  EXPECT_THAT(RefusalOf(Qwen35(), "layer_types", json::array({"mamba", "mamba", "a", "b"})),
              HasSubstr("/layer_types"));
  const json lfm2 = Sizes("lfm2", "Lfm2ForCausalLM");
  EXPECT_EQ(RefusalOf(lfm2, "conv_bias", false), "read");
  EXPECT_THAT(RefusalOf(lfm2, "conv_bias", true), HasSubstr("/conv_bias"));
  EXPECT_THAT(RefusalOf(lfm2, "conv_L_cache", 0), HasSubstr("/conv_L_cache"));
}

TEST(Mixers, AreRefusedWhereSevenKindsOfLinearsAreToldApart) {
  EXPECT_THAT(CheckKinds(Read(DeepSeek()).value(), "sensitivity").error().message,
              HasSubstr("self_attn.kv_a_proj_with_mqa"));
  EXPECT_THAT(CheckKinds(Read(Qwen35()).value(), "sensitivity").error().message,
              HasSubstr("linear_attn.q_proj"));
}

TEST(Mixers, NarrowTheMlpOfShortConvolutions) {
  json config = Sizes("lfm2", "Lfm2ForCausalLM");
  config["block_multiple_of"] = 16;
  config["layer_types"] = {"conv", "full_attention", "conv", "conv"};
  const ModelConfig read = Read(config).value();
  EXPECT_EQ(read.intermediate_size, 32u);  // 2/3 of 48
  EXPECT_EQ(read.layer(0).mixer, Mixer::kShortConvolution);
  EXPECT_EQ(read.layer(1).mixer, Mixer::kAttention);
  config.erase("layer_types");
  config["full_attn_idxs"] = {0};
  EXPECT_EQ(Read(config).value().layer(0).mixer, Mixer::kAttention);
  EXPECT_EQ(Read(config).value().layer(1).mixer, Mixer::kShortConvolution);
}

}  // namespace
}  // namespace bitloss
