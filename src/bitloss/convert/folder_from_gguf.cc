#include "bitloss/convert/folder_from_gguf.h"

#include "bitloss/base/file.h"
#include "bitloss/convert/gguf_tokenizer.h"
#include "bitloss/tokenizer/gguf_pre_tokenizers.h"

namespace bitloss {
namespace {

namespace fs = std::filesystem;
using OrderedJson = nlohmann::ordered_json;

Result<OrderedJson> RopeScalingJson(const RopeScaling& scaling) {
  if (const auto* linear = std::get_if<LinearRopeScaling>(&scaling)) {
    return OrderedJson{{"rope_type", "linear"}, {"factor", linear->factor}};
  }
  if (const auto* llama3 = std::get_if<Llama3RopeScaling>(&scaling)) {
    return OrderedJson{{"rope_type", "llama3"},
                       {"factor", llama3->factor},
                       {"low_freq_factor", llama3->low_freq_factor},
                       {"high_freq_factor", llama3->high_freq_factor},
                       {"original_max_position_embeddings", llama3->original_max_positions}};
  }
  if (std::holds_alternative<NoRopeScaling>(scaling)) return OrderedJson();
  if (std::holds_alternative<FactorsRopeScaling>(scaling)) {
    return Unsupported(
        "rotary factors that are only listed (rope_freqs) have no words in config.json");
  }
  return Unsupported("this kind of rotary scaling is not written to config.json");
}

// What `tokenizer.ggml.pre` names, as tokenizer.json has it.
OrderedJson PreTokenizerJson(const NamedPreTokenizer& named) {
  OrderedJson steps = OrderedJson::array();
  for (const std::string_view pattern : named.patterns) {
    steps.push_back({{"type", "Split"},
                     {"pattern", {{"Regex", pattern}}},
                     {"behavior", "Isolated"},
                     {"invert", false}});
  }
  steps.push_back({{"type", "ByteLevel"},
                   {"add_prefix_space", false},
                   {"trim_offsets", false},
                   {"use_regex", false}});
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

// BOS in front, where the tokenizer puts it there.
OrderedJson PostProcessorJson(const Tokenizer& tokenizer) {
  if (!tokenizer.adds_bos() || !tokenizer.bos()) return nullptr;
  const std::string bos(tokenizer.Spelling(*tokenizer.bos()));
  const OrderedJson special = {{"SpecialToken", {{"id", bos}, {"type_id", 0}}}};
  const OrderedJson a = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const OrderedJson b = {{"Sequence", {{"id", "B"}, {"type_id", 1}}}};
  return {
      {"type", "TemplateProcessing"},
      {"single", OrderedJson::array({special, a})},
      {"pair", OrderedJson::array({special, a, b})},
      {"special_tokens", {{bos, {{"id", bos}, {"ids", {*tokenizer.bos()}}, {"tokens", {bos}}}}}}};
}

struct Vocabulary {
  OrderedJson tokens = OrderedJson::object();
  OrderedJson added = OrderedJson::array();
};

Result<Vocabulary> ReadVocabulary(const GgufMetadata& metadata) {
  BITLOSS_TRY(const auto spellings, metadata.GetStrings("tokenizer.ggml.tokens"));
  std::vector<int64_t> types(spellings.size(), GgufTokenType::kNormal);
  if (metadata.Has("tokenizer.ggml.token_type")) {
    BITLOSS_TRY(types, metadata.GetInts("tokenizer.ggml.token_type"));
  }
  const auto is_plain = [](int64_t type) {
    return type == GgufTokenType::kNormal || type == GgufTokenType::kByte;
  };
  // Added tokens follow the vocabulary; those that stand among its ids are part of it.
  size_t end_of_plain = spellings.size();
  while (end_of_plain > 0 && !is_plain(types[end_of_plain - 1])) --end_of_plain;
  Vocabulary vocabulary;
  for (size_t id = 0; id < spellings.size(); ++id) {
    if (id < end_of_plain) vocabulary.tokens[spellings[id]] = id;
    const bool special =
        types[id] == GgufTokenType::kControl || types[id] == GgufTokenType::kUnknown;
    if (!special && types[id] != GgufTokenType::kUserDefined) continue;
    vocabulary.added.push_back({{"id", id},
                                {"content", spellings[id]},
                                {"single_word", false},
                                {"lstrip", false},
                                {"rstrip", false},
                                {"normalized", false},
                                {"special", special}});
  }
  return vocabulary;
}

Result<NamedPreTokenizer> FindNamed(const GgufMetadata& metadata) {
  BITLOSS_TRY(const std::string name, metadata.GetString("tokenizer.ggml.pre"));
  const auto found = FindGgufPreTokenizer(name);
  if (!found) return Unsupported("tokenizer.ggml.pre '{}' is not known", name);
  return *found;
}

Result<OrderedJson> TokenizerJson(const ModelFiles& model, const GgufMetadata& metadata) {
  BITLOSS_TRY(const std::string kind, metadata.GetString("tokenizer.ggml.model"));
  if (kind != "gpt2") {
    return Unsupported(
        "a tokenizer of kind '{}' is not written as tokenizer.json; only byte-level "
        "BPE is",
        kind);
  }
  BITLOSS_TRY(const NamedPreTokenizer named, FindNamed(metadata));
  BITLOSS_TRY(Vocabulary vocabulary, ReadVocabulary(metadata));
  BITLOSS_TRY(const auto merges, metadata.GetStrings("tokenizer.ggml.merges"));
  OrderedJson merge_pairs = OrderedJson::array();
  for (const std::string& merge : merges) {
    const size_t space = merge.find(' ', 1);
    merge_pairs.push_back({merge.substr(0, space), merge.substr(space + 1)});
  }
  const OrderedJson normalizer = named.normalize == NamedPreTokenizer::Normalize::kNfc
                                     ? OrderedJson{{"type", "NFC"}}
                                     : OrderedJson();
  return OrderedJson{{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", std::move(vocabulary.added)},
                     {"normalizer", normalizer},
                     {"pre_tokenizer", PreTokenizerJson(named)},
                     {"post_processor", PostProcessorJson(model.tokenizer)},
                     {"decoder",
                      {{"type", "ByteLevel"},
                       {"add_prefix_space", true},
                       {"trim_offsets", true},
                       {"use_regex", true}}},
                     {"model",
                      {{"type", "BPE"},
                       {"dropout", nullptr},
                       {"unk_token", nullptr},
                       {"continuing_subword_prefix", nullptr},
                       {"end_of_word_suffix", nullptr},
                       {"fuse_unk", false},
                       {"byte_fallback", false},
                       {"ignore_merges", named.whole_pieces == BpeOptions::WholePieces::kLookUp},
                       {"vocab", std::move(vocabulary.tokens)},
                       {"merges", std::move(merge_pairs)}}}};
}

OrderedJson TokenizerConfigJson(const ModelFiles& model) {
  const Tokenizer& tokenizer = model.tokenizer;
  OrderedJson json = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                      {"clean_up_tokenization_spaces", false},
                      {"model_max_length", model.source.config().max_positions}};
  if (tokenizer.bos()) json["bos_token"] = std::string(tokenizer.Spelling(*tokenizer.bos()));
  if (tokenizer.eos()) json["eos_token"] = std::string(tokenizer.Spelling(*tokenizer.eos()));
  if (!tokenizer.chat_template().empty()) json["chat_template"] = tokenizer.chat_template();
  return json;
}

// The files give the tokenizer that they were made from.
Status CheckReadsBack(const ModelFiles& model, const fs::path& folder) {
  BITLOSS_TRY(const Tokenizer tokenizer, Tokenizer::FromFolder(folder));
  BITLOSS_TRY(const bool same, GiveTheSameIds(tokenizer, model.tokenizer));
  if (same) return Ok();
  return Unsupported("{}: its tokenizer cannot be said in tokenizer.json without a change",
                     model.path.string());
}

Status WriteJson(const fs::path& path, const OrderedJson& json) {
  return WriteFileAtomically(path, json.dump(2) + "\n");
}

}  // namespace

Result<OrderedJson> ConfigFromModel(const ModelFiles& model) {
  const ModelConfig& c = model.source.config();
  const bool is_llama = c.architecture == "llama";
  if (is_llama && c.qkv_bias != c.output_bias) {
    return Unsupported("{}: biases of q, k and v without one of the output projection",
                       model.path.string());
  }
  auto scaling = RopeScalingJson(c.ropes[0].scaling);
  if (!scaling.ok()) return Within(model.path.string(), scaling.error());
  OrderedJson config = {{"architectures", {is_llama ? "LlamaForCausalLM" : "Qwen2ForCausalLM"}},
                        {"model_type", c.architecture},
                        {"hidden_act", "silu"},
                        {"hidden_size", c.hidden_size},
                        {"intermediate_size", c.intermediate_size},
                        {"num_hidden_layers", c.num_layers},
                        {"num_attention_heads", c.num_heads},
                        {"num_key_value_heads", c.num_kv_heads},
                        {"head_dim", c.head_dim},
                        {"max_position_embeddings", c.max_positions},
                        {"rms_norm_eps", c.rms_norm_eps},
                        {"rope_theta", c.ropes[0].theta},
                        {"rope_scaling", scaling.value()},
                        {"tie_word_embeddings", model.source.tied_head()},
                        {"torch_dtype", nullptr},  // the writer's
                        {"vocab_size", c.vocab_size}};
  if (is_llama) {
    config["attention_bias"] = c.qkv_bias;
    config["mlp_bias"] = c.mlp_bias;
  }
  if (model.tokenizer.bos()) config["bos_token_id"] = *model.tokenizer.bos();
  if (model.tokenizer.eos()) config["eos_token_id"] = *model.tokenizer.eos();
  return config;
}

Status WriteTokenizerFromGguf(const ModelFiles& model, const fs::path& folder) {
  const GgufFile* file = model.source.checkpoint().gguf();
  BITLOSS_CHECK(file != nullptr);
  const auto tokenizer = TokenizerJson(model, file->metadata());
  if (!tokenizer.ok()) return Within(model.path.string(), tokenizer.error());
  BITLOSS_DO(WriteFileAtomically(folder / "tokenizer.json", tokenizer.value().dump() + "\n"));
  BITLOSS_DO(WriteJson(folder / "tokenizer_config.json", TokenizerConfigJson(model)));
  OrderedJson generation = OrderedJson::object();
  if (model.tokenizer.bos()) generation["bos_token_id"] = *model.tokenizer.bos();
  if (!model.end_tokens.empty()) generation["eos_token_id"] = model.end_tokens;
  BITLOSS_DO(WriteJson(folder / "generation_config.json", generation));
  return CheckReadsBack(model, folder);
}

}  // namespace bitloss
