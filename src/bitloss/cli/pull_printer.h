#ifndef BITLOSS_CLI_PULL_PRINTER_H_
#define BITLOSS_CLI_PULL_PRINTER_H_

#include <chrono>
#include <deque>
#include <string>

#include "bitloss/hub/pull.h"

namespace bitloss {

// Shows how far a pull is, on standard error. On a terminal one line that is rewritten: how much of
// how much, the rate of the last seconds, how long still, which file. Elsewhere a line when it
// begins, every half minute, and when it ends.
class PullPrinter {
 public:
  explicit PullPrinter(std::string name);
  ~PullPrinter();
  PullPrinter(const PullPrinter&) = delete;
  PullPrinter& operator=(const PullPrinter&) = delete;

  void operator()(const PullProgress& progress);
  void Say(const std::string& notice);
  // "owner/name @ 7ae5576: 9 files fetched, 988.1 MB in all"
  void Finish(const Pulled& pulled);

 private:
  using Clock = std::chrono::steady_clock;
  struct Sample {
    Clock::time_point time;
    uint64_t received;
  };

  std::string Line(const PullProgress& progress);
  void ClearLine();

  std::string name_;
  bool terminal_;
  bool line_stands_ = false;
  Clock::time_point printed_;
  std::deque<Sample> samples_;  // of the last seconds
};

}  // namespace bitloss

#endif  // BITLOSS_CLI_PULL_PRINTER_H_
