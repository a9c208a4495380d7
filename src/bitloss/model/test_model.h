// For tests: a model of a folder, ready to run.
#ifndef BITLOSS_MODEL_TEST_MODEL_H_
#define BITLOSS_MODEL_TEST_MODEL_H_

#include <gmock/gmock.h>
#include <cstdio>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bitloss/base/file.h"
#include "bitloss/json/parse.h"
#include "bitloss/model/lane_builder.h"
#include "bitloss/model/matrix_formats.h"
#include "bitloss/quant/scheme.h"

namespace bitloss {

// Fails the test, loudly, where a product would return the error.
template <typename T>
T Must(Result<T> result) {
  if (!result.ok()) std::fprintf(stderr, "%s\n", result.error().message.c_str());
  BITLOSS_CHECK(result.ok());
  return std::move(result).value();
}

class TestModel {
 public:
  explicit TestModel(const std::filesystem::path& folder, size_t num_threads = 1)
      : source_(Open(folder)),
        threads_(num_threads),
        backend_(Must(MakeCpuBackend(threads_))),
        transformer_(source_.config(), *backend_) {}

  static std::filesystem::path TinyFolder() { return BITLOSS_SOURCE_DIR "/models/bitloss-tiny"; }

  // The model in a form that needs no calibration, or with a text for it.
  LaneWeights Lane(const std::string& scheme, std::span<const int32_t> calibration = {}) {
    const std::vector<Scheme> schemes = {Must(ResolveForModel(Must(ParseScheme(scheme)), source_))};
    LaneBuilderOptions options;
    if (!calibration.empty()) {
      options.calibration.emplace_back(calibration.begin(), calibration.end());
    }
    return std::move(Must(BuildLanes(source_, transformer_, schemes, options))[0].weights);
  }

  // The logits of every position of a sequence, [tokens][vocab_size].
  Matrix Logits(const LaneWeights& lane, std::span<const int32_t> tokens) {
    Batch batch;
    batch.Add(tokens);
    Tensor hidden(backend_->memory());
    transformer_.Hidden(lane, batch, nullptr, hidden);
    Tensor logits(backend_->memory(), tokens.size(), source_.config().vocab_size);
    transformer_.LmHead(lane, hidden, logits);
    return backend_->ToMatrix(logits);
  }

  Transformer& transformer() { return transformer_; }
  const ModelSource& source() const { return source_; }

 private:
  static ModelSource Open(const std::filesystem::path& folder) {
    auto checkpoint = Must(Checkpoint::Open(folder));
    const ModelConfig config = Must(ReadModelConfig(*checkpoint));
    return Must(ModelSource::Open(std::move(checkpoint), config));
  }

  ModelSource source_;
  ThreadPool threads_;
  std::unique_ptr<Backend> backend_;
  Transformer transformer_;
};

inline nlohmann::json ReadTestJson(const std::filesystem::path& path) {
  return Must(ReadJsonFile(path));
}

}  // namespace bitloss

#endif  // BITLOSS_MODEL_TEST_MODEL_H_
