#include "bitloss/tokenizer/tokenizer_steps.h"

#include <nlohmann/json.hpp>

#include "bitloss/tokenizer/json_fields.h"
#include "bitloss/tokenizer/step_tree.h"

namespace bitloss {
namespace {

using Json = nlohmann::json;
// The ids that a template's special token stands for.
Status AddTemplateToken(const JsonFields& node, const JsonFields& piece,
                        const Vocabulary& vocabulary, std::vector<TokenId>& ids) {
  BITLOSS_TRY(const std::string name, piece.String("id"));
  BITLOSS_TRY(const Json* table, node.Get("special_tokens"));
  BITLOSS_TRY(const JsonFields tokens, JsonFields::Of(*table, node.PathOf("special_tokens")));
  BITLOSS_TRY(const Json* entry, tokens.Get(name));
  BITLOSS_TRY(const JsonFields token, JsonFields::Of(*entry, tokens.PathOf(name)));
  BITLOSS_TRY(const Json* list, token.Array("ids"));
  for (const Json& id : *list) {
    const bool known = id.is_number_unsigned() && id.get<uint64_t>() < vocabulary.num_ids() &&
                       vocabulary.Has(static_cast<TokenId>(id.get<uint64_t>()));
    if (!known) return BadInput("{}: no token has id {}", token.PathOf("ids"), id.dump());
    ids.push_back(static_cast<TokenId>(id.get<uint64_t>()));
  }
  return Ok();
}

// {"single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}], ...}; what it says of
// pairs of texts is of no use here.
Status ReadTemplate(const JsonFields& node, const Vocabulary& vocabulary, Surroundings& around) {
  BITLOSS_DO(node.Only({"type", "single", "pair", "special_tokens"}));
  if (around.from_template) return Unsupported("{}: a second template", node.where());
  BITLOSS_TRY(const Json* single, node.Array("single"));
  bool after_text = false;
  for (size_t i = 0; i < single->size(); ++i) {
    const std::string where = fmt::format("{}[{}]", node.PathOf("single"), i);
    BITLOSS_TRY(const JsonFields item, JsonFields::Of((*single)[i], where));
    BITLOSS_DO(item.Only({"SpecialToken", "Sequence"}));
    if (const Json* token = item.Find("SpecialToken")) {
      BITLOSS_TRY(const JsonFields piece, JsonFields::Of(*token, item.PathOf("SpecialToken")));
      BITLOSS_DO(
          AddTemplateToken(node, piece, vocabulary, after_text ? around.suffix : around.prefix));
    } else {
      BITLOSS_TRY(const Json* text, item.Get("Sequence"));
      BITLOSS_TRY(const JsonFields piece, JsonFields::Of(*text, item.PathOf("Sequence")));
      BITLOSS_TRY(const std::string name, piece.String("id"));
      if (after_text || name != "A") {
        return Unsupported("{}: a template with the text '{}' here", where, name);
      }
      after_text = true;
    }
  }
  if (!after_text) return Unsupported("{}: a template without the text", node.PathOf("single"));
  around.from_template = true;
  return Ok();
}

Result<TokenDecoder::Step> DecoderStep(const JsonFields& node, const std::string& type) {
  if (type == "ByteLevel") return TokenDecoder::Step(TokenDecoder::ByteLevel{});
  if (type == "ByteFallback") return TokenDecoder::Step(TokenDecoder::ByteFallback{});
  if (type == "Fuse") return TokenDecoder::Step(TokenDecoder::Fuse{});
  if (type == "Replace") {
    BITLOSS_DO(node.Only({"type", "pattern", "content"}));
    BITLOSS_TRY(std::string from, LiteralPattern(node));
    BITLOSS_TRY(std::string to, node.String("content"));
    return TokenDecoder::Step(TokenDecoder::Replace{std::move(from), std::move(to)});
  }
  if (type == "Strip") {
    BITLOSS_DO(node.Only({"type", "content", "start", "stop"}));
    BITLOSS_TRY(std::string content, node.String("content"));
    if (content.empty()) return BadInput("{} is empty", node.PathOf("content"));
    BITLOSS_TRY(const uint64_t start, node.Count("start"));
    BITLOSS_TRY(const uint64_t stop, node.Count("stop"));
    return TokenDecoder::Step(TokenDecoder::Strip{std::move(content), start, stop});
  }
  if (type == "Metaspace") {
    BITLOSS_TRY(const PreTokenizer::Metaspace metaspace, ReadMetaspace(node));
    using First = TokenDecoder::Metaspace::First;
    return TokenDecoder::Step(TokenDecoder::Metaspace{
        metaspace.replacement, metaspace.prepend == PreTokenizer::Metaspace::Prepend::kNever
                                   ? First::kKeep
                                   : First::kDrop});
  }
  return UnknownKind(node, type,
                     "Sequence, ByteLevel, Replace, ByteFallback, Fuse, Strip, "
                     "Metaspace");
}

}  // namespace

Result<Surroundings> ReadPostProcessor(const Json& value, const Vocabulary& vocabulary) {
  Surroundings around;
  BITLOSS_DO(ForEachStep(value, "post_processor", "processors",
                         [&](const JsonFields& node, const std::string& type) -> Status {
                           // ByteLevel changes offsets only.
                           if (type == "ByteLevel") return Ok();
                           if (type == "TemplateProcessing") {
                             return ReadTemplate(node, vocabulary, around);
                           }
                           return UnknownKind(node, type,
                                              "Sequence, ByteLevel, TemplateProcessing");
                         }));
  return around;
}

Result<TokenDecoder> ReadDecoder(const Json& value) {
  if (value.is_null()) return TokenDecoder({}, TokenDecoder::Between::kSpace);
  std::vector<TokenDecoder::Step> steps;
  BITLOSS_DO(ForEachStep(value, "decoder", "decoders",
                         [&](const JsonFields& node, const std::string& type) -> Status {
                           BITLOSS_TRY(auto step, DecoderStep(node, type));
                           steps.push_back(std::move(step));
                           return Ok();
                         }));
  return TokenDecoder(std::move(steps), TokenDecoder::Between::kNothing);
}

}  // namespace bitloss
