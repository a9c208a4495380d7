#include "bitloss/model/measure_importance.h"

#include "bitloss/checkpoint/write_gguf.h"
#include "bitloss/model/observed.h"
#include "bitloss/quant/formats/planes.h"

namespace bitloss {
namespace {

constexpr std::array<std::string_view, kNumLinearKinds> kGgufNames = {
    "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"};

GgufTensor FloatTensor(std::string name, std::vector<float> values) {
  const uint64_t count = values.size();
  return {std::move(name), FindGgmlType("F32"), {1, count}, OwnPlane(std::move(values))};
}

// Of the linears of one block, as it runs unquantized on what enters it.
void TakeImportances(const Observed& seen, size_t layer, const LayerPlan& plan,
                     MeasuredImportances& measured) {
  for (size_t i = 0; i < plan.linears.size(); ++i) {
    measured.entries[ImportanceName(layer, plan.linears[i])] = MeanSquares(seen.InputOf(i));
  }
}

}  // namespace

std::string ImportanceName(size_t layer, const LinearSpec& linear) {
  return fmt::format("blk.{}.{}.weight", layer, kGgufNames[static_cast<size_t>(linear.kind)]);
}

Status WriteImportanceFile(const MeasuredImportances& measured, const std::filesystem::path& path) {
  GgufPairs pairs;
  const std::vector<std::string> datasets = {measured.text_name};
  pairs.AddString("general.type", "imatrix");
  pairs.AddStrings("imatrix.datasets", datasets);
  pairs.AddUint("imatrix.chunk_count", measured.num_sequences);
  pairs.AddUint("imatrix.chunk_size", measured.sequence_tokens);
  const auto count =
      static_cast<float>(uint64_t{measured.num_sequences} * measured.sequence_tokens);
  std::vector<GgufTensor> tensors;
  for (const auto& [name, means] : measured.entries) {
    std::vector<float> sums;
    for (const float mean : means) sums.push_back(mean * count);
    tensors.push_back(FloatTensor(name + ".in_sum2", std::move(sums)));
    tensors.push_back(FloatTensor(name + ".counts", {count}));
  }
  return WriteGguf(path, pairs, tensors);
}

Result<MeasuredImportances> MeasureImportances(
    const ModelSource& source, Transformer& transformer,
    std::span<const std::vector<int32_t>> sequences,
    const std::function<void(size_t num_layers_done)>& layer_done) {
  BITLOSS_DO(CheckKinds(source.config(), "importances"));
  const Backend& backend = transformer.backend();
  MeasuredImportances measured;
  measured.num_sequences = static_cast<uint32_t>(sequences.size());
  measured.sequence_tokens = static_cast<uint32_t>(sequences[0].size());
  Batch batch;
  for (const std::vector<int32_t>& tokens : sequences) batch.Add(tokens);
  LaneWeights embedding_only;
  BITLOSS_TRY(embedding_only.embedding,
              source.Embedding(source.baseline_precision(), backend.threads()));
  BITLOSS_TRY(embedding_only.per_layer, source.PerLayer(source.baseline_precision(), backend));
  Tensor x(backend.memory());
  transformer.Embed(embedding_only, batch, x);
  for (size_t layer = 0; layer < source.config().num_layers; ++layer) {
    for (const LinearSpec& linear : source.plan(layer).linears) {
      if (linear.unit == Unit::kAttention || linear.unit == Unit::kMlp) continue;
      return Unsupported("importances of experts are not measured");
    }
    BITLOSS_TRY(const LayerSource block, source.Layer(layer, source.baseline_precision()));
    LaneSize unused;
    BITLOSS_TRY(const LayerWeights weights,
                PackLayer(source.config(), block, block.plain, Execution{}, backend, unused));
    TakeImportances(Observe(transformer, weights, layer, batch, x), layer, source.plan(layer),
                    measured);
    transformer.Layer(weights, layer, batch, nullptr, x);
    layer_done(layer + 1);
  }
  return measured;
}

}  // namespace bitloss
