#include "bitloss/tokenizer/step_tree.h"

namespace bitloss {

using Json = nlohmann::json;

Status ForEachStep(const Json& value, const std::string& where, std::string_view children,
                   const VisitStep& visit) {
  if (value.is_null()) return Ok();
  BITLOSS_TRY(const JsonFields node, JsonFields::Of(value, where));
  BITLOSS_TRY(const std::string type, node.String("type"));
  if (type != "Sequence") return visit(node, type);
  BITLOSS_DO(node.Only({"type", children}));
  BITLOSS_TRY(const Json* list, node.Array(children));
  for (size_t i = 0; i < list->size(); ++i) {
    BITLOSS_DO(
        ForEachStep((*list)[i], fmt::format("{}[{}]", node.PathOf(children), i), children, visit));
  }
  return Ok();
}

Error UnknownKind(const JsonFields& node, std::string_view type, std::string_view known) {
  return Unsupported("{}: '{}' is not implemented (known: {})", node.where(), type, known);
}

Result<std::string> LiteralPattern(const JsonFields& node) {
  BITLOSS_TRY(const Json* value, node.Get("pattern"));
  BITLOSS_TRY(const JsonFields pattern, JsonFields::Of(*value, node.PathOf("pattern")));
  BITLOSS_DO(pattern.Only({"String"}));
  BITLOSS_TRY(std::string text, pattern.String("String"));
  if (text.empty()) return BadInput("{} is empty", pattern.PathOf("String"));
  return text;
}

Result<Pattern> AnyPattern(const JsonFields& node) {
  BITLOSS_TRY(const Json* value, node.Get("pattern"));
  BITLOSS_TRY(const JsonFields fields, JsonFields::Of(*value, node.PathOf("pattern")));
  BITLOSS_DO(fields.Only({"Regex", "String"}));
  const bool is_regex = fields.Find("Regex") != nullptr;
  BITLOSS_TRY(const std::string source, fields.String(is_regex ? "Regex" : "String"));
  auto pattern = is_regex ? Pattern::Compile(source) : Pattern::CompileLiteral(source);
  if (!pattern.ok()) return Within(fields.where(), pattern.error());
  return pattern;
}

Result<PreTokenizer::Metaspace> ReadMetaspace(const JsonFields& node) {
  using Metaspace = PreTokenizer::Metaspace;
  BITLOSS_DO(
      node.Only({"type", "replacement", "add_prefix_space", "str_rep", "prepend_scheme", "split"}));
  Metaspace metaspace;
  BITLOSS_TRY(metaspace.replacement, node.String("replacement"));
  if (metaspace.replacement.empty()) return BadInput("{} is empty", node.PathOf("replacement"));
  BITLOSS_TRY(const bool prefix, node.Bool("add_prefix_space", true));
  BITLOSS_TRY(const std::string scheme, node.String("prepend_scheme", prefix ? "always" : "never"));
  if (scheme == "first") {
    metaspace.prepend = Metaspace::Prepend::kFirst;
  } else if (scheme == "never") {
    metaspace.prepend = Metaspace::Prepend::kNever;
  } else if (scheme != "always") {
    return Unsupported("{}: '{}' is not implemented", node.PathOf("prepend_scheme"), scheme);
  }
  BITLOSS_TRY(const bool split, node.Bool("split", true));
  metaspace.cut = split ? Metaspace::Cut::kBeforeEach : Metaspace::Cut::kNone;
  return metaspace;
}

}  // namespace bitloss
