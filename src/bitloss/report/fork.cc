#include "bitloss/report/fork.h"

#include <algorithm>
#include <cmath>

namespace bitloss {
namespace {

constexpr size_t kMaxText = 40;  // bytes of each side, of what they share

// A lane's token counts as nearly tied if the baseline gives it at least this share of what it
// gives its own.
constexpr double kNearTieShare = 0.5;

bool BeginsCodePoint(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

// The bytes that both begin with, cut between code points.
size_t SharedBytes(const std::string& a, const std::string& b) {
  size_t end = static_cast<size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
  while (end > 0 && ((end < a.size() && !BeginsCodePoint(a[end])) ||
                     (end < b.size() && !BeginsCodePoint(b[end])))) {
    --end;
  }
  return end;
}

std::string From(const std::string& text, size_t begin) {
  size_t end = std::min(text.size(), begin + kMaxText);
  while (end < text.size() && end > begin && !BeginsCodePoint(text[end])) --end;
  return text.substr(begin, end - begin);
}

std::string Before(const std::string& text, size_t end) {
  size_t begin = end > kMaxText ? end - kMaxText : 0;
  while (begin < end && !BeginsCodePoint(text[begin])) ++begin;
  return text.substr(begin, end - begin);
}

std::optional<int32_t> TokenAt(const Answer& answer, size_t position) {
  if (position >= answer.token_ids.size()) return std::nullopt;
  return answer.token_ids[position];
}

}  // namespace

std::optional<bool> Fork::NearTie() const {
  if (!baseline.baseline_probability || !lane.baseline_probability) return std::nullopt;
  return *lane.baseline_probability >= kNearTieShare * *baseline.baseline_probability;
}

std::optional<Fork> FindFork(const Answer& baseline, const Answer& lane, const AnswerFork* record) {
  if (baseline.finish == FinishReason::kError || lane.finish == FinishReason::kError) {
    return std::nullopt;
  }
  if (baseline.token_ids == lane.token_ids) return std::nullopt;
  Fork fork;
  fork.position = static_cast<size_t>(
      std::ranges::mismatch(baseline.token_ids, lane.token_ids).in1 - baseline.token_ids.begin());
  fork.baseline.token = TokenAt(baseline, fork.position);
  fork.lane.token = TokenAt(lane, fork.position);
  const size_t shared = SharedBytes(baseline.text, lane.text);
  fork.shared = Before(baseline.text, shared);
  fork.baseline.text = From(baseline.text, shared);
  fork.lane.text = From(lane.text, shared);
  if (record != nullptr && record->position == fork.position) {
    fork.baseline.baseline_probability = std::exp(-record->baseline_token_in_baseline);
    fork.baseline.lane_probability = std::exp(-record->baseline_token_in_lane);
    fork.lane.baseline_probability = std::exp(-record->lane_token_in_baseline);
    fork.lane.lane_probability = std::exp(-record->lane_token_in_lane);
  }
  return fork;
}

}  // namespace bitloss
