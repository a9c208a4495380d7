#include "bitloss/model/calibration.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "bitloss/base/random.h"
#include "bitloss/compute/host_tensor.h"

namespace bitloss {
namespace {

using testing::ElementsAreArray;

constexpr size_t kTokens = 96;

ModelConfig SmallConfig(size_t num_kv_heads) {
  ModelConfig config;
  config.hidden_size = 64;
  config.intermediate_size = 128;
  config.num_layers = 1;
  config.num_heads = 4;
  config.num_kv_heads = num_kv_heads;
  config.head_dim = 16;
  config.vocab_size = 32;
  config.max_positions = 64;
  config.rms_norm_eps = 1e-5;
  config.qkv_bias = true;
  return config;
}

// Roughly normal: the sum of twelve uniform numbers, less its mean.
void FillNormal(const RandomStream& stream, uint64_t which, double scale, std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    double sum = -6.0;
    for (uint64_t k = 0; k < 12; ++k) sum += stream.Uniform(i, which * 16 + k);
    out[i] = ThroughF16(static_cast<float>(scale * sum));
  }
}

// A block of the right shapes.
LayerSource EmptyBlock(const ModelConfig& config) {
  LayerSource block;
  block.plan = std::make_shared<const LayerPlan>(PlanLayer(config, 0));
  block.biases.resize(block.plan->linears.size());
  for (const LinearSpec& linear : block.plan->linears) {
    block.weights.emplace_back(linear.shape.out, linear.shape.in);
  }
  for (const KeptSpec& kept : block.plan->kept) block.part(kept.kept).Resize(kept.rows, kept.cols);
  return block;
}

// Places in the list of a dense block's linears.
constexpr size_t kQuery = 0, kKey = 1, kValue = 2, kOutput = 3, kGate = 4, kUp = 5, kDown = 6;

std::span<const float> InputNorm(const LayerSource& block) {
  return block.part(Kept::kPreAttentionNorm).flat();
}
std::span<const float> MlpNorm(const LayerSource& block) {
  return block.part(Kept::kPreMlpNorm).flat();
}

// A block whose inputs have a few large columns, as those of trained models do.
LayerSource RandomBlock(const ModelConfig& config) {
  const RandomStream stream(7, "block");
  LayerSource block = EmptyBlock(config);
  for (size_t i = 0; i < block.weights.size(); ++i) {
    FillNormal(stream, i, 0.1, block.weights[i].flat());
    if (!block.plan->linears[i].has_bias) continue;
    block.biases[i].resize(block.weights[i].rows());
    FillNormal(stream, i + 8, 0.1, block.biases[i]);
  }
  block.part(Kept::kPreAttentionNorm).Fill(1.0f);
  block.part(Kept::kPreMlpNorm).Fill(0.5f);
  for (const size_t column : {3, 20, 41}) {
    block.part(Kept::kPreAttentionNorm).Row(0)[column] = 12.0f;
    block.part(Kept::kPreMlpNorm).Row(0)[column] = 9.0f;
  }
  return block;
}

class AwqBlock {
 public:
  explicit AwqBlock(size_t num_kv_heads, size_t num_threads = 1)
      : config_(SmallConfig(num_kv_heads)),
        threads_(num_threads),
        backend_(MakeCpuBackend(threads_).value()),
        transformer_(config_, *backend_),
        source_(RandomBlock(config_)),
        inputs_(kTokens, config_.hidden_size) {
    FillNormal(RandomStream(8, "inputs"), 0, 1.0, inputs_.flat());
    const std::vector<int32_t> tokens(kTokens / 2);
    batch_.Add(tokens);
    batch_.Add(tokens);
  }

  const LayerSource& source() const { return source_; }

  LayerSource Fit(std::string_view format) {
    return FitLayerAwq(transformer_, source_, 0, batch_, AsTensor(inputs_),
                       ParseFormat(format).value())
        .value();
  }

  // What the block makes of the inputs with its linears in `format`.
  Matrix Outputs(const LayerSource& block, std::string_view format) {
    LaneSize size;
    const LayerWeights weights =
        PackLayer(config_, block, ParseFormat(format).value(), Execution{}, *backend_, size)
            .value();
    Matrix x(inputs_.rows(), inputs_.cols());
    std::ranges::copy(inputs_.flat(), x.data());
    transformer_.Layer(weights, 0, batch_, nullptr, AsTensor(x));
    return x;
  }

 private:
  ModelConfig config_;
  ThreadPool threads_;
  std::unique_ptr<Backend> backend_;
  Transformer transformer_;
  LayerSource source_;
  Matrix inputs_;
  Batch batch_;
};

double SquaredError(const Matrix& a, const Matrix& b) {
  double sum = 0.0;
  for (size_t i = 0; i < a.flat().size(); ++i) {
    const double difference = double{a.flat()[i]} - b.flat()[i];
    sum += difference * difference;
  }
  return sum;
}

TEST(FitLayerAwqTest, LosesMuchLessThanNearestRounding) {
  AwqBlock block(2);
  for (const std::string_view format : {"int4_group:32", "int3_group:32:sym", "int2_group:16"}) {
    const Matrix exact = block.Outputs(block.source(), "f32");
    const double nearest = SquaredError(exact, block.Outputs(block.source(), format));
    const double fitted = SquaredError(exact, block.Outputs(block.Fit(format), format));
    EXPECT_LT(fitted, 0.7 * nearest) << format;
  }
}

// Norm and weights both carry the scale, and q and k are not clipped: their products are the
// original ones but for the norm's rounding to FP16 and two float32 roundings.
TEST(FitLayerAwqTest, NormsAbsorbWhatTheirConsumersAreScaledBy) {
  AwqBlock block(2);
  const LayerSource fitted = block.Fit("int4_group:32");
  const LayerSource& source = block.source();
  EXPECT_FALSE(std::ranges::equal(InputNorm(fitted), InputNorm(source)));
  for (const size_t linear : {kQuery, kKey}) {
    for (size_t row = 0; row < source.weights[linear].rows(); ++row) {
      for (size_t i = 0; i < InputNorm(source).size(); ++i) {
        const double expected = double{source.weights[linear].Row(row)[i]} * InputNorm(source)[i];
        ASSERT_NEAR(double{fitted.weights[linear].Row(row)[i]} * InputNorm(fitted)[i], expected,
                    std::abs(expected) * 0x1p-10);
      }
    }
  }
}

TEST(FitLayerAwqTest, StoresNormsInFp16) {
  AwqBlock block(2);
  const LayerSource fitted = block.Fit("int4_group:32");
  for (const float weight : InputNorm(fitted)) EXPECT_EQ(weight, ThroughF16(weight));
  for (const float weight : MlpNorm(fitted)) EXPECT_EQ(weight, ThroughF16(weight));
}

TEST(FitLayerAwqTest, OnlyClipsTheOutputProjectionWhereQueriesAreGrouped) {
  AwqBlock block(2);
  const LayerSource fitted = block.Fit("int3_group:32");
  EXPECT_EQ(fitted.biases[kValue], block.source().biases[kValue]);
  const std::span<const float> before = block.source().weights[kOutput].flat();
  const std::span<const float> after = fitted.weights[kOutput].flat();
  size_t num_clipped = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    ASSERT_LE(std::abs(after[i]), std::abs(before[i]));
    num_clipped += after[i] != before[i];
  }
  EXPECT_GT(num_clipped, 0u);
}

TEST(FitLayerAwqTest, ScalesTheOutputProjectionThroughValuesWhereEachQueryHasItsOwn) {
  AwqBlock block(4);
  const LayerSource fitted = block.Fit("int3_group:32");
  const std::vector<float>& before = block.source().biases[kValue];
  const std::vector<float>& after = fitted.biases[kValue];
  EXPECT_NE(after, before);
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(std::signbit(after[i]), std::signbit(before[i])) << i;
  }
}

TEST(FitLayerAwqTest, GivesTheSameBitsOnAnyNumberOfThreads) {
  AwqBlock one(2, 1);
  AwqBlock three(2, 3);
  const LayerSource a = one.Fit("int4_group:32");
  const LayerSource b = three.Fit("int4_group:32");
  EXPECT_THAT(InputNorm(a), ElementsAreArray(InputNorm(b)));
  for (size_t i = 0; i < a.weights.size(); ++i) {
    EXPECT_THAT(a.weights[i].flat(), ElementsAreArray(b.weights[i].flat())) << i;
  }
}

// Amax = [10, 1], Wmax = [0.5, 2], strength 0.5: s = [4.4721, 0.7071], after which activations and
// weights have equal maxima.
TEST(SmoothQuantTest, WorkedExample) {
  ModelConfig config;
  config.hidden_size = config.intermediate_size = 2;
  config.num_layers = config.num_heads = config.num_kv_heads = 1;
  config.head_dim = 2;
  LayerSource block = EmptyBlock(config);
  for (Matrix& weights : block.weights) weights.Fill(0.25f);
  block.weights[kQuery].Row(1)[0] = -0.5f;
  block.weights[kValue].Row(0)[1] = 2.0f;
  block.weights[kGate].Row(0)[0] = 0.5f;
  block.weights[kUp].Row(1)[1] = -2.0f;
  block.part(Kept::kPreAttentionNorm).Fill(1.0f);
  block.part(Kept::kPreMlpNorm).Fill(2.0f);
  Observed seen;
  for (const std::vector<size_t>& linears : {std::vector{kQuery, kKey, kValue}, {kGate, kUp}}) {
    Matrix x(2, 2);
    x.Fill(0.0f);
    x.Row(0)[0] = -10.0f;
    x.Row(1)[1] = 1.0f;
    seen.parts[linears[0] == kQuery ? 0 : 1].input = CopyOf(x);
    seen.inputs.push_back({linears, std::move(x)});
  }
  const LayerSource fitted = FitLayerSmoothQuant(config, block, 0.5, seen).value();
  EXPECT_NEAR(seen.InputOf(kQuery).Row(0)[0], -2.2361, 1e-4);
  EXPECT_NEAR(seen.InputOf(kUp).Row(1)[1], 1.4142, 1e-4);
  EXPECT_NEAR(fitted.weights[kQuery].Row(1)[0], -2.2361, 1e-4);
  EXPECT_NEAR(fitted.weights[kUp].Row(1)[1], -1.4142, 1e-4);
  EXPECT_NEAR(InputNorm(fitted)[0], 1 / 4.4721, 1e-4);
  EXPECT_NEAR(MlpNorm(fitted)[1], 2 / 0.7071, 2e-3);
  EXPECT_EQ(fitted.weights[kDown].Row(0)[0], 0.25f);  // left alone
}

}  // namespace
}  // namespace bitloss
