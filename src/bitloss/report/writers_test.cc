#include "bitloss/report/writers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "bitloss/base/file.h"
#include "bitloss/base/text.h"
#include "bitloss/json/parse.h"
#include "bitloss/report/test_report.h"
#include "bitloss/stats/proportion.h"

namespace bitloss {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::vector<std::string> Keys(const OrderedJson& json) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  return keys;
}

// Everything that is written, in one string.
std::string AllFiles(const ReportData& report, Timings timings) {
  return WriteJson(report, timings) + WriteHtml(report, timings) + WriteMarkdown(report, timings) +
         WriteCsv(report, timings) + WriteSeed(report, 0, timings) + WriteSeed(report, 1, timings);
}

TEST(WritersTest, JsonHoldsTheNumbersOfTheStudy) {
  const OrderedJson json = ParseOrderedJson(WriteJson(ReportOf(SmallStudy()))).value();
  EXPECT_EQ(json["schema"], "bitloss.report/1");
  EXPECT_EQ(json["model"]["parameters"], 1000);
  EXPECT_EQ(json["machine"]["threads"], "2");
  const OrderedJson& baseline = json["lanes"][0];
  EXPECT_EQ(baseline["baseline"], true);
  EXPECT_EQ(baseline["size"]["weight_bytes"], 2000);
  EXPECT_FALSE(baseline["protocols"][0].contains("kl"));
  EXPECT_FALSE(baseline["suites"][0].contains("regressions"));
  EXPECT_FALSE(baseline["suites"][0].contains("mean_seconds"));

  const OrderedJson& lane = json["lanes"][1];
  EXPECT_EQ(lane["scheme"], "nf4-1");
  const OrderedJson& protocol = lane["protocols"][0];
  EXPECT_EQ(protocol["id"], "gptq-2048");
  EXPECT_EQ(protocol["predictions"], 9);
  EXPECT_EQ(protocol["delta_nll"]["mean"], 0.25);
  EXPECT_EQ(protocol["delta_nll"]["clusters"], 2);
  EXPECT_EQ(protocol["kl"]["median"], 2.25 / 64);
  EXPECT_DOUBLE_EQ(protocol["top1_agreement"], 6.0 / 9);
  const OrderedJson& suite = lane["suites"][0];
  EXPECT_EQ(suite["regressions"], 2);
  EXPECT_THAT(suite["regressed_prompts"], ElementsAre("p-0", "p-1"));
  EXPECT_EQ(suite["categories"][0]["name"], "Mathematics");
  EXPECT_EQ(lane["speed"]["prefill_tokens_per_second"], 5.0);
}

TEST(WritersTest, TheSameStudyGivesTheSameBytesOnAnyNumberOfThreads) {
  const TemporaryFolder folder;
  const Store store = WriteStudy(folder.path(), SmallStudy());
  EXPECT_EQ(AllFiles(ReportOf(store, 1), Timings::kInclude),
            AllFiles(ReportOf(store, 4), Timings::kInclude));
}

TEST(WritersTest, WithoutTimingsTwoRunsGiveTheSameBytes) {
  const SmallStudy first;
  SmallStudy second;
  std::reverse(second.answers.begin(), second.answers.end());
  for (Timing& timing : second.timings) timing.seconds *= 3;
  second.notes = {{.key = "threads", .value = "64"}};
  const ReportData a = ReportOf(first);
  const ReportData b = ReportOf(second);
  EXPECT_EQ(AllFiles(a, Timings::kOmit), AllFiles(b, Timings::kOmit));
  EXPECT_NE(AllFiles(a, Timings::kInclude), AllFiles(b, Timings::kInclude));
}

TEST(WritersTest, SeedHasTheOldKeysInTheOldOrder) {
  const ReportData report = ReportOf(SmallStudy());
  const OrderedJson baseline = ParseOrderedJson(WriteSeed(report, 0)).value();
  EXPECT_THAT(Keys(baseline), ElementsAre("model_name", "model_type", "dtype", "device",
                                          "timestamp", "metrics", "prompt_results"));
  EXPECT_EQ(baseline["model_type"], "baseline_fp16");

  const OrderedJson lane = ParseOrderedJson(WriteSeed(report, 1)).value();
  EXPECT_THAT(Keys(lane),
              ElementsAre("model_name", "model_type", "dtype", "device", "timestamp",
                          "model_size_mb", "baseline_comparison", "metrics", "prompt_results"));
  EXPECT_THAT(Keys(lane["baseline_comparison"]),
              ElementsAre("baseline_ppl", "quantized_ppl", "ppl_degradation_percent"));
  const OrderedJson& metrics = lane["metrics"];
  EXPECT_THAT(Keys(metrics),
              ElementsAre("perplexity", "num_prompts", "successful_generations", "success_rate",
                          "avg_generation_time", "avg_kl_divergence", "category_stats"));
  EXPECT_THAT(Keys(metrics["category_stats"]), ElementsAre("Mathematics", "Science"));
  EXPECT_THAT(Keys(metrics["category_stats"]["Science"]),
              ElementsAre("total", "success", "success_rate", "avg_time", "avg_kl"));
  EXPECT_EQ(metrics["avg_generation_time"], 3.0);
  EXPECT_EQ(metrics["success_rate"], 1.0);
  // The scripts average the prompts' means: (7/64/4 + 11.25/64/5) / 2.
  EXPECT_DOUBLE_EQ(metrics["avg_kl_divergence"], (7.0 / 64 / 4 + 11.25 / 64 / 5) / 2);
  const OrderedJson& prompt = lane["prompt_results"][0];
  EXPECT_THAT(Keys(prompt), ElementsAre("prompt_id", "category", "prompt", "response",
                                        "generation_time", "logits", "success", "kl_divergence"));
  EXPECT_THAT(Keys(prompt["logits"][1]),
              ElementsAre("token_position", "top_50_logits", "top_50_token_ids"));
  EXPECT_EQ(prompt["logits"][0]["top_50_logits"][0], 3.5);
}

TEST(WritersTest, SeedTellsAnErrorAsTheScriptsDid) {
  SmallStudy study;
  study.answers[2].finish = FinishReason::kError;
  study.answers[2].error = "too long";
  study.answers[2].top_logits.clear();
  const OrderedJson lane = ParseOrderedJson(WriteSeed(ReportOf(study), 1)).value();
  const OrderedJson& prompt = lane["prompt_results"][0];
  EXPECT_EQ(prompt["response"], nullptr);
  EXPECT_EQ(prompt["success"], false);
  EXPECT_EQ(prompt["error"], "too long");
  EXPECT_EQ(lane["metrics"]["successful_generations"], 1);
  EXPECT_EQ(lane["metrics"]["success_rate"], 0.5);
}

TEST(WritersTest, SeedPrefersTheScriptsOwnProtocol) {
  SmallStudy study;
  ProtocolRecord lines = study.manifest.protocols[0];
  lines.id = "lines-512-seed";
  study.manifest.protocols.push_back(lines);
  for (size_t u = 0; u < 2; ++u) {
    TextUnit unit = study.units[u];
    unit.protocol = 1;
    unit.weight += 1;
    study.units.push_back(unit);
    study.scores.push_back(study.scores[u]);
  }
  const ReportData report = ReportOf(study);
  const OrderedJson seed = ParseOrderedJson(WriteSeed(report, 0)).value();
  EXPECT_EQ(seed["metrics"]["perplexity"], report.lanes[0].texts[1].perplexity);
}

TEST(WritersTest, EveryRowOfTheCsvHasAllColumns) {
  const std::string csv = WriteCsv(ReportOf(SmallStudy()));
  size_t begin = 0;
  std::vector<int64_t> commas;
  while (begin < csv.size()) {
    const size_t end = csv.find("\r\n", begin);
    ASSERT_NE(end, std::string::npos);
    commas.push_back(std::count(csv.begin() + static_cast<std::ptrdiff_t>(begin),
                                csv.begin() + static_cast<std::ptrdiff_t>(end), ','));
    begin = end + 2;
  }
  // A header; for each lane a protocol, a suite, two categories, five failures, and the signals
  // that its answers of three tokens are long enough for; lengths and a band of positions are
  // compared in lane 1 alone.
  EXPECT_THAT(commas, testing::SizeIs(1 + (4 + 5 + 7) + (5 + 5 + 8)));
  EXPECT_THAT(commas, testing::Each(commas[0]));
  EXPECT_THAT(csv, HasSubstr("nf4-1,protocol,gptq-2048,held-out,600,4.8,4.5,2,11,9,"));
}

TEST(WritersTest, CsvHoldsIntervalsVerdictsAndSigns) {
  SmallStudy study = NineArticles();
  study.lanes.push_back(SmallLane(2));
  study.lanes[2].control = true;
  study.scores[0].push_back(SmallScores(2, 0));
  study.scores[1].push_back(SmallScores(2, 1));
  for (const size_t prompt : {0, 1}) study.answers.push_back(SmallAnswer(2, prompt));
  const ReportData report = ReportOf(study);
  std::map<std::string, std::map<std::string, std::string>> rows;  // kind/name of lane 1
  std::vector<std::string> header;
  std::istringstream csv(WriteCsv(report));
  for (std::string line; std::getline(csv, line);) {
    std::vector<std::string> fields;
    std::istringstream in(line.substr(0, line.size() - 1));
    for (std::string field; std::getline(in, field, ',');) fields.push_back(field);
    if (header.empty()) header = fields;
    if (fields[0] != "nf4-1") continue;
    for (size_t i = 0; i < fields.size(); ++i) {
      rows[fields[1] + "/" + fields[2]][header[i]] = fields[i];
    }
  }
  const TextResult& text = report.lanes[1].texts[0];
  auto& protocol = rows["protocol/gptq-2048"];
  EXPECT_EQ(std::stod(protocol["perplexity_low"]), text.perplexity_interval->low);
  EXPECT_EQ(std::stod(protocol["kl_p99_high"]), text.kl->p99_interval->high);
  EXPECT_EQ(std::stod(protocol["noise_floor_kl"]), text.floor->kl);
  EXPECT_EQ(protocol["noise_floor_control"], "nf4-2");
  EXPECT_EQ(protocol["label"], Name(*text.label));
  EXPECT_EQ(protocol["loss_verdict"], Name(report.lanes[1].findings[0].verdict));
  auto& suite = rows["suite/two"];
  EXPECT_EQ(suite["pass_change"], "-1");
  EXPECT_EQ(suite["median_divergence"], "2");
  EXPECT_EQ(std::stod(suite["identical_share_high"]), WilsonInterval(0, 2).high);
  EXPECT_EQ(rows["failure/limit"]["level"], "0.5");
  EXPECT_EQ(rows["failure/limit"]["change"], "0");
  EXPECT_EQ(rows["signal/repeated_2"]["level"], "0");
}

TEST(WritersTest, CsvHoldsTheDivergenceByPosition) {
  SmallStudy study;
  study.units[0].num_tokens = 255 + 4;  // positions 255 to 258, of KLs 1/256, 5/256, ...
  std::istringstream csv(WriteCsv(ReportOf(study)));
  const auto fields_of = [](const std::string& line) {
    std::vector<std::string> fields;
    std::istringstream rest(line);
    for (std::string field; std::getline(rest, field, ',');) fields.push_back(field);
    return fields;
  };
  std::string line;
  std::getline(csv, line);
  const std::vector<std::string> header = fields_of(line);
  std::map<std::string, std::map<std::string, std::string>> rows;
  while (std::getline(csv, line)) {
    const std::vector<std::string> fields = fields_of(line);
    std::map<std::string, std::string> row;
    for (size_t i = 0; i < std::min(fields.size(), header.size()); ++i) row[header[i]] = fields[i];
    if (row["kind"] == "position") rows[row["name"]] = row;
  }
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows["gptq-2048 128-255"]["kl_mean"], "0.00390625");
  EXPECT_EQ(rows["gptq-2048 128-255"]["predictions"], "1");
  EXPECT_EQ(rows["gptq-2048 256-511"]["predictions"], "3");
  EXPECT_EQ(rows["gptq-2048 256-511"]["text"], "held-out");
}

TEST(WritersTest, CsvQuotesWhatWouldBreakIt) {
  SmallStudy study;
  study.prompts[0].category = "a,\"b\"";
  EXPECT_THAT(WriteCsv(ReportOf(study)), HasSubstr(",category,\"a,\"\"b\"\"\",two,"));
}

TEST(WritersTest, TheTerminalShowsEveryLaneAndEveryWarning) {
  SmallStudy study = NineArticles();
  study.manifest.protocols[0].num_units = 3;
  const std::string text = TerminalDetails(ReportOf(study));
  EXPECT_THAT(text, HasSubstr("tiny (qwen2, 1,000 parameters)"));
  EXPECT_THAT(text, HasSubstr("held-out, gptq-2048"));
  EXPECT_THAT(text, HasSubstr("+28.40 [+28.40, +28.40]"));  // exp(0.25) - 1
  EXPECT_THAT(text, HasSubstr("0/2 lost 2, regained 0"));
  EXPECT_THAT(text, HasSubstr("warning: this study is not complete"));
  EXPECT_THAT(text, HasSubstr("nf4-1: block 64"));
}

TEST(WritersTest, MarkdownEscapesNamesAndSkipsTimingsWhenAsked) {
  SmallStudy study;
  study.manifest.model.name = "a|b<c>";
  const ReportData report = ReportOf(study);
  EXPECT_THAT(WriteMarkdown(report), HasSubstr("# a\\|b\\<c\\>\n"));
  EXPECT_THAT(WriteMarkdown(report), HasSubstr("## Speed"));
  EXPECT_THAT(WriteMarkdown(report, Timings::kOmit), Not(HasSubstr("## Speed")));
}

TEST(WritersTest, WhatIsNotUtf8IsWrittenAsUtf8) {
  SmallStudy study;
  study.answers[0].text = "bad \xFF byte";
  const ReportData report = ReportOf(study);
  EXPECT_FALSE(FindInvalidUtf8(AllFiles(report, Timings::kInclude)).has_value());
}

TEST(WritersTest, FilesAreWrittenWithOneSeedForEachLane) {
  SmallStudy study;
  study.lanes[1].scheme = "int3_group:64/odd";
  const TemporaryFolder folder;
  const Store store = WriteStudy(folder.path(), study);
  const ReportData report = ReportOf(store);
  ExpectOk(WriteReportFiles(report, folder.path()));
  EXPECT_EQ(ReadFile(folder.path() / "report.json").value(), WriteJson(report));
  EXPECT_EQ(ReadFile(folder.path() / "report.html").value(), WriteHtml(report));
  EXPECT_EQ(ReadFile(folder.path() / "report.md").value(), WriteMarkdown(report));
  EXPECT_EQ(ReadFile(folder.path() / "seed" / "fp16.json").value(), WriteSeed(report, 0));
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "seed" / "int3_group:64_odd.json"));
}

}  // namespace
}  // namespace bitloss
