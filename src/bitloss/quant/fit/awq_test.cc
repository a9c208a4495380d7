// AWQ's pieces against the same formulas in numpy (testdata/awq.json, made by
// tools/golden/awq_golden.py).
#include "bitloss/quant/fit/awq.h"

#include <gmock/gmock.h>

#include <cmath>

#include "bitloss/quant/testdata/gaussian_matrix.h"
#include "bitloss/quant/testdata/golden_json.h"

namespace bitloss {
namespace {

using nlohmann::json;
using testing::ElementsAreArray;

struct Case {
  std::string name;
  Format format;
  Matrix x;
  std::vector<Matrix> weights;
  json golden;

  std::vector<ConstMatrixView> views() const { return {weights.begin(), weights.end()}; }
};

std::vector<Case> Cases() {
  std::vector<Case> cases;
  const json file = golden::Read("awq.json");
  for (const json& golden : file.at("cases")) {
    Case c{golden.at("name"),
           ParseFormat(golden.at("format").get<std::string>()).value(),
           golden::MatrixOf(golden.at("inputs"), "values"),
           {},
           golden};
    for (const json& matrix : golden.at("weights")) {
      c.weights.push_back(golden::MatrixOf(matrix, "values"));
    }
    cases.push_back(std::move(c));
  }
  return cases;
}

// The mean squared error over all outputs of all matrices.
CandidateLoss LossOf(const Case& c, const InputSums& inputs, ThreadPool& threads) {
  return [&c, &inputs, &threads](std::span<const Matrix> candidates, double) -> Result<double> {
    double sum = 0.0;
    size_t rows = 0;
    for (size_t m = 0; m < candidates.size(); ++m) {
      const size_t out = c.weights[m].rows();
      sum += LinearLoss(inputs, c.weights[m], candidates[m], threads) * static_cast<double>(out);
      rows += out;
    }
    return sum / static_cast<double>(rows);
  };
}

ScaleChoice Search(const Case& c, ThreadPool& threads) {
  const std::unique_ptr<InputSums> inputs = SumInputs(c.x, threads);
  return SearchScale(c.format, c.views(), ActivationMeans(c.x, threads),
                     LossOf(c, *inputs, threads), threads)
      .value();
}

TEST(AwqTest, MeansAreThoseOfTheFormulas) {
  ThreadPool threads(2);
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.name);
    EXPECT_THAT(
        ActivationMeans(c.x, threads),
        testing::Pointwise(testing::FloatEq(), golden::Array<float>(c.golden["x_means_f32"])));
    EXPECT_THAT(
        WeightMeans(c.views(), c.format.group_size, threads),
        testing::Pointwise(testing::FloatEq(), golden::Array<float>(c.golden["w_means_f32"])));
  }
}

// Both sides sum at most a few thousand products in float64; what is left is the rounding of
// weights whose quotient by the scale lies next to a tie, which none of these does.
TEST(AwqTest, EveryRatioLosesWhatTheFormulasSay) {
  ThreadPool threads(2);
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.name);
    const auto expected = golden::Array<double>(c.golden["losses_f64"]);
    const ScaleChoice choice = Search(c, threads);
    ASSERT_EQ(choice.losses.size(), expected.size());
    for (size_t k = 0; k < expected.size(); ++k) {
      EXPECT_NEAR(choice.losses[k], expected[k], 1e-10 * expected[k]) << k;
    }
    EXPECT_DOUBLE_EQ(choice.ratio, c.golden["best"].get<double>() / 20.0);
    EXPECT_THAT(
        choice.scales,
        testing::Pointwise(testing::FloatEq(), golden::Array<float>(c.golden["best_scales_f32"])));
  }
}

TEST(AwqTest, ClippingBoundsAreThoseOfTheLongWay) {
  ThreadPool threads(2);
  for (Case& c : Cases()) {
    SCOPED_TRACE(c.name);
    ASSERT_TRUE(ClipGroups(c.format, c.x, threads, c.weights[0]).ok());
    EXPECT_THAT(c.weights[0].flat(),
                ElementsAreArray(golden::Array<float>(c.golden["clipped_f32"])));
  }
}

// A loss that is summed only as far as its limit says, least of all where it is beyond it.
TEST(AwqTest, LossesThatStopAtTheLimitChooseTheSame) {
  ThreadPool threads(2);
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.name);
    const std::unique_ptr<InputSums> inputs = SumInputs(c.x, threads);
    const CandidateLoss whole = LossOf(c, *inputs, threads);
    size_t num_stopped = 0;
    const CandidateLoss stopped = [&](std::span<const Matrix> candidates,
                                      double limit) -> Result<double> {
      BITLOSS_TRY(const double loss, whole(candidates, limit));
      if (!(loss > limit)) return loss;
      ++num_stopped;
      return std::nextafter(limit, loss);
    };
    const std::vector<float> means = ActivationMeans(c.x, threads);
    const ScaleChoice a = SearchScale(c.format, c.views(), means, whole, threads).value();
    const ScaleChoice b = SearchScale(c.format, c.views(), means, stopped, threads).value();
    EXPECT_EQ(a.ratio, b.ratio);
    EXPECT_EQ(a.scales, b.scales);
    EXPECT_GT(num_stopped, 10u);
  }
}

TEST(AwqTest, LinearLossStopsBeyondTheLimit) {
  ThreadPool threads(2);
  const Matrix x = GaussianMatrix(40, 64, 5);
  const Matrix weights = GaussianMatrix(1000, 64, 6);
  Matrix candidate(1000, 64);
  for (size_t i = 0; i < candidate.flat().size(); ++i) {
    candidate.flat()[i] = 0.5f * weights.flat()[i];
  }
  const std::unique_ptr<InputSums> inputs = SumInputs(x, threads);
  const double whole = LinearLoss(*inputs, weights, candidate, threads);
  EXPECT_EQ(LinearLoss(*inputs, weights, candidate, threads, whole), whole);
  const double part = LinearLoss(*inputs, weights, candidate, threads, 0.5 * whole);
  EXPECT_GT(part, 0.5 * whole);
  EXPECT_LT(part, whole);
}

TEST(AwqTest, TakesTheFirstOfEqualLosses) {
  const Case c = std::move(Cases()[0]);
  ThreadPool threads(1);
  const CandidateLoss loss = [](std::span<const Matrix>, double) -> Result<double> { return 1.0; };
  const ScaleChoice choice =
      SearchScale(c.format, c.views(), ActivationMeans(c.x, threads), loss, threads).value();
  EXPECT_EQ(choice.ratio, 0.0);
}

// By hand: x = [4, 1], w = [0.2, 0.6].
TEST(AwqTest, CandidateScalesWorkedExample) {
  const float x[] = {4.0f, 1.0f};
  const float w[] = {0.2f, 0.6f};
  EXPECT_THAT(CandidateScales(0.0, x, w), testing::ElementsAre(testing::FloatNear(1.7318f, 5e-5f),
                                                               testing::FloatNear(0.5774f, 5e-5f)));
  EXPECT_THAT(CandidateScales(0.5, x, w), testing::ElementsAre(testing::FloatNear(1.8611f, 5e-5f),
                                                               testing::FloatNear(0.5373f, 5e-5f)));
}

TEST(AwqTest, ColumnsThatAreNeverActiveStayFinite) {
  const float x[] = {0.0f, 1.0f};
  const float w[] = {0.0f, 0.6f};
  for (const double ratio : {0.0, 0.5, 0.95}) {
    for (const float scale : CandidateScales(ratio, x, w)) {
      EXPECT_TRUE(std::isfinite(scale) && scale > 0.0f) << ratio;
    }
  }
}

TEST(AwqTest, OneThreadChoosesWhatFourChoose) {
  const Case c = std::move(Cases()[0]);
  ThreadPool one(1);
  ThreadPool four(4);
  const ScaleChoice a = Search(c, one);
  const ScaleChoice b = Search(c, four);
  EXPECT_EQ(a.losses, b.losses);
  EXPECT_EQ(a.scales, b.scales);
}

TEST(AwqTest, SaysSoWhenNoLossIsANumber) {
  const Case c = std::move(Cases()[0]);
  ThreadPool threads(1);
  const CandidateLoss loss = [](std::span<const Matrix>, double) -> Result<double> { return NAN; };
  const auto choice =
      SearchScale(c.format, c.views(), ActivationMeans(c.x, threads), loss, threads);
  EXPECT_EQ(choice.error().kind, ErrorKind::kBadInput);
}

TEST(AwqTest, PassesOnWhatTheFormatRefuses) {
  Matrix weights(1, 64);
  weights.Fill(1.0f);
  weights.Row(0)[5] = 1e7f;
  ThreadPool threads(1);
  EXPECT_EQ(
      ClipGroups(ParseFormat("int4_group").value(), GaussianMatrix(3, 64, 1), threads, weights)
          .error()
          .kind,
      ErrorKind::kBadInput);
}

// sum_t (d . x_t)^2 in float64 has two roundings for each of its size * (inputs + size) products.
TEST(GramTest, FormsAreTheSquaredErrorsOfAllInputs) {
  ThreadPool threads(2);
  for (const size_t size : {1, 7, 8, 64, 70}) {
    const Matrix x = GaussianMatrix(37, size, 1, 1.0);
    const Matrix deltas = GaussianMatrix(21, size, 2);
    const Gram gram = MakeGram(x, threads);
    std::vector<double> forms(21);
    QuadraticForms(gram, deltas, forms);
    std::vector<double> on_threads(21);
    SumInputs(x, threads)->FormsOf(deltas, on_threads);
    EXPECT_EQ(on_threads, forms);
    for (size_t row = 0; row < 21; ++row) {
      double expected = 0.0;
      for (size_t t = 0; t < 37; ++t) {
        double dot = 0.0;
        for (size_t i = 0; i < size; ++i) dot += double{x.Row(t)[i]} * deltas.Row(row)[i];
        expected += dot * dot;
      }
      EXPECT_NEAR(forms[row], expected, 1e-12 * expected) << size << ", " << row;
    }
  }
}

TEST(GramTest, TakesEveryFewInputs) {
  const Matrix x = GaussianMatrix(10, 8, 3, 1.0);
  Matrix thinned(4, 8);
  for (size_t i = 0; i < 4; ++i) std::ranges::copy(x.Row(3 * i), thinned.Row(i).begin());
  const Gram gram = MakeGram(x, 3);
  EXPECT_EQ(gram.num_inputs, 4u);
  EXPECT_EQ(gram.folded, MakeGram(thinned, 1).folded);
}

}  // namespace
}  // namespace bitloss
