// Every operation on the GPU against the CPU backend, bit for bit. Skipped where there is no GPU.
#include "bitloss/compute/cuda/cuda_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <tuple>

#include "bitloss/compute/compute_test_inputs.h"
#include "bitloss/compute/cuda/cuda_plugin.h"
#include "bitloss/compute/cuda/same_bits.h"
#include "bitloss/compute/device_error.h"
#include "bitloss/compute/devices.h"
#include "bitloss/quant/fit/gram.h"

namespace bitloss {
namespace {

constexpr size_t kRowCounts[] = {1, 2, 7, 8, 9, 63, 64, 96, 127, 128, 300};

class CudaBackendTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* plugin = std::getenv("BITLOSS_CUDA_PLUGIN");
    if (plugin == nullptr) GTEST_SKIP() << "BITLOSS_CUDA_PLUGIN does not say where the plugin is";
    auto made = MakeBackend({"cuda", {plugin}}, threads_);
    if (!made.ok()) GTEST_SKIP() << made.error().message;
    cuda_ = std::move(made).value();
    cpu_ = MakeCpuBackend(threads_).value();
  }

  // What `operation(backend)`, a Matrix, is on both.
  template <class Operation>
  testing::AssertionResult Agree(const Operation& operation) {
    const Matrix on_cpu = operation(*cpu_);
    const Matrix on_gpu = operation(*cuda_);
    return SameBits(on_cpu, on_gpu);
  }

  static Matrix Multiply(const Backend& backend, const EncodedMatrix& weights,
                         const Execution& execution, ConstMatrixView x, size_t rows_of_call) {
    const auto packed = backend.Pack(weights, execution).value();
    const Tensor bias = backend.ToTensor(RandomVector(weights.rows, "bias"));
    const Tensor x_tensor = backend.ToTensor(x);
    Tensor y(backend.memory(), x.rows, weights.rows);
    backend.MatMul(*packed, bias, x_tensor, Calls(x.rows, rows_of_call), y);
    return backend.ToMatrix(y);
  }

  ThreadPool threads_{4};
  std::unique_ptr<Backend> cpu_;
  std::unique_ptr<Backend> cuda_;
};

EncodedMatrix Encode(const std::string& name, size_t rows, size_t cols) {
  const Format format = ParseFormat(name).value();
  Matrix weights = RandomMatrix(rows, cols, "weights");
  const EncodedMatrix halves = F16Format().encode(F16Format(), weights).value();
  return EncodeEqually(format, Decode(halves));
}

TEST_F(CudaBackendTest, ProductsOfEveryNumberOfRows) {
  for (const size_t rows : kRowCounts) {
    for (const auto& [out, in] : {std::pair<size_t, size_t>{576, 192}, {130, 77}, {1537, 896}}) {
      for (const Format& format : {F16Format(), F32Format()}) {
        Matrix weights = RandomMatrix(out, in, "weights");
        const EncodedMatrix halves = F16Format().encode(F16Format(), weights).value();
        const EncodedMatrix encoded = format.encode(format, Decode(halves)).value();
        const Matrix x = RandomMatrix(rows, in, "x");
        EXPECT_TRUE(Agree([&](const Backend& backend) {
          return Multiply(backend, encoded, {}, x, rows);
        })) << format.name
            << " " << rows << " rows, " << out << " x " << in;
      }
    }
  }
}

// Sizes at which kernels of other tiles take over, and rows that do not begin at sixteen bytes.
TEST_F(CudaBackendTest, LargeProducts) {
  for (const auto& [rows, out, in] : {std::tuple<size_t, size_t, size_t>{1100, 4000, 70},
                                      {90, 47000, 40},
                                      {64, 66000, 36},
                                      {96, 4864, 100},
                                      {5, 5000, 96}}) {
    Matrix weights = RandomMatrix(out, in, "weights");
    const EncodedMatrix encoded = F16Format().encode(F16Format(), weights).value();
    const Matrix x = RandomMatrix(rows, in, "x");
    EXPECT_TRUE(Agree([&](const Backend& backend) {
      return Multiply(backend, encoded, {}, x, rows);
    })) << rows
        << " rows, " << out << " x " << in;
  }
}

TEST_F(CudaBackendTest, SumsThatFitsAskFor) {
  for (const size_t size : {size_t{1}, size_t{63}, size_t{64}, size_t{200}, size_t{1000}}) {
    for (const size_t inputs : {size_t{1}, size_t{17}, size_t{700}}) {
      SCOPED_TRACE(testing::Message() << inputs << " inputs of " << size);
      const Matrix x = RandomMatrix(inputs, size, "x");
      const Matrix deltas = RandomMatrix(130, size, "deltas");
      std::vector<double> forms[2];
      std::vector<double> folded[2];
      std::vector<double> distances[2];
      for (size_t b = 0; b < 2; ++b) {
        const Backend& backend = b == 0 ? *cpu_ : *cuda_;
        const auto sums = backend.SumInputs(backend.ToTensor(x));
        EXPECT_EQ(sums->num_inputs(), inputs);
        forms[b].resize(130);
        sums->FormsOf(deltas, forms[b]);
        folded[b] = sums->Take().folded;
        const Matrix y = RandomMatrix(inputs, size, "y");
        distances[b] = backend.SquaredDistances(backend.ToTensor(x), backend.ToTensor(y));
      }
      EXPECT_EQ(forms[0], forms[1]);
      EXPECT_EQ(folded[0], folded[1]);
      EXPECT_EQ(distances[0], distances[1]);
    }
  }
}

// As a block asks for them: queries beside keys and values, of several kinds of weights.
TEST_F(CudaBackendTest, ProductsOfOneInput) {
  const Execution int8{.kind = Execution::Kind::kW8A8};
  for (const size_t rows : {size_t{3}, size_t{96}, size_t{300}}) {
    const Matrix x = RandomMatrix(rows, 128, "x");
    EXPECT_TRUE(Agree([&](const Backend& backend) {
      std::vector<std::unique_ptr<PackedMatrix>> packed;
      std::vector<Tensor> results;
      const Tensor bias = backend.ToTensor(RandomVector(896, "bias"));
      for (const auto& [format, out] : {std::pair<std::string, size_t>{"f16", 896},
                                        {"f16", 128},
                                        {"f16", 130},
                                        {"f32", 128},
                                        {"int8_row", 64},
                                        {"f16", 96},
                                        {"f16", 256},
                                        {"f16", 64}}) {
        const Execution execution = format == "int8_row" ? int8 : Execution{};
        packed.push_back(backend.Pack(Encode(format, out, 128), execution).value());
        results.emplace_back(backend.memory(), rows, out);
      }
      std::vector<Backend::Product> products;
      for (size_t i = 0; i < packed.size(); ++i) {
        products.push_back({packed[i].get(), i == 0 ? bias.view() : ConstDeviceView{}, results[i]});
      }
      backend.MatMuls(products, backend.ToTensor(x), Calls(rows, rows));
      Matrix all(rows, 1762);
      size_t col = 0;
      for (const Tensor& result : results) {
        const Matrix on_host = backend.ToMatrix(result);
        for (size_t row = 0; row < rows; ++row) {
          std::ranges::copy(on_host.Row(row), all.Row(row).begin() + static_cast<ptrdiff_t>(col));
        }
        col += result.cols();
      }
      return all;
    })) << rows;
  }
}

TEST_F(CudaBackendTest, ProductsOfEveryFormat) {
  for (const FormatFamily& family : FormatFamilies()) {
    const EncodedMatrix encoded = Encode(std::string(family.name), 192, 512);
    const Matrix x = RandomMatrix(33, 512, "x");
    EXPECT_TRUE(Agree([&](const Backend& backend) {
      return Multiply(backend, encoded, {}, x, 33);
    })) << family.name;
  }
}

TEST_F(CudaBackendTest, IntegerProducts) {
  const Execution dynamic{.kind = Execution::Kind::kW8A8};
  const Execution fixed{
      .kind = Execution::Kind::kW8A8, .static_activations = true, .activation_scale = 0.005f};
  const Execution split{.kind = Execution::Kind::kLlmInt8, .outlier_threshold = 0.98f};
  const Execution whole{.kind = Execution::Kind::kLlmInt8, .outlier_threshold = 0.0f};
  for (const Execution& execution : {dynamic, fixed, split, whole}) {
    for (const size_t rows : kRowCounts) {
      const EncodedMatrix encoded = Encode("int8_row", 150, 270);
      Matrix x = RandomMatrix(rows, 270, "x");
      if (rows == 64) {
        x.Row(3)[5] = std::numeric_limits<float>::infinity();
        x.Row(9)[6] = std::numeric_limits<float>::quiet_NaN();
        for (float& value : x.Row(12)) value = 0.0f;
      }
      EXPECT_TRUE(Agree([&](const Backend& backend) {
        return Multiply(backend, encoded, execution, x, 5);
      })) << static_cast<int>(execution.kind)
          << " " << rows << " rows";
    }
  }
}

TEST_F(CudaBackendTest, ProductsOfBlocks) {
  const Execution ggml{.kind = Execution::Kind::kGgml};
  for (const std::string name : {"q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "iq4_nl"}) {
    for (const size_t rows : kRowCounts) {
      const EncodedMatrix encoded = Encode(name, 150, 288);
      Matrix x = RandomMatrix(rows, 288, "x");
      if (rows == 9) x.Row(4)[40] = std::numeric_limits<float>::infinity();
      if (rows == 9) std::ranges::fill(x.Row(5), 0.0f);
      EXPECT_TRUE(Agree([&](const Backend& backend) {
        return Multiply(backend, encoded, ggml, x, rows);
      })) << name
          << " " << rows << " rows";
    }
  }
}

TEST_F(CudaBackendTest, RowOperations) {
  for (const size_t rows : kRowCounts) {
    const Matrix x = RandomMatrix(rows, 193, "x");
    Matrix gate = RandomMatrix(rows, 193, "gate");
    for (float& value : gate.flat()) value *= 200.0f;
    EXPECT_TRUE(Agree([&](const Backend& backend) {
      Tensor out(backend.memory(), rows, 193);
      backend.Gate({}, backend.ToTensor(gate), backend.ToTensor(x), out);
      backend.Add(backend.ToTensor(x), out);
      backend.RmsNorm(out, backend.ToTensor(RandomVector(193, "weight")), 1e-5f, out);
      return backend.ToMatrix(out);
    })) << rows;
  }
}

TEST_F(CudaBackendTest, MovingRows) {
  const Matrix x = RandomMatrix(20, 31, "x");
  const std::vector<size_t> rows = {19, 0, 7, 7};
  EXPECT_TRUE(Agree([&](const Backend& backend) {
    const Tensor from = backend.ToTensor(x);
    Tensor to(backend.memory(), 6, 31);
    backend.GatherRows(from, rows, to.view().Rows(0, 4));
    backend.Copy(from.view().Rows(3, 5), to.view().Rows(4, 6));
    const std::vector<Backend::Move> moves = {{from.view().Rows(0, 1), to.view().Rows(1, 2)},
                                              {from.view().Rows(2, 2), to.view().Rows(0, 0)},
                                              {from.view().Rows(10, 12), to.view().Rows(2, 4)}};
    backend.CopyAll(moves);
    return backend.ToMatrix(to);
  }));
  const std::vector<Backend::Element> elements = {{3, 4}, {19, 30}, {0, 0}};
  std::vector<float> values(3);
  cuda_->Read(cuda_->ToTensor(x), elements, values);
  EXPECT_EQ(values, (std::vector<float>{x.Row(3)[4], x.Row(19)[30], x.Row(0)[0]}));
}

TEST_F(CudaBackendTest, Embeddings) {
  const std::vector<int32_t> tokens = {3, 49, 0, 3};
  for (const std::string format : {"f16", "f32", "q8_0"}) {
    const EncodedMatrix table = Encode(format, 50, 96);
    EXPECT_TRUE(Agree([&](const Backend& backend) {
      Tensor x(backend.memory(), 4, 96);
      backend.Embed(table, std::span(tokens).first(1), x.view().Rows(3, 4));
      backend.Embed(table, tokens, x);
      backend.Embed(table, std::span(tokens).first(2), x.view().Rows(1, 3));
      return backend.ToMatrix(x);
    })) << format;
  }
}

TEST_F(CudaBackendTest, Rotations) {
  for (const size_t head_dim : {size_t{6}, size_t{64}, size_t{128}}) {
    const Matrix x = RandomMatrix(21, 3 * head_dim, "x");
    std::vector<uint32_t> positions;
    for (uint32_t i = 0; i < 21; ++i) positions.push_back(i * 7 % 40);
    EXPECT_TRUE(Agree([&](const Backend& backend) {
      const RopeTable table{backend.ToTensor(RandomMatrix(40, head_dim / 2, "cos")),
                            backend.ToTensor(RandomMatrix(40, head_dim / 2, "sin"))};
      Tensor rotated = backend.ToTensor(x);
      backend.Rope(table, positions, head_dim, rotated);
      return backend.ToMatrix(rotated);
    })) << head_dim;
  }
}

TEST_F(CudaBackendTest, AttentionOfPromptsAndSingleTokens) {
  for (const AttentionShape& shape : {AttentionShape{4, 2, 16},
                                      {9, 3, 64},
                                      {14, 2, 64},
                                      {4, 4, 20},
                                      {8, 2, 128},
                                      {2, 1, 256},
                                      {2, 1, 512}}) {
    const size_t kv = shape.num_kv_heads * shape.head_dim;
    // A whole prompt, a chunk that goes on within a tile, one token late in its sequence.
    const std::vector<std::pair<size_t, size_t>> lengths = {{300, 0}, {40, 100}, {1, 511}, {1, 0}};
    const size_t rows = 342;
    Matrix queries = RandomMatrix(rows, shape.num_heads * shape.head_dim, "queries");
    for (float& value : queries.flat()) value *= 4.0f;
    EXPECT_TRUE(Agree([&](const Backend& backend) {
      std::vector<Tensor> cache;
      std::vector<AttentionSequence> sequences;
      size_t row = 0;
      for (const auto& [count, first] : lengths) {
        cache.push_back(backend.ToTensor(RandomMatrix(first + count, kv, "keys")));
        cache.push_back(backend.ToTensor(RandomMatrix(first + count, kv, "values")));
        sequences.push_back(
            {{row, row + count}, first, cache[cache.size() - 2].view(), cache.back().view()});
        row += count;
      }
      Tensor out(backend.memory(), rows, queries.cols());
      backend.Attention(shape, backend.ToTensor(queries), sequences, out);
      return backend.ToMatrix(out);
    })) << shape.num_heads
        << " heads of " << shape.head_dim;
  }
}

Matrix Numbers(const Backend::Comparison& comparison) {
  Matrix bits(comparison.summaries.size(), 15);
  for (size_t row = 0; row < bits.rows(); ++row) {
    const RowSummary& s = comparison.summaries[row];
    const Divergence& d = comparison.divergences[row];
    size_t i = 0;
    for (const double value : {s.log_sum, s.entropy, d.kl, d.kl_reverse}) {
      const auto word = std::bit_cast<uint64_t>(value);
      bits.Row(row)[i++] = static_cast<float>(word & 0xffffffu);
      bits.Row(row)[i++] = static_cast<float>(word >> 24 & 0xffffffu);
      bits.Row(row)[i++] = static_cast<float>(word >> 48);
    }
    bits.Row(row)[i++] = s.max;
    bits.Row(row)[i++] = s.min;
    bits.Row(row)[i++] = static_cast<float>(s.top1);
  }
  return bits;
}

TEST_F(CudaBackendTest, SummariesAndDivergences) {
  for (const size_t cols : {size_t{15}, size_t{16}, size_t{1000}, size_t{4099}, size_t{50257}}) {
    Matrix base = RandomMatrix(9, cols, "base");
    Matrix lane = RandomMatrix(9, cols, "lane");
    for (size_t i = 0; i < base.flat().size(); ++i) {
      const float logit = base.flat()[i] * 15.0f;
      base.flat()[i] = logit;
      lane.flat()[i] = logit + lane.flat()[i] * 0.1f;
    }
    for (float& value : base.Row(4)) value *= 60.0f;  // underflow
    lane.Row(5)[3] = -std::numeric_limits<float>::infinity();
    base.Row(6)[2] = base.Row(6)[9] = 100.0f;  // two tops
    EXPECT_TRUE(Agree([&](const Backend& backend) {
      const Tensor base_rows = backend.ToTensor(base);
      const auto summaries = backend.Summarize(base_rows).value();
      return Numbers(backend.Compare(base_rows, summaries, backend.ToTensor(lane)).value());
    })) << cols;
  }
}

TEST_F(CudaBackendTest, LargestLogits) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  Matrix logits = RandomMatrix(8, 5003, "logits");
  for (size_t i = 0; i < 5003; ++i) logits.Row(1)[i] = std::round(logits.Row(1)[i] * 8.0f);
  std::ranges::fill(logits.Row(2), -2.5f);  // all equal: more than there are places for
  logits.Row(3)[4000] = std::numeric_limits<float>::quiet_NaN();
  logits.Row(4)[1] = kInfinity;
  std::ranges::fill(logits.Row(5), -kInfinity);
  logits.Row(5)[77] = -1e30f;
  std::ranges::fill(logits.Row(6), -1.0f);
  for (size_t i = 0; i < 60; ++i) logits.Row(6)[4990 - i * 70] = i % 3 == 0 ? -0.0f : 0.0f;
  logits.Row(7)[5002] = logits.Row(7)[9] = 50.0f;
  for (const size_t k : {size_t{1}, size_t{2}, size_t{50}, size_t{5003}}) {
    const auto on_cpu = cpu_->FindTop(cpu_->ToTensor(logits), k);
    const auto on_gpu = cuda_->FindTop(cuda_->ToTensor(logits), k);
    for (size_t row = 0; row < logits.rows(); ++row) {
      EXPECT_EQ(on_gpu[row].comparable, row != 3 && row != 4);
      ASSERT_EQ(on_gpu[row].comparable, on_cpu[row].comparable) << row;
      if (!on_cpu[row].comparable) continue;
      EXPECT_EQ(on_gpu[row].tokens, on_cpu[row].tokens) << row;
    }
  }
}

TEST_F(CudaBackendTest, UnusableLogitsAreToldAsOnTheCpu) {
  Matrix logits = RandomMatrix(3, 100, "logits");
  logits.Row(1)[7] = std::numeric_limits<float>::quiet_NaN();
  const auto on_cpu = cpu_->Summarize(cpu_->ToTensor(logits));
  const auto on_gpu = cuda_->Summarize(cuda_->ToTensor(logits));
  ASSERT_FALSE(on_cpu.ok());
  ASSERT_FALSE(on_gpu.ok());
  EXPECT_EQ(on_gpu.error().message, on_cpu.error().message);
}

TEST_F(CudaBackendTest, RanksOfAHostTakeDevicesInTurn) {
  const std::vector<std::filesystem::path> plugins = {std::getenv("BITLOSS_CUDA_PLUGIN")};
  const size_t count = DescribeGpus({"cuda", plugins}).size();
  for (const size_t rank : {size_t{0}, size_t{1}, size_t{5}}) {
    ::setenv("OMPI_COMM_WORLD_LOCAL_RANK", std::to_string(rank).c_str(), 1);
    const auto made = MakeBackend({"cuda", plugins}, threads_);
    ASSERT_TRUE(made.ok()) << made.error().message;
    EXPECT_THAT(made.value()->Describe(),
                testing::StartsWith("cuda:" + std::to_string(rank % count) + ", "));
  }
  ::unsetenv("OMPI_COMM_WORLD_LOCAL_RANK");
}

TEST_F(CudaBackendTest, OutOfDeviceMemoryIsAnError) {
  EXPECT_THROW(Tensor(cuda_->memory(), size_t{1} << 20, size_t{1} << 20), std::exception);
  const Tensor small(cuda_->memory(), 4, 4);  // and the device goes on
}

TEST_F(CudaBackendTest, NoMoreMemoryIsUsedThanWasAllowed) {
  constexpr uint64_t kAllowed = uint64_t{64} << 20;
  constexpr size_t kFloatsOfMegabyte = size_t{1} << 18;
  const std::vector<std::filesystem::path> plugins = {std::getenv("BITLOSS_CUDA_PLUGIN")};
  const auto backend = MakeBackend({"cuda", plugins, kAllowed}, threads_).value();
  EXPECT_EQ(backend->device_memory()->usable, kAllowed);
  const uint64_t used = backend->device_memory()->used;
  {
    const Tensor half(backend->memory(), 32, kFloatsOfMegabyte);
    EXPECT_GE(backend->device_memory()->used, used + (uint64_t{32} << 20));
    EXPECT_THROW(Tensor(backend->memory(), 64, kFloatsOfMegabyte), DeviceError);
  }
  const Tensor most(backend->memory(), 60, kFloatsOfMegabyte);
  EXPECT_GE(backend->device_memory()->most_used, uint64_t{60} << 20);
  EXPECT_LE(backend->device_memory()->most_used, kAllowed);
}

}  // namespace
}  // namespace bitloss
