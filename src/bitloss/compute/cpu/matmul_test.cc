#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "bitloss/compute/backend.h"
#include "bitloss/compute/compute_test_inputs.h"
#include "bitloss/compute/instruction_set.h"

namespace bitloss {
namespace {

constexpr Execution kReal = {.kind = Execution::Kind::kRealActivations};

std::unique_ptr<Backend> Cpu(ThreadPool& threads, std::string_view instruction_set) {
  return std::move(MakeCpuBackend(threads, instruction_set)).value();
}

Matrix Product(const Backend& backend, const EncodedMatrix& weights, std::span<const float> bias,
               ConstMatrixView x) {
  const auto packed = std::move(backend.Pack(weights, kReal)).value();
  Matrix y(x.rows, weights.rows);
  backend.MatMul(*packed, AsTensor(bias), AsTensor(x), Calls(x.rows, x.rows), AsTensor(y));
  return y;
}

// The contract, literally: k ascending, one fused multiply-add per term, then the bias.
Matrix ProductByTheRule(const EncodedMatrix& weights, std::span<const float> bias,
                        ConstMatrixView x) {
  const Matrix w = Decode(weights);
  Matrix y(x.rows, weights.rows);
  for (size_t row = 0; row < x.rows; ++row) {
    for (size_t out = 0; out < weights.rows; ++out) {
      float sum = 0.0f;
      for (size_t k = 0; k < x.cols; ++k) sum = std::fma(x.Row(row)[k], w.Row(out)[k], sum);
      y.Row(row)[out] = bias.empty() ? sum : sum + bias[out];
    }
  }
  return y;
}

void ExpectSameBits(const Matrix& a, const Matrix& b) {
  ASSERT_EQ(a.rows(), b.rows());
  ASSERT_EQ(a.cols(), b.cols());
  for (size_t row = 0; row < a.rows(); ++row) {
    for (size_t col = 0; col < a.cols(); ++col) {
      ASSERT_EQ(std::bit_cast<uint32_t>(a.Row(row)[col]), std::bit_cast<uint32_t>(b.Row(row)[col]))
          << "row " << row << ", column " << col << ": " << a.Row(row)[col] << " and "
          << b.Row(row)[col];
    }
  }
}

EncodedMatrix Encode(const Format& format, ConstMatrixView weights) {
  return std::move(format.encode(format, weights)).value();
}

struct Case {
  std::string name;
  EncodedMatrix (*make)(size_t out, size_t in);
};

using Kind = GroupedCodes::Kind;

const Case kCases[] = {
    {"f32", [](size_t out, size_t in) { return Encode(F32Format(), RandomMatrix(out, in, "w")); }},
    {"f16", [](size_t out, size_t in) { return Encode(F16Format(), RandomMatrix(out, in, "w")); }},
    {"bf16",
     [](size_t out, size_t in) { return Encode(BF16Format(), RandomMatrix(out, in, "w")); }},
    {"opaque",
     [](size_t out, size_t in) {
       return WithoutCodes(RandomCodes(out, in, {Kind::kTable, 4, 32}, Scales::kAny));
     }},
    {"table of 4 bits, groups of 64",
     [](size_t out, size_t in) {
       return RandomCodes(out, in, {Kind::kTable, 4, 64}, Scales::kAny);
     }},
    {"zero points of 4 bits, groups of 32",
     [](size_t out, size_t in) {
       return RandomCodes(out, in, {Kind::kZeroPoint, 4, 32}, Scales::kAny);
     }},
    {"zero points of 4 bits that become offsets",
     [](size_t out, size_t in) {
       return RandomCodes(out, in, {Kind::kZeroPoint, 4, 128}, Scales::kFewBits);
     }},
    {"offsets of 4 bits, groups of 32",
     [](size_t out, size_t in) {
       return RandomCodes(out, in, {Kind::kOffset, 4, 32}, Scales::kAny);
     }},
    {"zero points of 3 bits",
     [](size_t out, size_t in) {
       return RandomCodes(out, in, {Kind::kZeroPoint, 3, 64}, Scales::kAny);
     }},
    {"zero points of 2 bits, groups of 16",
     [](size_t out, size_t in) {
       return RandomCodes(out, in, {Kind::kZeroPoint, 2, 16}, Scales::kAny);
     }},
    {"zero points of 8 bits, one group",
     [](size_t out, size_t in) {
       return RandomCodes(out, in, {Kind::kZeroPoint, 8, 100000}, Scales::kAny);
     }},
    {"table of 8 bits, groups of 32",
     [](size_t out, size_t in) {
       return RandomCodes(out, in, {Kind::kTable, 8, 32}, Scales::kAny);
     }},
    {"offsets of 5 bits, groups of 32",
     [](size_t out, size_t in) {
       return RandomCodes(out, in, {Kind::kOffset, 5, 32}, Scales::kAny);
     }},
    {"groups that no kernel takes",
     [](size_t out, size_t in) {
       return RandomCodes(out, in, {Kind::kTable, 4, 7}, Scales::kAny);
     }},
};

struct Shape {
  size_t tokens, in, out;
};

TEST(MatMul, FollowsTheRuleToTheBitOnEveryInstructionSetForEveryFormat) {
  // Around the widths of vectors, panels, groups, blocks of k, groups and parts of rows.
  const Shape shapes[] = {{1, 1, 1},     {1, 64, 32},   {2, 31, 33},  {3, 257, 31},
                          {4, 96, 65},   {5, 520, 40},  {12, 64, 96}, {13, 17, 16},
                          {25, 300, 48}, {7, 1033, 24}, {265, 24, 70}};
  ThreadPool threads(1);
  for (const std::string& instruction_set : CpuInstructionSets()) {
    const auto backend = Cpu(threads, instruction_set);
    for (const Case& c : kCases) {
      for (const Shape& shape : shapes) {
        SCOPED_TRACE(testing::Message() << instruction_set << ", " << c.name << ", " << shape.tokens
                                        << " x " << shape.in << " x " << shape.out);
        const EncodedMatrix weights = c.make(shape.out, shape.in);
        const Matrix x = RandomMatrix(shape.tokens, shape.in, "x");
        const std::vector<float> bias = RandomVector(shape.out, "bias");
        ExpectSameBits(Product(*backend, weights, bias, x), ProductByTheRule(weights, bias, x));
        ExpectSameBits(Product(*backend, weights, {}, x), ProductByTheRule(weights, {}, x));
      }
    }
  }
}

// At addresses that are multiples of nothing but a half's size, as files have them.
TEST(MatMul, MultipliesHalvesInPlaceAsItDoesTheirCopy) {
  const Shape shapes[] = {{1, 1, 1},   {1, 64, 130},   {3, 7, 33},   {8, 129, 64},
                          {9, 40, 65}, {14, 1031, 70}, {1, 1031, 70}};
  ThreadPool threads(2);
  for (const std::string& instruction_set : CpuInstructionSets()) {
    const auto backend = Cpu(threads, instruction_set);
    for (const Format* format : {&F16Format(), &BF16Format()}) {
      for (const Shape& shape : shapes) {
        SCOPED_TRACE(testing::Message() << instruction_set << ", " << format->name << ", "
                                        << shape.tokens << " x " << shape.in << " x " << shape.out);
        EncodedMatrix weights = Encode(*format, RandomMatrix(shape.out, shape.in, "w"));
        std::vector<std::byte> file(2 + weights.codes.size());
        std::ranges::copy(weights.codes.span(), file.begin() + 2);
        weights.codes = SharedBytes::Own(std::move(file)).Sub(2, weights.codes.size());
        const Matrix x = RandomMatrix(shape.tokens, shape.in, "x");
        const std::vector<float> bias = RandomVector(shape.out, "bias");
        const auto packed = std::move(backend->Pack(weights, kReal, Packing::kInPlace)).value();
        EXPECT_EQ(packed->num_bytes(), weights.num_bytes());
        Matrix y(shape.tokens, shape.out);
        backend->MatMul(*packed, AsTensor(bias), AsTensor(x), Calls(x.rows(), x.rows()),
                        AsTensor(y));
        ExpectSameBits(y, ProductByTheRule(weights, bias, x));
      }
    }
  }
}

TEST(MatMul, MultipliesSeveralMatricesAtOnceAsOneByOne) {
  const EncodedMatrix weights[] = {Encode(F16Format(), RandomMatrix(130, 96, "a")),
                                   RandomCodes(40, 96, {Kind::kTable, 4, 32}, Scales::kAny),
                                   Encode(F32Format(), RandomMatrix(64, 96, "c"))};
  const std::vector<float> bias = RandomVector(40, "bias");
  for (const size_t num_threads : {1, 3}) {
    ThreadPool threads(num_threads);
    const auto backend = Cpu(threads, {});
    for (const size_t tokens : {1, 5, 300}) {
      const Matrix x = RandomMatrix(tokens, 96, "x");
      std::vector<std::unique_ptr<PackedMatrix>> packed;
      std::vector<Matrix> y;
      std::vector<Backend::Product> products;
      for (const EncodedMatrix& matrix : weights) {
        packed.push_back(std::move(backend->Pack(matrix, kReal)).value());
        y.emplace_back(tokens, matrix.rows);
      }
      for (size_t i = 0; i < y.size(); ++i) {
        products.push_back({packed[i].get(), {}, AsTensor(y[i])});
      }
      products[1].bias = AsTensor(bias);
      backend->MatMuls(products, AsTensor(x), Calls(tokens, tokens));
      for (size_t i = 0; i < y.size(); ++i) {
        ExpectSameBits(y[i], Product(*backend, weights[i], HostRow(products[i].bias), x));
      }
    }
  }
}

// Columns that share a scale without being neighbours.
TEST(MatMul, FollowsTheRuleWhereAnIndexNamesTheGroups) {
  const Format format = ParseFormat("int4_group:32:asym:index").value();
  const EncodedMatrix neighbours = Encode(format, RandomMatrix(70, 264, "w"));
  GroupedCodes grouped = format.unpack(neighbours);
  for (size_t col = 0; col < 264; ++col) grouped.group_of[col] = static_cast<uint32_t>(col * 7 % 9);
  const EncodedMatrix weights = format.pack(format, 70, 264, grouped).value();
  ThreadPool threads(2);
  for (const size_t tokens : {1, 3, 20}) {
    const Matrix x = RandomMatrix(tokens, 264, "x");
    ExpectSameBits(Product(*Cpu(threads, {}), weights, {}, x), ProductByTheRule(weights, {}, x));
  }
}

TEST(MatMul, AgreesWithTheReferenceWithinTheErrorOfItsSums) {
  ThreadPool threads(2);
  const auto cpu = Cpu(threads, {});
  const auto reference = MakeReferenceBackend();
  const Shape shape = {9, 300, 70};
  for (const Case& c : kCases) {
    const EncodedMatrix weights = c.make(shape.out, shape.in);
    const Matrix w = Decode(weights);
    const Matrix x = RandomMatrix(shape.tokens, shape.in, "x");
    const std::vector<float> bias = RandomVector(shape.out, "bias");
    const Matrix fast = Product(*cpu, weights, bias, x);
    const Matrix exact = Product(*reference, weights, bias, x);
    for (size_t row = 0; row < x.rows(); ++row) {
      for (size_t out = 0; out < shape.out; ++out) {
        double magnitude = std::abs(double{bias[out]});
        for (size_t k = 0; k < shape.in; ++k) {
          magnitude += std::abs(double{x.Row(row)[k]} * double{w.Row(out)[k]});
        }
        // in multiply-adds and one addition, each rounded once, and the reference's last rounding.
        const double tolerance = static_cast<double>(shape.in + 2) * kEpsilon * magnitude;
        ASSERT_NEAR(fast.Row(row)[out], exact.Row(row)[out], tolerance) << c.name;
      }
    }
  }
}

TEST(MatMul, IsExactWhenEverySumIs) {
  ThreadPool threads(2);
  const auto reference = MakeReferenceBackend();
  const EncodedMatrix weights = Encode(F16Format(), IntegerMatrix(45, 2106, "w"));
  const Matrix x = IntegerMatrix(14, 2106, "x");
  for (const std::string& instruction_set : CpuInstructionSets()) {
    ExpectSameBits(Product(*Cpu(threads, instruction_set), weights, {}, x),
                   Product(*reference, weights, {}, x));
  }
}

TEST(MatMul, GivesARowTheSameBitsInAnyBatchAndOnAnyNumberOfThreads) {
  const size_t num_rows = 61;
  const Matrix x = RandomMatrix(num_rows, 288, "x");
  for (const Case& c : kCases) {
    const EncodedMatrix weights = c.make(200, 288);
    ThreadPool one(1);
    const auto backend = Cpu(one, {});
    const Matrix all = Product(*backend, weights, {}, x);
    for (const size_t rows_of_batch : {1, 2, 3, 4, 7, 24}) {
      for (size_t row = 0; row < num_rows; row += rows_of_batch) {
        const size_t end = std::min(num_rows, row + rows_of_batch);
        const Matrix part = Product(*backend, weights, {}, x.view().Rows(row, end));
        for (size_t r = row; r < end; ++r) {
          ASSERT_TRUE(std::ranges::equal(part.Row(r - row), all.Row(r))) << c.name;
        }
      }
    }
    for (const size_t num_threads : {2, 3}) {
      ThreadPool threads(num_threads);
      ExpectSameBits(Product(*Cpu(threads, {}), weights, {}, x), all);
    }
  }
}

TEST(MatMul, ReadsAndWritesNothingButItsViews) {
  ThreadPool threads(1);
  const auto backend = Cpu(threads, {});
  const Matrix x = RandomMatrix(15, 40, "x");
  Matrix y(15, 60);
  y.Fill(7.0f);
  const EncodedMatrix weights = Encode(F16Format(), RandomMatrix(37, 30, "w"));
  const auto packed = std::move(backend->Pack(weights, kReal)).value();
  const ConstMatrixView x_part = x.view().Cols(5, 35);
  backend->MatMul(*packed, {}, AsTensor(x_part), Calls(15, 15), AsTensor(y.view().Cols(3, 40)));
  const Matrix expected = ProductByTheRule(weights, {}, x_part);
  for (size_t row = 0; row < 15; ++row) {
    for (size_t col = 0; col < 60; ++col) {
      const bool inside = col >= 3 && col < 40;
      EXPECT_EQ(y.Row(row)[col], inside ? expected.Row(row)[col - 3] : 7.0f);
    }
  }
}

TEST(MatMul, PassesNanAndInfinityOnToTheirRowOnly) {
  ThreadPool threads(1);
  const auto backend = Cpu(threads, {});
  Matrix x = RandomMatrix(13, 64, "x");
  x.Row(4)[10] = std::numeric_limits<float>::quiet_NaN();
  x.Row(5)[63] = std::numeric_limits<float>::infinity();
  const Matrix y = Product(*backend, Encode(F16Format(), RandomMatrix(33, 64, "w")), {}, x);
  for (size_t row = 0; row < 13; ++row) {
    for (const float value : y.Row(row)) {
      if (row == 4) {
        EXPECT_TRUE(std::isnan(value));
      } else if (row == 5) {
        EXPECT_TRUE(std::isinf(value));
      } else {
        EXPECT_TRUE(std::isfinite(value));
      }
    }
  }
}

TEST(MatMul, KeepsCodesPackedInMemory) {
  ThreadPool threads(1);
  const auto backend = Cpu(threads, {});
  const auto bytes = [&](const EncodedMatrix& weights) {
    return std::move(backend->Pack(weights, kReal)).value()->num_bytes();
  };
  constexpr size_t kWeights = 64 * 128;
  EXPECT_EQ(bytes(Encode(F16Format(), RandomMatrix(64, 128, "w"))), 2 * kWeights);
  EXPECT_EQ(bytes(RandomCodes(64, 128, {Kind::kTable, 4, 64}, Scales::kAny)),
            kWeights / 2 + kWeights / 64 * sizeof(float));
}

}  // namespace
}  // namespace bitloss
