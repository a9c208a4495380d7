#include "bitloss/study/lane_set.h"

#include <gmock/gmock.h>

#include <map>

#include "bitloss/model/test_model.h"

namespace bitloss {
namespace {

// A checkpoint that counts how many rows of each tensor were read.
class CountingCheckpoint : public Checkpoint {
 public:
  explicit CountingCheckpoint(std::unique_ptr<Checkpoint> inner) : inner_(std::move(inner)) {}

  const std::filesystem::path& path() const override { return inner_->path(); }
  std::vector<std::string> TensorNames() const override { return inner_->TensorNames(); }
  Result<TensorInfo> Info(std::string_view name) const override { return inner_->Info(name); }
  Status ReadRows(std::string_view name, uint64_t begin, uint64_t end,
                  std::span<float> out) const override {
    rows_read_[std::string(name)] += end - begin;
    return inner_->ReadRows(name, begin, end, out);
  }
  std::optional<TensorView> View(std::string_view name) const override {
    const std::optional<TensorView> view = inner_->View(name);
    if (view) rows_read_[std::string(name)] += inner_->Info(name).value().shape[0];
    return view;
  }
  Result<std::optional<EncodedMatrix>> Quantized(std::string_view name) const override {
    return inner_->Quantized(name);
  }
  Result<std::string> Identity() const override { return inner_->Identity(); }

  std::map<std::string, uint64_t> TakeRowsRead() const { return std::exchange(rows_read_, {}); }

 private:
  std::unique_ptr<Checkpoint> inner_;
  mutable std::map<std::string, uint64_t> rows_read_;
};

TEST(LaneSet, ReadsTheWeightsOnceForAGroupWhateverTheNumberOfLanes) {
  auto checkpoint =
      std::make_shared<CountingCheckpoint>(Must(Checkpoint::Open(TestModel::TinyFolder())));
  const ModelConfig config = Must(ReadModelConfig(*checkpoint));
  const ModelSource source = Must(ModelSource::Open(checkpoint, config));
  ThreadPool threads(2);
  const std::unique_ptr<Backend> backend = Must(MakeCpuBackend(threads));
  Transformer transformer(config, *backend);
  std::vector<LanePlan> plans(4);
  const std::vector<std::string> schemes = {"fp16", "int8", "nf4", "q8_0"};
  for (size_t i = 0; i < plans.size(); ++i) plans[i].scheme = Must(ParseScheme(schemes[i]));
  const FittedBlocks fitted;
  const std::unique_ptr<LaneSet> set =
      Must(LaneSet::Open(source, *backend, plans, /*seed=*/1, fitted));
  std::vector<NamedLane> lanes;
  for (size_t i = 0; i < plans.size(); ++i) {
    lanes.push_back({schemes[i], &set->lane(i).weights, set.get(), i});
  }
  Scorer scorer(transformer, lanes);
  const std::vector<std::vector<int32_t>> sequences(3, {12, 40, 7, 99, 5, 31, 64, 8});
  std::vector<ScoredSequence> group;
  for (const std::vector<int32_t>& tokens : sequences) group.push_back({.tokens = tokens});
  for (int repetition = 0; repetition < 2; ++repetition) {
    checkpoint->TakeRowsRead();
    ASSERT_TRUE(scorer.Score(group).ok());
    const std::map<std::string, uint64_t> rows = checkpoint->TakeRowsRead();
    for (size_t layer = 0; layer < config.num_layers; ++layer) {
      for (const LinearSpec& linear : PlanLayer(config, layer).linears) {
        const std::string name = fmt::format("model.layers.{}.{}.weight", layer, linear.Name());
        EXPECT_EQ(rows.at(name), linear.shape.out) << name;
      }
    }
  }
}

}  // namespace
}  // namespace bitloss
