#include "bitloss/store/manifest.h"

#include <nlohmann/json.hpp>

namespace bitloss {

using Json = nlohmann::json;

// What a model was stored as is there only of one that was quantized.
void to_json(Json& json, const ModelRecord& model) {
  json = {{"name", model.name},
          {"architecture", model.architecture},
          {"num_parameters", model.num_parameters},
          {"identity", model.identity}};
  if (model.stored_types.empty()) return;
  json["stored_types"] = model.stored_types;
  json["stored_bytes"] = model.stored_bytes;
}

void from_json(const Json& json, ModelRecord& model) {
  json.at("name").get_to(model.name);
  json.at("architecture").get_to(model.architecture);
  json.at("num_parameters").get_to(model.num_parameters);
  json.at("identity").get_to(model.identity);
  model.stored_types = json.value("stored_types", "");
  model.stored_bytes = json.value("stored_bytes", uint64_t{0});
}

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(SuiteRecord, id, hash, num_prompts)

void to_json(Json& json, const ProtocolRecord& protocol) {
  json = {{"id", protocol.id},
          {"text", protocol.text},
          {"text_hash", protocol.text_hash},
          {"aggregation", protocol.aggregation},
          {"cluster_kind", protocol.cluster_kind},
          {"num_units", protocol.num_units}};
  if (!protocol.warnings.empty()) json["warnings"] = protocol.warnings;
}

void from_json(const Json& json, ProtocolRecord& protocol) {
  json.at("id").get_to(protocol.id);
  json.at("text").get_to(protocol.text);
  json.at("text_hash").get_to(protocol.text_hash);
  json.at("aggregation").get_to(protocol.aggregation);
  json.at("cluster_kind").get_to(protocol.cluster_kind);
  json.at("num_units").get_to(protocol.num_units);
  if (json.contains("warnings")) json.at("warnings").get_to(protocol.warnings);
}

void to_json(Json& json, const TaskRecord& task) {
  json = {{"id", task.id},     {"hash", task.hash},       {"tokens_hash", task.tokens_hash},
          {"kind", task.kind}, {"measure", task.measure}, {"num_items", task.num_items}};
  if (!task.few_shot_hash.empty()) json["few_shot_hash"] = task.few_shot_hash;
  if (task.chat) json["chat"] = true;
  if (!task.warnings.empty()) json["warnings"] = task.warnings;
}

void from_json(const Json& json, TaskRecord& task) {
  json.at("id").get_to(task.id);
  json.at("hash").get_to(task.hash);
  json.at("tokens_hash").get_to(task.tokens_hash);
  json.at("kind").get_to(task.kind);
  json.at("measure").get_to(task.measure);
  json.at("num_items").get_to(task.num_items);
  task.few_shot_hash = json.value("few_shot_hash", "");
  task.chat = json.value("chat", false);
  if (json.contains("warnings")) json.at("warnings").get_to(task.warnings);
}

namespace {

// A name that is not UTF-8 (a file name may be anything) must not stop a study.
std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// What decides no number is left out, and a study goes on: by whichever release it was begun (the
// numeric version tells those that differ), and in which words a text was spoken of.
Json WhatNumbersDependOn(const std::string& manifest) {
  Json json = Json::parse(manifest);
  json.erase("bitloss_version");
  for (const char* list : {"protocols", "tasks"}) {
    const auto listed = json.find(list);
    if (listed == json.end() || !listed->is_array()) continue;
    for (Json& one : *listed) {
      if (one.is_object()) one.erase("warnings");
    }
  }
  return json;
}

}  // namespace

Result<std::string> ManifestToJson(const Manifest& manifest) {
  Json options = Json::parse(manifest.options, nullptr, /*allow_exceptions=*/false);
  if (!options.is_object()) {
    return BadInput("manifest options are not a JSON object: {}", manifest.options);
  }
  Json json = {{"bitloss_version", manifest.bitloss_version},
               {"numeric_version", manifest.numeric_version},
               {"model", manifest.model},
               {"tokenizer_identity", manifest.tokenizer_identity},
               {"protocols", manifest.protocols},
               {"suites", manifest.suites},
               {"seed", manifest.seed},
               {"options", std::move(options)}};
  if (!manifest.tasks.empty()) json["tasks"] = manifest.tasks;
  return Dump(json);
}

Result<Manifest> ManifestFromJson(const std::string& text) {
  try {
    const Json json = Json::parse(text);
    return Manifest{.bitloss_version = json.at("bitloss_version"),
                    .numeric_version = json.value("numeric_version", uint64_t{0}),
                    .model = json.at("model"),
                    .tokenizer_identity = json.at("tokenizer_identity"),
                    .protocols = json.at("protocols"),
                    .suites = json.at("suites"),
                    .tasks = json.value("tasks", std::vector<TaskRecord>()),
                    .seed = json.at("seed"),
                    .options = Dump(json.at("options"))};
  } catch (const Json::exception& error) {
    return BadInput("manifest: {}", error.what());
  }
}

std::optional<ManifestDifference> FirstDifference(const std::string& ours,
                                                  const std::string& theirs) {
  const Json left = WhatNumbersDependOn(ours).flatten();
  const Json right = WhatNumbersDependOn(theirs).flatten();
  Json pointers = left;
  pointers.update(right);  // sorted, each once
  for (const auto& [pointer, unused] : pointers.items()) {
    const auto a = left.find(pointer);
    const auto b = right.find(pointer);
    if (a != left.end() && b != right.end() && *a == *b) continue;
    return ManifestDifference{.pointer = pointer,
                              .ours = a == left.end() ? "absent" : Dump(*a),
                              .theirs = b == right.end() ? "absent" : Dump(*b)};
  }
  return std::nullopt;
}

}  // namespace bitloss
