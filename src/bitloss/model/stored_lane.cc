#include "bitloss/model/stored_lane.h"

#include <algorithm>

#include "bitloss/base/check.h"
#include "bitloss/base/stopwatch.h"

namespace bitloss {
namespace {

// The execution of matrix `name` ("P.weight"). What was left alone is multiplied as it is.
Execution ExecutionOf(const ModelSource& stored, StoredInputs inputs, const std::string& name,
                      const EncodedMatrix& matrix) {
  const StoredQuantization* quantization = stored.checkpoint().quantization();
  const bool as_served = quantization != nullptr && inputs == StoredInputs::kAsServed;
  if (!as_served || IsPlain(matrix.format)) return Execution{};
  Execution execution = quantization->execution;
  if (execution.static_activations) {
    const auto scale = quantization->input_scales.find(name);
    BITLOSS_CHECK(scale != quantization->input_scales.end());
    execution.activation_scale = scale->second;
  }
  return execution;
}

void Count(std::string_view tensors, std::string_view format, uint64_t num_weights,
           uint64_t num_bytes, std::vector<StoredPart>& parts) {
  const auto same = std::ranges::find_if(parts, [&](const StoredPart& part) {
    return part.tensors == tensors && part.format == format;
  });
  if (same == parts.end()) {
    parts.push_back({std::string(tensors), std::string(format), num_weights, num_bytes});
    return;
  }
  same->num_weights += num_weights;
  same->num_bytes += num_bytes;
}

Result<LayerWeights> PackStoredLayer(const ModelSource& stored, size_t layer, StoredInputs inputs,
                                     const Backend& backend, BuiltLane& to) {
  BITLOSS_TRY(const LayerSource vectors, stored.LayerVectors(layer, Precision::kStored));
  BITLOSS_TRY(LayerWeights packed, PackKept(stored.config(), vectors, backend));
  const std::string linears =
      stored.config().experts
          ? "decoder linears but the experts'"
          : fmt::format("decoder linears ({})", LinearsInWords(stored.config()));
  for (size_t i = 0; i < packed.linears.size(); ++i) {
    BITLOSS_TRY(const EncodedMatrix matrix, stored.StoredLinear(layer, i));
    auto result =
        backend.Pack(matrix, ExecutionOf(stored, inputs, stored.PlaceOf(layer, i).name, matrix));
    if (!result.ok()) {
      return Within(fmt::format("layer {}, {}", layer, stored.plan(layer).linears[i].Name()),
                    result.error());
    }
    packed.linears[i] = std::move(result).value();
    const uint64_t weights = uint64_t{matrix.rows} * matrix.cols;
    to.weights.size.linear_weights += weights;
    to.weights.size.linear_bytes += matrix.num_bytes();
    const bool is_expert = stored.plan(layer).linears[i].unit == Unit::kExpert;
    Count(is_expert ? "experts" : linears, matrix.format.name, weights, matrix.num_bytes(),
          to.stored_parts);
  }
  return packed;
}

// Embedding and head, counted once if they are tied.
Status PackTables(const ModelSource& stored, StoredInputs inputs, const Backend& backend,
                  BuiltLane& to) {
  LaneWeights& weights = to.weights;
  BITLOSS_TRY(weights.embedding, stored.StoredEmbedding());
  EncodedMatrix head = weights.embedding;
  if (!stored.tied_head()) {
    BITLOSS_TRY(head, stored.StoredHead());
  }
  BITLOSS_TRY(weights.head,
              backend.Pack(head, ExecutionOf(stored, inputs, stored.HeadName(), head)));
  const auto count = [&](std::string_view name, const EncodedMatrix& table) {
    weights.size.other_bytes += table.num_bytes();
    Count(name, table.format.name, uint64_t{table.rows} * table.cols, table.num_bytes(),
          to.stored_parts);
  };
  count(stored.tied_head() ? "embedding tied with lm_head" : "embedding", weights.embedding);
  if (!stored.tied_head()) count("lm_head", head);
  return Ok();
}

// Norms and biases.
void CountVectors(const ModelSource& stored, BuiltLane& to) {
  uint64_t num_weights = stored.num_parameters();
  for (const StoredPart& part : to.stored_parts) num_weights -= part.num_weights;
  const uint64_t num_bytes = stored.stored_vector_bytes();
  to.weights.size.other_bytes += num_bytes;
  Count(KeptInWords(stored.config()), "as stored", num_weights, num_bytes, to.stored_parts);
}

}  // namespace

Result<BuiltLane> BuildStoredLane(const ModelSource& stored, const Backend& backend,
                                  StoredInputs inputs,
                                  const std::function<void(size_t)>& layer_done) {
  const auto start = Clock::now();
  BuiltLane built;
  for (size_t layer = 0; layer < stored.config().num_layers; ++layer) {
    BITLOSS_TRY(LayerWeights packed, PackStoredLayer(stored, layer, inputs, backend, built));
    built.weights.layers.push_back(std::move(packed));
    if (layer_done) layer_done(layer + 1);
  }
  BITLOSS_DO(PackTables(stored, inputs, backend, built));
  BITLOSS_TRY(built.weights.per_layer, stored.PerLayer(Precision::kStored, backend));
  BITLOSS_TRY(const std::vector<float> final_norm, stored.FinalNorm(Precision::kStored));
  built.weights.final_norm = std::make_shared<const Tensor>(
      backend.ToTensor(AsMultiplied(stored.config().final_norm_kind, final_norm)));
  CountVectors(stored, built);
  built.seconds = SecondsSince(start);
  return built;
}

}  // namespace bitloss
