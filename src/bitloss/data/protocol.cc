#include "bitloss/data/protocol.h"

#include <array>
#include <limits>

#include "bitloss/base/check.h"
#include "bitloss/data/protocols/list.h"

namespace bitloss {
namespace {

constexpr std::array kProtocols = {kLines512Seed, kGptq2048, kLlamaCpp512, kHfStride, kRollingDoc};

template <class Accept>
std::string JoinIds(Accept accept) {
  std::string ids;
  for (const Protocol& protocol : kProtocols) {
    if (!accept(protocol)) continue;
    if (!ids.empty()) ids += ", ";
    ids += protocol.id;
  }
  return ids;
}

Status CheckFits(const Protocol& protocol, size_t max_positions) {
  if (protocol.window <= max_positions) return Ok();
  return Unsupported(
      "protocol '{}' reads {} tokens at once, but the model has {} positions; protocols that fit: "
      "{}",
      protocol.id, protocol.window, max_positions,
      JoinIds([&](const Protocol& other) { return other.window <= max_positions; }));
}

}  // namespace

std::span<const Protocol> Protocols() { return kProtocols; }

Result<const Protocol*> FindProtocol(std::string_view id) {
  for (const Protocol& protocol : kProtocols) {
    if (protocol.id == id) return &protocol;
  }
  return NotFound("protocol '{}' is not known; there are: {}", id,
                  JoinIds([](const Protocol&) { return true; }));
}

Result<Windows> CutIntoWindows(const Protocol& protocol, const Text& text,
                               const TextEncoder& encoder, std::optional<size_t> max_samples) {
  BITLOSS_DO(CheckFits(protocol, encoder.max_positions));
  const size_t samples =
      max_samples.value_or(protocol.default_samples.value_or(std::numeric_limits<size_t>::max()));
  if (samples == 0) return BadInput("protocol '{}': 0 samples leave nothing to score", protocol.id);

  BITLOSS_TRY(Windows windows, protocol.cut(text, encoder, samples));
  windows.protocol = protocol.id;
  windows.text = text.name;
  windows.warnings.insert(windows.warnings.begin(), text.warnings.begin(), text.warnings.end());
  for (const Sequence& sequence : windows.sequences) {
    BITLOSS_CHECK(sequence.first_scored >= 1 && sequence.first_scored < sequence.tokens.size());
    BITLOSS_CHECK(sequence.clusters.size() == sequence.num_scored());
    windows.num_predictions += sequence.num_scored();
  }
  if (windows.num_predictions == 0) {
    return BadInput(
        "protocol '{}': text '{}' has no token to score; a prediction needs a token before it",
        protocol.id, text.name);
  }
  return windows;
}

}  // namespace bitloss
