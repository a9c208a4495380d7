#ifndef BITLOSS_CLI_PROGRESS_H_
#define BITLOSS_CLI_PROGRESS_H_

#include <chrono>
#include <string>
#include <string_view>

#include "bitloss/study/progress.h"

namespace bitloss {

// What goes to standard error beside errors: progress and remarks. The choice is the process's
// (--quiet).
enum class Notes { kShow, kLeaveOut };
void ChooseNotes(Notes notes);

// A remark, as a line of its own.
void PrintNote(std::string_view text);

// Shows how far long work is, on standard error. On a terminal one line that is rewritten: what,
// how far, how long still. Elsewhere (a file, CI, TERM=dumb) a plain line when a task begins, every
// half minute, and when it ends.
class ProgressPrinter {
 public:
  ProgressPrinter();
  ~ProgressPrinter();

  void operator()(const Progress& progress);

 private:
  using Clock = std::chrono::steady_clock;

  void Begin(const Progress& progress);
  void Finish();
  std::string Line(const Progress& progress) const;

  bool terminal_;
  std::string task_;
  uint64_t first_done_ = 0;  // of the task when it began: a resumed task starts in the middle
  Clock::time_point began_;
  Clock::time_point printed_;
  std::string last_line_;
};

// "4 s", "1:05 min", "2:03 h"
std::string Duration(double seconds);

}  // namespace bitloss

#endif  // BITLOSS_CLI_PROGRESS_H_
