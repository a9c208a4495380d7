// Prints this machine's limits and how close the kernels come, at the shapes of SmolLM2-135M and
// Qwen2.5-0.5B.
//
//   compute_bench [threads] [schemes] [instruction set] [tokens]
//   compute_bench 2 f16,nf4 AVX2 1,96,512
#include <fmt/format.h>

#include <string>
#include <vector>

#include "bitloss/compute/bench.h"

namespace {

std::vector<std::string> Split(const std::string& text) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t end; (end = text.find(',', begin)) != std::string::npos; begin = end + 1) {
    parts.push_back(text.substr(begin, end - begin));
  }
  parts.push_back(text.substr(begin));
  return parts;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace bitloss;
  const auto argument = [&](int i, const char* otherwise) {
    return std::string(argc > i ? argv[i] : otherwise);
  };
  ThreadPool threads(std::stoul(argument(1, "1")));
  const std::string instruction_set = argument(3, "");
  std::vector<size_t> tokens;
  for (const std::string& text : Split(argument(4, "1,4,16,96,512,2048"))) {
    tokens.push_back(std::stoul(text));
  }
  const auto backend = MakeCpuBackend(threads, instruction_set);
  const auto limits = MeasureMachineLimits(threads, instruction_set);
  if (!backend.ok() || !limits.ok()) {
    fmt::print(stderr, "{}\n", (backend.ok() ? limits.error() : backend.error()).message);
    return 1;
  }
  fmt::print("{}: {:.1f} GFLOP/s, {:.1f} Gop/s of bytes, {:.1f} GB/s read\n",
             backend.value()->Describe(), limits.value().fma_gflops, limits.value().byte_gops,
             limits.value().read_gigabytes);

  const MatMulShape shapes[] = {{.in = 576, .out = 576},  {.in = 576, .out = 1536},
                                {.in = 1536, .out = 576}, {.in = 576, .out = 49152},
                                {.in = 896, .out = 896},  {.in = 896, .out = 4864},
                                {.in = 4864, .out = 896}, {.in = 896, .out = 151936}};
  for (const std::string& scheme : Split(argument(2, "f16,nf4,int4_group:64,int8_row,int8"))) {
    for (const MatMulShape& shape : shapes) {
      const bool is_head = shape.out > 10000;
      if (is_head && scheme != "f16") continue;
      const auto records = BenchmarkMatMul(*backend.value(), limits.value(), scheme, shape.in,
                                           shape.out, tokens, 0.1);
      if (!records.ok()) {
        fmt::print(stderr, "{}: {}\n", scheme, records.error().message);
        return 1;
      }
      for (const MatMulRecord& r : records.value()) {
        fmt::print(
            "{:14} {:5} x {:4} x {:6}: {:9.3f} ms {:7.1f} GFLOP/s {:5.1f} % of FMA "
            "{:6.1f} GB/s {:5.1f} % of read\n",
            r.scheme, r.shape.tokens, r.shape.in, r.shape.out, r.seconds * 1e3, r.gflops,
            100 * r.share_of_fma, r.gigabytes, 100 * r.share_of_read);
      }
    }
  }
  for (const AttentionShape& shape : {AttentionShape{9, 3, 64}, AttentionShape{14, 2, 64}}) {
    for (const size_t num_tokens : {128, 512, 2048}) {
      const AttentionRecord r =
          BenchmarkAttention(*backend.value(), limits.value(), shape, num_tokens, 0.1);
      fmt::print(
          "attention {:2} heads {:2} kv {:5} tokens: {:9.3f} ms {:7.1f} GFLOP/s {:5.1f} % "
          "of FMA\n",
          shape.num_heads, shape.num_kv_heads, num_tokens, r.seconds * 1e3, r.gflops,
          100 * r.share_of_fma);
    }
  }
  return 0;
}
