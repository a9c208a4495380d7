// Split products on the GPU against reference/split_product.h, bit for bit. Skipped where there is
// no GPU.
#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>

#include "bitloss/compute/compute_test_inputs.h"
#include "bitloss/compute/cpu/cpu_backend.h"
#include "bitloss/compute/cuda/same_bits.h"
#include "bitloss/compute/devices.h"

namespace bitloss {
namespace {

constexpr size_t kRowCounts[] = {1, 2, 15, 16, 17, 33, 64, 65, 96, 127, 128, 129, 300};

class CudaSplitTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* plugin = std::getenv("BITLOSS_CUDA_PLUGIN");
    if (plugin == nullptr) GTEST_SKIP() << "BITLOSS_CUDA_PLUGIN does not say where the plugin is";
    auto made = MakeBackend({"cuda", {plugin}}, threads_, Arithmetic::kSplit);
    if (!made.ok()) GTEST_SKIP() << made.error().message;
    cuda_ = std::move(made).value();
    cpu_ = MakeCpuBackend(threads_, Arithmetic::kSplit).value();
  }

  static Matrix Multiply(const Backend& backend, const PackedMatrix& packed, ConstMatrixView x) {
    const Tensor bias = backend.ToTensor(RandomVector(packed.out_features(), "bias"));
    const Tensor x_tensor = backend.ToTensor(x);
    Tensor y(backend.memory(), x.rows, packed.out_features());
    backend.MatMul(packed, bias, x_tensor, Calls(x.rows, x.rows), y);
    return backend.ToMatrix(y);
  }

  // The first rows of x alone give what they give among all.
  void ExpectSameBits(const EncodedMatrix& weights, const Matrix& x,
                      std::span<const size_t> row_counts) {
    const Matrix on_cpu = Multiply(*cpu_, *cpu_->Pack(weights, {}).value(), x);
    const auto packed = cuda_->Pack(weights, {}).value();
    for (const size_t rows : row_counts) {
      const Matrix on_gpu = Multiply(*cuda_, *packed, x.view().Rows(0, rows));
      EXPECT_TRUE(SameBits(on_cpu.view().Rows(0, rows), on_gpu))
          << weights.format.name << " " << rows << " rows, " << weights.rows << " x "
          << weights.cols;
    }
  }

  ThreadPool threads_{DefaultNumThreads()};
  std::unique_ptr<Backend> cpu_;
  std::unique_ptr<Backend> cuda_;
};

// Of weights that FP16 holds, as every format takes them, or else for FP32 of all bits.
EncodedMatrix Encode(const std::string& name, size_t rows, size_t cols) {
  const Format format = ParseFormat(name).value();
  const Matrix weights = RandomMatrix(rows, cols, "weights");
  if (name == "f32") return format.encode(format, weights).value();
  const EncodedMatrix halves = F16Format().encode(F16Format(), weights).value();
  return EncodeEqually(format, Decode(halves));
}

// Exponents far apart within a chunk.
Matrix UnevenMatrix(size_t rows, size_t cols) {
  const RandomStream random(4, "uneven");
  Matrix x = RandomMatrix(rows, cols, "x");
  for (size_t i = 0; i < rows * cols; ++i) {
    x.flat()[i] = random.Bits(0, i) % 9 == 0
                      ? 0.0f
                      : std::ldexp(x.flat()[i], -static_cast<int>(random.Bits(1, i) % 30));
  }
  return x;
}

TEST_F(CudaSplitTest, ProductsOfEveryNumberOfRows) {
  for (const auto& [out, in] : {std::pair<size_t, size_t>{576, 192}, {130, 77}, {1537, 896}}) {
    for (const std::string format : {"f16", "f32"}) {
      ExpectSameBits(Encode(format, out, in), RandomMatrix(300, in, "x"), kRowCounts);
    }
  }
}

TEST_F(CudaSplitTest, SectionsAndManyTiles) {
  const size_t rows[] = {1, 96, 700};
  ExpectSameBits(Encode("f16", 2100, 1100), UnevenMatrix(700, 1100), rows);
  ExpectSameBits(Encode("f32", 130, 4864), UnevenMatrix(700, 4864), rows);
  const size_t many[] = {2500};
  ExpectSameBits(Encode("f16", 4000, 70), RandomMatrix(2500, 70, "x"), many);
}

// Enough sums for the widest tiles, of even and odd numbers of rows' and of outputs' tiles.
TEST_F(CudaSplitTest, WideTiles) {
  const size_t rows[] = {1500, 1410};
  ExpectSameBits(Encode("f16", 1280, 70), UnevenMatrix(1500, 70), rows);
  ExpectSameBits(Encode("f32", 1300, 70), UnevenMatrix(1500, 70), rows);
  const size_t few[] = {450};
  ExpectSameBits(Encode("f16", 4200, 200), UnevenMatrix(450, 200), few);
}

TEST_F(CudaSplitTest, WideTilesOfSections) {
  const size_t rows[] = {1500};
  ExpectSameBits(Encode("f16", 1300, 2100), UnevenMatrix(1500, 2100), rows);
  ExpectSameBits(Encode("f32", 1280, 1100), UnevenMatrix(1500, 1100), rows);
}

TEST_F(CudaSplitTest, ProductsOfEveryFormat) {
  const size_t rows[] = {33};
  for (const FormatFamily& family : FormatFamilies()) {
    ExpectSameBits(Encode(std::string(family.name), 192, 512), RandomMatrix(33, 512, "x"), rows);
  }
}

TEST_F(CudaSplitTest, NumbersThatAreNotOrdinary) {
  Matrix x = UnevenMatrix(20, 200);
  std::ranges::fill(x.Row(1), 0.0f);
  x.Row(2)[70] = std::numeric_limits<float>::infinity();
  x.Row(3)[199] = std::numeric_limits<float>::quiet_NaN();
  for (float& value : x.Row(4)) value *= 0x1p-130f;
  for (float& value : x.Row(5)) value *= 0x1p100f;
  x.Row(6)[9] = 1e30f;
  const size_t rows[] = {20};
  ExpectSameBits(Encode("f16", 70, 200), x, rows);
  ExpectSameBits(Encode("f32", 70, 200), x, rows);
}

// As a block asks for them: of both kinds of weights beside integer products, in a part of a tensor
// whose rows do not begin at sixteen bytes.
TEST_F(CudaSplitTest, ProductsOfOneInput) {
  const Execution int8{.kind = Execution::Kind::kW8A8};
  const std::vector<std::pair<std::string, size_t>> matrices = {
      {"f16", 896}, {"f32", 128}, {"f16", 130}, {"int8_row", 64},
      {"f16", 96},  {"f16", 33},  {"f16", 64},  {"f32", 65}};
  for (const size_t rows : {size_t{3}, size_t{96}, size_t{300}}) {
    const Matrix x = RandomMatrix(rows, 131, "x");
    const auto multiply = [&](const Backend& backend) {
      std::vector<std::unique_ptr<PackedMatrix>> packed;
      std::vector<Tensor> results;
      for (const auto& [format, out] : matrices) {
        const Execution execution = format == "int8_row" ? int8 : Execution{};
        packed.push_back(backend.Pack(Encode(format, out, 128), execution).value());
        results.emplace_back(backend.memory(), rows, out);
      }
      std::vector<Backend::Product> products;
      for (size_t i = 0; i < packed.size(); ++i)
        products.push_back({packed[i].get(), {}, results[i]});
      const Tensor whole = backend.ToTensor(x);
      backend.MatMuls(products, whole.view().Cols(3, 131), Calls(rows, rows));
      std::vector<Matrix> on_host;
      for (const Tensor& result : results) on_host.push_back(backend.ToMatrix(result));
      return on_host;
    };
    const std::vector<Matrix> on_cpu = multiply(*cpu_);
    const std::vector<Matrix> on_gpu = multiply(*cuda_);
    for (size_t i = 0; i < matrices.size(); ++i) {
      EXPECT_TRUE(SameBits(on_cpu[i], on_gpu[i])) << matrices[i].first << " " << rows << " rows";
    }
  }
}

}  // namespace
}  // namespace bitloss
