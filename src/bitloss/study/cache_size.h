// What a token's keys and values take in the cache of who serves a lane.
#ifndef BITLOSS_STUDY_CACHE_SIZE_H_
#define BITLOSS_STUDY_CACHE_SIZE_H_

#include <cstdint>
#include <string>

#include "bitloss/model/config.h"
#include "bitloss/quant/kv_format.h"
#include "bitloss/study/lanes.h"

namespace bitloss {

// Bytes that the cache grows by with each token, over all layers: keys and values as they are
// rounded, 16 bits each where they are not (what engines keep by default; bitloss itself has FP32).
// Of latent attention the narrow row that heads share; a layer that attends to an earlier one's
// keys, or keeps a state, adds nothing. Layers with a window stop growing at its end.
uint64_t CacheBytesPerToken(const KvRounding& rounding, const ModelConfig& config);

// "keys and values as q4_0: 1,728 bytes for each token, 6,144 in FP16".
std::string NoteOfCache(const KvRounding& rounding, const ModelConfig& config);

// Adds {"cache": {"keys": "q4_0", "values": "unrounded", "bytes_per_token": 3936}} to the coverage
// of a lane of a model that keeps any. A mixed scheme that rounds them differently from layer to
// layer has no such entry.
void DescribeCache(const ModelConfig& config, LanePlan& plan);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_CACHE_SIZE_H_
