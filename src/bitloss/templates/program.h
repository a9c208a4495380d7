// A Jinja template, as chat templates are: parsed once, rendered often. What it prints is what
// jinja2 3.1 prints in the environment that transformers 5 makes for chat templates.
//
// A template and what it is given are not trusted: steps, sizes and depths are bounded
// (meter.h), and the same template is refused at the same place on every machine. A refusal names
// line and column: "NAME 12:31: 'foo' is undefined".
#ifndef BITLOSS_TEMPLATES_PROGRAM_H_
#define BITLOSS_TEMPLATES_PROGRAM_H_

#include <memory>
#include <string>
#include <string_view>

#include "bitloss/base/result.h"
#include "bitloss/templates/local_time.h"
#include "bitloss/templates/value.h"

namespace bitloss::templates {

class Program {
 public:
  // `name` is how messages call the source: a file, a GGUF key. kBadInput for what is no template,
  // or uses what is not implemented, by its name.
  static Result<Program> Parse(std::string_view source, std::string name);

  // kBadInput if the template refuses (raise_exception, whose message is kept) or cannot go on.
  // `input_bytes` is the size of what the variables were made from; the bound of the output grows
  // with it.
  Result<std::string> Render(const Dict& variables, const LocalTime& now,
                             size_t input_bytes = 0) const;

  const std::string& name() const;
  const std::string& source() const;

 private:
  struct Parsed;
  explicit Program(std::shared_ptr<const Parsed> parsed) : parsed_(std::move(parsed)) {}
  std::shared_ptr<const Parsed> parsed_;  // never null
};

}  // namespace bitloss::templates

#endif  // BITLOSS_TEMPLATES_PROGRAM_H_
