// The forward pass against transformers (testdata/tiny_forward.json says how it was made).
#include <gmock/gmock.h>

#include "bitloss/compute/host_tensor.h"
#include "bitloss/metrics/divergence.h"
#include "bitloss/metrics/top_k.h"
#include "bitloss/model/test_model.h"

namespace bitloss {
namespace {

using nlohmann::json;

json Golden() {
  return ReadTestJson(BITLOSS_SOURCE_DIR "/src/bitloss/model/testdata/tiny_forward.json");
}

// Two float32 implementations by transformers itself (eager and SDPA attention) differ by `noise`;
// ours sums in another order again.
double LogitTolerance(const json& golden) { return 3.0 * golden.at("float32_noise").get<double>(); }

TEST(Forward, GivesTransformersLossOfEveryToken) {
  const json golden = Golden();
  TestModel model(TestModel::TinyFolder());
  const LaneWeights lane = model.Lane("fp16");
  for (const json& text : golden.at("texts")) {
    SCOPED_TRACE(text.at("name").get<std::string>());
    const auto ids = text.at("ids").get<std::vector<int32_t>>();
    const Matrix logits = model.Logits(lane, ids);
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const RowSummary summary = Must(Summarize(logits.Row(i)));
      const double nll = -LogProb(logits.Row(i)[static_cast<size_t>(ids[i + 1])], summary);
      EXPECT_NEAR(nll, text.at("nll")[i].get<double>(), 2 * LogitTolerance(golden)) << i;
    }
  }
}

TEST(Forward, GivesTransformersLargestLogitsAtEveryPosition) {
  const json golden = Golden();
  TestModel model(TestModel::TinyFolder());
  const LaneWeights lane = model.Lane("fp16");
  for (const json& text : golden.at("texts")) {
    SCOPED_TRACE(text.at("name").get<std::string>());
    const auto ids = text.at("ids").get<std::vector<int32_t>>();
    const Matrix logits = model.Logits(lane, ids);
    for (size_t i = 0; i < ids.size(); ++i) {
      for (const json& entry : text.at("top5")[i]) {
        EXPECT_NEAR(logits.Row(i)[entry[0].get<size_t>()], entry[1].get<double>(),
                    LogitTolerance(golden))
            << i;
      }
    }
    if (!text.contains("last_logits")) continue;
    const auto last = text.at("last_logits").get<std::vector<double>>();
    ASSERT_EQ(last.size(), logits.cols());
    for (size_t v = 0; v < last.size(); ++v) {
      EXPECT_NEAR(logits.Row(ids.size() - 1)[v], last[v], LogitTolerance(golden)) << v;
    }
  }
}

TEST(Forward, HasTheSameBitsForAnyBatchAndThreadCount) {
  const json golden = Golden();
  TestModel alone(TestModel::TinyFolder(), 1);
  TestModel threaded(TestModel::TinyFolder(), 3);
  const LaneWeights lane_alone = alone.Lane("int4_group:64");
  const LaneWeights lane_threaded = threaded.Lane("int4_group:64");

  Batch batch;
  // More than go through a block together.
  while (batch.tokens().size() < 1000) {
    for (const json& text : golden.at("texts")) {
      batch.Add(text.at("ids").get<std::vector<int32_t>>());
    }
  }
  Tensor hidden_rows(HostMemory());
  threaded.transformer().Hidden(lane_threaded, batch, nullptr, hidden_rows);
  const MatrixView hidden = HostView(hidden_rows.view());
  for (size_t s = 0; s < batch.sequences().size(); ++s) {
    const RowRange rows = batch.sequences()[s];
    Batch single;
    single.Add(batch.tokens().subspan(rows.begin, rows.size()));
    Tensor rows_alone(HostMemory());
    alone.transformer().Hidden(lane_alone, single, nullptr, rows_alone);
    const MatrixView hidden_alone = HostView(rows_alone.view());
    for (size_t i = 0; i < rows.size(); ++i) {
      ASSERT_THAT(hidden.Row(rows.begin + i), testing::ElementsAreArray(hidden_alone.Row(i)))
          << "sequence " << s << ", token " << i;
    }
  }
}

class ThroughACache : public testing::TestWithParam<const char*> {};

TEST_P(ThroughACache, HasTheSameBitsTokenByToken) {
  const json golden = Golden();
  TestModel model(TestModel::TinyFolder());
  const LaneWeights lane = model.Lane(GetParam());
  const auto ids = golden.at("texts")[0].at("ids").get<std::vector<int32_t>>();
  const Matrix at_once = model.Logits(lane, ids);

  const std::vector<size_t> capacities = {ids.size()};
  KvCache cache(model.source().config(), capacities, HostMemory());
  for (size_t i = 0; i < ids.size(); ++i) {
    Batch step;
    step.Continue({&ids[i], 1}, cache, 0);
    Tensor hidden(HostMemory());
    Tensor logits(HostMemory(), 1, model.source().config().vocab_size);
    model.transformer().Hidden(lane, step, &cache, hidden);
    model.transformer().LmHead(lane, hidden, logits);
    ASSERT_THAT(HostView(logits.view()).Row(0), testing::ElementsAreArray(at_once.Row(i))) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Lanes, ThroughACache,
                         testing::Values("nf4", "fp16+kv=q4_0", "nf4+k=fp8_e4m3+v=q8_0:plain"));

// A cache that is rounded changes what comes out, the more the fewer its bits; FP16 hardly.
TEST(Forward, RoundedKeysAndValuesMoveLogits) {
  const json golden = Golden();
  TestModel model(TestModel::TinyFolder());
  const auto ids = golden.at("texts")[0].at("ids").get<std::vector<int32_t>>();
  const Matrix exact = model.Logits(model.Lane("fp16"), ids);
  double before = 0;
  for (const char* scheme : {"fp16+kv=f16", "fp16+kv=q8_0", "fp16+kv=q5_1", "fp16+kv=q4_0"}) {
    const Matrix rounded = model.Logits(model.Lane(scheme), ids);
    double squares = 0;
    for (size_t i = 0; i < exact.flat().size(); ++i) {
      squares += std::pow(double{rounded.flat()[i]} - exact.flat()[i], 2);
    }
    EXPECT_GT(squares, 2 * before) << scheme;
    before = squares;
  }
}

TEST(Forward, TakesHalvesFromTheFileAsItReadsThem) {
  TestModel model(TestModel::TinyFolder());
  for (size_t layer = 0; layer < model.source().config().num_layers; ++layer) {
    const LayerSource read = Must(model.source().Layer(layer, Precision::kFp16));
    for (size_t i = 0; i < read.weights.size(); ++i) {
      const EncodedMatrix halves = Must(model.source().PlainLinear(layer, i, Precision::kFp16));
      EXPECT_THAT(Decode(halves).flat(), testing::ElementsAreArray(read.weights[i].flat()));
    }
  }
}

}  // namespace
}  // namespace bitloss
