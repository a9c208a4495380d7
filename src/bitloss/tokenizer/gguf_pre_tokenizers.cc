#include "bitloss/tokenizer/gguf_pre_tokenizers.h"

#include <array>

#include "bitloss/tokenizer/pre_tokenizer.h"

namespace bitloss {
namespace {

constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";

using Normalize = NamedPreTokenizer::Normalize;
using Digits = NamedPreTokenizer::Digits;
using WholePieces = BpeOptions::WholePieces;

constexpr std::array<NamedPreTokenizer, 7> kPreTokenizers = {{
    {"qwen2", Normalize::kNfc, Digits::kWithTheRest, kQwen2Pattern, WholePieces::kMerge, false},
    {"deepseek-r1-qwen", Normalize::kNothing, Digits::kWithTheRest, kQwen2Pattern,
     WholePieces::kMerge, false},
    {"llama-bpe", Normalize::kNothing, Digits::kWithTheRest, kLlama3Pattern, WholePieces::kLookUp,
     true},
    {"llama3", Normalize::kNothing, Digits::kWithTheRest, kLlama3Pattern, WholePieces::kLookUp,
     true},
    {"llama-v3", Normalize::kNothing, Digits::kWithTheRest, kLlama3Pattern, WholePieces::kLookUp,
     true},
    {"gpt-2", Normalize::kNothing, Digits::kWithTheRest, kGpt2Pattern, WholePieces::kMerge, false},
    {"smollm", Normalize::kNothing, Digits::kEachFirst, kGpt2Pattern, WholePieces::kMerge, false},
}};

}  // namespace

std::span<const NamedPreTokenizer> GgufPreTokenizers() { return kPreTokenizers; }

}  // namespace bitloss
