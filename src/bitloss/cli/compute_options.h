// The options of everything that computes. All but the arithmetic change how fast, and no number.
#ifndef BITLOSS_CLI_COMPUTE_OPTIONS_H_
#define BITLOSS_CLI_COMPUTE_OPTIONS_H_

#include <CLI/CLI.hpp>
#include <string>

#include "bitloss/base/threads.h"
#include "bitloss/compute/arithmetic.h"

namespace bitloss {

// --threads, by default one for each processor that the process may run on. Help and manual say
// that and not how many this machine has.
inline void AddThreadsOption(CLI::App& command, size_t& num_threads) {
  num_threads = DefaultNumThreads();
  command
      .add_option("--threads", num_threads,
                  "By default one for each processor; no number depends on it")
      ->check(CLI::Range(size_t{1}, size_t{1024}));
}

// --instruction-set
inline void AddInstructionSetOption(CLI::App& command, std::string& name) {
  command.add_option("--instruction-set", name,
                     "Use none better than this one of those that 'bitloss --version' lists; no "
                     "number depends on it");
}

// --arithmetic
inline void AddArithmeticOption(CLI::App& command, Arithmetic& arithmetic) {
  const auto choose = [&arithmetic](const std::string& name) {
    arithmetic = name == Name(Arithmetic::kSplit) ? Arithmetic::kSplit : Arithmetic::kExact;
  };
  command
      .add_option_function<std::string>(
          "--arithmetic", choose,
          "How products are summed: exact, the same bits on every processor; or split, activations "
          "as two halves on a GPU's tensor cores, nearer to the true sums and several times as "
          "fast. A study is of one of them")
      ->check(CLI::IsMember({"exact", "split"}))
      ->default_str("exact");
}

}  // namespace bitloss

#endif  // BITLOSS_CLI_COMPUTE_OPTIONS_H_
