#include "bitloss/cli/pull_printer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "bitloss/cli/progress.h"

namespace bitloss {
namespace {

constexpr auto kFirst = std::chrono::milliseconds(300);  // what is faster needs no line
constexpr auto kPullTerminalInterval = std::chrono::milliseconds(100);
constexpr auto kPullPlainInterval = std::chrono::seconds(30);
constexpr auto kWindow = std::chrono::seconds(10);  // that the rate is taken over

std::string Megabytes(uint64_t bytes) {
  return fmt::format("{:.1f}", static_cast<double>(bytes) / 1e6);
}

}  // namespace

PullPrinter::PullPrinter(std::string name)
    : name_(std::move(name)), terminal_(::isatty(STDERR_FILENO) != 0) {}

PullPrinter::~PullPrinter() { ClearLine(); }

void PullPrinter::operator()(const PullProgress& progress) {
  const auto now = Clock::now();
  const Clock::duration interval =
      terminal_ ? Clock::duration(kPullTerminalInterval) : Clock::duration(kPullPlainInterval);
  if (samples_.empty()) printed_ = now + kFirst - interval;
  samples_.push_back({now, progress.received});
  while (samples_.size() > 2 && now - samples_.front().time > kWindow) samples_.pop_front();
  if (now - printed_ < interval) return;
  printed_ = now;
  fmt::print(stderr, "{}{}{}", terminal_ ? "\r\x1b[K" : "", Line(progress), terminal_ ? "" : "\n");
  std::fflush(stderr);
  line_stands_ = terminal_;
}

std::string PullPrinter::Line(const PullProgress& progress) {
  std::string line =
      fmt::format("{}: {} of {} MB", name_, Megabytes(progress.done), Megabytes(progress.total));
  const Sample& first = samples_.front();
  const double seconds = std::chrono::duration<double>(samples_.back().time - first.time).count();
  const double rate =
      seconds > 0 ? static_cast<double>(progress.received - first.received) / seconds : 0;
  if (rate > 0 && seconds >= 1) {
    line += fmt::format(", {:.1f} MB/s, {} left", rate / 1e6,
                        Duration(static_cast<double>(progress.total - progress.done) / rate));
  }
  return line + ", " + progress.file;
}

void PullPrinter::ClearLine() {
  if (line_stands_) fmt::print(stderr, "\r\x1b[K");
  line_stands_ = false;
}

void PullPrinter::Say(const std::string& notice) {
  ClearLine();
  fmt::print(stderr, "bitloss: {}\n", notice);
}

void PullPrinter::Finish(const Pulled& pulled) {
  ClearLine();
  fmt::print(stderr, "{} @ {:.7}: {} fetched, {} MB in all\n", name_, pulled.commit,
             pulled.num_fetched == 1 ? "1 file" : fmt::format("{} files", pulled.num_fetched),
             Megabytes(pulled.num_bytes));
}

}  // namespace bitloss
