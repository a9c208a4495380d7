#include "bitloss/json/parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace bitloss {
namespace {

using testing::HasSubstr;

TEST(ParseJson, ReadsWhatIsJsonAndNothingElse) {
  const auto value = ParseJson(R"({"b":{"c":{}},"a":[1,-2,0.5,true,null,"x"]})").value();
  EXPECT_EQ(value["a"][1], -2);
  EXPECT_EQ(value["a"][5], "x");
  EXPECT_TRUE(value["b"]["c"].is_object());
  EXPECT_EQ(value.begin().key(), "a");
  EXPECT_THAT(ParseJson("[1,2").error().message, HasSubstr("not valid JSON at byte 4"));
  for (const std::string_view bad :
       {"", "nul", "NaN", "{", "[1,]", "{\"a\":1,}", "{'a': 1}", "1 2", "[1] // no", "[1e999]",
        "// no\n1", "\"\\ud800\"", "\"\\x\"", "\"\xff\""}) {
    EXPECT_FALSE(ParseJson(bad).ok()) << bad;
    EXPECT_FALSE(ParseOrderedJson(bad).ok()) << bad;
  }
  EXPECT_FALSE(ParseJson(std::string_view("1\0 2", 4)).ok());
}

TEST(ParseJson, RefusesAKeyThatOneObjectHasTwice) {
  EXPECT_THAT(ParseJson(R"({"a": 1, "a": 2})").error().message,
              HasSubstr("key \"a\" appears twice"));
  EXPECT_TRUE(ParseJson(R"({"a": {"b": 1}, "c": {"b": 1}})").ok());
}

TEST(ParseJson, StopsAtAnyDepthThatIsAbsurd) {
  const std::string deep(1'000'000, '[');
  EXPECT_THAT(ParseJson(deep).error().message, HasSubstr("nest deeper than 100"));
}

TEST(ParseOrderedJson, KeepsTheOrderOfTheText) {
  const auto value = ParseOrderedJson(R"({"b": [1, {"d": 1, "c": 2}], "a": 2})").value();
  EXPECT_EQ(value.dump(), R"({"b":[1,{"d":1,"c":2}],"a":2})");
}

}  // namespace
}  // namespace bitloss
