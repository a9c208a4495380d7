#include "bitloss/convert/gguf_tokenizer.h"

#include <array>
#include <nlohmann/json.hpp>
#include <system_error>

#include "bitloss/base/file.h"
#include "bitloss/data/embedded.h"
#include "bitloss/json/parse.h"

namespace bitloss {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// One name for each way to cut, common ones first.
constexpr std::array kPreTokenizers = {
    "qwen2",   "llama-bpe", "smollm",       "gpt-2",          "qwen35", "tekken",
    "gpt-4o",  "glm4",      "dbrx",         "deepseek-v3",    "olmo",   "command-r",
    "hunyuan", "kimi-k2",   "deepseek-llm", "deepseek-coder", "falcon", "bloom"};

// What tells pre-tokenizers apart: numbers, contractions, capitals, marks, spaces, line ends,
// accents, scripts.
constexpr std::string_view kProbe =
    "It's 1234567 o'clock; she'LL  say 3.14%...\r\n\n\tindent x1y22z333  \n caf\u00e9 na\u00efve "
    "camelCase HTTPServer's we'VE e\u0301t\u00e9 \u0928\u092e\u0938\u094d\u0924\u0947 a//b\n/c "
    ":abc "
    "\u4f60\u597d\u4e16\u754cabc\u304b\u306a \uff01x <=>+$ \t \u0661\u0662\u0663 d\u00e9j\u00e0-vu "
    "__init__(self): return 0x1F;\n";

struct Keys {
  std::vector<std::string> tokens;
  std::vector<int32_t> types;
  std::vector<std::string> merges;
};

// "left right" for each of model.merges, which are such lines or pairs.
Result<std::vector<std::string>> ReadMerges(const Json& model) {
  std::vector<std::string> merges;
  const auto found = model.find("merges");
  if (found == model.end() || !found->is_array()) return BadInput("/model/merges is not an array");
  for (const Json& merge : *found) {
    if (merge.is_string()) {
      merges.push_back(merge.get<std::string>());
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
    } else {
      return BadInput("/model/merges: entry {} is not two tokens", merges.size());
    }
  }
  return merges;
}

Result<Keys> ReadKeys(const ModelFiles& model) {
  const fs::path path = model.path / "tokenizer.json";
  BITLOSS_TRY(const Json json, ReadJsonFile(path));
  const Json bpe = json.value("model", Json());
  if (!bpe.is_object() || bpe.value("type", Json()) != "BPE" ||
      bpe.value("byte_fallback", Json()) == true) {
    return Unsupported("{}: only byte-level BPE is written to GGUF", path.string());
  }
  Keys keys;
  auto merges = ReadMerges(bpe);
  if (!merges.ok()) return Within(path.string(), merges.error());
  keys.merges = std::move(merges).value();
  for (size_t id = 0; id < model.source.config().vocab_size; ++id) {
    const std::string_view spelling = model.tokenizer.Spelling(static_cast<TokenId>(id));
    keys.tokens.push_back(spelling.empty() ? fmt::format("[PAD{}]", id) : std::string(spelling));
    keys.types.push_back(spelling.empty() ? GgufTokenType::kUnused : GgufTokenType::kNormal);
  }
  for (const Json& added : json.value("added_tokens", Json::array())) {
    const size_t id = added.is_object() ? added.value("id", Json(keys.types.size())).get<size_t>()
                                        : keys.types.size();
    if (id >= keys.types.size()) return BadInput("{}: an added token without an id", path.string());
    keys.types[id] = added.value("special", Json(false)) == true ? GgufTokenType::kControl
                                                                 : GgufTokenType::kUserDefined;
  }
  return keys;
}

void AddEnds(const ModelFiles& model, GgufPairs& pairs) {
  const Tokenizer& tokenizer = model.tokenizer;
  const auto id = [](int32_t token) { return static_cast<uint32_t>(token); };
  if (tokenizer.bos()) pairs.AddUint("tokenizer.ggml.bos_token_id", id(*tokenizer.bos()));
  if (tokenizer.eos()) pairs.AddUint("tokenizer.ggml.eos_token_id", id(*tokenizer.eos()));
  for (const int32_t end : model.end_tokens) {
    if (tokenizer.eos() && *tokenizer.eos() == end) continue;
    pairs.AddUint("tokenizer.ggml.eot_token_id", id(end));
    break;
  }
  pairs.AddBool("tokenizer.ggml.add_bos_token", tokenizer.adds_bos());
  if (!tokenizer.chat_template().empty()) {
    pairs.AddString("tokenizer.chat_template", tokenizer.chat_template());
  }
}

// Whether a file with these keys has the model's tokenizer.
Result<bool> ReadsBack(const ModelFiles& model, const GgufPairs& pairs, const fs::path& file) {
  BITLOSS_DO(WriteGguf(file, pairs, {}));
  BITLOSS_TRY(const GgufFile opened, GgufFile::Open(file));
  BITLOSS_TRY(const Tokenizer tokenizer, Tokenizer::FromGguf(opened));
  return GiveTheSameIds(tokenizer, model.tokenizer);
}

}  // namespace

Result<bool> GiveTheSameIds(const Tokenizer& a, const Tokenizer& b) {
  if (a.identity() == b.identity()) return true;
  BITLOSS_TRY(const fs::path shipped, EmbeddedModelFolder());
  BITLOSS_TRY(const std::string text, ReadFile(shipped / "calibration.txt"));
  const std::string probe = std::string(kProbe) + text;
  const auto ids = [&](const Tokenizer& from) {
    return from.Encode(probe, Tokenizer::Special::kParse, Tokenizer::AddTokens::kModel);
  };
  BITLOSS_TRY(const std::vector<TokenId> first, ids(a));
  BITLOSS_TRY(const std::vector<TokenId> second, ids(b));
  return first == second;
}

Result<GgufPairs> WithTokenizer(const ModelFiles& model, GgufPairs pairs, const fs::path& folder) {
  BITLOSS_TRY(const Keys keys, ReadKeys(model));
  pairs.AddString("tokenizer.ggml.model", "gpt2");
  pairs.AddStrings("tokenizer.ggml.tokens", keys.tokens);
  pairs.AddInts("tokenizer.ggml.token_type", keys.types);
  pairs.AddStrings("tokenizer.ggml.merges", keys.merges);
  AddEnds(model, pairs);
  const fs::path file = folder / "tokenizer.gguf";
  for (const char* name : kPreTokenizers) {
    GgufPairs candidate = pairs;
    candidate.AddString("tokenizer.ggml.pre", name);
    const auto reads_back = ReadsBack(model, candidate, file);
    std::error_code ignored;
    fs::remove(file, ignored);
    if (!reads_back.ok()) return reads_back.error();
    if (reads_back.value()) return candidate;
  }
  return Unsupported("{}: none of GGUF's pre-tokenizers {} gives this tokenizer's ids",
                     model.path.string(), fmt::join(kPreTokenizers, ", "));
}

}  // namespace bitloss
