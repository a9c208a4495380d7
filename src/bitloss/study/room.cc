#include "bitloss/study/room.h"

#include <algorithm>

#include "bitloss/model/batch.h"
#include "bitloss/model/layer_plan.h"
#include "bitloss/model/stream.h"
#include "bitloss/study/memory.h"

namespace bitloss {
namespace {

constexpr uint64_t kFloat = sizeof(float);
// Bytes a weight while a block is made: its FP32 values (4), their copy with noise or in another
// precision (4), the encoded form and the packed one (at most 2 each).
constexpr uint64_t kMakingBytes = 12;
// On a device, the packed form: FP32 values, or two planes of FP16. Of two blocks, since one is let
// go when what was asked of it is done.
constexpr uint64_t kPackedBytes = 4;
constexpr uint64_t kDeviceMakingBytes = 2 * kPackedBytes;
// A device packs rows in hundreds, and has room between its allocations.
constexpr double kPadding = 1.1;
// Logits exist in two lanes at once (eval/scoring.h).
constexpr uint64_t kLanesOfLogits = 2;
// Of a rank of several: enough tokens to keep the multipliers busy.
constexpr size_t kFewestGroupTokens = 512;
constexpr size_t kGroupsOfRank = 12;
// Keys of continuations that branch off each other, gathered at once (model/transformer.cc).
constexpr uint64_t kGatheredKeys = 4096;
// What is kept of a scored token in a lane: six numbers and their place.
constexpr uint64_t kScoreBytes = 64;

struct Lengths {
  uint64_t longest = 0;        // tokens of a sequence
  uint64_t answer_tokens = 0;  // of all prompts of a suite and their longest answers
  uint64_t prompts = 0;        // of the suite with most
};

Lengths FindLengths(const Asked& asked) {
  Lengths lengths;
  for (const StudyText& text : asked.texts) {
    for (const Sequence& sequence : text.windows.sequences) {
      lengths.longest = std::max<uint64_t>(lengths.longest, sequence.tokens.size());
    }
  }
  for (const StudyTask& task : asked.tasks) {
    for (const auto& item : task.continuations) {
      for (const EncodedContinuation& one : item) {
        lengths.longest = std::max<uint64_t>(lengths.longest, one.tokens.size());
      }
    }
  }
  for (const StudySuite& suite : asked.suites) {
    uint64_t tokens = 0;
    for (const GenerationPrompt& prompt : suite.prompts) {
      const uint64_t most = prompt.tokens.size() + prompt.max_new_tokens + 1;
      lengths.longest = std::max(lengths.longest, most);
      tokens += most;
    }
    lengths.answer_tokens = std::max(lengths.answer_tokens, tokens);
    lengths.prompts = std::max<uint64_t>(lengths.prompts, suite.prompts.size());
  }
  return lengths;
}

// Of a token between blocks.
uint64_t StreamBytes(const ModelConfig& config) { return kFloat * StreamLayout(config).width(); }

// Scratch of a forward pass (model/transformer.h), for one token.
uint64_t ScratchBytes(const ModelConfig& config) {
  const uint64_t queries = std::max(config.Largest(&ModelConfig::query_width),
                                    config.Largest(&ModelConfig::heads_width));
  const uint64_t keys =
      std::max(config.Largest(&ModelConfig::key_width), config.Largest(&ModelConfig::value_width));
  uint64_t mixer = 0;
  if (config.latent) mixer = config.latent->query_rank + 2 * config.latent->rank + queries + keys;
  if (config.delta) mixer = 2 * config.delta->channels() + 2 * config.delta->value_width();
  if (config.conv_kernel > 0) mixer = 4 * uint64_t{config.hidden_size};
  uint64_t mlp = config.Largest(&ModelConfig::mlp_width);
  uint64_t routed = 0;
  if (config.experts) {
    mlp = std::max({mlp, uint64_t{config.experts->width}, uint64_t{config.experts->shared_width}});
    routed = config.experts->count + 2 * uint64_t{config.hidden_size};
    if (config.experts->beside_mlp) routed += 2 * uint64_t{config.hidden_size};
  }
  uint64_t streams = 0;
  if (config.altup) streams = (config.altup->streams + 2) * uint64_t{config.hidden_size};
  return kFloat * (4 * uint64_t{config.hidden_size} + streams + 2 * queries + 2 * keys + mixer +
                   3 * mlp + routed);
}

// Beside the block in the making: its copy that is scaled, what enters and leaves its parts, hidden
// rows of the baseline and of lanes that follow their own blocks, and two Gram matrices.
uint64_t FitBytes(const ModelConfig& config, std::span<const LanePlan> plans, uint64_t weights,
                  uint64_t num_tokens) {
  uint64_t chains = 0;
  bool follows = false;
  for (const LanePlan& plan : plans) {
    if (plan.stored || plan.mixed || !Calibrates(plan.scheme)) continue;
    chains = std::max<uint64_t>(chains, 1);
    if (!FollowsItsOwnBlocks(plan.scheme)) continue;
    ++chains;
    follows = true;
  }
  if (chains == 0) return 0;
  const uint64_t widest = std::max(config.Largest(&ModelConfig::mlp_width), config.hidden_size);
  return kFloat * weights + num_tokens * (3 * ScratchBytes(config) + chains * StreamBytes(config)) +
         (follows ? 2 * widest * widest * sizeof(double) : 0);
}

// Rounded up, as --memory takes it.
std::string Megabytes(uint64_t bytes) {
  return fmt::format("{}M", (bytes + (uint64_t{1} << 20) - 1) >> 20);
}

Error TooLittle(const MemoryBound& bound, uint64_t needed, std::string_view what) {
  const double padding = bound.is_device ? kPadding : 1.0;
  const auto shown = [&](uint64_t bytes) {
    return Megabytes(static_cast<uint64_t>(padding * static_cast<double>(bytes)));
  };
  return BadInput("{} {} is too little: {} needs at least {}", bound.name, shown(bound.bytes), what,
                  shown(needed));
}

// What is resident beside lanes' blocks.
struct Needs {
  uint64_t fixed = 0;
  uint64_t per_token = 0;        // of those that are in work
  uint64_t working = 0;          // tokens in work where all blocks are held
  uint64_t longest = 0;          // tokens of a sequence
  uint64_t keys_and_values = 0;  // while a lane answers prompts

  uint64_t ToHoldAll(const BlockBytes& blocks) const {
    uint64_t bytes = fixed + std::max(per_token * working, keys_and_values);
    for (const uint64_t of_lane : blocks.of_lanes) bytes += of_lane;
    return bytes;
  }
};

Needs NeedsOf(const ModelConfig& config, const BlockBytes& blocks, const Asked& asked,
              const MemoryBound& bound) {
  const Lengths lengths = FindLengths(asked);
  const uint64_t num_lanes = blocks.of_lanes.size();
  Needs needs;
  needs.longest = lengths.longest;
  const WorkSizes& sizes = bound.work_sizes;
  const uint64_t making = bound.is_device ? kDeviceMakingBytes : kMakingBytes;
  needs.working = std::max<uint64_t>(sizes.group_tokens, lengths.longest);
  needs.fixed =
      blocks.resident + making * blocks.block_weights + ScratchBytes(config) * needs.working +
      kLanesOfLogits *
          std::min<uint64_t>(sizes.logit_bytes, sizes.most_logit_rows * kFloat * config.vocab_size);
  needs.per_token = (num_lanes + 1) * StreamBytes(config) + num_lanes * kScoreBytes;
  needs.keys_and_values = KvCache::BytesOf(config, lengths.answer_tokens, lengths.prompts);
  return needs;
}

}  // namespace

std::vector<std::pair<size_t, size_t>> Room::Groups(std::span<const ScoredSequence> sequences,
                                                    size_t num_ranks) const {
  size_t num_tokens = 0;
  for (const ScoredSequence& sequence : sequences) num_tokens += sequence.tokens.size();
  if (!holds_all) {  // as few as there can be: each makes every block
    return GroupUpToTokens(sequences, std::min(group_tokens, num_tokens / num_ranks + 1));
  }
  if (num_ranks == 1) return GroupByTokens(sequences, group_tokens);
  return GroupByTokens(sequences, std::clamp(num_tokens / (num_ranks * kGroupsOfRank),
                                             kFewestGroupTokens, group_tokens));
}

Room Smaller(const Room& a, const Room& b) {
  if (a.holds_all != b.holds_all) return a.holds_all ? b : a;
  return a.group_tokens < b.group_tokens ? a : b;
}

uint64_t LargestBlock(const ModelConfig& config) {
  uint64_t largest = 0;
  for (size_t layer = 0; layer < config.num_layers; ++layer) {
    uint64_t count = 0;
    for (const LinearSpec& linear : PlanLayer(config, layer).linears) {
      count += uint64_t{linear.shape.out} * linear.shape.in;
    }
    largest = std::max(largest, count);
  }
  return largest;
}

uint64_t BytesToHoldAll(const ModelConfig& config, const BlockBytes& blocks, const Asked& asked) {
  return NeedsOf(config, blocks, asked, {}).ToHoldAll(blocks);
}

namespace {

Result<BlockBytes> Measure(const ModelConfig& config, LaneSet& lanes) {
  BlockBytes blocks;
  for (size_t i = 0; i < lanes.size(); ++i) {
    BITLOSS_TRY(blocks.of_lanes.emplace_back(), lanes.PackedBytes(i));
  }
  lanes.Forget();
  blocks.block_weights = LargestBlock(config);
  return blocks;
}

// No less than Measure would say, and nothing is made for it.
BlockBytes AtMost(const ModelConfig& config, size_t num_lanes) {
  BlockBytes blocks;
  blocks.block_weights = LargestBlock(config);
  const auto of_lane = static_cast<uint64_t>(
      kPadding * static_cast<double>(kPackedBytes * blocks.block_weights * config.num_layers));
  blocks.of_lanes.assign(num_lanes, of_lane);
  return blocks;
}

Result<Room> PlanRoomOfDevice(const ModelConfig& config, LaneSet& lanes,
                              std::span<const LanePlan> plans, const Asked& asked,
                              const Backend& backend, const DeviceMemory& memory) {
  MemoryBound bound;
  bound.bytes = static_cast<uint64_t>(static_cast<double>(memory.usable) / kPadding);
  bound.name = "the GPU's memory of";
  bound.is_device = true;
  bound.work_sizes = backend.work_sizes();
  BlockBytes blocks = AtMost(config, lanes.size());
  blocks.resident = memory.used;
  const Result<Room> room = PlanRoom(config, blocks, plans, asked, bound);
  if (room.ok() && room.value().holds_all) return room;
  BITLOSS_TRY(blocks, Measure(config, lanes));
  blocks.resident = memory.used;
  return PlanRoom(config, blocks, plans, asked, bound);
}

}  // namespace

Result<Room> PlanRoom(const ModelConfig& config, LaneSet& lanes, std::span<const LanePlan> plans,
                      const Asked& asked, uint64_t max_bytes, const Backend& backend) {
  if (const std::optional<DeviceMemory> device = backend.device_memory()) {
    const uint64_t weights = LargestBlock(config);
    const uint64_t needed = PrivateResidentBytes() + kMakingBytes * weights +
                            FitBytes(config, plans, weights, asked.calibration_tokens);
    if (max_bytes > 0 && needed > max_bytes) {
      return TooLittle({.bytes = max_bytes}, needed, "making a block");
    }
    return PlanRoomOfDevice(config, lanes, plans, asked, backend, *device);
  }
  if (max_bytes == 0) return Room();
  BITLOSS_TRY(BlockBytes blocks, Measure(config, lanes));
  blocks.resident = PrivateResidentBytes();
  return PlanRoom(config, blocks, plans, asked, {.bytes = max_bytes});
}

Result<Room> PlanRoom(const ModelConfig& config, const BlockBytes& blocks,
                      std::span<const LanePlan> plans, const Asked& asked,
                      const MemoryBound& bound) {
  Room room;
  room.group_tokens = bound.work_sizes.group_tokens;
  const uint64_t max_bytes = bound.bytes;
  const Needs needs = NeedsOf(config, blocks, asked, bound);
  if (max_bytes == 0 || needs.ToHoldAll(blocks) <= max_bytes) return room;

  if (const uint64_t needed =
          needs.fixed + FitBytes(config, plans, blocks.block_weights, asked.calibration_tokens);
      needed > max_bytes) {
    return TooLittle(bound, needed, "calibrating a lane");
  }
  if (const uint64_t needed = needs.fixed + needs.per_token * needs.longest; needed > max_bytes) {
    return TooLittle(bound, needed, "the longest sequence in every lane");
  }
  const auto largest = std::ranges::max_element(blocks.of_lanes);
  const std::string& lane =
      plans[static_cast<size_t>(largest - blocks.of_lanes.begin())].record.scheme;
  if (const uint64_t needed = needs.fixed + *largest + needs.keys_and_values;
      !asked.suites.empty() && needed > max_bytes) {
    return TooLittle(
        bound, needed,
        fmt::format("answering prompts with lane '{}' (leave it out with --suite none)", lane));
  }
  const uint64_t gathered =
      kGatheredKeys * kFloat *
      (config.Largest(&ModelConfig::key_width) + config.Largest(&ModelConfig::value_width));
  if (const uint64_t needed = needs.fixed + *largest + gathered;
      !asked.tasks.empty() && needed > max_bytes) {
    return TooLittle(bound, needed, fmt::format("scoring a task with lane '{}'", lane));
  }
  room.holds_all = false;
  room.group_tokens = (max_bytes - needs.fixed) / needs.per_token;
  return room;
}

}  // namespace bitloss
