// Against the vectors of llama.cpp and the ids of WikiText-2, from the shared data.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <map>
#include <sstream>

#include "bitloss/base/file.h"
#include "bitloss/checkpoint/gguf.h"
#include "bitloss/tokenizer/tokenizer.h"

namespace bitloss {
namespace {

using std::filesystem::path;

const path kData = BITLOSS_SHARED_DATA;

template <class T>
T Value(Result<T> result) {
  if (!result.ok()) ADD_FAILURE() << result.error().message;
  return std::move(result).value();
}

Tokenizer FromFolder(const std::string& name) { return Value(Tokenizer::FromFolder(kData / name)); }

Tokenizer FromGguf(const std::string& name) {
  return Value(Tokenizer::FromGguf(Value(GgufFile::Open(kData / "tokenizer-vectors" / name))));
}

std::vector<std::string> SplitAt(const std::string& text, const std::string& separator) {
  std::vector<std::string> parts;
  size_t at = 0;
  for (size_t hit; (hit = text.find(separator, at)) != std::string::npos;
       at = hit + separator.size()) {
    parts.push_back(text.substr(at, hit - at));
  }
  parts.push_back(text.substr(at));
  return parts;
}

struct Vector {
  std::string text;
  std::vector<TokenId> ids;
};

// ggml-vocab-NAME.gguf.{inp,out}: texts between separator lines; one line of ids each.
std::vector<Vector> ReadVectors(const std::string& name) {
  const std::string stem = "ggml-vocab-" + name + ".gguf";
  const path folder = kData / "tokenizer-vectors";
  const auto texts = SplitAt(Value(ReadFile(folder / (stem + ".inp"))), "\n__ggml_vocab_test__\n");
  const auto lines = SplitAt(Value(ReadFile(folder / (stem + ".out"))), "\n");
  std::vector<Vector> vectors;
  for (size_t i = 0; i < texts.size(); ++i) {
    Vector vector{texts[i], {}};
    std::istringstream line(lines.at(i));
    for (TokenId id; line >> id;) vector.ids.push_back(id);
    vectors.push_back(vector);
  }
  return vectors;
}

void ExpectVectors(const Tokenizer& tokenizer, const std::string& name) {
  const std::vector<Vector> vectors = ReadVectors(name);
  EXPECT_EQ(vectors.size(), 47u);
  for (const Vector& vector : vectors) {
    EXPECT_EQ(Value(tokenizer.Encode(vector.text, Tokenizer::Special::kAsText,
                                     Tokenizer::AddTokens::kNone)),
              vector.ids)
        << "text: " << vector.text;
  }
}

std::vector<TokenId> ReadIds(const path& file) {
  const std::string bytes = Value(ReadFile(file));
  std::vector<TokenId> ids(bytes.size() / sizeof(TokenId));
  std::memcpy(ids.data(), bytes.data(), ids.size() * sizeof(TokenId));
  return ids;
}

// The rows of the Hugging Face data set (a line with its newline, or nothing for an empty line)
// joined by two newlines.
std::string JoinAsRows(const std::string& raw) {
  std::vector<std::string> lines = SplitAt(raw, "\n");
  if (lines.back().empty()) lines.pop_back();
  std::string text;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) text += "\n\n";
    const bool blank = lines[i].find_first_not_of(' ') == std::string::npos;
    if (!blank) text += lines[i] + "\n";
  }
  return text;
}

TEST(TokenizerAcceptance, Qwen2EqualsTheVectorsOfLlamaCpp) {
  ExpectVectors(FromFolder("qwen2.5-tokenizer"), "qwen2");
}

TEST(TokenizerAcceptance, DeepseekR1QwenEqualsTheVectorsOfLlamaCpp) {
  ExpectVectors(FromFolder("qwen2.5-tokenizer"), "deepseek-r1-qwen");
}

TEST(TokenizerAcceptance, Llama3EqualsTheVectorsOfLlamaCpp) {
  ExpectVectors(FromFolder("llama3-tokenizer"), "llama-bpe");
}

TEST(TokenizerAcceptance, Gpt2FromGgufEqualsTheVectorsOfLlamaCpp) {
  ExpectVectors(FromGguf("ggml-vocab-gpt-2.gguf"), "gpt-2");
}

TEST(TokenizerAcceptance, LlamaSentencePieceFromGgufEqualsTheVectorsOfLlamaCpp) {
  ExpectVectors(FromGguf("ggml-vocab-llama-spm.gguf"), "llama-spm");
}

// Its vocabulary is Llama's, with the tokens of chats after it.
TEST(TokenizerAcceptance, Phi3FromLlamasGgufEqualsTheVectorsOfLlamaCpp) {
  ExpectVectors(FromGguf("ggml-vocab-llama-spm.gguf"), "phi-3");
}

// RoBERTa's tokens are GPT-2's under other numbers.
TEST(TokenizerAcceptance, RobertaEqualsTheVectorsOfLlamaCppButForTheNumbers) {
  const Tokenizer tokenizer = FromGguf("ggml-vocab-gpt-2.gguf");
  std::map<TokenId, TokenId> number_of, token_of;
  for (const Vector& vector : ReadVectors("roberta-bpe")) {
    const auto ids = Value(
        tokenizer.Encode(vector.text, Tokenizer::Special::kAsText, Tokenizer::AddTokens::kNone));
    ASSERT_EQ(ids.size(), vector.ids.size()) << vector.text;
    for (size_t i = 0; i < ids.size(); ++i) {
      EXPECT_EQ(number_of.emplace(ids[i], vector.ids[i]).first->second, vector.ids[i]);
      EXPECT_EQ(token_of.emplace(vector.ids[i], ids[i]).first->second, ids[i]);
    }
  }
  EXPECT_GT(number_of.size(), 150u);
}

TEST(TokenizerAcceptance, WikiText2EqualsTheReferenceIdForId) {
  const Tokenizer tokenizer = FromFolder("qwen2.5-tokenizer");
  const std::string raw = Value(ReadFile(kData / "wikitext2" / "wiki.test.raw"));
  const auto encode = [&](const std::string& text) {
    return Value(tokenizer.Encode(text, Tokenizer::Special::kParse, Tokenizer::AddTokens::kModel));
  };
  const path reference = kData / "reference";
  const auto raw_ids = encode(raw);
  EXPECT_EQ(raw_ids.size(), 299078u);
  EXPECT_TRUE(raw_ids == ReadIds(reference / "wiki.test.qwen2.5.ids.raw_file.u32le"));
  const auto joined_ids = encode(JoinAsRows(raw));
  EXPECT_EQ(joined_ids.size(), 299078u);
  EXPECT_TRUE(joined_ids == ReadIds(reference / "wiki.test.qwen2.5.ids.hf_joined.u32le"));
  EXPECT_EQ(tokenizer.Decode(raw_ids, Tokenizer::SpecialOut::kKeep), raw);
}

// Prints, so that a record can be kept; 10 MB/s on one core of a machine with nothing else to do is
// asked for, half of that here.
TEST(TokenizerAcceptance, LoadsAndEncodesFast) {
  const auto seconds_of = [](const auto& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  double best_load = 1e9;
  for (int i = 0; i < 3; ++i) {
    best_load = std::min(best_load, seconds_of([] { FromFolder("qwen2.5-tokenizer"); }));
  }
  const std::string raw = Value(ReadFile(kData / "wikitext2" / "wiki.test.raw"));
  const Tokenizer tokenizer = FromFolder("qwen2.5-tokenizer");
  const auto encode = [&] {
    const auto ids =
        tokenizer.Encode(raw, Tokenizer::Special::kParse, Tokenizer::AddTokens::kModel);
    EXPECT_TRUE(ids.ok());
  };
  const double first = seconds_of(encode);
  double best = first;
  for (int i = 0; i < 5; ++i) best = std::min(best, seconds_of(encode));
  const double megabytes = static_cast<double>(raw.size()) / 1e6;
  std::cout << "load " << best_load << " s, first encoding " << megabytes / first
            << " MB/s, best of six " << megabytes / best << " MB/s\n";
  EXPECT_GT(megabytes / best, 5.0);
}

}  // namespace
}  // namespace bitloss
