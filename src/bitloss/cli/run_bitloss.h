// For tests: the program itself, run in a process of its own.
#ifndef BITLOSS_CLI_RUN_BITLOSS_H_
#define BITLOSS_CLI_RUN_BITLOSS_H_

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "bitloss/base/check.h"
#include "bitloss/base/file.h"

namespace bitloss {

struct Finished {
  int exit_code = -1;  // -1: killed
  int signal = 0;      // by which
  std::string out;
  std::string err;
};

struct RunLimits {
  std::optional<std::chrono::milliseconds> kill_after = {};  // by SIGKILL
  std::filesystem::path interrupt_at = {};                   // by SIGINT, as soon as this is there
  std::optional<size_t> max_file_bytes = {};  // writes beyond fail, as on a full disk
  std::vector<std::string> launcher = {};     // a command that starts the program
};

inline std::string TextOf(const std::filesystem::path& path) {
  auto text = ReadFile(path);
  BITLOSS_CHECK(text.ok());
  return std::move(text).value();
}

// A folder of its own for one test, removed with what is in it.
class TestFolder {
 public:
  TestFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "bitloss-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string Write(const std::string& name, std::string_view bytes) const {
    BITLOSS_CHECK(WriteFileAtomically(path_ / name, bytes).ok());
    return *this / name;
  }

 private:
  std::filesystem::path path_;
};

// `bitloss arguments...`, its output kept.
inline Finished RunBitloss(const std::vector<std::string>& arguments,
                           const RunLimits& limits = {}) {
  const TestFolder folder;
  const std::string out = folder / "out", err = folder / "err";
  std::vector<std::string> words = limits.launcher;
  words.emplace_back(BITLOSS_PROGRAM);
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  const pid_t child = ::fork();
  BITLOSS_CHECK(child >= 0);
  if (child == 0) {
    ::dup2(::open(out.c_str(), O_CREAT | O_WRONLY, 0600), STDOUT_FILENO);
    ::dup2(::open(err.c_str(), O_CREAT | O_WRONLY, 0600), STDERR_FILENO);
    if (limits.max_file_bytes) {
      std::signal(SIGXFSZ, SIG_IGN);
      const rlimit limit = {*limits.max_file_bytes, *limits.max_file_bytes};
      ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  if (limits.kill_after) {
    std::this_thread::sleep_for(*limits.kill_after);
    ::kill(child, SIGKILL);
  }
  int status = 0;
  if (!limits.interrupt_at.empty()) {
    while (!std::filesystem::exists(limits.interrupt_at)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ::kill(child, SIGINT);
  }
  BITLOSS_CHECK(::waitpid(child, &status, 0) == child);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0,
          TextOf(out), TextOf(err)};
}

}  // namespace bitloss

#endif  // BITLOSS_CLI_RUN_BITLOSS_H_
