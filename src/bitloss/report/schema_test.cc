// report.json follows report.schema.json, and the schema does not accept just anything.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/schema.h>
#include <rapidjson/stringbuffer.h>

#include <nlohmann/json.hpp>

#include "bitloss/json/parse.h"
#include "bitloss/report/test_report.h"
#include "bitloss/report/writers.h"

namespace bitloss {
namespace {

// Where `json` breaks the schema; empty if it does not.
std::string Violation(const std::string& json) {
  rapidjson::Document schema_text;
  schema_text.Parse(ReportJsonSchema().data(), ReportJsonSchema().size());
  EXPECT_FALSE(schema_text.HasParseError())
      << rapidjson::GetParseError_En(schema_text.GetParseError());
  const rapidjson::SchemaDocument schema(schema_text);
  rapidjson::Document document;
  document.Parse(json.data(), json.size());
  EXPECT_FALSE(document.HasParseError());
  rapidjson::SchemaValidator validator(schema);
  if (document.Accept(validator)) return {};
  rapidjson::StringBuffer pointer;
  validator.GetInvalidDocumentPointer().StringifyUriFragment(pointer);
  return std::string(pointer.GetString()) + " " + validator.GetInvalidSchemaKeyword();
}

// Keys of `value` that `schema` does not describe, as JSON pointers.
void FindUndescribed(const nlohmann::json& root, nlohmann::json schema, const nlohmann::json& value,
                     const std::string& path, std::vector<std::string>& found) {
  if (schema.contains("$ref")) {
    const std::string pointer = schema["$ref"].get<std::string>().substr(1);
    schema = root.at(nlohmann::json::json_pointer(pointer));
  }
  if (value.is_array() && schema.contains("items")) {
    for (const auto& item : value) FindUndescribed(root, schema["items"], item, path + "/*", found);
  }
  if (!value.is_object() || schema.contains("additionalProperties")) return;
  if (!schema.contains("properties") || schema["properties"].empty()) return;
  for (const auto& [key, member] : value.items()) {
    if (!schema["properties"].contains(key)) {
      found.push_back(path + "/" + key);
    } else {
      FindUndescribed(root, schema["properties"][key], member, path + "/" + key, found);
    }
  }
}

// Eight items of three choices in three lanes, the second of which loses one and regains one.
void AddTask(SmallStudy& study) {
  study.manifest.tasks = {{.id = "few",
                           .hash = "file",
                           .tokens_hash = "tokens",
                           .kind = "choice",
                           .measure = "acc_norm",
                           .num_items = 8,
                           .few_shot_hash = "examples",
                           .chat = true,
                           .warnings = {"1 of 8 items are cut"}}};
  for (size_t i = 0; i < 8; ++i) {
    study.items.push_back({.task = 0,
                           .item = i,
                           .id = std::to_string(i),
                           .answers = {0},
                           .characters = {1, 2, 3},
                           .bytes = {1, 2, 4},
                           .tokens = {1, 1, 2}});
    for (size_t lane = 0; lane < 3; ++lane) {
      const double flip = lane == 1 && i < 2 ? 6 : 0;
      const double first = i == 1 ? -9 + 2 * flip : -1 - flip;
      study.task_scores.push_back(
          {.lane = lane,
           .task = 0,
           .item = i,
           .log_likelihoods = {first, -8 - 0.25 * static_cast<double>(i * lane), -14},
           .greedy = {1, 0, 0}});
    }
  }
  study.timings.push_back({.lane = 1, .kind = TimingKind::kTask, .key = "0/0", .seconds = 2.0});
}

std::vector<SmallStudy> Studies() {
  std::vector<SmallStudy> studies(5);
  studies[1].manifest.protocols[0].num_units = 9;  // not complete
  studies[1].scores[1].pop_back();
  studies[2].manifest.suites.clear();  // text alone
  studies[2].prompts.clear();
  studies[2].answers.clear();
  studies[2].answer_scores.clear();
  studies[2].units[0].num_words = 4;
  studies[2].units[0].num_bytes = 20;
  studies[3].manifest.protocols.clear();  // prompts alone, without checks; one error
  studies[3].units.clear();
  studies[3].scores.clear();
  for (Answer& answer : studies[3].answers) answer.check.reset();
  studies[3].answers[2].finish = FinishReason::kError;
  studies[3].lanes[1].control = true;
  // A control beside a lane that is judged, and a baseline that passes nothing.
  studies[4].lanes.push_back(SmallLane(2));
  studies[4].lanes[2].control = true;
  studies[4].scores[0].push_back(SmallScores(2, 0));
  studies[4].scores[1].push_back(SmallScores(2, 1));
  studies[4].answers[0].check->passed = false;
  studies[4].answers[1].check->passed = false;
  // Everything that a study may hold beside: samples, forks, judgements.
  SmallStudy full = studies[4];
  full.manifest.options = R"({"samples": {"count": 2, "temperature": 0.7}})";
  for (size_t lane = 0; lane < 3; ++lane) {
    for (uint32_t sample = 0; sample < 2; ++sample) {
      full.samples.push_back({sample, SmallAnswer(lane, 0)});
      full.samples.back().answer.top_logits = {};
    }
  }
  full.answers.push_back(SmallAnswer(2, 0));
  full.answers.push_back(SmallAnswer(2, 1));
  full.answer_scores.push_back({.suite = 0, .prompt = 0, .scores = SmallScores(2, 0)});
  full.forks = {{.lane = 1, .prompt = 0, .position = 2, .lane_token_in_baseline = 0.5}};
  full.manifest.numeric_version = 1;
  full.manifest.protocols[0].warnings = {"line ends CR LF read as LF: 7"};
  full.manifest.model.stored_types = "Q4_K, Q6_K";
  full.manifest.model.stored_bytes = 600;
  full.lanes[1].identity =
      R"({"scheme": "nf4:64+imatrix", "calibration": {"text": "a", "sequences": 1, "tokens_each": 8,
          "seed": 5}, "imatrix": "b", "layers": "c", "files": "d"})";
  full.lanes[1].not_run = {"KV cache rounded to FP8"};
  AddTask(full);
  full.judgements = {{.lane = 1, .prompt = 0, .num_tokens = 3, .nll = 6}};
  studies.push_back(full);
  full.manifest.tasks[0].kind = "cloze";
  studies.push_back(full);
  return studies;
}

TEST(SchemaTest, ReportsFollowTheSchema) {
  for (const SmallStudy& study : Studies()) {
    const ReportData report = ReportOf(study);
    EXPECT_EQ(Violation(WriteJson(report, Timings::kInclude)), "");
    EXPECT_EQ(Violation(WriteJson(report, Timings::kOmit)), "");
  }
}

TEST(SchemaTest, EveryFieldThatIsWrittenIsDescribed) {
  const auto schema = ParseJson(ReportJsonSchema()).value();
  for (const SmallStudy& study : Studies()) {
    std::vector<std::string> undescribed;
    FindUndescribed(schema, schema, ParseJson(WriteJson(ReportOf(study))).value(), "", undescribed);
    EXPECT_THAT(undescribed, testing::IsEmpty());
  }
}

TEST(SchemaTest, TheSchemaRefusesWhatIsNotAReport) {
  const auto good = ParseJson(WriteJson(ReportOf(SmallStudy()))).value();
  auto broken = good;
  broken["schema"] = "bitloss.report/2";
  EXPECT_EQ(Violation(broken.dump()), "#/schema enum");
  broken = good;
  broken["lanes"][1]["protocols"][0]["kl"]["mean"] = nullptr;
  EXPECT_EQ(Violation(broken.dump()), "#/lanes/1/protocols/0/kl/mean type");
  broken = good;
  broken["lanes"][1]["suites"][0].erase("prompts");
  EXPECT_EQ(Violation(broken.dump()), "#/lanes/1/suites/0 required");
  broken = good;
  broken["lanes"] = nlohmann::json::array();
  EXPECT_EQ(Violation(broken.dump()), "#/lanes minItems");
}

}  // namespace
}  // namespace bitloss
