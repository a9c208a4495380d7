#include "bitloss/templates/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "bitloss/base/file.h"
#include "bitloss/json/parse.h"
#include "bitloss/templates/json_value.h"

namespace bitloss::templates {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

// Made by tools/golden/template_programs.py.
OrderedJson Golden() {
  const auto text = ReadFile(BITLOSS_SOURCE_DIR "/src/bitloss/templates/testdata/programs.json");
  EXPECT_TRUE(text.ok());
  return ParseOrderedJson(text.value()).value();
}

// `variables`: JSON, as text: nlohmann's own values would lose integers past 64 bits.
Result<std::string> Render(const std::string& source, const std::string& variables,
                           const LocalTime& now = {}) {
  auto program = Program::Parse(source, "template");
  if (!program.ok()) return program.error();
  const auto value = ParseJsonValue(variables);
  EXPECT_TRUE(value.ok());
  return program.value().Render(value.value().AsDict(), now);
}

void ExpectAnswer(const OrderedJson& golden, const Result<std::string>& text,
                  const std::string& source) {
  if (golden.contains("text")) {
    ASSERT_TRUE(text.ok()) << source << ": " << text.error().message;
    EXPECT_EQ(text.value(), golden["text"].get<std::string>()) << source;
  } else {
    EXPECT_FALSE(text.ok()) << source << " printed " << (text.ok() ? text.value() : "");
  }
}

TEST(Program, PrintsWhatTransformersPrints) {
  const OrderedJson golden = Golden();
  const auto now = ParseLocalTime(golden["now"].get<std::string>());
  ASSERT_TRUE(now.ok());
  for (const OrderedJson& item : golden["programs"]) {
    const std::string source = item["template"];
    ExpectAnswer(item, Render(source, golden["variables"], now.value()), source);
  }
  EXPECT_GT(golden["programs"].size(), 90u);
}

TEST(Program, RendersAWholeTemplateAsTransformersDoes) {
  const OrderedJson golden = Golden();
  for (const OrderedJson& item : golden["chats"]) {
    ExpectAnswer(item, Render(golden["chat_template"], item["variables"].dump()),
                 "the whole template");
  }
}

std::string Refused(const std::string& source) {
  const auto text = Render(source, R"({"s": "x"})");
  EXPECT_FALSE(text.ok()) << source;
  return text.ok() ? "" : text.error().message;
}

TEST(Program, SaysWhereItIsRefused) {
  EXPECT_EQ(Refused("é\n  {{ s }}{{ nope.x }}"), "template 2:17: 'nope' is undefined");
  EXPECT_EQ(Refused("{{ s\n | nosuch }}"), "template 2:4: no filter named 'nosuch'");
  EXPECT_EQ(Refused("{{ s is nosuch }}"), "template 1:9: no test named 'nosuch'");
  EXPECT_EQ(Refused("\r\n{% include 'x' %}"), "template 2:4: unknown tag 'include'");
  EXPECT_EQ(Refused("{% if s %}x"), "template 1:4: a 'if' without its 'endif'");
  EXPECT_EQ(Refused("{{ 'a' + 1 }}"),
            "template 1:8: can only concatenate str (not \"int\") to str");
  EXPECT_EQ(Refused("{{ s.nosuch() }}"), "template 1:12: 'str object' has no attribute 'nosuch'");
  EXPECT_EQ(Refused("a\n{{ raise_exception('roles must\nalternate') }}"),
            "template 2:19: roles must alternate");
  EXPECT_THAT(Refused("{% for i in s %}"), HasSubstr("1:4: a 'for' without its 'endfor'"));
  EXPECT_THAT(Refused("{{ s.__len__() }}"), EndsWith("is unsafe"));
}

TEST(Program, RefusesWhatItDoesNotImplementByName) {
  for (const char* name : {"urlencode", "truncate", "xmlattr", "pprint", "slice"}) {
    EXPECT_THAT(Refused(std::string("{{ s | ") + name + "(1) }}"), HasSubstr(name));
  }
  for (const char* tag : {"import", "from", "extends", "block", "do", "trans", "autoescape"}) {
    EXPECT_THAT(Refused(std::string("{% ") + tag + " s %}"),
                HasSubstr(std::string("unknown tag '") + tag + "'"));
  }
  EXPECT_THAT(Refused("{{ cycler(1) }}"), HasSubstr("cycler() is not implemented"));
  EXPECT_THAT(Refused("{{ '%e' % 1.0 }}"), HasSubstr("'%e' is not implemented"));
  EXPECT_THAT(Refused("{{ strftime_now('%Z') }}"), HasSubstr("'%Z' is not implemented"));
}

TEST(JsonValues, KeepOrderAndSpelling) {
  const auto value =
      ParseJsonValue(R"({"b": 1.0, "a": -0.0, "n": 100000000000000000000, "b": 1e2})");
  ASSERT_TRUE(value.ok());
  const auto program = Program::Parse("{{ v }}", "x");
  Dict variables;
  variables.Set("v", value.value());
  EXPECT_EQ(program.value().Render(variables, {}).value(),
            "{'b': 100.0, 'a': -0.0, 'n': 100000000000000000000}");
}

TEST(JsonValues, RefuseWhatIsNoJson) {
  for (const std::string text : {"", "{", "[1,]", "{\"a\": 1} 2", "\"\xFF\"", "nan"}) {
    EXPECT_FALSE(ParseJsonValue(text).ok()) << text;
  }
  EXPECT_THAT(ParseJsonValue(std::string(1000, '[')).error().message, HasSubstr("deep"));
}

TEST(LocalTimes, AreReadStrictly) {
  EXPECT_EQ(ParseLocalTime("2026-03-05T14:07:09").value().Text(), "2026-03-05T14:07:09");
  EXPECT_EQ(ParseLocalTime("2024-02-29").value().Text(), "2024-02-29T00:00:00");
  for (const char* text :
       {"", "2023-02-29", "2026-13-01", "2026-03-05 14:07:09", "now", "2026-03-05T24:00:00"}) {
    EXPECT_FALSE(ParseLocalTime(text).ok()) << text;
  }
}

}  // namespace
}  // namespace bitloss::templates
