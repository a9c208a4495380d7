#include "bitloss/cli/interruption.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <string_view>

namespace bitloss {
namespace {

// Made before there is a signal: a handler may neither allocate nor format.
struct Line {
  std::array<char, 1200> text{};  // ends with '\0'

  void Set(std::string_view line) {
    const size_t size = std::min(line.size(), text.size() - 1);
    std::copy_n(line.data(), size, text.data());
    text[size] = '\0';
  }
  void Write() const {
    // Nobody is left to hear that this did not work.
    [[maybe_unused]] const ssize_t written =
        ::write(STDERR_FILENO, text.data(), std::char_traits<char>::length(text.data()));
  }
};

Line kept_path, kept_line, nothing_line;

void OnInterruption(int signal) {
  (::access(kept_path.text.data(), F_OK) == 0 ? kept_line : nothing_line).Write();
  ::raise(signal);  // whose action is the default again: the shell learns what ended the process
}

}  // namespace

void SayWhatIsKeptWhenInterrupted(const std::filesystem::path& kept) {
  kept_path.Set(kept.string());
  kept_line.Set(fmt::format(
      "\nbitloss: interrupted; what is finished is kept in '{:.1000}', and the same command goes "
      "on from there\n",
      kept.string()));
  nothing_line.Set("\nbitloss: interrupted; nothing was stored yet\n");
  struct sigaction action = {};
  action.sa_handler = OnInterruption;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGINT, SIGTERM}) ::sigaction(signal, &action, nullptr);
}

}  // namespace bitloss
