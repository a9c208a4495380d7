#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "bitloss/compute/backend.h"
#include "bitloss/compute/compute_test_inputs.h"
#include "bitloss/compute/instruction_set.h"

namespace bitloss {
namespace {

std::unique_ptr<Backend> Cpu(ThreadPool& threads, std::string_view instruction_set = {}) {
  return std::move(MakeCpuBackend(threads, instruction_set)).value();
}

size_t KvWidth(const AttentionShape& shape) { return shape.num_kv_heads * shape.head_dim; }
size_t Width(const AttentionShape& shape) { return shape.num_heads * shape.head_dim; }
size_t ValuesWidth(const AttentionShape& shape) { return shape.num_kv_heads * shape.ValueDim(); }

// All of a sequence at once.
Matrix Prefill(const Backend& backend, const AttentionShape& shape, ConstMatrixView q,
               ConstMatrixView k, ConstMatrixView v) {
  Matrix out(q.rows, shape.num_heads * shape.ValueDim());
  const AttentionSequence sequence = {.rows = {0, q.rows},
                                      .first_position = k.rows - q.rows,
                                      .keys = AsTensor(k),
                                      .values = AsTensor(v)};
  backend.Attention(shape, AsTensor(q), {&sequence, 1}, AsTensor(out));
  return out;
}

// sum_j p_j |v_j| bounds what rounding the weights costs; scores lie within `score` of zero.
double Tolerance(const AttentionShape& shape, size_t num_keys, double largest_score) {
  const double dim = static_cast<double>(shape.head_dim);
  // A score: dim multiply-adds, the scale's two roundings and one for the product, the subtraction;
  // relative to the sum of magnitudes, which is at most dim for factors in [-1, 1].
  const double score_error = (dim + 4) * kEpsilon * std::sqrt(dim) + 2 * kEpsilon * largest_score;
  // e^(s + error) = e^s (1 + error); the exponential's own two units (one each for p and for the
  // factor of every tile), a multiplication for each tile, and the sums of num_keys terms, once
  // above and once below the fraction bar.
  const double tiles = static_cast<double>(num_keys) / 128 + 1;
  return 2 * (score_error + (4 + 4 * tiles + static_cast<double>(num_keys)) * kEpsilon);
}

TEST(Attention, AgreesWithTheReferenceOnEveryInstructionSet) {
  const AttentionShape shapes[] = {{.num_heads = 1, .num_kv_heads = 1, .head_dim = 2},
                                   {.num_heads = 6, .num_kv_heads = 2, .head_dim = 64},
                                   {.num_heads = 7, .num_kv_heads = 1, .head_dim = 24},
                                   {.num_heads = 4, .num_kv_heads = 4, .head_dim = 6},
                                   {.num_heads = 4, .num_kv_heads = 2, .head_dim = 40}};
  ThreadPool threads(2);
  const auto reference = MakeReferenceBackend();
  for (const AttentionShape& shape : shapes) {
    for (const size_t num_keys : {1, 5, 127, 128, 129, 300}) {
      const Matrix q = RandomMatrix(num_keys, Width(shape), "q");
      const Matrix k = RandomMatrix(num_keys, KvWidth(shape), "k");
      const Matrix v = RandomMatrix(num_keys, KvWidth(shape), "v");
      const Matrix expected = Prefill(*reference, shape, q, k, v);
      const double tolerance =
          Tolerance(shape, num_keys, std::sqrt(static_cast<double>(shape.head_dim)));
      for (const std::string& instruction_set : CpuInstructionSets()) {
        const Matrix out = Prefill(*Cpu(threads, instruction_set), shape, q, k, v);
        for (size_t i = 0; i < out.flat().size(); ++i) {
          ASSERT_NEAR(out.flat()[i], expected.flat()[i], tolerance)
              << instruction_set << ", head size " << shape.head_dim << ", " << num_keys << " keys";
        }
      }
    }
  }
}

TEST(Attention, GivesTheSameBitsOnEveryInstructionSetAndNumberOfThreads) {
  const AttentionShape shape = {.num_heads = 6, .num_kv_heads = 2, .head_dim = 24};
  const Matrix q = RandomMatrix(200, Width(shape), "q");
  const Matrix k = RandomMatrix(200, KvWidth(shape), "k");
  const Matrix v = RandomMatrix(200, KvWidth(shape), "v");
  ThreadPool one(1);
  const Matrix expected = Prefill(*Cpu(one), shape, q, k, v);
  for (const std::string& instruction_set : CpuInstructionSets()) {
    for (const size_t num_threads : {1, 2, 3}) {
      ThreadPool threads(num_threads);
      const Matrix out = Prefill(*Cpu(threads, instruction_set), shape, q, k, v);
      EXPECT_TRUE(std::ranges::equal(out.flat(), expected.flat())) << instruction_set;
    }
  }
}

TEST(Attention, GivesATokenTheSameBitsInDecodingAsInPrefill) {
  ThreadPool threads(2);
  const auto backend = Cpu(threads);
  for (const AttentionShape& shape : {AttentionShape{6, 2, 64}, AttentionShape{7, 1, 20}}) {
    const size_t num_keys = 270;
    const Matrix q = RandomMatrix(num_keys, Width(shape), "q");
    const Matrix k = RandomMatrix(num_keys, KvWidth(shape), "k");
    const Matrix v = RandomMatrix(num_keys, KvWidth(shape), "v");
    const Matrix all = Prefill(*backend, shape, q, k, v);
    for (size_t at = 0; at < num_keys; ++at) {
      const Matrix one = Prefill(*backend, shape, q.view().Rows(at, at + 1),
                                 k.view().Rows(0, at + 1), v.view().Rows(0, at + 1));
      ASSERT_TRUE(std::ranges::equal(one.Row(0), all.Row(at))) << "token " << at;
    }
    for (const size_t step : {7, 100}) {  // prefill in chunks
      for (size_t at = 0; at < num_keys; at += step) {
        const size_t end = std::min(num_keys, at + step);
        const Matrix chunk = Prefill(*backend, shape, q.view().Rows(at, end), k.view().Rows(0, end),
                                     v.view().Rows(0, end));
        for (size_t row = at; row < end; ++row) {
          ASSERT_TRUE(std::ranges::equal(chunk.Row(row - at), all.Row(row))) << "token " << row;
        }
      }
    }
  }
}

TEST(Attention, TakesValuesOfAnotherSizeThanKeys) {
  ThreadPool threads(2);
  const auto reference = MakeReferenceBackend();
  for (const auto& [head_dim, value_dim] : {std::pair{20, 16}, {16, 40}, {192, 128}}) {
    const AttentionShape shape{.num_heads = 4,
                               .num_kv_heads = 2,
                               .head_dim = static_cast<size_t>(head_dim),
                               .value_dim = static_cast<size_t>(value_dim)};
    const size_t num_keys = 150;
    const Matrix q = RandomMatrix(num_keys, Width(shape), "q");
    const Matrix k = RandomMatrix(num_keys, KvWidth(shape), "k");
    const Matrix v = RandomMatrix(num_keys, ValuesWidth(shape), "v");
    const Matrix expected = Prefill(*reference, shape, q, k, v);
    const double tolerance =
        Tolerance(shape, num_keys, std::sqrt(static_cast<double>(shape.head_dim)));
    const Matrix first = Prefill(*Cpu(threads), shape, q, k, v);
    for (const std::string& instruction_set : CpuInstructionSets()) {
      const auto backend = Cpu(threads, instruction_set);
      const Matrix out = Prefill(*backend, shape, q, k, v);
      ASSERT_TRUE(std::ranges::equal(out.flat(), first.flat())) << instruction_set;
      for (size_t i = 0; i < out.flat().size(); ++i) {
        ASSERT_NEAR(out.flat()[i], expected.flat()[i], tolerance) << instruction_set;
      }
      const Matrix one = Prefill(*backend, shape, q.view().Rows(140, 141), k.view().Rows(0, 141),
                                 v.view().Rows(0, 141));
      ASSERT_TRUE(std::ranges::equal(one.Row(0), out.Row(140)));
    }
  }
}

TEST(Attention, KeepsTheSequencesOfABatchApart) {
  const AttentionShape shape = {.num_heads = 3, .num_kv_heads = 1, .head_dim = 32};
  ThreadPool threads(2);
  const auto backend = Cpu(threads);
  struct Length {
    size_t new_tokens, cached;
  };
  const Length lengths[] = {{1, 0}, {17, 0}, {1, 140}, {40, 3}};
  std::vector<Matrix> keys, values;
  std::vector<AttentionSequence> sequences;
  size_t row = 0;
  for (const Length& length : lengths) {
    const size_t num_keys = length.new_tokens + length.cached;
    keys.push_back(RandomMatrix(num_keys, KvWidth(shape), "k" + std::to_string(row)));
    values.push_back(RandomMatrix(num_keys, KvWidth(shape), "v" + std::to_string(row)));
    sequences.push_back({.rows = {row, row + length.new_tokens},
                         .first_position = length.cached,
                         .keys = AsTensor(keys.back()),
                         .values = AsTensor(values.back())});
    row += length.new_tokens;
  }
  const Matrix q = RandomMatrix(row, Width(shape), "q");
  Matrix out(row, Width(shape));
  backend->Attention(shape, AsTensor(q), sequences, AsTensor(out));
  for (const AttentionSequence& sequence : sequences) {
    const Matrix alone =
        Prefill(*backend, shape, q.view().Rows(sequence.rows.begin, sequence.rows.end),
                HostView(sequence.keys), HostView(sequence.values));
    for (size_t r = 0; r < alone.rows(); ++r) {
      EXPECT_TRUE(std::ranges::equal(alone.Row(r), out.Row(sequence.rows.begin + r)));
    }
  }
}

TEST(Attention, OfEqualKeysIsTheMeanOfTheValues) {
  const AttentionShape shape = {.num_heads = 2, .num_kv_heads = 1, .head_dim = 4};
  ThreadPool threads(1);
  Matrix k(256, 4);
  k.Fill(0.5f);
  Matrix v(256, 4);
  for (size_t key = 0; key < 256; ++key) {
    for (size_t i = 0; i < 4; ++i) v.Row(key)[i] = static_cast<float>(key * (i + 1));
  }
  const Matrix q = RandomMatrix(256, 8, "q");
  const Matrix out = Prefill(*Cpu(threads), shape, q, k, v);
  // All weights are e^0 = 1: the sums of integers are exact, and 1/256 is a power of two.
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(out.Row(255)[i], 127.5f * static_cast<float>(i + 1));
    EXPECT_EQ(out.Row(0)[i], 0.0f);
  }
}

TEST(Attention, NeverLooksAtLaterTokensEvenIfTheyAreNan) {
  const AttentionShape shape = {.num_heads = 3, .num_kv_heads = 1, .head_dim = 16};
  ThreadPool threads(1);
  const auto backend = Cpu(threads);
  const Matrix q = RandomMatrix(40, Width(shape), "q");
  Matrix k = RandomMatrix(40, KvWidth(shape), "k");
  Matrix v = RandomMatrix(40, KvWidth(shape), "v");
  const Matrix clean = Prefill(*backend, shape, q, k, v);
  std::ranges::fill(k.Row(30), std::numeric_limits<float>::quiet_NaN());
  std::ranges::fill(v.Row(30), std::numeric_limits<float>::infinity());
  const Matrix out = Prefill(*backend, shape, q, k, v);
  for (size_t row = 0; row < 40; ++row) {
    if (row < 30) {
      EXPECT_TRUE(std::ranges::equal(out.Row(row), clean.Row(row)));
    } else {
      for (const float value : out.Row(row)) EXPECT_TRUE(std::isnan(value));
    }
  }
}

// What layers of other architectures see: windows, chunks, caps and sinks, alone and together.
struct Reach {
  size_t window = 0;
  size_t chunk = 0;
  float softcap = 0;
  float scale = 0;
  bool has_sinks = false;
};
constexpr Reach kReaches[] = {
    {.window = 1},       {.window = 5},
    {.window = 128},     {.window = 150},
    {.chunk = 10},       {.chunk = 130},
    {.softcap = 0.5f},   {.scale = 1.5f},
    {.has_sinks = true}, {.window = 40, .softcap = 2.0f, .scale = 0.7f, .has_sinks = true}};

AttentionShape With(AttentionShape shape, const Reach& reach, const Matrix& sinks) {
  shape.window = reach.window;
  shape.chunk = reach.chunk;
  shape.softcap = reach.softcap;
  shape.scale = reach.scale;
  if (reach.has_sinks) shape.sinks = AsTensor(sinks);
  return shape;
}

TEST(Attention, AgreesWithTheReferenceWhateverATokenSees) {
  ThreadPool threads(2);
  const auto reference = MakeReferenceBackend();
  for (const AttentionShape& plain : {AttentionShape{6, 2, 64}, AttentionShape{3, 1, 20}}) {
    const size_t num_keys = 300;
    const Matrix q = RandomMatrix(num_keys, Width(plain), "q");
    const Matrix k = RandomMatrix(num_keys, KvWidth(plain), "k");
    const Matrix v = RandomMatrix(num_keys, KvWidth(plain), "v");
    const Matrix sinks = RandomMatrix(1, plain.num_heads, "sinks");
    for (const Reach& reach : kReaches) {
      const AttentionShape shape = With(plain, reach, sinks);
      const Matrix expected = Prefill(*reference, shape, q, k, v);
      const double scale = std::max(1.0, double{reach.scale} * std::sqrt(plain.head_dim));
      const double tolerance =
          2 * scale * Tolerance(shape, num_keys, std::sqrt(static_cast<double>(plain.head_dim)));
      for (const std::string& instruction_set : CpuInstructionSets()) {
        const Matrix out = Prefill(*Cpu(threads, instruction_set), shape, q, k, v);
        for (size_t i = 0; i < out.flat().size(); ++i) {
          ASSERT_NEAR(out.flat()[i], expected.flat()[i], tolerance)
              << instruction_set << ", window " << reach.window << ", chunk " << reach.chunk
              << ", row " << i / out.cols();
        }
      }
    }
  }
}

TEST(Attention, GivesATokenTheSameBitsInDecodingWhateverItSees) {
  ThreadPool threads(2);
  for (const std::string& instruction_set : CpuInstructionSets()) {
    const auto backend = Cpu(threads, instruction_set);
    const AttentionShape plain{6, 2, 20};
    const size_t num_keys = 270;
    const Matrix q = RandomMatrix(num_keys, Width(plain), "q");
    const Matrix k = RandomMatrix(num_keys, KvWidth(plain), "k");
    const Matrix v = RandomMatrix(num_keys, KvWidth(plain), "v");
    const Matrix sinks = RandomMatrix(1, plain.num_heads, "sinks");
    for (const Reach& reach : kReaches) {
      const AttentionShape shape = With(plain, reach, sinks);
      const Matrix all = Prefill(*backend, shape, q, k, v);
      for (size_t at = 0; at < num_keys; ++at) {
        const Matrix one = Prefill(*backend, shape, q.view().Rows(at, at + 1),
                                   k.view().Rows(0, at + 1), v.view().Rows(0, at + 1));
        ASSERT_TRUE(std::ranges::equal(one.Row(0), all.Row(at)))
            << "token " << at << ", window " << reach.window << ", chunk " << reach.chunk;
      }
    }
  }
}

TEST(Attention, NeverLooksAtTokensBeforeItsWindowEvenIfTheyAreNan) {
  ThreadPool threads(1);
  const auto backend = Cpu(threads);
  const AttentionShape shape = {.num_heads = 3, .num_kv_heads = 1, .head_dim = 16, .window = 7};
  const Matrix q = RandomMatrix(40, Width(shape), "q");
  Matrix k = RandomMatrix(40, KvWidth(shape), "k");
  Matrix v = RandomMatrix(40, KvWidth(shape), "v");
  const Matrix clean = Prefill(*backend, shape, q, k, v);
  std::ranges::fill(k.Row(30), std::numeric_limits<float>::quiet_NaN());
  std::ranges::fill(v.Row(30), std::numeric_limits<float>::infinity());
  const Matrix out = Prefill(*backend, shape, q, k, v);
  for (size_t row = 0; row < 40; ++row) {
    const bool sees_it = row >= 30 && row < 37;
    EXPECT_EQ(std::ranges::equal(out.Row(row), clean.Row(row)), !sees_it) << row;
  }
}

}  // namespace
}  // namespace bitloss
