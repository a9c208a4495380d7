#include "bitloss/tokenizer/pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "bitloss/tokenizer/characters.h"
#include "bitloss/tokenizer/unicode_form.h"

namespace bitloss {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

bool Matches(const Pattern& pattern, char32_t c) {
  std::string text;
  AppendUtf8(c, text);
  Pattern::Scratch scratch;
  const auto found = pattern.Find(text, 0, scratch);
  return found.ok() && found.value().has_value();
}

std::string Refusal(std::string_view source) {
  const auto pattern = Pattern::Compile(source);
  return pattern.ok() ? "accepted" : pattern.error().message;
}

TEST(Pattern, ReadsSpaceAsUnicodesWhiteSpace) {
  const Pattern space = Pattern::Compile(R"(\s)").value();
  const Pattern not_space = Pattern::Compile(R"([^\s])").value();
  for (char32_t c = 0; c < 0x10000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    ASSERT_EQ(Matches(space, c), IsWhiteSpace(c)) << static_cast<uint32_t>(c);
    ASSERT_EQ(Matches(not_space, c), !IsWhiteSpace(c)) << static_cast<uint32_t>(c);
  }
}

TEST(Pattern, ReadsNumbersAndLettersByCategory) {
  const Pattern number = Pattern::Compile(R"(\p{N})").value();
  const Pattern digit = Pattern::Compile(R"(\d)").value();
  EXPECT_TRUE(Matches(number, U'½'));
  EXPECT_TRUE(Matches(number, U'Ⅳ'));
  EXPECT_FALSE(Matches(digit, U'½'));
  EXPECT_TRUE(Matches(digit, U'٣'));
  EXPECT_FALSE(Matches(Pattern::Compile(R"(\p{L})").value(), 0x301));
}

std::vector<std::string> AllMatches(std::string_view source, std::string_view text) {
  const Pattern pattern = Pattern::Compile(source).value();
  Pattern::Scratch scratch;
  Pattern::Matches matches(pattern, text, scratch);
  std::vector<std::string> found;
  for (;;) {
    const auto match = matches.Next();
    EXPECT_TRUE(match.ok());
    if (!match.value()) return found;
    found.push_back(fmt::format("{}-{}", match.value()->begin, match.value()->end));
  }
}

// As Python's tokenizers, Split by these patterns, cuts.
TEST(Pattern, FindsEmptyMatchesWhereOnigurumaDoes) {
  EXPECT_THAT(AllMatches("a?", "baab"), ElementsAre("0-0", "1-2", "2-3", "4-4"));
  EXPECT_THAT(AllMatches(R"((?=(\d{3})+(?!\d)))", "1234567 89"), ElementsAre("1-1", "4-4"));
  EXPECT_THAT(AllMatches("$", "a\nb\n"), ElementsAre("1-1", "3-3", "4-4"));
  EXPECT_THAT(AllMatches("^", "a\nb\n"), ElementsAre("0-0", "2-2"));
  EXPECT_THAT(AllMatches("x*", ""), ElementsAre("0-0"));
}

TEST(Pattern, KnowsOnigurumasWordCharacters) {
  const Pattern word = Pattern::Compile(R"(\w)").value();
  for (const char32_t c : {U'a', U'é', U'世', U'7', U'_', U'\x301', U'Ⓐ', U'½', U'²'}) {
    EXPECT_TRUE(Matches(word, c)) << static_cast<uint32_t>(c);
  }
  for (const char32_t c : {U' ', U'-', U'⅓', U'🦙', U'\x200D'}) {
    EXPECT_FALSE(Matches(word, c)) << static_cast<uint32_t>(c);
  }
}

// Oniguruma asks one table for \w and \W, and another for a class that holds it.
TEST(Pattern, TakesNumbersOfLatin1ForWordsOutsideOfClassesAlone) {
  const Pattern in_class = Pattern::Compile(R"([\w])").value();
  const Pattern not_in_class = Pattern::Compile(R"([^\w])").value();
  const Pattern other = Pattern::Compile(R"(\W)").value();
  for (const char32_t c : {U'²', U'³', U'¹', U'¼', U'½', U'¾'}) {
    EXPECT_FALSE(Matches(in_class, c)) << static_cast<uint32_t>(c);
    EXPECT_TRUE(Matches(not_in_class, c)) << static_cast<uint32_t>(c);
    EXPECT_FALSE(Matches(other, c)) << static_cast<uint32_t>(c);
  }
  EXPECT_TRUE(Matches(in_class, U'é'));
  EXPECT_TRUE(Matches(in_class, U'٣'));
}

TEST(Pattern, IgnoresCaseAsUnicodeDoes) {
  EXPECT_TRUE(Matches(Pattern::Compile("(?i:s)").value(), 0x17F));  // long s
}

TEST(Pattern, RefusesByNameWhatTheEnginesReadDifferently) {
  EXPECT_THAT(Refusal(R"(a\Gc)"), HasSubstr(R"('\G' at byte 1)"));
  EXPECT_THAT(Refusal(R"(\h)"), HasSubstr(R"('\h')"));
  EXPECT_THAT(Refusal(R"((a)\1)"), HasSubstr(R"('\1')"));
  EXPECT_THAT(Refusal(R"([\b])"), HasSubstr(R"('\b')"));
  EXPECT_THAT(Refusal(R"([\W])"), HasSubstr(R"('\W')"));
  EXPECT_THAT(Refusal(R"(a(?i)b)"), HasSubstr("'(?i'"));
  EXPECT_THAT(Refusal("(?x: a)"), HasSubstr("'(?x'"));
  EXPECT_THAT(Refusal("[a&&b]"), HasSubstr("'&&'"));
  EXPECT_THAT(Refusal("[[:alpha:]]"), HasSubstr("'['"));
  EXPECT_THAT(Refusal(R"(\p{Script=Han})"), HasSubstr(R"('\p{Script=Han}')"));
  EXPECT_THAT(Refusal("a{,3}"), HasSubstr("'{'"));
  EXPECT_THAT(Refusal("a{2}+"), HasSubstr("'{'"));
  EXPECT_THAT(Refusal("[a&&[b]c]"), HasSubstr("'&&'"));
  EXPECT_THAT(Refusal("[^a&&[b]]"), HasSubstr("'&&'"));
  EXPECT_THAT(Refusal(R"(\x{})"), HasSubstr(R"('\x{')"));
  EXPECT_THAT(Refusal("(a"), HasSubstr("no regular expression"));
  EXPECT_THAT(Refusal("[a"), HasSubstr("no regular expression"));
  EXPECT_THAT(Refusal("a\\"), HasSubstr("backslash"));
  EXPECT_THAT(Refusal(std::string(100, '(') + "a" + std::string(100, ')')),
              HasSubstr("no regular expression"));
}

TEST(Pattern, TakesLiteralsAsTheyAre) {
  Pattern::Scratch scratch;
  const auto found = Pattern::CompileLiteral("a.(b").value().Find("xa.(b", 0, scratch);
  ASSERT_TRUE(found.ok() && found.value());
  EXPECT_EQ(found.value()->begin, 1u);
  EXPECT_EQ(found.value()->end, 5u);
}

TEST(Characters, KnowsWordCharacters) {
  for (const char32_t c : {U'a', U'é', U'世', U'7', U'_', U'\x301', U'\x200D', U'Ⓐ'}) {
    EXPECT_TRUE(IsWordCharacter(c)) << static_cast<uint32_t>(c);
  }
  for (const char32_t c : {U' ', U'-', U'½', U'🦙', U'\x2060'}) {
    EXPECT_FALSE(IsWordCharacter(c)) << static_cast<uint32_t>(c);
  }
}

// Unicode 15, table 3-8 and the examples around it.
TEST(Characters, ReplacesMaximalPartsOfBrokenUtf8) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(ReplaceInvalidUtf8("a\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
            "a" + r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(ReplaceInvalidUtf8("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"),
            r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(ReplaceInvalidUtf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), r + r + r + r + "A");
  EXPECT_EQ(ReplaceInvalidUtf8("ok \xE2\x82"), "ok " + r);
  EXPECT_EQ(ReplaceInvalidUtf8("\xE2\x82\xAC"), "\xE2\x82\xAC");
}

// From Unicode's NormalizationTest.txt, parts 0 to 2: source and its NFC.
TEST(Nfc, ComposesReordersAndExcludes) {
  const auto nfc = [](std::string_view text) {
    std::string storage;
    return std::string(ToUnicodeForm(UnicodeForm::kNfc, text, storage));
  };
  EXPECT_EQ(nfc("plain"), "plain");
  EXPECT_EQ(nfc("e\u0301"), "é");
  EXPECT_EQ(nfc("\u1E0A\u0323"), "\u1E0C\u0307");
  EXPECT_EQ(nfc("D\u0307\u0323"), "\u1E0C\u0307");
  EXPECT_EQ(nfc("\u0958"), "\u0915\u093C");          // composition exclusion
  EXPECT_EQ(nfc("\u212B \u2126"), "\u00C5 \u03A9");  // singletons
  EXPECT_EQ(nfc("\u1100\u1161\u11A8"), "\uAC01");    // Hangul
  EXPECT_EQ(nfc("\uAC00\u11A8x"), "\uAC01x");
  EXPECT_EQ(nfc("a\u0315\u0300\u05AE\u0300b"), "\u00E0\u05AE\u0300\u0315b");
  EXPECT_EQ(nfc("\u0301"), "\u0301");
}

// The young are left alone: U+32FF and U+11938 are of Unicode 12 and 13.
TEST(UnicodeForms, DecomposeAndJoinByCompatibility) {
  const auto in = [](UnicodeForm form, std::string_view text) {
    std::string storage;
    return std::string(ToUnicodeForm(form, text, storage));
  };
  const std::string text = "x\u00E9\u212B\uFB01 \u32FF\u0323a\u0323\U00011938\u00BD\uFDFA!";
  EXPECT_EQ(in(UnicodeForm::kNfd, "\u00E9\u1E69x"), "e\u0301s\u0323\u0307x");
  EXPECT_EQ(in(UnicodeForm::kNfd, text),
            "xe\u0301A\u030A\uFB01 \u32FF\u0323a\u0323\U00011938\u00BD\uFDFA!");
  EXPECT_EQ(in(UnicodeForm::kNfkc, text).substr(0, 21),
            "x\u00E9\u00C5fi \u32FF\u0323\u1EA1\U00011938\x31");
  EXPECT_EQ(in(UnicodeForm::kNfkd, "plain"), "plain");
  EXPECT_EQ(in(UnicodeForm::kNfkd, "\u2460\u2460"), "11");
}

}  // namespace
}  // namespace bitloss
