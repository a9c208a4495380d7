#include "bitloss/study/study_plan.h"

#include <nlohmann/json.hpp>

#include "bitloss/store/numeric_version.h"
#include "bitloss/study/stored_types.h"

namespace bitloss {
namespace {

// What decided how prompts were rendered. A template that has no switches and comes with the model
// adds nothing.
void AddRendering(std::span<const StudySuite> suites, nlohmann::ordered_json& json) {
  for (const StudySuite& suite : suites) {
    if (suite.is_plain) json["prompts"] = "plain";
    if (!suite.chat_variables.empty()) json["chat_variables"] = suite.chat_variables;
    if (!suite.chat_template_sha256.empty()) {
      json["chat_template_sha256"] = suite.chat_template_sha256;
    }
  }
}

std::string OptionsJson(const StudyOptions& options, std::span<const StudySuite> suites) {
  nlohmann::ordered_json json;
  json["decoding"] = options.temperature ? "sampled" : "greedy";
  if (options.temperature) json["temperature"] = *options.temperature;
  if (options.num_samples > 0) {
    json["samples"] = {{"count", options.num_samples}, {"temperature", options.sample_temperature}};
  }
  if (options.max_new_tokens) json["max_new_tokens"] = *options.max_new_tokens;
  if (options.arithmetic != Arithmetic::kExact) json["arithmetic"] = Name(options.arithmetic);
  if (!options.chat_template.empty()) json["chat_template"] = options.chat_template;
  AddRendering(suites, json);
  return json.dump();
}

Result<Manifest> MakeManifest(const StudyPlan& plan, const StudyOptions& options) {
  const ModelSource& source = plan.model.source;
  Manifest manifest;
  manifest.bitloss_version = BITLOSS_VERSION;
  manifest.numeric_version = kNumericVersion;
  manifest.model.name = plan.model.name;
  manifest.model.architecture = source.config().architecture;
  manifest.model.num_parameters = source.num_parameters();
  BITLOSS_TRY(manifest.model.identity, source.checkpoint().Identity());
  BITLOSS_TRY(const StoredTypes stored, FindStoredTypes(source.checkpoint()));
  if (!stored.quantized.empty()) {
    manifest.model.stored_types = stored.quantized;
    manifest.model.stored_bytes = stored.num_bytes;
  }
  manifest.tokenizer_identity = plan.model.tokenizer.identity();
  for (const StudyText& text : plan.texts) manifest.protocols.push_back(text.record);
  for (const StudySuite& suite : plan.suites) {
    manifest.suites.push_back({suite.suite.id, suite.suite.sha256, suite.prompts.size()});
  }
  for (const StudyTask& task : plan.tasks) manifest.tasks.push_back(task.record);
  manifest.seed = options.seed;
  manifest.options = OptionsJson(options, plan.suites);
  return manifest;
}

}  // namespace

Result<StudyPlan> ReadStudyPlan(const StudyOptions& options) {
  BITLOSS_TRY(ModelFiles files, OpenModel(options.model, options.baseline));
  StudyPlan plan{std::move(files), {}, {}, {}, {}, {}};
  BITLOSS_TRY(plan.texts, LoadTexts(plan.model, options));
  BITLOSS_TRY(plan.suites, LoadSuites(plan.model, options));
  BITLOSS_TRY(plan.tasks, LoadTasks(plan.model, options));
  BITLOSS_TRY(plan.calibration, ReadCalibration(plan.model, options));
  return plan;
}

Result<StudyPlan> MakeStudyPlan(const StudyOptions& options) {
  BITLOSS_TRY(StudyPlan plan, ReadStudyPlan(options));
  BITLOSS_TRY(plan.manifest, MakeManifest(plan, options));
  return plan;
}

}  // namespace bitloss
