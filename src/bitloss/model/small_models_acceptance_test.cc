// Two trained Llama models against an independent double-precision forward pass.
#include <gmock/gmock.h>

#include "bitloss/metrics/divergence.h"
#include "bitloss/model/test_model.h"

namespace bitloss {
namespace {

using nlohmann::json;

constexpr double kTolerance = 2e-4;  // of a logit

std::string FolderOf(const std::string& model) {
  const std::string folder = BITLOSS_SHARED_DATA "/models/" + model;
  return model == "stories260K" ? folder + "/hf" : folder;
}

TEST(SmallModels, HaveTheLogitsOfADoublePrecisionForwardPass) {
  const json golden =
      ReadTestJson(BITLOSS_SHARED_DATA "/reference/small_models_logits_numpy_f64.json");
  ASSERT_EQ(golden.at("cases").size(), 4u);
  for (const json& sample : golden.at("cases")) {
    SCOPED_TRACE(sample.at("model").get<std::string>());
    TestModel model(FolderOf(sample.at("model")));
    const auto ids = sample.at("ids").get<std::vector<int32_t>>();
    const LaneWeights lane = model.Lane("fp32");
    const Matrix logits = model.Logits(lane, ids);
    for (size_t i = 0; i < ids.size(); ++i) {
      for (const json& entry : sample.at("top5")[i]) {
        EXPECT_NEAR(logits.Row(i)[entry[0].get<size_t>()], entry[1].get<double>(), kTolerance) << i;
      }
      if (i + 1 == ids.size()) continue;
      const RowSummary summary = Must(Summarize(logits.Row(i)));
      const double nll = -LogProb(logits.Row(i)[static_cast<size_t>(ids[i + 1])], summary);
      EXPECT_NEAR(nll, sample.at("nll")[i].get<double>(), 2 * kTolerance) << i;
    }
    const auto last = sample.at("logits_last").get<std::vector<double>>();
    ASSERT_EQ(last.size(), logits.cols());
    for (size_t v = 0; v < last.size(); ++v) {
      EXPECT_NEAR(logits.Row(ids.size() - 1)[v], last[v], kTolerance) << v;
    }
  }
}

}  // namespace
}  // namespace bitloss
