// How a serving engine keeps the keys and values of earlier tokens, as "+kv=q8_0" names it:
//
//   f16, bf16                rounded to nearest even; beyond FP16's range infinite
//   fp8_e4m3, fp8_e5m2       rounded to nearest even with scale 1, saturating (vLLM without scales)
//   q8_0, q5_1, q5_0, q4_1,  blocks of 32 neighbours of a head, as llama.cpp's cache has them; with
//   q4_0, iq4_nl             its rotation before them and its rounding of queries (below)
//
// What is written is what is read, a token's own key and value included, so a text goes through the
// cache in one pass and decoding equals that pass.
//
// llama.cpp turns heads whose width 64 divides by a normalized Walsh-Hadamard matrix before it
// rounds them in blocks: keys and queries by the largest power of two that divides the width,
// values, and what attention makes of them, by 64. ":plain" leaves that out. Where keys are in
// blocks, its vector kernels round the turned queries to 8 bits, in blocks of 32.
//
// (Sources: llama.cpp llama-kv-cache.cpp and ggml-cpu; vLLM's reshape_and_cache.)
#ifndef BITLOSS_QUANT_KV_FORMAT_H_
#define BITLOSS_QUANT_KV_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"

namespace bitloss {

struct KvFormat {
  enum class Kind : uint8_t {
    kF16,
    kBF16,
    kE4M3,
    kE5M2,
    kQ8_0,
    kQ5_1,
    kQ5_0,
    kQ4_1,
    kQ4_0,
    kIq4Nl
  };
  Kind kind = Kind::kF16;
  bool rotates = false;

  friend bool operator==(const KvFormat&, const KvFormat&) = default;
};

// Both or one of them rounded.
struct KvRounding {
  std::optional<KvFormat> keys = {};
  std::optional<KvFormat> values = {};

  bool any() const { return keys || values; }
  friend bool operator==(const KvRounding&, const KvRounding&) = default;
};

// "q4_0", "q4_0:plain". kUnsupported names the nearest known ones.
Result<KvFormat> ParseKvFormat(std::string_view text);
std::vector<std::string_view> KvFormatNames();
std::string NameOf(const KvFormat& format);

// Bits that a number takes, scales included.
double BitsOf(const KvFormat& format);

// "+kv=q4_0", "+k=q8_0+v=q4_0:plain", ""; as a scheme says it.
std::string SuffixOf(const KvRounding& rounding);

// kUnsupported if heads of this width do not divide into the format's blocks.
Status CheckKvFormat(const KvFormat& format, size_t head_dim);

// One token's keys (after their rotary embedding) or values, heads of `head_dim` one after the
// other, to what comes back from the cache: still turned, where the format turns them. A row with
// a number that is not finite stays as it is.
void RoundKeys(const KvFormat& format, size_t head_dim, std::span<float> row);
void RoundValues(const KvFormat& format, size_t head_dim, std::span<float> row);
// What a query becomes that meets such keys.
void RoundQueries(const KvFormat& of_keys, size_t head_dim, std::span<float> row);
// What attention made of such values, turned back.
void TurnBack(const KvFormat& of_values, size_t head_dim, std::span<float> row);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_KV_FORMAT_H_
