#include "bitloss/model/calibration.h"

#include <gmock/gmock.h>

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

// A block whose inputs have a few large columns, as those of trained models do.
LayerSource RandomBlock(const ModelConfig& config) {
  const RandomStream stream(7, "block");
  LayerSource block;
  for (const Linear linear : kAllLinears) {
    const LinearShape shape = ShapeOf(config, linear);
    const auto which = static_cast<uint64_t>(linear);
    block.weight(linear).Resize(shape.out, shape.in);
    FillNormal(stream, which, 0.1, block.weight(linear).flat());
    if (linear > Linear::kValue) continue;
    block.bias(linear).resize(shape.out);
    FillNormal(stream, which + 8, 0.1, block.bias(linear));
  }
  block.input_norm.assign(config.hidden_size, 1.0f);
  block.post_attention_norm.assign(config.hidden_size, 0.5f);
  for (const size_t column : {3, 20, 41}) {
    block.input_norm[column] = 12.0f;
    block.post_attention_norm[column] = 9.0f;
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
        PackLayer(block, ParseFormat(format).value(), Execution{}, *backend_, size).value();
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
  EXPECT_NE(fitted.input_norm, source.input_norm);
  for (const Linear linear : {Linear::kQuery, Linear::kKey}) {
    for (size_t row = 0; row < source.weight(linear).rows(); ++row) {
      for (size_t i = 0; i < source.input_norm.size(); ++i) {
        const double expected = double{source.weight(linear).Row(row)[i]} * source.input_norm[i];
        ASSERT_NEAR(double{fitted.weight(linear).Row(row)[i]} * fitted.input_norm[i], expected,
                    std::abs(expected) * 0x1p-10);
      }
    }
  }
}

TEST(FitLayerAwqTest, StoresNormsInFp16) {
  AwqBlock block(2);
  const LayerSource fitted = block.Fit("int4_group:32");
  for (const float weight : fitted.input_norm) EXPECT_EQ(weight, ThroughF16(weight));
  for (const float weight : fitted.post_attention_norm) EXPECT_EQ(weight, ThroughF16(weight));
}

TEST(FitLayerAwqTest, OnlyClipsTheOutputProjectionWhereQueriesAreGrouped) {
  AwqBlock block(2);
  const LayerSource fitted = block.Fit("int3_group:32");
  EXPECT_EQ(fitted.bias(Linear::kValue), block.source().bias(Linear::kValue));
  const std::span<const float> before = block.source().weight(Linear::kOutput).flat();
  const std::span<const float> after = fitted.weight(Linear::kOutput).flat();
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
  const std::vector<float>& before = block.source().bias(Linear::kValue);
  const std::vector<float>& after = fitted.bias(Linear::kValue);
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
  EXPECT_EQ(a.input_norm, b.input_norm);
  for (const Linear linear : kAllLinears) {
    EXPECT_THAT(a.weight(linear).flat(), ElementsAreArray(b.weight(linear).flat()))
        << ModuleName(linear);
  }
}

// Amax = [10, 1], Wmax = [0.5, 2], strength 0.5: s = [4.4721, 0.7071], after which activations and
// weights have equal maxima.
TEST(SmoothQuantTest, WorkedExample) {
  LayerSource block;
  for (const Linear linear : kAllLinears) {
    block.weight(linear).Resize(2, 2);
    block.weight(linear).Fill(0.25f);
  }
  block.weight(Linear::kQuery).Row(1)[0] = -0.5f;
  block.weight(Linear::kValue).Row(0)[1] = 2.0f;
  block.weight(Linear::kGate).Row(0)[0] = 0.5f;
  block.weight(Linear::kUp).Row(1)[1] = -2.0f;
  block.input_norm = {1.0f, 1.0f};
  block.post_attention_norm = {2.0f, 2.0f};
  Observed seen;
  for (Matrix* x : {&seen.attention_input, &seen.feed_forward_input}) {
    x->Resize(2, 2);
    x->Fill(0.0f);
    x->Row(0)[0] = -10.0f;
    x->Row(1)[1] = 1.0f;
  }
  const LayerSource fitted = FitLayerSmoothQuant(block, 0.5, seen).value();
  EXPECT_NEAR(seen.attention_input.Row(0)[0], -2.2361, 1e-4);
  EXPECT_NEAR(seen.feed_forward_input.Row(1)[1], 1.4142, 1e-4);
  EXPECT_NEAR(fitted.weight(Linear::kQuery).Row(1)[0], -2.2361, 1e-4);
  EXPECT_NEAR(fitted.weight(Linear::kUp).Row(1)[1], -1.4142, 1e-4);
  EXPECT_NEAR(fitted.input_norm[0], 1 / 4.4721, 1e-4);
  EXPECT_NEAR(fitted.post_attention_norm[1], 2 / 0.7071, 2e-3);
  EXPECT_EQ(fitted.weight(Linear::kDown).Row(0)[0], 0.25f);  // left alone
}

}  // namespace
}  // namespace bitloss
