#ifndef BITLOSS_STUDY_PROGRESS_H_
#define BITLOSS_STUDY_PROGRESS_H_

#include <cstdint>
#include <functional>
#include <string>

namespace bitloss {

// How far one task of a long piece of work is. A task is reported with a few of its units done
// before the next one begins.
struct Progress {
  std::string task;  // "wikitext2 lines-512-seed"
  uint64_t done = 0;
  uint64_t total = 0;
  std::string unit;  // "tokens"
};

// Called often, from one thread; must be quick.
using ProgressSink = std::function<void(const Progress&)>;

}  // namespace bitloss

#endif  // BITLOSS_STUDY_PROGRESS_H_
