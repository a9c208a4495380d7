#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "bitloss/data/checks/answer_text.h"
#include "bitloss/data/checks/bounded_regex.h"
#include "bitloss/data/checks/check.h"
#include "bitloss/data/checks/numbers.h"

namespace bitloss {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Result<CheckFunction> Compile(std::string_view type, std::string_view json) {
  const CheckType* found = FindCheckType(type);
  BITLOSS_CHECK(found != nullptr);
  const Result<OrderedJson> object = ParseOrderedJson(json);
  BITLOSS_CHECK(object.ok());
  BITLOSS_TRY(Fields fields, Fields::Of(object.value(), ""));
  BITLOSS_TRY(CheckFunction judge, found->compile(fields));
  BITLOSS_DO(fields.Finish());
  return judge;
}

Judged Ask(std::string_view type, std::string_view json, std::string_view answer,
           std::string_view prompt = "") {
  const Result<CheckFunction> judge = Compile(type, json);
  EXPECT_TRUE(judge.ok()) << judge.error().message;
  return judge.value()({.scoped = answer, .prompt = prompt});
}

bool Passes(std::string_view type, std::string_view json, std::string_view answer,
            std::string_view prompt = "") {
  return Ask(type, json, answer, prompt).passed();
}

std::string ErrorOf(std::string_view type, std::string_view json) {
  const Result<CheckFunction> judge = Compile(type, json);
  return judge.ok() ? "" : judge.error().message;
}

TEST(Checks, AreTwentyFourWithDifferentNames) {
  EXPECT_EQ(CheckTypes().size(), 24u);
  for (const CheckType& type : CheckTypes()) EXPECT_EQ(FindCheckType(type.name), &type);
  EXPECT_EQ(FindCheckType("vibes"), nullptr);
}

TEST(Checks, NameTheFieldThatIsWrong) {
  EXPECT_THAT(ErrorOf("contains", R"({})"), HasSubstr("/value"));
  EXPECT_THAT(ErrorOf("contains", R"({"value": 3})"), HasSubstr("/value: a string is expected"));
  EXPECT_THAT(ErrorOf("contains", R"({"value": " "})"), HasSubstr("found everywhere"));
  EXPECT_THAT(ErrorOf("contains", R"({"value": "a", "any_of": ["b"]})"), HasSubstr("exactly one"));
  EXPECT_THAT(ErrorOf("contains", R"({"value": "a", "valeu": 1})"), HasSubstr("/valeu: unknown"));
  EXPECT_EQ(ErrorOf("contains", R"({"value": "a", "x-why": 1})"), "");
  EXPECT_THAT(ErrorOf("contains", R"({"value": "a", "normalize": ["upper"]})"),
              HasSubstr("/normalize"));
  EXPECT_THAT(ErrorOf("regex", R"x({"pattern": "a(b"})x"), HasSubstr("/pattern: bad pattern at"));
  EXPECT_THAT(ErrorOf("choice", R"({"labels": ["a"], "gold": "b"})"), HasSubstr("/gold"));
  EXPECT_THAT(ErrorOf("word_count", R"({})"), HasSubstr("/exact"));
  EXPECT_THAT(ErrorOf("word_count", R"({"min": 3, "max": 2})"), HasSubstr("larger"));
  EXPECT_THAT(ErrorOf("word_count", R"({"min": -1})"), HasSubstr("whole number"));
  EXPECT_THAT(ErrorOf("script", R"({"scripts": ["Klingon"]})"), HasSubstr("/scripts"));
  EXPECT_THAT(ErrorOf("numeric", R"({"gold": 1, "abs_tol": -1})"), HasSubstr("/abs_tol"));
  EXPECT_THAT(ErrorOf("numeric", R"({"gold": 1, "where": "there"})"), HasSubstr("final, after"));
  EXPECT_THAT(ErrorOf("json_value", R"({"path": "date", "equals": 1})"), HasSubstr("/path"));
  EXPECT_THAT(ErrorOf("case", R"({})"), HasSubstr("/mode"));
}

TEST(Contains, FoldsCaseAndWhiteSpaceByDefault) {
  EXPECT_TRUE(Passes("contains", R"({"value": "Carbon dioxide"})", "It is carbon\n  DIOXIDE."));
  EXPECT_FALSE(Passes("contains", R"({"value": "Paris", "normalize": []})", "paris"));
  EXPECT_TRUE(Passes("contains", R"({"value": "STRASSE"})", "Straße"));
  EXPECT_TRUE(Passes("contains", R"({"value": "fi", "normalize": ["nfkc"]})", "\ufb01"));
  EXPECT_TRUE(Passes("contains", R"({"value": "ab", "normalize": ["strip_punct"]})", "a.b"));
}

TEST(Contains, CanAskForWholeWords) {
  EXPECT_TRUE(Passes("contains", R"({"value": "art"})", "a cart"));
  EXPECT_FALSE(Passes("contains", R"({"value": "art", "whole_words": true})", "a cart"));
  EXPECT_TRUE(Passes("contains", R"({"value": "art", "whole_words": true})", "(art)"));
  EXPECT_TRUE(Passes("contains", R"({"value": "図書館", "whole_words": true})", "あの図書館です"))
      << "scripts without spaces have no word edges";
}

TEST(ContainsAll, NeedsOneSpellingOfEach) {
  constexpr std::string_view kJson = R"({"values": [["solid", "ice"], "gas"]})";
  EXPECT_TRUE(Passes("contains_all", kJson, "Ice and gas"));
  const Judged judged = Ask("contains_all", kJson, "solid");
  EXPECT_FALSE(judged.passed());
  EXPECT_EQ(judged.evidence, "missing: gas");
}

TEST(ContainsAny, CountsToItsMinimum) {
  constexpr std::string_view kJson = R"({"values": ["a1", "b1", "c1"], "min": 2})";
  EXPECT_FALSE(Passes("contains_any", kJson, "a1"));
  EXPECT_TRUE(Passes("contains_any", kJson, "c1 a1"));
  EXPECT_FALSE(Compile("contains_any", R"({"values": ["a"], "min": 2})").ok());
}

TEST(NotContains, FailsOnAny) {
  EXPECT_TRUE(Passes("not_contains", R"({"values": ["x", "y"]})", "abc"));
  EXPECT_FALSE(Passes("not_contains", R"({"values": ["x", "y"]})", "aYc"));
}

TEST(Equals, IgnoresQuotesAndAFinalStop) {
  EXPECT_TRUE(Passes("equals", R"({"value": "Paris"})", " \"paris.\"\n"));
  EXPECT_FALSE(Passes("equals", R"({"value": "Paris"})", "Paris, France"));
  EXPECT_TRUE(Passes("equals", R"({"value": "The end."})", "the end."));
  EXPECT_TRUE(Passes("equals", R"({"any_of": ["a", "b"]})", "B"));
}

TEST(StartsAndEndsWith, LookAtTheEdges) {
  EXPECT_TRUE(Passes("starts_with", R"({"value": "because"})", " Because I can"));
  EXPECT_FALSE(Passes("starts_with", R"({"value": "because"})", "Just because"));
  EXPECT_TRUE(Passes("ends_with", R"({"value": "done"})", "It is\nDONE\n"));
  EXPECT_FALSE(Passes("ends_with", R"({"value": "done"})", "done."));
}

TEST(Regex, FindsAnywhereAndGivesUpInsteadOfHanging) {
  EXPECT_TRUE(Passes("regex", R"x({"pattern": "(?m)^Answer: -?[0-9.]+$"})x", "so\nAnswer: 36\n"));
  EXPECT_FALSE(Passes("regex", R"x({"pattern": "^a$"})x", "b"));
  const Judged judged = Ask("regex", R"x({"pattern": "^(a|a?)+$"})x", std::string(60, 'a') + "b");
  EXPECT_FALSE(judged.passed());
  EXPECT_THAT(judged.evidence, HasSubstr("gave up"));
}

TEST(Choice, NeedsTheGoldLabelAlone) {
  constexpr std::string_view kJson =
      R"({"labels": ["positive", "negative", "neutral"], "gold": "positive"})";
  EXPECT_TRUE(Passes("choice", kJson, "Positive."));
  EXPECT_TRUE(Passes("choice", kJson, "The review is POSITIVE, very positive"));
  EXPECT_FALSE(Passes("choice", kJson, "positive or negative"));
  EXPECT_FALSE(Passes("choice", kJson, "negative"));
  EXPECT_FALSE(Passes("choice", kJson, "positively"));
  EXPECT_FALSE(Passes("choice", kJson, ""));
}

TEST(Choice, DoesNotCountWhatIsNegated) {
  constexpr std::string_view kJson = R"({"labels": ["positive", "negative"], "gold": "negative"})";
  EXPECT_TRUE(Passes("choice", kJson, "It is not positive but negative"));
  EXPECT_TRUE(Passes("choice", kJson, "This isn't a positive review. Negative."));
  EXPECT_FALSE(Passes("choice", kJson, "not negative"));
  EXPECT_FALSE(Passes("choice", kJson, "It is never. Positive"));
}

TEST(Choice, TakesTheLongestLabelAtAPlaceAndKnowsAliases) {
  constexpr std::string_view kJson =
      R"({"labels": ["new", "new york"], "gold": "new york", "aliases": {"new york": ["nyc"]}})";
  EXPECT_TRUE(Passes("choice", kJson, "New York"));
  EXPECT_TRUE(Passes("choice", kJson, "NYC"));
  EXPECT_FALSE(Passes("choice", kJson, "new"));
  EXPECT_TRUE(Passes("choice", R"({"labels": ["a1", "b1"], "gold": "a1", "exclusive": false})",
                     "b1, then a1"));
}

std::vector<double> Values(std::string_view text) {
  std::vector<double> values;
  for (const WrittenNumber& number : FindNumbers(text)) values.push_back(number.value);
  return values;
}

TEST(Numbers, AreReadAsPeopleWriteThem) {
  EXPECT_THAT(Values("15 + 9 = 24."), ElementsAre(15, 9, 24));
  EXPECT_THAT(Values("-3.5, \u22124, (-2) and 10-5"), ElementsAre(-3.5, -4, -2, 10, 5));
  EXPECT_THAT(Values("1,234,567 but 1, 2,3 and 12,34"), ElementsAre(1234567, 1, 2.3, 12.34));
  EXPECT_THAT(Values("15% of $240, .5 or 6.02e23"), ElementsAre(15, 240, 0.5, 6.02e23));
  EXPECT_THAT(Values("3 x 10^8, 3\u00d710\u2078, 2 * 10^{-3}, 5 x 10 = 50"),
              ElementsAre(3e8, 3e8, 2e-3, 5, 10, 50));
  EXPECT_THAT(Values("1/4, 48 / 8, 4/5/2031, 1/0"), ElementsAre(0.25, 48, 8, 4, 5, 2031, 1, 0));
  EXPECT_THAT(Values("\\frac{3}{4} \\sqrt{16} \u221a9 \\boxed{7}"), ElementsAre(0.75, 4, 3, 7));
  EXPECT_THAT(Values("H2O, x1, 36kg, 5th, 3.11.7"), ElementsAre(36, 5, 3.11));
  EXPECT_THAT(Values("no numbers, 1e999 aside, - or ."), ElementsAre());
}

TEST(Numeric, PrefersBoxThenMarkerThenTheLastNumber) {
  EXPECT_TRUE(Passes("numeric", R"({"gold": 36})", "15% of 240 is 36."));
  EXPECT_TRUE(Passes("numeric", R"({"gold": 36})", "Answer: 36 litres of 240"));
  EXPECT_TRUE(Passes("numeric", R"({"gold": 7})", "\\boxed{7} after 3 steps. Answer: 9"));
  EXPECT_FALSE(Passes("numeric", R"({"gold": 36})", "36 of 240"));
  EXPECT_FALSE(Passes("numeric", R"({"gold": 36})", "none"));
}

TEST(Numeric, TakesNoneOfTwo) {
  for (const std::string answer : {"42 or 43", "43 or 42", "It is 43, or 42.", "Answer: 42 or 43",
                                   "\\boxed{42 or 43}", "Answer: 40 to 44"}) {
    EXPECT_FALSE(Passes("numeric", R"({"gold": 42})", answer)) << answer;
  }
  EXPECT_TRUE(Passes("numeric", R"({"gold": 42})", "It grows from 6 to 42."));
  EXPECT_TRUE(Passes("numeric", R"({"gold": 42})", "6 or 7 boxes hold 42"));
}

TEST(Numeric, KeepsToWhereItShallLookAndToItsTolerance) {
  EXPECT_TRUE(Passes("numeric", R"({"gold": 36, "where": "anywhere"})", "36 of 240"));
  EXPECT_FALSE(Passes("numeric", R"({"gold": 36, "where": "after_marker"})", "36"));
  EXPECT_TRUE(Passes("numeric", R"({"gold": 36, "where": "after_marker", "marker": "Total"})",
                     "total = 36"));
  EXPECT_TRUE(Passes("numeric", R"({"gold": 176.71, "rel_tol": 0.001})", "176.7146"));
  EXPECT_FALSE(Passes("numeric", R"({"gold": 176.71, "abs_tol": 0.001})", "176.7146"));
}

TEST(Set, NeedsAllForbidsSomeAndCounts) {
  constexpr std::string_view kJson =
      R"({"values": ["red", "blue"], "forbidden": ["green"], "cardinality": 2})";
  EXPECT_TRUE(Passes("set", kJson, "Red and blue"));
  EXPECT_TRUE(Passes("set", kJson, "red\nblue\n"));
  EXPECT_FALSE(Passes("set", kJson, "red, blue, yellow"));
  EXPECT_FALSE(Passes("set", kJson, "red"));
  EXPECT_FALSE(Passes("set", R"({"values": ["red"], "forbidden": ["green"]})", "red green"));
}

TEST(JsonCheck, ReportsRawAndFencedValidityApart) {
  EXPECT_EQ(Ask("json", "{}", "{\"a\": 1}").evidence, "valid, raw");
  EXPECT_EQ(Ask("json", "{}", "```json\n{\"a\": 1}\n```").evidence, "valid, fenced");
  EXPECT_FALSE(Passes("json", R"({"fence": "forbid"})", "```json\n{\"a\": 1}\n```"));
  EXPECT_FALSE(Passes("json", "{}", "Here:\n```json\n{\"a\": 1}\n```"));
  EXPECT_TRUE(Passes("json", R"({"fence": "extract"})", "Here:\n```json\n{\"a\": 1}\n```\nBye"));
}

TEST(JsonCheck, HoldsKeysAndTypes) {
  constexpr std::string_view kJson =
      R"({"keys": {"name": "string", "age": "integer"}, "exact_keys": true})";
  EXPECT_TRUE(Passes("json", kJson, R"({"age": 3, "name": "Ann"})"));
  EXPECT_EQ(Ask("json", kJson, R"({"name": "Ann"})").evidence, "no key 'age'");
  EXPECT_FALSE(Passes("json", kJson, R"({"name": "Ann", "age": "3"})"));
  EXPECT_FALSE(Passes("json", kJson, R"({"name": "Ann", "age": 3, "x": 1})"));
  EXPECT_FALSE(Passes("json", kJson, "[1]"));
  EXPECT_THAT(ErrorOf("json", R"({"keys": {"a": "text"}})"), HasSubstr("/keys"));
}

TEST(JsonValue, ComparesByPointer) {
  constexpr std::string_view kJson = R"({"path": "/who/0", "any_of": ["Ann", "Anna"]})";
  EXPECT_TRUE(Passes("json_value", kJson, R"({"who": ["ANNA"]})"));
  EXPECT_FALSE(Passes("json_value", kJson, R"({"who": []})"));
  EXPECT_FALSE(Passes("json_value", kJson, "not json"));
  EXPECT_TRUE(Passes("json_value", R"({"path": "/n", "equals": 30})", R"({"n": 30.0})"));
  EXPECT_FALSE(Passes("json_value", R"({"path": "/n", "equals": 30})", R"({"n": "30"})"));
  EXPECT_TRUE(
      Passes("json_value", R"({"path": "", "equals": {"a": 1, "b": 2}})", R"({"b": 2, "a": 1})"))
      << "the order of keys does not matter";
}

TEST(Code, LooksIntoTheFirstFence) {
  constexpr std::string_view kJson =
      R"x({"language": "python", "signature": "def f(n)", "identifiers": ["n"]})x";
  EXPECT_TRUE(Passes("code", kJson, "Sure:\n```python\ndef f( n ):\n    return n\n```\n)"));
  EXPECT_EQ(Ask("code", kJson, "def g(n):\n    return n").evidence, "no 'def f(n)'");
  EXPECT_EQ(Ask("code", kJson, "```\n```").evidence, "no code");
}

TEST(Code, FindsWhatIsNotWhole) {
  const auto evidence = [](std::string_view code) { return Ask("code", "{}", code).evidence; };
  EXPECT_EQ(evidence("f(1"), "'(' is never closed");
  EXPECT_EQ(evidence("f(1]"), "']' closes nothing");
  EXPECT_EQ(evidence("x = 'abc\ny = 1"), "a string is never closed");
  EXPECT_EQ(evidence("x = '(' # )\ny = \"\"\"[\n\"\"\""), "looks whole");
  EXPECT_EQ(evidence("def f():\nreturn 1"), "a block is missing after ':'");
  EXPECT_EQ(evidence("def f():"), "a block is missing after ':'");
  EXPECT_EQ(evidence("x = 1\n  y = 2"), "a line is indented without reason");
  EXPECT_EQ(evidence("if x:\n    y = 1\n  z = 2"), "a dedent matches no outer level");
  EXPECT_EQ(evidence("if x:\n \ty = 1"), "indentation mixes tabs and spaces");
  EXPECT_EQ(evidence("x = [\n  1,\n    2]\ny = 3"), "looks whole");
  EXPECT_EQ(evidence("def f():\n    # TODO\n    return 1"), "placeholder 'todo'");
  EXPECT_EQ(evidence("def f():\n    ..."), "placeholder '...'");
  EXPECT_TRUE(Passes("code", R"({"language": "c"})", "int f(int a) { /* ( */ return a; } // {"));
  EXPECT_TRUE(Passes("code", R"({"language": "javascript"})", "const s = `a\n(`;"));
}

TEST(Counts, CountWordsSentencesLinesAndBullets) {
  EXPECT_TRUE(Passes("word_count", R"({"exact": 4})", "One - two, three\nfour!"));
  EXPECT_FALSE(Passes("word_count", R"({"max": 3})", "a b c d"));
  EXPECT_TRUE(Passes("word_count", R"({"min": 1, "max": 3})", "a b"));
  EXPECT_TRUE(Passes("sentence_count", R"({"exact": 3})", "It cost 3.5 euros. \"Really?\" Yes"));
  EXPECT_TRUE(Passes("sentence_count", R"({"exact": 2})", "好。好！"));
  EXPECT_TRUE(Passes("sentence_count", R"({"exact": 0})", " ... "));
  EXPECT_TRUE(Passes("line_count", R"({"exact": 2})", "a\n\n b\n"));
  EXPECT_TRUE(Passes("bullet_count", R"({"exact": 4})", "List:\n- a\n* b\n1. c\n 2) d\n-e\n3.5 f"));
}

TEST(Letters, HaveACaseAndAScript) {
  EXPECT_TRUE(Passes("case", R"({"mode": "upper"})", "ÉTÉ 2031!"));
  EXPECT_FALSE(Passes("case", R"({"mode": "upper"})", "ETe"));
  EXPECT_TRUE(Passes("case", R"({"mode": "lower"})", "straße"));
  EXPECT_TRUE(Passes("case", R"({"mode": "title"})", "The Old Man"));
  EXPECT_FALSE(Passes("case", R"({"mode": "title"})", "The old Man"));
  EXPECT_FALSE(Passes("case", R"({"mode": "upper"})", "123"));
  EXPECT_TRUE(Passes("script", R"({"scripts": ["Cyrillic"]})", "С днём рождения!"));
  EXPECT_FALSE(Passes("script", R"({"scripts": ["Han"]})", "hello 世界"));
  EXPECT_EQ(Ask("script", R"({"scripts": ["Han"]})", "hello 世界").evidence, "2 of 7 letters");
  EXPECT_TRUE(Passes("script", R"({"scripts": ["Han", "Hiragana"]})", "図書館はどこ"));
}

TEST(Chrf, TakesTheBestReference) {
  EXPECT_TRUE(Passes("chrf", R"({"references": ["no", "We have two kids."], "min": 0.9})",
                     "We have two kids."));
  EXPECT_FALSE(Passes("chrf", R"({"references": ["no"], "min": 0.9})", "yes"));
  // sacrebleu 2.6.0 gives 46.3629...
  EXPECT_EQ(
      Ask("chrf", R"({"references": ["We have two children."], "min": 0.5})", "We have two kids.")
          .evidence,
      "chrF2 0.464");
}

TEST(Repetition, OfThePromptAndOfItself) {
  constexpr std::string_view kPrompt = "Summarize: the red fox jumped over the lazy dog.";
  EXPECT_TRUE(Passes("max_copy", R"({"max_words": 3})", "A fox jumped over a dog", kPrompt));
  EXPECT_FALSE(Passes("max_copy", R"({"max_words": 3})", "The Red Fox jumped", kPrompt));
  EXPECT_EQ(Ask("max_copy", R"({"max_words": 3})", "RED fox, jumped", kPrompt).evidence,
            "copies 3 words");
  EXPECT_TRUE(Passes("no_repeat", R"({"ngram": 2})", "a b c d e"));
  // 10 words, 9 pairs, 2 distinct: 1 - 2/9.
  EXPECT_EQ(Ask("no_repeat", R"({"ngram": 2})", "a b a b a b a b a b").evidence, "0.78 repeated");
  EXPECT_FALSE(Passes("no_repeat", R"({"ngram": 2})", "a b a b a b a b a b"));
  EXPECT_TRUE(Passes("no_repeat", "{}", "short"));
}

TEST(Refusal, IsSeenInTheFirstTwoHundredCharacters) {
  EXPECT_TRUE(Passes("refusal", "{}", "I\u2019m sorry, but I can't help with that."));
  EXPECT_TRUE(Passes("refusal", "{}", "抱歉，我无法回答。"));
  EXPECT_FALSE(Passes("refusal", "{}", "The capital is Paris."));
  EXPECT_FALSE(Passes("refusal", "{}", std::string(200, 'x') + " I cannot"));
}

TEST(Evidence, IsOneShortLine) {
  EXPECT_EQ(Excerpt("a\nb"), "a b");
  EXPECT_EQ(Excerpt(std::string(79, 'a') + "é").size(), 79u + 3u);
}

TEST(AnswerText, CutsFencesAsWritten) {
  EXPECT_EQ(FirstFencedBlock("a\n```py\nx\ny\n```\nb"), "x\ny\n");
  EXPECT_EQ(FirstFencedBlock("```\nopen"), "open");
  EXPECT_EQ(FirstFencedBlock("```"), "");
  EXPECT_EQ(FirstFencedBlock("none"), std::nullopt);
}

}  // namespace
}  // namespace bitloss
