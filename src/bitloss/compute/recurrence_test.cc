// Short convolutions and delta rules: the CPU's loops beside the plain reference, worked examples,
// and the same bits however a sequence is cut.
#include <gmock/gmock.h>

#include "bitloss/compute/backend.h"
#include "bitloss/compute/compute_test_inputs.h"

namespace bitloss {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;

constexpr DeltaShape kShape{.key_heads = 2, .value_heads = 6, .key_dim = 12, .value_dim = 10};

struct DeltaRows {
  explicit DeltaRows(size_t rows)
      : q(RandomMatrix(rows, kShape.key_heads * kShape.key_dim, "q")),
        k(RandomMatrix(rows, kShape.key_heads * kShape.key_dim, "k")),
        v(RandomMatrix(rows, kShape.value_heads * kShape.value_dim, "v")),
        decays(RandomMatrix(rows, kShape.value_heads, "decays")),
        rates(RandomMatrix(rows, kShape.value_heads, "rates")) {
    for (float& k_i : k.flat()) k_i *= 0.3f;
    for (float& decay : decays.flat()) decay = 0.9f + 0.1f * decay;
    for (float& rate : rates.flat()) rate = 0.5f + 0.5f * rate;
  }

  // Rows [begin, end), as one sequence.
  Matrix Run(const Backend& backend, const DeltaShape& shape, size_t begin, size_t end,
             DeviceView state) const {
    Matrix out(end - begin, v.cols());
    const DeltaInputs inputs{AsTensor(q.view().Rows(begin, end)),
                             AsTensor(k.view().Rows(begin, end)),
                             AsTensor(v.view().Rows(begin, end)), decays.view().Rows(begin, end),
                             rates.view().Rows(begin, end)};
    const RecurrentSequence sequence{{0, end - begin}, state};
    backend.DeltaRule(shape, inputs, {&sequence, 1}, AsTensor(out));
    return out;
  }

  Matrix q, k, v, decays, rates;
};

std::unique_ptr<Backend> Cpu(ThreadPool& threads) {
  return std::move(MakeCpuBackend(threads)).value();
}

TEST(DeltaRule, RemembersWhatItIsTold) {
  ThreadPool threads(1);
  const auto backend = Cpu(threads);
  const DeltaShape shape{.key_heads = 1, .value_heads = 1, .key_dim = 2, .value_dim = 1};
  Matrix k(3, 2), q(3, 2), v(3, 1), decays(3, 1), rates(3, 1), out(3, 1);
  std::ranges::copy(std::vector<float>{1, 0, 0, 1, 1, 0}, k.flat().begin());
  std::ranges::copy(std::vector<float>{1, 0, 1, 1, 1, 1}, q.flat().begin());
  std::ranges::copy(std::vector<float>{8, 6, 4}, v.flat().begin());
  std::ranges::copy(std::vector<float>{1, 0.5f, 1}, decays.flat().begin());
  std::ranges::copy(std::vector<float>{1, 1, 0.5f}, rates.flat().begin());
  const RecurrentSequence sequence{{0, 3}, {}};
  backend->DeltaRule(shape, {AsTensor(q), AsTensor(k), AsTensor(v), decays, rates}, {&sequence, 1},
                     AsTensor(out));
  // S = (8, 0); (4, 6); (4 + 0.5 (4 - 4), 6).
  EXPECT_THAT(out.flat(), ElementsAre(8, 10, 10));
}

TEST(DeltaRule, AgreesWithTheReference) {
  ThreadPool threads(2);
  const auto cpu = Cpu(threads);
  const auto reference = MakeReferenceBackend();
  for (const bool is_tiled : {false, true}) {
    DeltaShape shape = kShape;
    shape.is_tiled = is_tiled;
    const DeltaRows rows(60);
    const Matrix expected = rows.Run(*reference, shape, 0, 60, {});
    const Matrix out = rows.Run(*cpu, shape, 0, 60, {});
    for (size_t i = 0; i < out.flat().size(); ++i) {
      ASSERT_NEAR(out.flat()[i], expected.flat()[i], 1e-5) << i;
    }
  }
}

TEST(DeltaRule, HasTheSameBitsHoweverASequenceIsCut) {
  ThreadPool one(1);
  ThreadPool three(3);
  const DeltaRows rows(40);
  const Matrix whole = rows.Run(*Cpu(one), kShape, 0, 40, {});
  for (const size_t step : {1, 7}) {
    Matrix state(kShape.value_heads * kShape.key_dim, kShape.value_dim);
    state.Fill(0.0f);
    for (size_t at = 0; at < 40; at += step) {
      const size_t end = std::min<size_t>(40, at + step);
      const Matrix part = rows.Run(*Cpu(three), kShape, at, end, AsTensor(state));
      for (size_t row = at; row < end; ++row) {
        ASSERT_THAT(part.Row(row - at), ElementsAreArray(whole.Row(row))) << row;
      }
    }
  }
}

Matrix Convolved(const Backend& backend, const Matrix& kernel, ConstMatrixView x,
                 DeviceView state) {
  Matrix y(x.rows, x.cols);
  const RecurrentSequence sequence{{0, x.rows}, state};
  backend.ShortConvolution(AsTensor(kernel), AsTensor(x), {&sequence, 1}, AsTensor(y));
  return y;
}

TEST(ShortConvolution, LooksBackAtItsOwnChannel) {
  ThreadPool threads(1);
  Matrix kernel(2, 3), x(3, 2);
  std::ranges::copy(std::vector<float>{1, 10, 100, 0, 0, 1}, kernel.flat().begin());
  std::ranges::copy(std::vector<float>{1, 7, 2, 8, 3, 9}, x.flat().begin());
  for (const auto& backend : {Cpu(threads), MakeReferenceBackend()}) {
    EXPECT_THAT(Convolved(*backend, kernel, x, {}).flat(), ElementsAre(100, 7, 210, 8, 321, 9));
  }
}

TEST(ShortConvolution, HasTheSameBitsHoweverASequenceIsCut) {
  ThreadPool threads(2);
  const auto cpu = Cpu(threads);
  const Matrix kernel = RandomMatrix(9, 4, "kernel");
  const Matrix x = RandomMatrix(20, 9, "x");
  const Matrix whole = Convolved(*cpu, kernel, x, {});
  const Matrix expected = Convolved(*MakeReferenceBackend(), kernel, x, {});
  for (size_t i = 0; i < whole.flat().size(); ++i) {
    ASSERT_NEAR(whole.flat()[i], expected.flat()[i], 1e-6);
  }
  for (const size_t step : {1, 3}) {
    Matrix state(3, 9);
    state.Fill(0.0f);
    for (size_t at = 0; at < 20; at += step) {
      const size_t end = std::min<size_t>(20, at + step);
      const Matrix part = Convolved(*cpu, kernel, x.view().Rows(at, end), AsTensor(state));
      for (size_t row = at; row < end; ++row) {
        ASSERT_THAT(part.Row(row - at), ElementsAreArray(whole.Row(row))) << row;
      }
    }
  }
}

TEST(ShortConvolution, KeepsTheSequencesOfABatchApart) {
  ThreadPool threads(1);
  const auto cpu = Cpu(threads);
  const Matrix kernel = RandomMatrix(5, 3, "kernel");
  const Matrix x = RandomMatrix(7, 5, "x");
  Matrix y(7, 5);
  const RecurrentSequence sequences[] = {{{0, 3}, {}}, {{3, 7}, {}}};
  cpu->ShortConvolution(AsTensor(kernel), AsTensor(x), sequences, AsTensor(y));
  const Matrix second = Convolved(*cpu, kernel, x.view().Rows(3, 7), {});
  for (size_t row = 0; row < 4; ++row) {
    EXPECT_THAT(y.Row(3 + row), ElementsAreArray(second.Row(row)));
  }
}

}  // namespace
}  // namespace bitloss
