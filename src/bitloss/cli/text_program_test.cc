// Texts by the program itself: whose article a token is, whose words, and what is said of a text
// that is not read as it stands.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "bitloss/cli/small_study.h"
#include "bitloss/json/parse.h"
#include "bitloss/store/store.h"

namespace bitloss {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

// Articles of unequal length in Chinese, accented Latin and emoji, whose tokens are parts of
// characters.
std::vector<std::string> Articles(size_t count) {
  std::vector<std::string> articles;
  for (size_t a = 0; a < count; ++a) {
    std::string article = "# \u6587\u7ae0 " + std::to_string(a) + "\n\n";
    for (size_t line = 0; line < 6 + 5 * (a % 3); ++line) {
      article += "\u56fe\u4e66\u9986\u5728\u54ea\u91cc\uff1f \U0001F980 caf\u00e9 " +
                 std::to_string(line * line) + " \u4eca\u5929\u5929\u6c14\u5f88\u597d\u3002\n";
    }
    articles.push_back(article + "\n");
  }
  return articles;
}

std::string Joined(const std::vector<std::string>& parts) {
  std::string all;
  for (const std::string& part : parts) all += part;
  return all;
}

std::string Replaced(std::string_view text, char what, std::string_view by) {
  std::string out;
  for (const char c : text) out += c == what ? std::string(by) : std::string(1, c);
  return out;
}

class TextProgram : public SmallStudyTest {
 protected:
  // A study of `text` in a folder named after it.
  std::string Out(const std::string& text) const { return text + ".study"; }

  Arguments Texts(const std::string& text, const Arguments& protocols) const {
    Arguments arguments = {"run", "--schemes", "nf4",  "--suite", "none",   "--text",
                           text,  "--control", "none", "--out",   Out(text)};
    for (const std::string& protocol : protocols) {
      arguments = arguments + Arguments{"--protocol", protocol};
    }
    return arguments;
  }

  json Report(const std::string& text) const {
    return ParseJson(TextOf(Out(text) + "/report.json")).value();
  }

  // The baseline's result under the first protocol.
  json First(const std::string& text) const {
    return Report(text).at("lanes").at(0).at("protocols").at(0);
  }

  size_t CountTokens(const std::string& text) const {
    const Arguments from_file = {"/bin/sh", "-c",
                                 "exec \"$@\" < " + folder_.Write("standard-input", text), "sh"};
    return ParseJson(
               MustRun({"tokenize", BITLOSS_SOURCE_DIR "/models/bitloss-tiny"}, from_file).out)
        .value()
        .size();
  }

  // By article, under the first protocol of a finished study.
  std::map<uint32_t, size_t> ScoredTokens(const std::string& text) const {
    const auto store = Store::OpenForReading(Out(text));
    EXPECT_TRUE(store.ok()) << store.error().message;
    const auto units = store.value().TextUnits(0);
    std::map<uint32_t, size_t> tokens;
    for (const TextUnit& unit : units.value()) {
      for (const ClusterRun& run : unit.clusters) tokens[run.cluster] += run.num_scored;
    }
    return tokens;
  }
};

TEST_F(TextProgram, KnowsWhoseArticleEachTokenOfAChineseTextIs) {
  const std::vector<std::string> articles = Articles(6);
  const std::string text = folder_.Write("chinese.txt", Joined(articles));
  MustRun(Texts(text, {"hf-stride"}));
  std::map<uint32_t, size_t> tokens = ScoredTokens(text);
  ASSERT_EQ(tokens.size(), articles.size());
  for (uint32_t a = 0; a < articles.size(); ++a) {
    // No token crosses the border of two articles, so an article alone has as many; the first token
    // of all has nothing to be predicted from.
    EXPECT_EQ(tokens[a] + (a == 0 ? 1 : 0), CountTokens(articles[a])) << a;
  }
}

// Perplexities, losses and changes say the same of one study, under every protocol.
TEST_F(TextProgram, ChangesAreThoseOfThePerplexitiesUnderEveryProtocol) {
  const std::string text = folder_.Write("mixed.txt", Joined(Articles(6)));
  MustRun(Texts(text, {"lines-512-seed", "gptq-2048", "llamacpp-512", "hf-stride", "rolling-doc"}));
  const json report = Report(text);
  for (size_t p = 0; p < 5; ++p) {
    const json& base = report.at("lanes").at(0).at("protocols").at(p);
    const json& lane = report.at("lanes").at(1).at("protocols").at(p);
    SCOPED_TRACE(base.at("id").get<std::string>());
    const double ratio = lane.at("perplexity").get<double>() / base.at("perplexity").get<double>();
    EXPECT_NEAR(std::exp(lane.at("delta_nll").at("mean").get<double>()), ratio, 1e-9 * ratio);
  }
}

// Documents of several windows: every token is predicted, and the losses are divided by all words
// and all bytes of the text.
TEST_F(TextProgram, RollingDocScoresWholeDocumentsByTheirWordsAndBytes) {
  std::vector<std::string> articles;
  size_t num_words = 0, num_bytes = 0, num_tokens = 0;
  for (size_t a = 0; a < 3; ++a) {
    std::string article = fmt::format("# Part {}\n\n", a);
    size_t words = 3;
    for (size_t i = 0; i < 600 + 150 * a; ++i) {
      article += fmt::format("word{} ", i * i);
      ++words;
    }
    articles.push_back(article + "\n\n");
    num_words += words + 1;  // a split at white space has an empty piece after the last one
    num_bytes += articles.back().size();
    num_tokens += CountTokens(articles.back());
  }
  const std::string text = folder_.Write("long.txt", Joined(articles));
  MustRun(Texts(text, {"rolling-doc"}));
  const json report = Report(text);
  for (const json& lane : report.at("lanes")) {
    const json& result = lane.at("protocols").at(0);
    EXPECT_GT(result.at("sequences").get<size_t>(), articles.size());
    EXPECT_EQ(result.at("predictions").get<size_t>(), num_tokens);
    const double nats = result.at("nll").get<double>() * static_cast<double>(num_words);
    const double bits = nats / std::log(2.0) / static_cast<double>(num_bytes);
    EXPECT_NEAR(result.at("bits_per_byte").get<double>(), bits, 1e-9 * bits);
  }
}

TEST_F(TextProgram, LineEndsAndAByteOrderMarkChangeNothingButAreSaid) {
  std::string plain;
  for (int a = 0; a < 3; ++a) {
    plain += fmt::format("# Article {}\n\n", a);
    for (int i = 0; i < 8; ++i) plain += "The fox walked along the river and sang.\n";
    plain += "\n";
  }
  const std::string lf = folder_.Write("lf.txt", plain);
  EXPECT_THAT(MustRun(Texts(lf, {"lines-512-seed", "hf-stride"})).out,
              Not(HasSubstr("warning: lf.txt")));
  const json wanted = Report(lf).at("lanes").at(1).at("protocols");
  const std::pair<std::string, std::string> others[] = {
      {folder_.Write("crlf.txt", Replaced(plain, '\n', "\r\n")),
       "warning: crlf.txt, lines-512-seed, hf-stride: line ends CR LF read as LF: 33\n"},
      {folder_.Write("cr.txt", Replaced(plain, '\n', "\r")),
       "warning: cr.txt, lines-512-seed, hf-stride: line ends CR read as LF: 33\n"},
      {folder_.Write("bom.txt", "\uFEFF" + plain),
       "warning: bom.txt, lines-512-seed, hf-stride: the byte order mark at its start is left "
       "out: 3 bytes\n"}};
  for (const auto& [path, warning] : others) {
    EXPECT_THAT(MustRun(Texts(path, {"lines-512-seed", "hf-stride"})).out, HasSubstr(warning));
    json found = Report(path).at("lanes").at(1).at("protocols");
    for (size_t p = 0; p < found.size(); ++p) {
      EXPECT_EQ(found[p].at("warnings").size(), 1u);
      found[p].erase("warnings");
      found[p]["text"] = wanted[p].at("text");
    }
    EXPECT_EQ(found, wanted) << path;
  }
}

TEST_F(TextProgram, SaysWhatItDoesNotScore) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "Ein kurzer Satz mit einigen Worten.\n";
  std::string paragraph;
  for (int i = 0; i < 300; ++i) paragraph += "A paragraph that never ends goes on. ";
  text += "\u00a0\n\u3000\n" + paragraph + "\na";
  const std::string path = folder_.Write("long.txt", text);

  const Finished lines = MustRun(Texts(path, {"lines-512-seed"}));
  const json result = First(path);
  EXPECT_EQ(result.at("sequences"), 41) << "two lines are blank, and one has one token";
  const std::string cut =
      fmt::format("lines cut to 512 tokens: 1 of 41; their other {} tokens are not scored",
                  CountTokens(paragraph + "\n") - 512);
  EXPECT_EQ(result.at("warnings"),
            json({cut, "lines of one token, which have nothing to predict, left out: 1"}));
  for (const std::string warning : result.at("warnings")) {
    EXPECT_THAT(lines.out, HasSubstr("\nwarning: long.txt, lines-512-seed: " + warning + "\n"));
    EXPECT_THAT(TextOf(Out(path) + "/report.html"), HasSubstr(warning));
    EXPECT_THAT(MustRun({"report", Out(path), "--format", "md"}).out, HasSubstr(warning));
    EXPECT_THAT(MustRun(Texts(path, {"lines-512-seed"}) + Arguments{"--plan"}).out,
                HasSubstr("\n  warning: " + warning + "\n"));
  }

  const std::string again = folder_.Write("again.txt", text);
  const size_t num_tokens = CountTokens(text);
  EXPECT_THAT(
      MustRun(Texts(again, {"gptq-2048"})).out,
      HasSubstr(fmt::format("\nwarning: again.txt, gptq-2048: the last {} of {} tokens make "
                            "no whole chunk of 2048 and are not scored\n",
                            num_tokens % 2048, num_tokens)));
}

TEST_F(TextProgram, SaysThatATokenizerRewritesTheText) {
  std::string text;  // decomposed; the tokenizer composes it
  for (int a = 0; a < 2; ++a) {
    text += fmt::format("# Article {}\n\n", a);
    for (int i = 0; i < 40; ++i) text += "cafe\u0301 ";
    text += "\n\n";
  }
  const std::string path = folder_.Write("nfd.txt", text);
  EXPECT_THAT(
      MustRun(Texts(path, {"hf-stride"})).out,
      HasSubstr(fmt::format("\nwarning: nfd.txt, hf-stride: its tokens spell {} bytes where "
                            "the text has {}, ",
                            text.size() - 80, text.size())));
}

TEST_F(TextProgram, CommentsInCodeBeginNoArticle) {
  const std::string prose = "That was all of this part, and more follows in the next one.\n\n";
  std::string text;
  for (int a = 0; a < 3; ++a) {
    text += fmt::format("# Part {}\n\n{}```sh\n\n# comment\n\nls\n\n# another\n\n```\n\n{}", a,
                        prose, prose);
  }
  const std::string path = folder_.Write("manual.md", text);
  EXPECT_THAT(MustRun(Texts(path, {"hf-stride"})).out,
              HasSubstr("in fenced code or do not stand between blank rows: 6\n"));
  EXPECT_EQ(ScoredTokens(path).size(), 3u);

  const std::string open = folder_.Write("open.md", "````\n\n" + prose + text);
  EXPECT_THAT(MustRun(Texts(open, {"hf-stride"})).out,
              HasSubstr("read as text; articles that begin after it: 3\n"));
  EXPECT_EQ(ScoredTokens(open).size(), 3u);
}

TEST_F(TextProgram, IsReportedAsLlamaPerplexityPrintsIt) {
  const std::string text = BITLOSS_SOURCE_DIR "/models/bitloss-tiny/eval.txt";
  const std::string study = folder_ / "study";
  MustRun({"run", "--schemes", "q4_0", "--suite", "none", "--text", text, "--control", "none",
           "--protocol", "llamacpp-512", "--max-samples", "2", "--out", study});
  const std::string out = MustRun({"report", study, "--format", "llama"}).out;
  const json lanes = ParseJson(TextOf(study + "/report.json")).value().at("lanes");
  const json& base = lanes.at(0).at("protocols").at(0);
  const json& lane = lanes.at(1).at("protocols").at(0);
  const auto line = [](const char* name, const json& value) {
    return fmt::format("\n{}: {:10.6f}", name, value.get<double>());
  };
  EXPECT_THAT(out, HasSubstr(line("Mean PPL(base)                ", base.at("perplexity"))));
  EXPECT_THAT(out, HasSubstr(line("Mean PPL(Q)                   ", lane.at("perplexity"))));
  EXPECT_THAT(out, HasSubstr(line("Mean ln(PPL(Q)/PPL(base))     ", lane["delta_nll"]["mean"])));
  EXPECT_THAT(out, HasSubstr(line("Mean    KLD", lane["kl"]["mean"])));
  EXPECT_THAT(out, HasSubstr(line("99.0%   KLD", lane["kl"]["p99"])));
  EXPECT_THAT(out, HasSubstr(fmt::format("Same top p: {:6.3f} ±",
                                         100 * lane.at("top1_agreement").get<double>())));
  MustRun({"report", study, "--format", "llama", "--out", folder_ / "llama.txt"});
  EXPECT_EQ(TextOf(folder_ / "llama.txt"), out);

  std::filesystem::copy(study, folder_ / "other", std::filesystem::copy_options::recursive);
  const Finished two = RunBitloss({"report", study, folder_ / "other", "--format", "llama"});
  EXPECT_GE(two.exit_code, 3);
  EXPECT_THAT(two.err, HasSubstr("--format llama: several studies"));
}

}  // namespace
}  // namespace bitloss
