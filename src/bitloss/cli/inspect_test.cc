// `bitloss inspect PATH --against BASE`: every figure of its table against plain loops.
#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "bitloss/checkpoint/checkpoint.h"
#include "bitloss/cli/run_bitloss.h"
#include "bitloss/json/parse.h"
#include "bitloss/quant/format.h"

namespace bitloss {
namespace {

using testing::HasSubstr;

const std::string kTiny = BITLOSS_SOURCE_DIR "/models/bitloss-tiny";

class InspectTest : public testing::Test {
 protected:
  std::string Quantize(const std::string& scheme, const std::vector<std::string>& options = {}) {
    const std::string out = folder_ / scheme;
    std::vector<std::string> arguments = {"quantize", kTiny, "--scheme", scheme, "--out", out};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const Finished finished = RunBitloss(arguments);
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return out;
  }

  static std::string Inspect(const std::string& path, const std::vector<std::string>& options) {
    std::vector<std::string> arguments = {"inspect", path, "--against", kTiny};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const Finished finished = RunBitloss(arguments);
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return finished.out;
  }

  TestFolder folder_;
};

Matrix ReadMatrix(const std::string& path, const std::string& name) {
  const auto checkpoint = Checkpoint::Open(path).value();
  const TensorInfo info = checkpoint->Info(name).value();
  Matrix matrix(info.rows, info.cols);
  EXPECT_TRUE(checkpoint->ReadRows(name, 0, info.rows, matrix.flat()).ok());
  return matrix;
}

TEST_F(InspectTest, ErrorsAreThoseOfPlainLoops) {
  const std::string path = Quantize("nf4");
  const Json tensors = ParseJson(Inspect(path, {"--json"})).value().at("tensors");
  // Seven matrices of four layers, the embedding, nine norms.
  EXPECT_GE(tensors.size(), 28u);
  size_t num_packed = 0;
  for (const Json& tensor : tensors) {
    const std::string name = tensor.at("name");
    if (tensor.at("format") != "nf4") {  // embedding and norms are as they were
      EXPECT_EQ(tensor.at("relative_frobenius"), 0.0) << name;
      EXPECT_FALSE(tensor.contains("sqnr_db")) << name;
      continue;
    }
    ++num_packed;
    const Matrix base = ReadMatrix(kTiny, name), decoded = ReadMatrix(path, name);
    double error = 0.0, weights = 0.0, worst = 0.0;
    uint64_t flushed = 0;
    for (size_t i = 0; i < base.flat().size(); ++i) {
      const double w = base.flat()[i], miss = decoded.flat()[i] - w;
      error += miss * miss;
      weights += w * w;
      worst = std::max(worst, std::abs(miss));
      flushed += w != 0.0 && decoded.flat()[i] == 0.0f ? 1 : 0;
    }
    EXPECT_NEAR(tensor.at("relative_frobenius"), std::sqrt(error / weights), 1e-12) << name;
    EXPECT_NEAR(tensor.at("sqnr_db"), 10 * std::log10(weights / error), 1e-9) << name;
    EXPECT_EQ(tensor.at("worst").at("error"), worst) << name;
    const size_t row = tensor["worst"]["row"], col = tensor["worst"]["column"];
    EXPECT_EQ(tensor["worst"]["weight"].get<float>(), base.Row(row)[col]) << name;
    EXPECT_EQ(tensor["worst"]["decoded"].get<float>(), decoded.Row(row)[col]) << name;
    EXPECT_EQ(tensor.at("flushed_to_zero"), flushed) << name;
    EXPECT_EQ(tensor.at("saturated"), 0) << name;  // an absmax is always a level
    EXPECT_EQ(tensor.at("weights"), base.flat().size()) << name;
    // Half a byte a weight, four bytes for each 64 weights.
    EXPECT_GE(tensor.at("bytes"), base.flat().size() / 2 + base.flat().size() / 16) << name;
  }
  EXPECT_EQ(num_packed, 28u);
}

TEST_F(InspectTest, TheLargestErrorComesFirst) {
  const Json tensors =
      ParseJson(Inspect(Quantize("int2_group:64", {"--layout", "gptq"}), {"--json"}))
          .value()
          .at("tensors");
  double last = INFINITY;
  for (const Json& tensor : tensors) {
    const double error = tensor.at("relative_frobenius");
    EXPECT_LE(error, last) << tensor.at("name");
    last = error;
  }
  EXPECT_GT(tensors[0].at("relative_frobenius"), 0.2);
}

// A checkpoint whose weights are clipped says how many.
TEST_F(InspectTest, CountsClippedWeights) {
  const Json tensors =
      ParseJson(Inspect(Quantize("int3_group:64:sym+mse", {"--layout", "gptq"}), {"--json"}))
          .value()
          .at("tensors");
  uint64_t saturated = 0;
  for (const Json& tensor : tensors) saturated += tensor.at("saturated").get<uint64_t>();
  EXPECT_GT(saturated, 1000u);
}

TEST_F(InspectTest, TheTableHasEveryColumn) {
  const std::string table = Inspect(Quantize("q4_0"), {});
  for (const char* column : {"tensor", "format", "rel.error", "SQNR dB", "worst weight -> value",
                             "saturated", "flushed", "bytes", "bits"}) {
    EXPECT_THAT(table.substr(0, table.find('\n')), HasSubstr(column));
  }
  EXPECT_THAT(table, HasSubstr("model.layers.0.mlp.down_proj.weight"));
  EXPECT_THAT(table, HasSubstr("4.500\n"));
}

TEST_F(InspectTest, RefusesAnotherModel) {
  folder_.Write("x", "x");
  const Finished finished = RunBitloss({"inspect", folder_ / "x", "--against", kTiny});
  EXPECT_GE(finished.exit_code, 3);
  EXPECT_EQ(finished.out, "");
}

}  // namespace
}  // namespace bitloss
