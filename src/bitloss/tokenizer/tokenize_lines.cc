// tokenize_lines FOLDER_OR_GGUF: each line of standard input is a JSON string, each line of
// standard output the JSON array of its ids. Drives tools/witness/tokenizer_fuzz.py; not installed.
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "bitloss/checkpoint/gguf.h"
#include "bitloss/tokenizer/tokenizer.h"

namespace bitloss {
namespace {

Result<Tokenizer> Open(const std::filesystem::path& path) {
  if (path.extension() != ".gguf") return Tokenizer::FromFolder(path);
  BITLOSS_TRY(const GgufFile file, GgufFile::Open(path));
  return Tokenizer::FromGguf(file);
}

Status TokenizeLines(const std::filesystem::path& path) {
  BITLOSS_TRY(const Tokenizer tokenizer, Open(path));
  for (std::string line; std::getline(std::cin, line);) {
    const nlohmann::json text = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!text.is_string()) return BadInput("'{}' is not a JSON string", line);
    BITLOSS_TRY(const auto ids,
                tokenizer.Encode(text.get<std::string>(), Tokenizer::Special::kParse,
                                 Tokenizer::AddTokens::kModel));
    std::cout << nlohmann::json(ids).dump() << '\n';
  }
  return Ok();
}

}  // namespace
}  // namespace bitloss

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: tokenize_lines FOLDER_OR_GGUF < lines\n";
    return 2;
  }
  std::ios::sync_with_stdio(false);
  const bitloss::Status done = bitloss::TokenizeLines(argv[1]);
  if (done.ok()) return 0;
  std::cerr << done.error().message << '\n';
  return 3;
}
