// The protocols as values; protocol.cc puts them in order. What each is: protocol.h.
#ifndef BITLOSS_DATA_PROTOCOLS_LIST_H_
#define BITLOSS_DATA_PROTOCOLS_LIST_H_

#include "bitloss/data/protocol.h"

namespace bitloss {

Result<Windows> CutLines512Seed(const Text& text, const TextEncoder& encoder, size_t max_samples);
Result<Windows> CutGptq2048(const Text& text, const TextEncoder& encoder, size_t max_samples);
Result<Windows> CutLlamaCpp512(const Text& text, const TextEncoder& encoder, size_t max_samples);
Result<Windows> CutHfStride(const Text& text, const TextEncoder& encoder, size_t max_samples);
Result<Windows> CutRollingDoc(const Text& text, const TextEncoder& encoder, size_t max_samples);

inline constexpr Protocol kLines512Seed = {.id = "lines-512-seed",
                                           .summary = "each line alone, at most 512 tokens",
                                           .window = 512,
                                           .default_samples = 500,
                                           .cut = CutLines512Seed};
inline constexpr Protocol kGptq2048 = {.id = "gptq-2048",
                                       .summary = "chunks of 2048 tokens, tail dropped",
                                       .window = 2048,
                                       .default_samples = {},
                                       .cut = CutGptq2048};
inline constexpr Protocol kLlamaCpp512 = {
    .id = "llamacpp-512",
    .summary = "chunks of 512 tokens of the raw file, second half scored",
    .window = 512,
    .default_samples = {},
    .cut = CutLlamaCpp512};
inline constexpr Protocol kHfStride = {
    .id = "hf-stride",
    .summary = "windows of 2048 tokens every 512, each token scored once (v3 averaging)",
    .window = 2048,
    .default_samples = {},
    .cut = CutHfStride};
inline constexpr Protocol kRollingDoc = {.id = "rolling-doc",
                                         .summary = "whole documents, loss per word and per byte",
                                         .window = 0,
                                         .default_samples = {},
                                         .cut = CutRollingDoc};

}  // namespace bitloss

#endif  // BITLOSS_DATA_PROTOCOLS_LIST_H_
