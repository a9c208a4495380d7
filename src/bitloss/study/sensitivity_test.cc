#include "bitloss/study/sensitivity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bitloss/study/bit_allocation.h"
#include "bitloss/study/model_files.h"
#include "bitloss/study/swap_runner.h"

namespace bitloss {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

template <typename T>
T Must(Result<T> result) {
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().message);
  BITLOSS_CHECK(result.ok());
  return std::move(result).value();
}

// Two lanes of the model that ships, and a text.
class SwapTest : public testing::Test {
 protected:
  explicit SwapTest(size_t num_threads = 2)
      : model_(Must(OpenModel(BITLOSS_SOURCE_DIR "/models/bitloss-tiny"))),
        threads_(num_threads),
        backend_(Must(MakeCpuBackend(threads_))),
        transformer_(model_.source.config(), *backend_) {
    const std::vector<Scheme> schemes = {Must(ParseScheme("fp16")),
                                         Must(ParseScheme("int4_group:32"))};
    lanes_ = Must(BuildLanes(model_.source, transformer_, schemes, {}));
    for (int32_t s = 0; s < 2; ++s) {
      std::vector<int32_t>& tokens = sequences_.emplace_back();
      for (int32_t t = 0; t < 24; ++t) tokens.push_back(10 + (7 * t + 31 * s) % 200);
    }
  }

  LaneWeights& base() { return lanes_[0].weights; }
  LaneWeights& lane() { return lanes_[1].weights; }

  // The mean KL of a whole pass with the lane's block `layer`, the plain way.
  double PlainKl(size_t layer) {
    Batch batch;
    for (const auto& tokens : sequences_) batch.Add(tokens);
    Tensor clean(backend_->memory());
    transformer_.Hidden(base(), batch, nullptr, clean);
    std::swap(base().layers[layer], lane().layers[layer]);
    Tensor swapped(backend_->memory());
    transformer_.Hidden(base(), batch, nullptr, swapped);
    std::swap(base().layers[layer], lane().layers[layer]);
    double sum = 0;
    size_t count = 0;
    for (size_t row = 3; row < clean.rows(); row += 4, ++count) {
      Tensor a(backend_->memory(), 1, model_.source.config().vocab_size);
      Tensor b(backend_->memory(), 1, model_.source.config().vocab_size);
      transformer_.LmHead(base(), std::as_const(clean).view().Rows(row, row + 1), a);
      transformer_.LmHead(base(), std::as_const(swapped).view().Rows(row, row + 1), b);
      const std::vector<RowSummary> summaries = Must(backend_->Summarize(a));
      sum += Must(backend_->Compare(a, summaries, b)).divergences[0].kl;
    }
    return sum / static_cast<double>(count);
  }

  ModelFiles model_;
  ThreadPool threads_;
  std::unique_ptr<Backend> backend_;
  Transformer transformer_;
  std::vector<BuiltLane> lanes_;
  std::vector<std::vector<int32_t>> sequences_;
};

TEST_F(SwapTest, FromTheCachedRowsComesWhatAWholePassGives) {
  SwapRunner runner = Must(SwapRunner::Create(transformer_, base(), sequences_, 4));
  EXPECT_EQ(runner.num_tokens(), 48u);
  EXPECT_EQ(runner.num_scored(), 12u);
  const LayerSwap whole{{}, true};
  const LayerSwap every{{kAllLinears.begin(), kAllLinears.end()}, false};
  const LayerSwap none{};
  for (size_t layer = 0; layer < base().layers.size(); ++layer) {
    const std::vector<LayerSwap> swaps = {whole, every, none};
    const std::vector<double> kl = Must(runner.SwapInLayer(layer, swaps, lane()));
    EXPECT_NEAR(kl[0], PlainKl(layer), 1e-14) << layer;
    EXPECT_EQ(kl[0], kl[1]);  // this fit changes matrices alone
    EXPECT_EQ(kl[2], 0.0);
  }
}

TEST_F(SwapTest, ASwapOfEveryBlockCostsHalfOfAsManyPasses) {
  SwapRunner runner = Must(SwapRunner::Create(transformer_, base(), sequences_, 4));
  const size_t num_layers = base().layers.size();
  const std::vector<LayerSwap> whole = {{{}, true}};
  for (size_t layer = 0; layer < num_layers; ++layer) {
    Must(runner.SwapInLayer(layer, whole, lane()));
  }
  EXPECT_EQ(runner.num_block_tokens(), 48 * num_layers * (num_layers + 1) / 2);
}

TEST_F(SwapTest, AllKindsTogetherAreTheLane) {
  SwapRunner runner = Must(SwapRunner::Create(transformer_, base(), sequences_, 4));
  EXPECT_GT(Must(runner.SwapKind(Linear::kDown, lane())), 0.0);
  EXPECT_GT(Must(runner.SwapAll(lane())), Must(runner.SwapKind(Linear::kQuery, lane())));
}

TEST(BitAllocationTest, SpendsWhereItSavesMostPerByte) {
  const std::vector<std::vector<TensorChoice>> tensors = {
      {{.bytes = 4, .kl = 0.10}, {.bytes = 8, .kl = 0.01}, {.bytes = 16, .kl = 0.0}},
      {{.bytes = 4, .kl = 0.50}, {.bytes = 8, .kl = 0.10}, {.bytes = 16, .kl = 0.0}},
      {{.bytes = 4, .kl = 0.01}, {.bytes = 8, .kl = 0.005}, {.bytes = 16, .kl = 0.0}}};
  EXPECT_THAT(AllocateBits(tensors, 12).value(), ElementsAre(0, 0, 0));
  EXPECT_THAT(AllocateBits(tensors, 16).value(), ElementsAre(0, 1, 0));
  EXPECT_THAT(AllocateBits(tensors, 20).value(), ElementsAre(1, 1, 0));
  EXPECT_THAT(AllocateBits(tensors, 28).value(), ElementsAre(1, 2, 0));
  EXPECT_THAT(AllocateBits(tensors, 1000).value(), ElementsAre(2, 2, 2));
  EXPECT_FALSE(AllocateBits(tensors, 11).has_value());
}

TEST(BitAllocationTest, MoreBytesThatHelpNothingAreNotSpent) {
  const std::vector<std::vector<TensorChoice>> tensors = {
      {{.bytes = 4, .kl = 0.1}, {.bytes = 8, .kl = 0.2}}};
  EXPECT_THAT(AllocateBits(tensors, 100).value(), ElementsAre(0));
}

class MixedSchemeTest : public testing::Test {
 protected:
  ModelSource source_ = Must(OpenModel(BITLOSS_SOURCE_DIR "/models/bitloss-tiny")).source;

  std::string Error(std::string_view json) {
    const auto mixed = ParseMixedScheme(json, "mix.json", source_);
    return mixed.ok() ? "" : mixed.error().message;
  }
};

TEST_F(MixedSchemeTest, WhatIsWrittenIsReadBack) {
  MixedScheme mixed;
  mixed.components = {Must(ParseScheme("int4_group:32")), Must(ParseScheme("fp16"))};
  mixed.choices.resize(source_.config().num_layers);
  mixed.choices[0][3] = 1;
  const std::string json = WriteMixedScheme(mixed);
  const MixedScheme again = Must(ParseMixedScheme(json, "mix.json", source_));
  EXPECT_EQ(WriteMixedScheme(again), json);
  EXPECT_EQ(again.components[again.choices[0][3]].format.name, "f16");
}

TEST_F(MixedSchemeTest, FilesAreReadStrictly) {
  EXPECT_THAT(Error("["), HasSubstr("mixed scheme 'mix.json': not valid JSON at byte 1"));
  EXPECT_THAT(Error("{}"), HasSubstr("/schema is not"));
  const std::string head = "{\"schema\": \"bitloss.mixed-scheme/1\", \"layers\": ";
  EXPECT_THAT(Error(head + "1}"), HasSubstr("/layers is not an array"));
  EXPECT_THAT(Error(head + "[]}"), HasSubstr("/layers has 0 entries, but the model has"));
  std::string layers = "[{\"self_attn.q_proj\": \"awq\"}";
  for (size_t i = 1; i < source_.config().num_layers; ++i) layers += ", {}";
  EXPECT_THAT(Error(head + layers + "]}"), HasSubstr("cannot be mixed"));
}

TEST(SensitivityTest, AMixKeepsItsBudgetAndBeatsTheSmallestScheme) {
  SensitivityOptions options;
  options.schemes = {"int2_group:32", "int8_row"};
  options.budget = 5.0;
  options.num_tokens = 512;
  options.num_threads = 2;
  const Sensitivity result = Must(AnalyzeSensitivity(options, [](const Progress&) {}));
  ASSERT_TRUE(result.mix.has_value());
  EXPECT_LE(result.mix->bits_per_weight, 5.0);
  EXPECT_GT(result.mix->bits_per_weight, 4.5);
  EXPECT_LT(result.mix->measured_kl, result.schemes[0].all);
  EXPECT_GT(result.mix->measured_kl, result.schemes[1].all);
  EXPECT_TRUE(result.schemes[0].AdditivityRatio().has_value());
  const auto num_layers = static_cast<double>(result.schemes[0].layers.size());
  EXPECT_DOUBLE_EQ(result.layer_sweep_runs, (num_layers + 1) / 2);
}

TEST(SensitivityTest, RefusesABudgetBelowTheSmallestScheme) {
  SensitivityOptions options;
  options.schemes = {"int8_row"};
  options.budget = 4.0;
  options.num_tokens = 512;
  const auto result = AnalyzeSensitivity(options, [](const Progress&) {});
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message, HasSubstr("below the smallest"));
}

}  // namespace
}  // namespace bitloss
