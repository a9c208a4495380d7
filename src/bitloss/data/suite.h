// Suites: prompts in categories, with machine checks of their answers.
//
// Two forms are read. "bitloss.suite/1", described in suites/README.md, is strict: a field that it
// does not know is an error, with its JSON pointer, unless its name begins with "x-". A plain map
// {category: [prompt, ...]} has no checks: its answers are compared between lanes but never judged.
//
// A suite's identity is the SHA-256 of its canonical JSON (keys sorted, no white space), so that
// reformatting a file does not make another suite of it and changing a word does.
#ifndef BITLOSS_DATA_SUITE_H_
#define BITLOSS_DATA_SUITE_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/data/checks/check.h"

namespace bitloss {

// The part of an answer that a check looks at.
enum class Scope {
  kText,         // all of it
  kFirstLine,    // the first line that is not blank
  kLastLine,     // the last one
  kFenced,       // inside the first fenced block
  kAfterMarker,  // the rest of the line after the last `marker`, or the next line if that is blank
};

struct Check {
  std::string id;
  const CheckType* type = nullptr;  // never null in a loaded suite
  CheckFunction judge;
  Scope scope = Scope::kText;
  std::string marker = "Answer:";
  double weight = 1.0;   // >= 0; of this check in the score
  bool required = true;  // whether the answer passes only if this does
  bool negate = false;   // passes where the type would not
};

struct SuitePrompt {
  std::string id;
  size_t category = 0;  // index into Suite::categories
  std::string prompt;
  std::string lang = "en";
  std::vector<std::string> tags;
  size_t max_new_tokens = 0;
  std::vector<std::string> references;  // answers that pass; for people and for tests
  std::vector<Check> checks;            // empty: the answer is not judged
  std::vector<std::string> scripts;     // that a `script` check asks for; empty: none does
};

struct Category {
  std::string id;
  std::string name;
  std::string super;  // the larger group it belongs to; may be empty
};

// How a prompt is put to the model.
enum class PromptTemplate { kChat, kRaw };

struct Suite {
  std::string id;
  std::string version;
  std::string license;
  std::string sha256;  // of the canonical JSON
  PromptTemplate prompt_template = PromptTemplate::kChat;
  std::string system = "default";    // "default": the chat template's own; "none"; else the message
  std::vector<Category> categories;  // in the order of the file
  std::vector<SuitePrompt> prompts;  // in the order of the file

  // The category's name as people read it.
  const std::string& CategoryName(const SuitePrompt& prompt) const {
    return categories[prompt.category].name;
  }
};

// New tokens of an answer where the suite says nothing.
inline constexpr size_t kDefaultMaxNewTokens = 100;

// Reads either form. `name` is what messages call the source and the id of a plain map.
// kBadInput "suite '<name>': <JSON pointer>: <what is wrong>".
Result<Suite> ParseSuite(std::string_view json, std::string_view name);

// The file at `path`, named after it without folder and ".json".
Result<Suite> LoadSuite(const std::filesystem::path& path);

}  // namespace bitloss

#endif  // BITLOSS_DATA_SUITE_H_
