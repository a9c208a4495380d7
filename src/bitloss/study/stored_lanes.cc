#include "bitloss/study/stored_lanes.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "bitloss/study/lane_identity.h"
#include "bitloss/study/lane_request.h"
#include "bitloss/study/stored_types.h"

namespace bitloss {
namespace {

struct Size {
  std::string_view name;
  size_t ModelConfig::*member;
};

constexpr Size kSizes[] = {
    {"hidden_size", &ModelConfig::hidden_size},
    {"layers", &ModelConfig::num_layers},
    {"heads", &ModelConfig::num_heads},
    {"kv_heads", &ModelConfig::num_kv_heads},
    {"head_dim", &ModelConfig::head_dim},
    {"vocab_size", &ModelConfig::vocab_size},
    {"intermediate_size", &ModelConfig::intermediate_size},
};

// Files write these numbers in float32 or in decimals.
bool NearlyEqual(double a, double b) { return std::abs(a - b) <= 1e-6 * std::abs(a); }

Status CheckRopes(const ModelConfig& baseline, const ModelConfig& stored) {
  if (stored.ropes.size() != baseline.ropes.size()) {
    return BadInput("it has {} tables of rotary frequencies, the model {}", stored.ropes.size(),
                    baseline.ropes.size());
  }
  for (size_t rope = 0; rope < baseline.ropes.size(); ++rope) {
    const std::vector<double> expected =
        RopeInverseFrequencies(baseline.ropes[rope], baseline.head_dim);
    const std::vector<double> found = RopeInverseFrequencies(stored.ropes[rope], stored.head_dim);
    for (size_t i = 0; i < expected.size(); ++i) {
      if (i >= found.size() || !NearlyEqual(expected[i], found[i])) {
        return BadInput("its rotary frequency {} is {}, the model's is {}", i,
                        i < found.size() ? found[i] : 0.0, expected[i]);
      }
    }
  }
  return Ok();
}

Status CheckConfig(const ModelConfig& baseline, const ModelConfig& stored) {
  if (stored.architecture != baseline.architecture) {
    return BadInput("its architecture is {}, the model's is {}", stored.architecture,
                    baseline.architecture);
  }
  for (const Size& size : kSizes) {
    if (stored.*size.member != baseline.*size.member) {
      return BadInput("its {} is {}, the model's is {}", size.name, stored.*size.member,
                      baseline.*size.member);
    }
  }
  if (!NearlyEqual(baseline.rms_norm_eps, stored.rms_norm_eps)) {
    return BadInput("its norms add {}, the model's {}", stored.rms_norm_eps, baseline.rms_norm_eps);
  }
  return CheckRopes(baseline, stored);
}

// Files that write one tokenizer differently (GGUF has no rules for added tokens) still agree in
// what each id stands for.
Status CheckTokenizer(const Tokenizer& baseline, const Tokenizer& stored) {
  if (stored.identity() == baseline.identity()) return Ok();
  const size_t count = std::min(baseline.num_tokens(), stored.num_tokens());
  for (size_t i = 0; i < count; ++i) {
    const auto id = static_cast<TokenId>(i);
    if (baseline.Spelling(id).empty()) continue;  // padding, which files name as they like
    if (baseline.Spelling(id) != stored.Spelling(id)) {
      return BadInput("its tokenizer has another token {} than the model's", i);
    }
  }
  return Ok();
}

}  // namespace

Result<std::shared_ptr<const ModelFiles>> OpenStoredLane(const ModelFiles& baseline,
                                                         const std::string& path) {
  BITLOSS_TRY(ModelFiles opened, OpenAnyModel(path));
  const std::string context = fmt::format("lane '{}'", path);
  if (const Status config = CheckConfig(baseline.source.config(), opened.source.config());
      !config.ok()) {
    return Within(context, config.error());
  }
  if (const Status tokens = CheckTokenizer(baseline.tokenizer, opened.tokenizer); !tokens.ok()) {
    return Within(context, tokens.error());
  }
  return std::make_shared<const ModelFiles>(std::move(opened));
}

namespace {

// What the checkpoint asks for and is not run.
std::vector<std::string> NotRun(const StoredQuantization& quantization, StoredInputs inputs) {
  std::vector<std::string> not_run = quantization.not_run;
  if (inputs == StoredInputs::kUnrounded) {
    not_run.insert(not_run.begin(), "inputs of linears rounded to " + quantization.rounds);
  }
  return not_run;
}

}  // namespace

Result<LaneRecord> PlanStoredLane(const ModelFiles& stored, StoredInputs inputs,
                                  const std::string& name) {
  BITLOSS_TRY(const std::string identity, stored.source.checkpoint().Identity());
  const StoredQuantization* quantization = stored.source.checkpoint().quantization();
  const std::string method = quantization != nullptr                        ? quantization->method
                             : stored.source.checkpoint().gguf() != nullptr ? "GGUF"
                                                                            : "unquantized";
  const bool rounds = quantization != nullptr && !quantization->rounds.empty();
  if (inputs == StoredInputs::kUnrounded && !rounds) {
    return BadInput(
        "lane '{}@weights': it asks for no rounded activations that are run here; leave @weights "
        "out",
        stored.name);
  }
  LaneRecord record;
  record.scheme = !name.empty()               ? name
                  : IsSchemeName(stored.name) ? stored.name + " (file)"
                                              : stored.name;
  const bool as_served = quantization != nullptr && inputs == StoredInputs::kAsServed;
  const std::string multiplied = as_served ? DefinitionOf(quantization->execution) : "";
  record.identity =
      IdentityOfCheckpoint(identity, inputs == StoredInputs::kAsServed ? multiplied : "unrounded");
  if (quantization != nullptr) record.not_run = NotRun(*quantization, inputs);
  if (!record.not_run.empty()) {
    record.scheme += multiplied.empty() ? " (weights only)" : " (KV cache left out)";
  }
  record.definition = fmt::format("stored {}, identity {}", method, identity.substr(0, 16));
  record.notes.push_back(fmt::format("a checkpoint as it is, {}", method));
  if (quantization != nullptr) {
    record.notes.insert(record.notes.end(), quantization->notes.begin(), quantization->notes.end());
  }
  if (rounds && as_served) {
    record.notes.push_back(fmt::format(
        "inputs of linears rounded to {}, as it is served ({}); @weights behind its path measures "
        "the weights alone",
        quantization->rounds, multiplied));
  }
  if (!record.not_run.empty()) {
    record.notes.push_back(fmt::format(
        "as it is served this checkpoint has {}, which is left out here: what that costs is not in "
        "these numbers",
        fmt::join(record.not_run, "; ")));
  }
  BITLOSS_TRY(const StoredTypes types, FindStoredTypes(stored.source.checkpoint()));
  if (stored.source.checkpoint().gguf() != nullptr && !types.quantized.empty()) {
    record.notes.push_back(
        "weights as stored, activations in FP32: the format's error alone; llama.cpp rounds "
        "activations to 8 bits too, which a scheme such as q4_0@ggml measures beside it");
  }
  return record;
}

void DescribeStoredLane(const BuiltLane& built, LaneRecord& record) {
  const LaneSize& size = built.weights.size;
  uint64_t num_weights = 0;
  nlohmann::ordered_json coverage = nlohmann::ordered_json::array();
  for (const StoredPart& part : built.stored_parts) {
    num_weights += part.num_weights;
    coverage.push_back({{"tensors", part.tensors},
                        {"format", part.format},
                        {"weights", part.num_weights},
                        {"bytes", part.num_bytes}});
  }
  record.weight_bytes = size.total_bytes();
  record.bits_per_weight =
      8.0 * static_cast<double>(record.weight_bytes) / static_cast<double>(num_weights);
  record.quantized_bits_per_weight = size.linear_bits_per_weight();
  record.coverage = nlohmann::ordered_json{{"parts", coverage}}.dump();
}

}  // namespace bitloss
