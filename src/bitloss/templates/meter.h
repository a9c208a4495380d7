// What one rendering has used of its bounds. A template comes with a model from anywhere and is
// treated as hostile: loops nest, strings double, macros call themselves. Nothing here looks at a
// clock, so the same template is refused at the same place on every machine.
#ifndef BITLOSS_TEMPLATES_METER_H_
#define BITLOSS_TEMPLATES_METER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "bitloss/templates/refusal.h"

namespace bitloss::templates {

inline constexpr size_t kMaxSourceBytes = size_t{1} << 20;
inline constexpr size_t kMaxNesting = 200;      // of brackets and blocks in the source
inline constexpr size_t kMaxCalls = 200;        // of macros and recursive loops in one another
inline constexpr size_t kMaxEvaluation = 2000;  // of expressions and statements in one another
inline constexpr size_t kMaxValueDepth = 200;   // of lists and mappings in one another
inline constexpr size_t kMaxItems = 1'000'000;  // of one list or mapping
inline constexpr size_t kMaxRange = 100'000;
inline constexpr uint64_t kMaxSteps = 10'000'000;
inline constexpr size_t kMinStringLimit = size_t{16} << 20;

class Meter {
 public:
  // The output, and any one string, may have 64 times the bytes of the input, and 16 MiB in any
  // case.
  explicit Meter(size_t input_bytes)
      : max_string_bytes_(std::max(kMinStringLimit, input_bytes * 64)) {}

  // A statement, an operator or an item costs one step, and so do 64 bytes that are copied.
  void Step(uint64_t count = 1) {
    steps_ += count;
    if (steps_ > kMaxSteps) Refuse("more than {} steps: does the template end?", kMaxSteps);
  }

  // Asks before a string of so many bytes is made.
  void String(size_t num_bytes) {
    if (num_bytes > max_string_bytes_) TooLong();
    Step(num_bytes / 64);
  }

  // The same for a string that grows: `charged` is what of it was paid for.
  void Grown(size_t num_bytes, size_t& charged) {
    if (num_bytes < charged + 64) return;
    if (num_bytes > max_string_bytes_) TooLong();
    Step((num_bytes - charged) / 64);
    charged = num_bytes;
  }

  // Asks before a list of so many items is made.
  void Items(size_t count) {
    if (count > kMaxItems) Refuse("a list of more than {} items", kMaxItems);
    Step(count);
  }

 private:
  [[noreturn]] void TooLong() const {
    Refuse("a text of more than {} MiB", max_string_bytes_ >> 20);
  }

  size_t max_string_bytes_;
  uint64_t steps_ = 0;
};

// Counts what is inside what; the caller says what is too deep.
class Deeper {
 public:
  Deeper(size_t& depth, size_t limit, const char* what) : depth_(depth) {
    if (depth_ >= limit) Refuse("{} in one another more than {} deep", what, limit);
    ++depth_;
  }
  ~Deeper() { --depth_; }
  Deeper(const Deeper&) = delete;
  Deeper& operator=(const Deeper&) = delete;

 private:
  size_t& depth_;
};

}  // namespace bitloss::templates

#endif  // BITLOSS_TEMPLATES_METER_H_
