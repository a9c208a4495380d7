#include "bitloss/quant/kv_format.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "bitloss/quant/activations/activation_rounding.h"
#include "bitloss/quant/formats/ggml/ggml_type.h"
#include "bitloss/quant/formats/ggml/iq4_fits.h"
#include "bitloss/quant/formats/small_float.h"
#include "bitloss/quant/nearest_names.h"
#include "bitloss/tensor/dtype.h"

namespace bitloss {
namespace {

using Kind = KvFormat::Kind;

constexpr size_t kBlock = 32;
constexpr size_t kNarrowest = 64;  // heads that are turned
constexpr std::string_view kPlain = ":plain";

struct Known {
  Kind kind;
  std::string_view name;
  std::string_view ggml_type;  // of blocks
};
constexpr std::array kKnown = {
    Known{Kind::kF16, "f16", ""},       Known{Kind::kBF16, "bf16", ""},
    Known{Kind::kE4M3, "fp8_e4m3", ""}, Known{Kind::kE5M2, "fp8_e5m2", ""},
    Known{Kind::kQ8_0, "q8_0", "Q8_0"}, Known{Kind::kQ5_1, "q5_1", "Q5_1"},
    Known{Kind::kQ5_0, "q5_0", "Q5_0"}, Known{Kind::kQ4_1, "q4_1", "Q4_1"},
    Known{Kind::kQ4_0, "q4_0", "Q4_0"}, Known{Kind::kIq4Nl, "iq4_nl", "IQ4_NL"},
};

const Known& InfoOf(Kind kind) { return *std::ranges::find(kKnown, kind, &Known::kind); }

const GgmlType* BlockTypeOf(Kind kind) {
  const std::string_view name = InfoOf(kind).ggml_type;
  return name.empty() ? nullptr : FindGgmlType(name);
}

// x becomes H x, H[i][j] = (-1)^popcount(i & j) / sqrt(n), n = x.size(), a power of two.
void Hadamard(std::span<float> x) {
  const float scale = 1.0f / std::sqrt(static_cast<float>(x.size()));
  for (float& value : x) value *= scale;
  for (size_t stride = 1; stride < x.size(); stride *= 2) {
    for (size_t begin = 0; begin < x.size(); begin += 2 * stride) {
      for (size_t i = begin; i < begin + stride; ++i) {
        const float u = x[i];
        const float v = x[i + stride];
        x[i] = u + v;
        x[i + stride] = u - v;
      }
    }
  }
}

void Turn(size_t width, std::span<float> row) {
  for (size_t at = 0; at < row.size(); at += width) Hadamard(row.subspan(at, width));
}

bool Turns(const KvFormat& format, size_t head_dim) {
  return format.rotates && head_dim % kNarrowest == 0;
}

// The largest power of two that divides n.
size_t PowerOfTwoIn(size_t n) { return n & (~n + 1); }

// IQ4_NL as a cache has it, without the search of files: levels for the scale that the largest
// value asks for, then the scale that suits those levels best.
void RoundToIq4Levels(std::span<float> row) {
  for (size_t at = 0; at < row.size(); at += kBlock) {
    const std::span<float> block = row.subspan(at, kBlock);
    const float extreme =
        *std::ranges::max_element(block, {}, [](float value) { return std::abs(value); });
    if (extreme == 0.0f) continue;
    const float inverse = 1.0f / (extreme / kIq4Levels.front());
    std::array<uint8_t, kBlock> codes;
    NearestIq4Levels(block, inverse, codes);
    float product = 0.0f;
    float square = 0.0f;
    for (size_t i = 0; i < kBlock; ++i) {
      const float level = kIq4Levels[codes[i]];
      const float weight = block[i] * block[i];
      product += weight * level * block[i];
      square += weight * level * level;
    }
    const float scale = ThroughF16(square > 0.0f ? product / square : 0.0f);
    for (size_t i = 0; i < kBlock; ++i) block[i] = kIq4Levels[codes[i]] * scale;
  }
}

void RoundThroughType(const GgmlType& type, std::span<float> row) {
  std::array<std::byte, 64> bytes;
  const std::span<std::byte> block = std::span(bytes).first(type.bytes_per_block);
  for (size_t at = 0; at < row.size(); at += kBlock) {
    const std::span<float> values = row.subspan(at, kBlock);
    type.encode(values, {}, 0, block.data());
    type.decode(block, values);
  }
}

bool AllFinite(std::span<const float> row) {
  return std::ranges::all_of(row, [](float value) { return std::isfinite(value); });
}

void RoundRow(Kind kind, std::span<float> row) {
  switch (kind) {
    case Kind::kF16:
      for (float& value : row) value = ThroughF16(value);
      return;
    case Kind::kBF16:
      for (float& value : row) value = ThroughBF16(value);
      return;
    case Kind::kE4M3:
      for (float& value : row) value = kE4M3.Decode(kE4M3.Encode(value));
      return;
    case Kind::kE5M2:
      for (float& value : row) value = kE5M2.Decode(kE5M2.Encode(value));
      return;
    case Kind::kQ8_0:
      return RoundToQ8_0(row);
    case Kind::kIq4Nl:
      return RoundToIq4Levels(row);
    default:
      return RoundThroughType(*BlockTypeOf(kind), row);
  }
}

void TurnAndRound(const KvFormat& format, size_t width, size_t head_dim, std::span<float> row) {
  if (!AllFinite(row)) return;
  if (Turns(format, head_dim)) Turn(width, row);
  RoundRow(format.kind, row);
}

}  // namespace

Result<KvFormat> ParseKvFormat(std::string_view text) {
  const bool plain = text.ends_with(kPlain);
  const std::string_view name = plain ? text.substr(0, text.size() - kPlain.size()) : text;
  const auto known = std::ranges::find(kKnown, name, &Known::name);
  if (known == kKnown.end()) {
    return Unsupported("unknown format of keys and values '{}'; known are {}", text,
                       NearestNames(name, KvFormatNames(), kKnown.size()));
  }
  const bool in_blocks = !known->ggml_type.empty();
  if (plain && !in_blocks)
    return BadInput("'{}': {} is never turned; leave :plain out", text, name);
  return KvFormat{known->kind, in_blocks && !plain};
}

std::vector<std::string_view> KvFormatNames() {
  std::vector<std::string_view> names;
  for (const Known& known : kKnown) names.push_back(known.name);
  return names;
}

std::string NameOf(const KvFormat& format) {
  const Known& known = InfoOf(format.kind);
  const bool plain = !known.ggml_type.empty() && !format.rotates;
  return fmt::format("{}{}", known.name, plain ? kPlain : "");
}

double BitsOf(const KvFormat& format) {
  if (const GgmlType* type = BlockTypeOf(format.kind)) {
    return 8.0 * static_cast<double>(type->bytes_per_block) / kBlock;
  }
  return format.kind == Kind::kF16 || format.kind == Kind::kBF16 ? 16 : 8;
}

std::string SuffixOf(const KvRounding& rounding) {
  if (rounding.keys && rounding.keys == rounding.values) {
    return "+kv=" + NameOf(*rounding.keys);
  }
  std::string text;
  if (rounding.keys) text += "+k=" + NameOf(*rounding.keys);
  if (rounding.values) text += "+v=" + NameOf(*rounding.values);
  return text;
}

Status CheckKvFormat(const KvFormat& format, size_t head_dim) {
  if (BlockTypeOf(format.kind) == nullptr || head_dim % kBlock == 0) return Ok();
  return Unsupported("keys and values in {} come in blocks of {}, which do not divide heads of {}",
                     InfoOf(format.kind).name, kBlock, head_dim);
}

void RoundKeys(const KvFormat& format, size_t head_dim, std::span<float> row) {
  TurnAndRound(format, PowerOfTwoIn(head_dim), head_dim, row);
}

void RoundValues(const KvFormat& format, size_t head_dim, std::span<float> row) {
  TurnAndRound(format, kNarrowest, head_dim, row);
}

void RoundQueries(const KvFormat& of_keys, size_t head_dim, std::span<float> row) {
  if (BlockTypeOf(of_keys.kind) == nullptr || !AllFinite(row)) return;
  if (Turns(of_keys, head_dim)) Turn(PowerOfTwoIn(head_dim), row);
  RoundToQ8_0(row);
}

void TurnBack(const KvFormat& of_values, size_t head_dim, std::span<float> row) {
  if (Turns(of_values, head_dim)) Turn(kNarrowest, row);
}

}  // namespace bitloss
