#include "bitloss/cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace bitloss {
namespace {

constexpr auto kTerminalInterval = std::chrono::milliseconds(100);
constexpr auto kPlainInterval = std::chrono::seconds(30);

Notes& Chosen() {
  static Notes notes = Notes::kShow;
  return notes;
}

// Whether a line of standard error can be written again.
bool IsTerminal() {
  const char* const kind = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) != 0 && (kind == nullptr || std::string_view(kind) != "dumb");
}

}  // namespace

void ChooseNotes(Notes notes) { Chosen() = notes; }

void PrintNote(std::string_view text) {
  if (Chosen() == Notes::kShow) fmt::print(stderr, "{}\n", text);
}

std::string Duration(double seconds) {
  const auto whole = static_cast<uint64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02} min", whole / 60, whole % 60);
  return fmt::format("{}:{:02} h", whole / 3600, whole / 60 % 60);
}

ProgressPrinter::ProgressPrinter() : terminal_(IsTerminal()) {}

ProgressPrinter::~ProgressPrinter() { Finish(); }

void ProgressPrinter::operator()(const Progress& progress) {
  if (Chosen() == Notes::kLeaveOut) return;
  const auto now = Clock::now();
  const bool begins = progress.task != task_;
  if (begins) Begin(progress);
  last_line_ = Line(progress);
  if (!begins && now - printed_ < (terminal_ ? Clock::duration(kTerminalInterval)
                                             : Clock::duration(kPlainInterval))) {
    return;
  }
  printed_ = now;
  if (terminal_) {
    fmt::print(stderr, "\r\x1b[K{}", last_line_);
  } else {
    fmt::print(stderr, "{}\n", last_line_);
  }
  std::fflush(stderr);
}

void ProgressPrinter::Begin(const Progress& progress) {
  Finish();
  task_ = progress.task;
  first_done_ = progress.done;
  began_ = Clock::now();
}

void ProgressPrinter::Finish() {
  if (task_.empty()) return;
  const double seconds = std::chrono::duration<double>(Clock::now() - began_).count();
  fmt::print(stderr, "{}{}: {}\n", terminal_ ? "\r\x1b[K" : "", task_, Duration(seconds));
  task_.clear();
}

std::string ProgressPrinter::Line(const Progress& progress) const {
  std::string line =
      fmt::format("{}: {} of {} {}", progress.task, progress.done, progress.total, progress.unit);
  const double elapsed = std::chrono::duration<double>(Clock::now() - began_).count();
  if (progress.done > first_done_ && elapsed > 1.0) {
    const double per_unit = elapsed / static_cast<double>(progress.done - first_done_);
    line += fmt::format(", {} left",
                        Duration(per_unit * static_cast<double>(progress.total - progress.done)));
  }
  return line;
}

}  // namespace bitloss
