#include "bitloss/templates/program.h"

#include <algorithm>

#include "bitloss/base/text.h"
#include "bitloss/templates/interpreter.h"
#include "bitloss/templates/parser.h"

namespace bitloss::templates {
namespace {

// On one line; the place is the refusal's own, or where the interpreter was.
Error Describe(const std::string& name, const Refusal& refusal, Position at) {
  at = refusal.at.value_or(at);
  std::string message = refusal.message;
  std::replace(message.begin(), message.end(), '\n', ' ');
  std::replace(message.begin(), message.end(), '\r', ' ');
  return BadInput("{} {}:{}: {}", name, at.line, at.column, message);
}

}  // namespace

struct Program::Parsed {
  std::string name;
  Body body;
  std::string source;
};

Result<Program> Program::Parse(std::string_view source, std::string name) {
  if (source.size() > kMaxSourceBytes) {
    return BadInput("{}: a chat template of more than {} bytes", name, kMaxSourceBytes);
  }
  if (const auto invalid = FindInvalidUtf8(source)) {
    return BadInput("{}: the chat template is not valid UTF-8 at byte {}", name, *invalid);
  }
  try {
    Body body = ParseSource(source);
    return Program(std::make_shared<const Parsed>(
        Parsed{std::move(name), std::move(body), std::string(source)}));
  } catch (const Refusal& refusal) {
    return Describe(name, refusal, {});
  }
}

Result<std::string> Program::Render(const Dict& variables, const LocalTime& now,
                                    size_t input_bytes) const {
  Interpreter interpreter(now, parsed_->source.size() + input_bytes);
  try {
    return interpreter.Run(parsed_->body, variables);
  } catch (const Refusal& refusal) {
    return Describe(parsed_->name, refusal, interpreter.at());
  }
}

const std::string& Program::name() const { return parsed_->name; }
const std::string& Program::source() const { return parsed_->source; }

}  // namespace bitloss::templates
