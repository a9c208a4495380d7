#include "bitloss/base/random.h"

#include <cmath>

namespace bitloss {
namespace {

// Multiplies to 64 bits: {high, low}.
std::array<uint32_t, 2> MultiplyHighLow(uint32_t a, uint32_t b) {
  const uint64_t product = uint64_t{a} * b;
  return {static_cast<uint32_t>(product >> 32), static_cast<uint32_t>(product)};
}

// FNV-1a, to give each stream name its own key.
uint64_t HashName(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace

std::array<uint32_t, 4> Philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const auto [high0, low0] = MultiplyHighLow(0xD2511F53u, counter[0]);
    const auto [high1, low1] = MultiplyHighLow(0xCD9E8D57u, counter[2]);
    counter = {high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

RandomStream::RandomStream(uint64_t seed, std::string_view name) {
  const uint64_t hash = HashName(name);
  const auto mixed = Philox({static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32), 0, 0},
                            {static_cast<uint32_t>(hash), static_cast<uint32_t>(hash >> 32)});
  key_ = {mixed[0], mixed[1]};
}

uint64_t RandomStream::Bits(uint64_t a, uint64_t b) const {
  const auto words = Philox({static_cast<uint32_t>(a), static_cast<uint32_t>(a >> 32),
                             static_cast<uint32_t>(b), static_cast<uint32_t>(b >> 32)},
                            key_);
  return uint64_t{words[0]} | uint64_t{words[1]} << 32;
}

double RandomStream::Uniform(uint64_t a, uint64_t b) const {
  return (static_cast<double>(Bits(a, b) >> 11) + 0.5) * 0x1p-53;
}

double RandomStream::Gumbel(uint64_t a, uint64_t b) const {
  return -std::log(-std::log(Uniform(a, b)));
}

}  // namespace bitloss
