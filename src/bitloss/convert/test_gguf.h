// For tests: GGUF files of small models, with a tokenizer in them.
#ifndef BITLOSS_CONVERT_TEST_GGUF_H_
#define BITLOSS_CONVERT_TEST_GGUF_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "bitloss/checkpoint/gguf.h"
#include "bitloss/checkpoint/write_gguf.h"

namespace bitloss {

// A token for each character of ASCII, <s>, a space and a line's end.
inline void AddCharacters(size_t num_tokens, GgufPairs& pairs) {
  std::vector<std::string> tokens;
  for (size_t id = 0; id < num_tokens; ++id) tokens.push_back("[PAD" + std::to_string(id) + "]");
  for (char c = '!'; c <= '~'; ++c) tokens[static_cast<size_t>(c)] = std::string(1, c);
  tokens[0] = "<s>";
  tokens[1] = "\u0120";
  tokens[2] = "\u010a";
  pairs.AddString("tokenizer.ggml.model", "gpt2");
  pairs.AddString("tokenizer.ggml.pre", "gpt-2");
  pairs.AddStrings("tokenizer.ggml.tokens", tokens);
  pairs.AddStrings("tokenizer.ggml.merges", {});
  pairs.AddUint("tokenizer.ggml.bos_token_id", 0);
}

// The same file; one without a tokenizer gets that of characters.
inline void CopyWithTokenizer(const std::filesystem::path& from, const std::filesystem::path& to) {
  const GgufFile file = GgufFile::Open(from).value();
  GgufPairs pairs;
  for (const auto& [key, value] : file.metadata().values()) {
    ASSERT_TRUE(pairs.Add(key, value).ok()) << key;
  }
  const std::string prefix = file.metadata().GetString("general.architecture").value() + ".";
  if (!file.metadata().Has("tokenizer.ggml.tokens")) {
    AddCharacters(file.metadata().GetUint(prefix + "vocab_size").value(), pairs);
  }
  ASSERT_TRUE(WriteGguf(to, pairs, file.tensors()).ok());
}

// A random Qwen3 with experts, all of whose rows divide into blocks of 32, in F32.
inline void WriteMixture(const std::filesystem::path& to) {
  constexpr uint64_t kVocabulary = 128, kHidden = 32, kWidth = 64, kExperts = 4;
  GgufPairs pairs;
  pairs.AddString("general.architecture", "qwen3moe");
  for (const auto& [key, value] :
       std::map<std::string, uint32_t>{{"block_count", 1},
                                       {"context_length", 512},
                                       {"embedding_length", kHidden},
                                       {"feed_forward_length", kWidth},
                                       {"expert_feed_forward_length", kWidth},
                                       {"expert_count", kExperts},
                                       {"expert_used_count", 2},
                                       {"attention.head_count", 4},
                                       {"attention.head_count_kv", 2},
                                       {"attention.key_length", 16},
                                       {"attention.value_length", 16},
                                       {"vocab_size", kVocabulary}}) {
    pairs.AddUint("qwen3moe." + key, value);
  }
  pairs.AddFloat("qwen3moe.attention.layer_norm_rms_epsilon", 1e-6f);
  AddCharacters(kVocabulary, pairs);
  std::mt19937 random(1);
  std::vector<GgufTensor> tensors;
  for (const auto& [name, shape] : std::map<std::string, std::vector<uint64_t>>{
           {"token_embd", {kVocabulary, kHidden}},
           {"output_norm", {kHidden}},
           {"blk.0.attn_norm", {kHidden}},
           {"blk.0.attn_q", {64, kHidden}},
           {"blk.0.attn_k", {32, kHidden}},
           {"blk.0.attn_v", {32, kHidden}},
           {"blk.0.attn_output", {kHidden, 64}},
           {"blk.0.attn_q_norm", {16}},
           {"blk.0.attn_k_norm", {16}},
           {"blk.0.ffn_norm", {kHidden}},
           {"blk.0.ffn_gate_inp", {kExperts, kHidden}},
           {"blk.0.ffn_gate_exps", {kExperts, kWidth, kHidden}},
           {"blk.0.ffn_up_exps", {kExperts, kWidth, kHidden}},
           {"blk.0.ffn_down_exps", {kExperts, kHidden, kWidth}}}) {
    size_t count = 1;
    for (const uint64_t extent : shape) count *= extent;
    std::vector<float> values(count);
    for (float& value : values) value = static_cast<float>(random() % 2001) / 1000.0f - 1.0f;
    const auto bytes = std::as_bytes(std::span(values));
    tensors.push_back({name + ".weight", FindGgmlType("F32"), shape,
                       SharedBytes::Own({bytes.begin(), bytes.end()})});
  }
  ASSERT_TRUE(WriteGguf(to, pairs, tensors).ok());
}

// Every tensor of the model's file, byte for byte, and every key but those of the file itself.
inline void ExpectTheSameGguf(const std::filesystem::path& written,
                              const std::filesystem::path& model) {
  const GgufFile a = GgufFile::Open(written).value(), b = GgufFile::Open(model).value();
  EXPECT_EQ(a.tensors().size(), b.tensors().size());
  for (const GgufTensor& tensor : b.tensors()) {
    const GgufTensor* found = a.FindTensor(tensor.name);
    ASSERT_NE(found, nullptr) << tensor.name;
    EXPECT_EQ(found->type->name, tensor.type->name) << tensor.name;
    EXPECT_EQ(found->shape, tensor.shape) << tensor.name;
    EXPECT_TRUE(std::ranges::equal(found->bytes.span(), tensor.bytes.span())) << tensor.name;
  }
  for (const auto& [key, value] : b.metadata().values()) {
    if (key == "general.file_type" || key == "general.quantization_version") continue;
    const auto found = a.metadata().values().find(key);
    ASSERT_NE(found, a.metadata().values().end()) << key;
    EXPECT_TRUE(found->second == value) << key;
  }
}

}  // namespace bitloss

#endif  // BITLOSS_CONVERT_TEST_GGUF_H_
