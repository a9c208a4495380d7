#include "bitloss/cli/exit_codes.h"

#include <fmt/format.h>

namespace bitloss {
namespace {

struct Kind {
  ErrorKind kind;
  std::string_view name;
  std::string_view meaning;
};

constexpr Kind kKinds[] = {
    {ErrorKind::kBadInput, "bad input", "a file, text or option does not say what it should"},
    {ErrorKind::kNotFound, "not found", "something named is not there"},
    {ErrorKind::kUnsupported, "not supported", "well-formed, but not a thing that bitloss does"},
    {ErrorKind::kIo, "the system refused", "disk full, no permission, no memory, a device failed"},
};

int CodeOf(ErrorKind kind) { return 3 + static_cast<int>(kind); }

}  // namespace

int ExitCode(const Error& error) { return CodeOf(error.kind); }

std::string ExitCodesLine(std::string_view own) {
  std::string line = fmt::format("Exit codes: {}", own);
  for (const Kind& kind : kKinds) line += fmt::format(", {} {}", CodeOf(kind.kind), kind.name);
  return line;
}

std::string ExitCodesTable() {
  std::string table =
      "0  done; of 'bitloss gate': the policy holds; of 'bitloss recommend': a lane is named\n"
      "1  of 'bitloss gate': harm is shown; of 'bitloss recommend': no lane fits\n"
      "2  of both: the data cannot decide\n";
  for (const Kind& kind : kKinds) {
    table += fmt::format("{}  {}: {}\n", CodeOf(kind.kind), kind.name, kind.meaning);
  }
  return table + "An error is one line on standard error: what, where, what to do.\n";
}

}  // namespace bitloss
