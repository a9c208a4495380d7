#include "bitloss/data/suite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bitloss {
namespace {

using ::testing::HasSubstr;

// A small suite with `prompt` as its only prompt.
std::string With(std::string_view prompt) {
  return R"({"schema": "bitloss.suite/1", "id": "s", "version": "1.0.0",
             "categories": [{"id": "math", "name": "Maths"}], "prompts": [)" +
         std::string(prompt) + "]}";
}

std::string ErrorOf(std::string_view json) {
  const Result<Suite> suite = ParseSuite(json, "s.json");
  return suite.ok() ? "" : suite.error().message;
}

constexpr std::string_view kExample = R"({
  "schema": "bitloss.suite/1",
  "id": "core96",
  "version": "1.0.0",
  "license": "CC0-1.0",
  "defaults": {"system": "default", "template": "chat", "max_new_tokens": 256,
               "answer_scope": "text"},
  "categories": [{"id": "math", "name": "Mathematical Reasoning", "super": "reasoning"},
                 {"id": "extraction", "name": "Information Extraction"}],
  "prompts": [
    {"id": "math-003", "category": "math", "prompt": "How many litres?", "lang": "en",
     "tags": ["percent", "integer"], "template_of": null, "max_new_tokens": 200,
     "reference": ["36"],
     "checks": [
       {"id": "value", "type": "numeric", "gold": 36, "abs_tol": 0, "where": "after_marker",
        "marker": "Answer:", "weight": 1, "required": true},
       {"id": "fmt", "type": "regex", "pattern": "(?m)^Answer: -?[0-9.]+$", "weight": 0,
        "required": false}]},
    {"id": "extract-005", "category": "extraction", "prompt": "Return only JSON",
     "checks": [
       {"id": "valid", "type": "json", "fence": "allow", "required": true},
       {"id": "date", "type": "json_value", "path": "/date", "any_of": ["4 May 2031"]}]}]})";

TEST(Suite, ReadsTheDocumentedExample) {
  const Result<Suite> parsed = ParseSuite(kExample, "core96");
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  const Suite& suite = parsed.value();
  EXPECT_EQ(suite.id, "core96");
  EXPECT_EQ(suite.version, "1.0.0");
  EXPECT_EQ(suite.prompt_template, PromptTemplate::kChat);
  ASSERT_EQ(suite.prompts.size(), 2u);
  EXPECT_EQ(suite.prompts[0].max_new_tokens, 200u);
  EXPECT_EQ(suite.prompts[1].max_new_tokens, 256u);
  EXPECT_EQ(suite.prompts[1].category, 1u);
  EXPECT_EQ(suite.categories[0].super, "reasoning");
  ASSERT_EQ(suite.prompts[0].checks.size(), 2u);
  EXPECT_EQ(suite.prompts[0].checks[0].type->name, "numeric");
  EXPECT_FALSE(suite.prompts[0].checks[1].required);
  EXPECT_EQ(suite.prompts[0].checks[1].weight, 0.0);
}

TEST(Suite, KnowsTheScriptThatACheckAsksFor) {
  const auto scripts = [](std::string_view negate) {
    const std::string check =
        R"({"id": "c", "type": "script", "scripts": ["Han", "Latin"], "negate": )" +
        std::string(negate) + "}";
    const auto suite = ParseSuite(
        With(R"({"id": "m", "category": "math", "prompt": "p", "checks": [)" + check + "]}"), "s");
    return suite.value().prompts[0].scripts;
  };
  EXPECT_THAT(scripts("false"), ::testing::ElementsAre("Han", "Latin"));
  EXPECT_THAT(scripts("true"), ::testing::IsEmpty());
}

TEST(Suite, ReadsAPlainMapInTheOrderOfTheFile) {
  const Result<Suite> parsed =
      ParseSuite(R"({"Question Answering": ["Who?", "When?"], "Code": ["Write f."]})", "seed96");
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  const Suite& suite = parsed.value();
  EXPECT_EQ(suite.id, "seed96");
  ASSERT_EQ(suite.prompts.size(), 3u);
  EXPECT_EQ(suite.categories[0].name, "Question Answering");
  EXPECT_EQ(suite.prompts[1].id, "question-answering-002");
  EXPECT_EQ(suite.prompts[1].prompt, "When?");
  EXPECT_EQ(suite.prompts[2].category, 1u);
  EXPECT_EQ(suite.prompts[0].max_new_tokens, 100u);
  EXPECT_TRUE(suite.prompts[0].checks.empty());
}

TEST(Suite, IsIdentifiedByItsContentNotItsLayout) {
  const auto hash = [](std::string_view json) { return ParseSuite(json, "s").value().sha256; };
  EXPECT_EQ(hash(R"({"a": ["x"], "b": ["y"]})"), hash("{\"b\":[\"y\"],\n \"a\":[\"x\"]}"));
  EXPECT_NE(hash(R"({"a": ["x"]})"), hash(R"({"a": ["X"]})"));
  // printf '{"a":["x"]}' | sha256sum
  EXPECT_EQ(hash(R"({"a": ["x"]})"),
            "b0ef8f3306f8452f90f2e13dcae6c6900e2ff6b1b9ee02d5296b12da6e5da222");
}

TEST(Suite, PointsAtWhatIsWrong) {
  EXPECT_THAT(ErrorOf("{"), HasSubstr("suite 's.json': not valid JSON at byte 1"));
  EXPECT_THAT(ErrorOf("[]"), HasSubstr("expected an object, found array"));
  EXPECT_THAT(ErrorOf("{}"), HasSubstr("no prompts"));
  EXPECT_THAT(ErrorOf(R"({"a": [1]})"), HasSubstr("/a: an array of strings"));
  EXPECT_THAT(ErrorOf(R"({"a/b": "x"})"), HasSubstr("/a~1b: an array"));
  EXPECT_THAT(ErrorOf("{\"a\": [\"\xff\"]}"), HasSubstr("byte 8 is not valid UTF-8"));
  EXPECT_THAT(ErrorOf(R"({"a": ["x"], "a": ["y"]})"), HasSubstr("key \"a\" appears twice"));
  EXPECT_THAT(ErrorOf(R"({"schema": "bitloss.suite/2"})"), HasSubstr("/schema"));
  EXPECT_THAT(ErrorOf(With(R"({"id": "m", "category": "art", "prompt": "p"})")),
              HasSubstr("/prompts/0/category: 'art' is not declared"));
  EXPECT_THAT(ErrorOf(With(R"({"id": "M 1", "category": "math", "prompt": "p"})")),
              HasSubstr("/prompts/0/id"));
  EXPECT_THAT(ErrorOf(With(R"({"id": "m", "category": "math", "prompt": "p"},
                              {"id": "m", "category": "math", "prompt": "q"})")),
              HasSubstr("/prompts/1/id: 'm' occurs twice"));
  EXPECT_THAT(ErrorOf(With(R"({"id": "m", "category": "math", "prompt": "p", "max_tokens": 3})")),
              HasSubstr("/prompts/0/max_tokens: unknown field"));
  EXPECT_THAT(ErrorOf(With(R"({"id": "m", "category": "math", "prompt": "p",
                              "max_new_tokens": 0})")),
              HasSubstr("/prompts/0/max_new_tokens"));
  EXPECT_THAT(ErrorOf(With(R"({"id": "m", "category": "math", "prompt": "p",
                              "checks": [{"id": "c", "type": "vibes"}]})")),
              HasSubstr("/prompts/0/checks/0/type: there is no check 'vibes'"));
  EXPECT_THAT(ErrorOf(With(R"({"id": "m", "category": "math", "prompt": "p",
                              "checks": [{"id": "c", "type": "contains", "value": "a",
                                          "weight": -1}]})")),
              HasSubstr("/prompts/0/checks/0/weight"));
  EXPECT_THAT(ErrorOf(With(R"({"id": "m", "category": "math", "prompt": "p",
                              "checks": [{"id": "c", "type": "contains", "value": "a",
                                          "scope": "page"}]})")),
              HasSubstr("/prompts/0/checks/0/scope: 'page' is not one of: text, first_line"));
}

TEST(Suite, AllowsFieldsOfTheWritersOwn) {
  EXPECT_EQ(ErrorOf(With(R"({"id": "m", "category": "math", "prompt": "p", "x-note": [1]})")), "");
}

TEST(Suite, SaysWhichFileIsMissing) {
  const Result<Suite> suite = LoadSuite("/nowhere/suite.json");
  ASSERT_FALSE(suite.ok());
  EXPECT_EQ(suite.error().kind, ErrorKind::kNotFound);
  EXPECT_THAT(suite.error().message, HasSubstr("/nowhere/suite.json"));
}

}  // namespace
}  // namespace bitloss
