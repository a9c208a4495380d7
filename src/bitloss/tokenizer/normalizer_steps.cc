// The `normalizer` of tokenizer.json.
#include <array>

#include "bitloss/tokenizer/step_tree.h"
#include "bitloss/tokenizer/tokenizer_steps.h"

namespace bitloss {
namespace {

constexpr std::array<std::pair<std::string_view, UnicodeForm>, 4> kForms = {
    {{"NFC", UnicodeForm::kNfc},
     {"NFD", UnicodeForm::kNfd},
     {"NFKC", UnicodeForm::kNfkc},
     {"NFKD", UnicodeForm::kNfkd}}};

Result<Normalizer::Step> ReadStrip(const JsonFields& node) {
  BITLOSS_DO(node.Only({"type", "strip_left", "strip_right"}));
  Normalizer::Strip strip;
  BITLOSS_TRY(strip.left, node.Bool("strip_left"));
  BITLOSS_TRY(strip.right, node.Bool("strip_right"));
  return Normalizer::Step(strip);
}

Result<Normalizer::Step> ReadReplace(const JsonFields& node) {
  BITLOSS_DO(node.Only({"type", "pattern", "content"}));
  BITLOSS_TRY(std::string to, node.String("content"));
  BITLOSS_TRY(const nlohmann::json* value, node.Get("pattern"));
  if (value->is_object() && value->contains("Regex")) {
    BITLOSS_TRY(Pattern pattern, AnyPattern(node));
    if (pattern.MayMatchNothing()) {
      return Unsupported("{}: '{}' can match nothing at all", node.PathOf("pattern"),
                         pattern.source());
    }
    return Normalizer::Step(Normalizer::ReplaceMatches{std::move(pattern), std::move(to)});
  }
  BITLOSS_TRY(std::string from, LiteralPattern(node));
  return Normalizer::Step(Normalizer::Replace{std::move(from), std::move(to)});
}

Result<Normalizer::Step> NormalizerStep(const JsonFields& node, const std::string& type) {
  for (const auto& [name, form] : kForms) {
    if (type != name) continue;
    BITLOSS_DO(node.Only({"type"}));
    return Normalizer::Step(form);
  }
  if (type == "Strip") return ReadStrip(node);
  if (type == "Prepend") {
    BITLOSS_DO(node.Only({"type", "prepend"}));
    BITLOSS_TRY(std::string text, node.String("prepend"));
    return Normalizer::Step(Normalizer::Prepend{std::move(text)});
  }
  if (type == "Replace") return ReadReplace(node);
  return UnknownKind(node, type, "Sequence, NFC, NFD, NFKC, NFKD, Prepend, Replace, Strip");
}

}  // namespace

Result<Normalizer> ReadNormalizer(const nlohmann::json& value) {
  std::vector<Normalizer::Step> steps;
  BITLOSS_DO(ForEachStep(value, "normalizer", "normalizers",
                         [&](const JsonFields& node, const std::string& type) -> Status {
                           BITLOSS_TRY(auto step, NormalizerStep(node, type));
                           steps.push_back(std::move(step));
                           return Ok();
                         }));
  return Normalizer(std::move(steps));
}

}  // namespace bitloss
