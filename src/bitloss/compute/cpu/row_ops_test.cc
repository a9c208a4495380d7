#include "bitloss/compute/cpu/row_ops.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "bitloss/compute/backend.h"
#include "bitloss/compute/compute_test_inputs.h"
#include "bitloss/compute/instruction_set.h"
#include "hwy/targets.h"

namespace bitloss {
namespace {

constexpr size_t kSizes[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 100, 576};

struct Backends {
  ThreadPool threads{2};
  std::unique_ptr<Backend> reference = MakeReferenceBackend();
  std::vector<std::unique_ptr<Backend>> cpu;  // one for each instruction set

  Backends() {
    for (const std::string& instruction_set : CpuInstructionSets()) {
      cpu.push_back(std::move(MakeCpuBackend(threads, instruction_set)).value());
    }
  }
};

// |actual - expected| <= tolerance * |expected| for each element; and the same bits on all of them.
template <class Operation>
void ExpectAgreement(const Backends& backends, size_t rows, size_t cols, double tolerance,
                     const Operation& operation) {
  Matrix expected(rows, cols);
  operation(*backends.reference, expected);
  Matrix first(rows, cols);
  operation(*backends.cpu.front(), first);
  for (size_t i = 0; i < rows * cols; ++i) {
    ASSERT_NEAR(first.flat()[i], expected.flat()[i], tolerance * std::abs(expected.flat()[i]))
        << "element " << i << " of " << rows << " x " << cols;
  }
  for (const auto& backend : backends.cpu) {
    Matrix out(rows, cols);
    operation(*backend, out);
    ASSERT_TRUE(std::ranges::equal(out.flat(), first.flat())) << backend->Describe();
  }
}

TEST(RowOps, RmsNormAgreesWithTheReference) {
  const Backends backends;
  for (const size_t size : kSizes) {
    const Matrix x = RandomMatrix(5, size, "x");
    const std::vector<float> weight = RandomVector(size, "weight");
    // The sum: size/16 + 1 multiply-adds in a stripe and 4 to merge them, all terms positive; the
    // root halves that. Then mean, eps, root, reciprocal, two products, the reference's rounding.
    const double sum = static_cast<double>(size) / 16 + 6;
    ExpectAgreement(backends, 5, size, (sum / 2 + 6) * kEpsilon,
                    [&](const Backend& backend, Matrix& y) {
                      backend.RmsNorm(AsTensor(x), AsTensor(weight), 1e-5f, AsTensor(y));
                    });
  }
}

TEST(RowOps, RmsNormOfOneToFourMatchesTheWorkedExample) {
  const Backends backends;
  Matrix x(1, 4);
  for (size_t i = 0; i < 4; ++i) x.Row(0)[i] = static_cast<float>(i + 1);
  const std::vector<float> ones(4, 1.0f);
  backends.cpu.front()->RmsNorm(AsTensor(x), AsTensor(ones), 1e-6f, AsTensor(x));  // in place
  const float expected[] = {0.365148f, 0.730297f, 1.095445f, 1.460593f};
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(x.Row(0)[i], expected[i], 5e-7f);
}

TEST(RowOps, RopeMatchesTheWorkedExample) {
  const Backends backends;
  Matrix cosines(2, 2);
  Matrix sines(2, 2);
  for (size_t position = 0; position < 2; ++position) {
    for (size_t i = 0; i < 2; ++i) {
      const double angle = static_cast<double>(position) * (i == 0 ? 1.0 : 0.01);
      cosines.Row(position)[i] = static_cast<float>(std::cos(angle));
      sines.Row(position)[i] = static_cast<float>(std::sin(angle));
    }
  }
  const uint32_t positions[] = {1};
  const float expected[] = {-1.984111f, 1.959901f, 2.462378f, 4.019800f};
  for (const Backend* backend : {backends.cpu.front().get(), backends.reference.get()}) {
    const RopeTable table{backend->ToTensor(cosines), backend->ToTensor(sines)};
    Matrix q(1, 4);
    for (size_t i = 0; i < 4; ++i) q.Row(0)[i] = static_cast<float>(i + 1);
    backend->Rope(table, positions, 4, AsTensor(q));
    for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(q.Row(0)[i], expected[i], 5e-7f);
  }
}

TEST(RowOps, RopeAgreesWithTheReferenceForEveryHeadSize) {
  const Backends backends;
  const uint32_t positions[] = {3, 0, 9};
  for (const size_t head_dim : {2, 6, 16, 20, 64, 96}) {
    const Matrix x = RandomMatrix(3, 4 * head_dim, "x");
    const RopeTable table{backends.reference->ToTensor(RandomMatrix(10, head_dim / 2, "cos")),
                          backends.reference->ToTensor(RandomMatrix(10, head_dim / 2, "sin"))};
    Matrix expected(3, 4 * head_dim);
    std::ranges::copy(x.flat(), expected.flat().begin());
    backends.reference->Rope(table, positions, head_dim, AsTensor(expected));
    for (const auto& backend : backends.cpu) {
      Matrix rotated(3, 4 * head_dim);
      std::ranges::copy(x.flat(), rotated.flat().begin());
      backend->Rope(table, positions, head_dim, AsTensor(rotated));
      for (size_t i = 0; i < rotated.flat().size(); ++i) {
        // Two roundings of terms in [-1, 1], and the reference's.
        ASSERT_NEAR(rotated.flat()[i], expected.flat()[i], 4 * kEpsilon) << backend->Describe();
      }
    }
  }
}

TEST(RowOps, SwiGluAgreesWithTheReference) {
  const Backends backends;
  for (const size_t size : kSizes) {
    Matrix gate = RandomMatrix(3, size, "gate");
    for (float& value : gate.flat()) value *= 40;
    const Matrix up = RandomMatrix(3, size, "up");
    // The exponential's unit (two roundings), a sum, a quotient, a product, the reference's.
    ExpectAgreement(backends, 3, size, 7 * kEpsilon, [&](const Backend& backend, Matrix& out) {
      backend.Gate({}, AsTensor(gate), AsTensor(up), AsTensor(out));
    });
  }
}

TEST(RowOps, SwiGluOfHugeGatesIsTheirProductOrZero) {
  const Backends backends;
  Matrix gate(1, 3);
  gate.Row(0)[0] = 1e30f;
  gate.Row(0)[1] = -1e30f;
  gate.Row(0)[2] = std::numeric_limits<float>::quiet_NaN();
  Matrix up(1, 3);
  up.Fill(2.0f);
  for (const auto& backend : backends.cpu) {
    Matrix out(1, 3);
    backend->Gate({}, AsTensor(gate), AsTensor(up), AsTensor(out));
    EXPECT_EQ(out.Row(0)[0], 2e30f);
    EXPECT_EQ(out.Row(0)[1], 0.0f);
    EXPECT_TRUE(std::isnan(out.Row(0)[2]));
  }
}

TEST(RowOps, AddIsTheSum) {
  const Backends backends;
  for (const size_t size : kSizes) {
    const Matrix x = RandomMatrix(3, size, "x");
    const Matrix delta = RandomMatrix(3, size, "delta");
    ExpectAgreement(backends, 3, size, 0.0, [&](const Backend& backend, Matrix& out) {
      std::ranges::copy(x.flat(), out.flat().begin());
      backend.Add(AsTensor(delta), AsTensor(out));
    });
  }
}

// ---- the exponential

std::vector<RowKernels> AllRowKernels() {
  std::vector<RowKernels> all;
  for (int64_t targets = hwy::SupportedTargets(); targets != 0; targets &= targets - 1) {
    const RowKernels kernels = RowKernelsFor(targets & -targets);
    if (kernels.exp != nullptr) all.push_back(kernels);
  }
  return all;
}

// The distance of neighbouring floats at |x|, 2^-149 below the normal ones.
double Unit(double x) {
  int exponent = 0;
  std::frexp(x, &exponent);
  return std::ldexp(1.0, std::max(exponent - 24, -149));
}

TEST(Exp, IsWithinOneUnitOfTheExactValueEverywhere) {
  // One float in 4,099 of all that have a finite, non-zero exponential, and 0.
  std::vector<float> x = {0.0f, -0.0f};
  for (const uint32_t sign : {0u, 0x80000000u}) {
    for (uint32_t bits = 1; bits < std::bit_cast<uint32_t>(104.0f); bits += 4099) {
      x.push_back(std::bit_cast<float>(sign | bits));
    }
  }
  std::vector<float> y(x.size()), other(x.size());
  const std::vector<RowKernels> all = AllRowKernels();
  all.front().exp(x.data(), x.size(), y.data());
  for (size_t i = 0; i < x.size(); ++i) {
    const double exact = std::exp(double{x[i]});
    if (exact > std::numeric_limits<float>::max()) {
      ASSERT_TRUE(std::isinf(y[i])) << x[i];
    } else {
      ASSERT_LE(std::abs(y[i] - exact), Unit(exact)) << x[i];
    }
  }
  for (const RowKernels& kernels : all) {
    kernels.exp(x.data(), x.size(), other.data());
    EXPECT_TRUE(std::ranges::equal(y, other));
  }
}

TEST(Exp, HasTheRightEnds) {
  const float inf = std::numeric_limits<float>::infinity();
  const float x[] = {0.0f,  -0.0f,   inf,     -inf,      1e30f,     -1e30f,
                     89.0f, -104.0f, -103.9f, 88.72283f, 88.722839f};
  constexpr size_t kSize = std::size(x);
  for (const RowKernels& kernels : AllRowKernels()) {
    float y[kSize];
    kernels.exp(x, kSize, y);
    EXPECT_EQ(y[0], 1.0f);
    EXPECT_EQ(y[1], 1.0f);
    EXPECT_EQ(y[2], inf);
    EXPECT_EQ(y[3], 0.0f);
    EXPECT_EQ(y[4], inf);
    EXPECT_EQ(y[5], 0.0f);
    EXPECT_EQ(y[6], inf);
    EXPECT_EQ(y[7], 0.0f);
    EXPECT_EQ(y[8], std::numeric_limits<float>::denorm_min());
    EXPECT_LT(y[9], inf);
    EXPECT_EQ(y[10], inf);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    kernels.exp(&nan, 1, y);
    EXPECT_TRUE(std::isnan(y[0]));
  }
}

TEST(RowOps, CenterTakesTheMeanAway) {
  const Backends backends;
  for (const size_t size : kSizes) {
    const Matrix x = RandomMatrix(3, size, "x");
    Matrix expected(3, size);
    backends.reference->Center(AsTensor(x), AsTensor(expected));
    // The mean: size / 16 + 5 additions of terms in [-1, 1], a division; a subtraction.
    const double tolerance = (static_cast<double>(size) / 16 + 9) * kEpsilon;
    for (const auto& backend : backends.cpu) {
      Matrix y(3, size);
      backend->Center(AsTensor(x), AsTensor(y));
      for (size_t i = 0; i < y.flat().size(); ++i) {
        ASSERT_NEAR(y.flat()[i], expected.flat()[i], tolerance) << backend->Describe();
      }
      Matrix first(3, size);
      backends.cpu.front()->Center(AsTensor(x), AsTensor(first));
      ASSERT_TRUE(std::ranges::equal(y.flat(), first.flat())) << backend->Describe();
    }
  }
}

TEST(RowOps, RopeTurnsNeighboursAndPartsOfHeads) {
  const Backends backends;
  const uint32_t positions[] = {3, 0, 9};
  for (const RopePairing pairing : {RopePairing::kHalves, RopePairing::kNeighbours}) {
    for (const size_t head_dim : {2, 6, 20, 64, 96}) {
      for (const size_t half : {size_t{1}, head_dim / 4, head_dim / 2}) {
        if (half == 0) continue;
        const Matrix x = RandomMatrix(3, 4 * head_dim, "x");
        const RopeTable table{backends.reference->ToTensor(RandomMatrix(10, half, "cos")),
                              backends.reference->ToTensor(RandomMatrix(10, half, "sin")), pairing};
        Matrix expected(3, 4 * head_dim);
        std::ranges::copy(x.flat(), expected.flat().begin());
        backends.reference->Rope(table, positions, head_dim, AsTensor(expected));
        EXPECT_EQ(expected.Row(1)[2 * half % head_dim] == x.Row(1)[2 * half % head_dim],
                  2 * half < head_dim);
        for (const auto& backend : backends.cpu) {
          Matrix rotated(3, 4 * head_dim);
          std::ranges::copy(x.flat(), rotated.flat().begin());
          backend->Rope(table, positions, head_dim, AsTensor(rotated));
          for (size_t i = 0; i < rotated.flat().size(); ++i) {
            ASSERT_NEAR(rotated.flat()[i], expected.flat()[i], 4 * kEpsilon)
                << backend->Describe() << ", head size " << head_dim << ", half " << half;
          }
        }
      }
    }
  }
}

TEST(RowOps, TanhIsNearTheExactOne) {
  for (const std::string& instruction_set : CpuInstructionSets()) {
    ThreadPool threads(1);
    const auto backend = std::move(MakeCpuBackend(threads, instruction_set)).value();
    Matrix x(1, 40000);
    for (size_t i = 0; i < x.cols(); ++i) {
      x.Row(0)[i] = (static_cast<float>(i) - 20000.0f) * 6e-4f;
    }
    Matrix y(1, x.cols());
    std::ranges::copy(x.flat(), y.flat().begin());
    backend->SoftCap(1.0f, AsTensor(y));
    for (size_t i = 0; i < x.cols(); ++i) {
      const double exact = std::tanh(double{x.Row(0)[i]});
      ASSERT_NEAR(y.Row(0)[i], exact, 5 * kEpsilon * std::abs(exact)) << x.Row(0)[i];
    }
  }
}

TEST(RowOps, SoftCapOfHugeValuesIsTheCap) {
  const Backends backends;
  for (const auto& backend : backends.cpu) {
    Matrix x(1, 3);
    x.Row(0)[0] = 1e30f;
    x.Row(0)[1] = -std::numeric_limits<float>::infinity();
    x.Row(0)[2] = std::numeric_limits<float>::quiet_NaN();
    backend->SoftCap(30.0f, AsTensor(x));
    EXPECT_EQ(x.Row(0)[0], 30.0f);
    EXPECT_EQ(x.Row(0)[1], -30.0f);
    EXPECT_TRUE(std::isnan(x.Row(0)[2]));
  }
}

TEST(RowOps, GatesOfEveryKindAgreeWithTheReference) {
  const Backends backends;
  const GatedUnit units[] = {{Gating::kGeluTanh},
                             {Gating::kReluSquared},
                             {Gating::kClamped, 1.5f, 1.702f},
                             {Gating::kSigmoid},
                             {Gating::kProduct}};
  for (const GatedUnit& unit : units) {
    for (const size_t size : kSizes) {
      Matrix gate = RandomMatrix(3, size, "gate");
      for (float& value : gate.flat()) value *= 4;
      Matrix up = RandomMatrix(3, size, "up");
      for (float& value : up.flat()) value *= 3;
      Matrix expected(3, size);
      backends.reference->Gate(unit, AsTensor(gate), AsTensor(up), AsTensor(expected));
      Matrix first(3, size);
      backends.cpu.front()->Gate(unit, AsTensor(gate), AsTensor(up), AsTensor(first));
      for (const auto& backend : backends.cpu) {
        Matrix out(3, size);
        backend->Gate(unit, AsTensor(gate), AsTensor(up), AsTensor(out));
        ASSERT_TRUE(std::ranges::equal(out.flat(), first.flat())) << backend->Describe();
        for (size_t i = 0; i < out.flat().size(); ++i) {
          // 1 + tanh of a negative number cancels: its error stays that of terms near 1.
          ASSERT_NEAR(out.flat()[i], expected.flat()[i],
                      20 * kEpsilon * (std::abs(expected.flat()[i]) + 6))
              << static_cast<int>(unit.gating);
        }
      }
    }
  }
}

TEST(RowOps, AddWeightedAddsEachRowWhereItBelongs) {
  const Backends backends;
  const Matrix from = RandomMatrix(2, 5, "from");
  const size_t rows[] = {3, 1};
  const float weights[] = {2.0f, -0.5f};
  for (const auto& backend : backends.cpu) {
    Matrix to(4, 5);
    to.Fill(1.0f);
    backend->AddWeighted(AsTensor(from), rows, weights, AsTensor(to));
    for (size_t col = 0; col < 5; ++col) {
      EXPECT_EQ(to.Row(0)[col], 1.0f);
      EXPECT_EQ(to.Row(3)[col], 1.0f + 2.0f * from.Row(0)[col]);
      EXPECT_EQ(to.Row(1)[col], 1.0f + -0.5f * from.Row(1)[col]);
    }
  }
}

}  // namespace
}  // namespace bitloss
