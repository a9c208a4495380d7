#include "bitloss/checkpoint/layouts/awq.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "bitloss/base/text.h"
#include "bitloss/checkpoint/layouts/int_codes.h"
#include "bitloss/checkpoint/layouts/parts.h"
#include "bitloss/quant/formats/planes.h"

namespace bitloss {
namespace {

using Json = nlohmann::json;

constexpr int kBits = 4;
constexpr size_t kPerWord = 8;
constexpr std::array<size_t, kPerWord> kOrder = {0, 2, 4, 6, 1, 3, 5, 7};

// Words [lines][outputs / 8] to codes [outputs][lines].
std::vector<uint8_t> Unpack(const SafetensorsEntry& words, size_t lines, size_t outputs) {
  std::vector<uint8_t> codes(lines * outputs);
  for (size_t line = 0; line < lines; ++line) {
    for (size_t c = 0; c < outputs / kPerWord; ++c) {
      const auto word = LoadAt<uint32_t>(words.bytes, line * (outputs / kPerWord) + c);
      for (size_t i = 0; i < kPerWord; ++i) {
        codes[(c * kPerWord + kOrder[i]) * lines + line] = (word >> (kBits * i)) & 0xF;
      }
    }
  }
  return codes;
}

// The inverse.
SharedBytes Pack(std::span<const uint8_t> codes, size_t lines, size_t outputs) {
  std::vector<uint32_t> words(lines * outputs / kPerWord);
  for (size_t line = 0; line < lines; ++line) {
    for (size_t c = 0; c < outputs / kPerWord; ++c) {
      uint32_t& word = words[line * (outputs / kPerWord) + c];
      for (size_t i = 0; i < kPerWord; ++i) {
        word |= uint32_t{codes[(c * kPerWord + kOrder[i]) * lines + line]} << (kBits * i);
      }
    }
  }
  return OwnPlane(std::move(words));
}

struct Parts {
  const SafetensorsEntry* qweight = nullptr;
  const SafetensorsEntry* qzeros = nullptr;
  const SafetensorsEntry* scales = nullptr;
};

Result<EncodedMatrix> Load(const SafetensorsEntry& qweight, const SafetensorsEntry& qzeros,
                           const SafetensorsEntry& scales, size_t group_size) {
  const size_t in = qweight.shape[0];
  const size_t out = qweight.shape[1] * kPerWord;
  const size_t groups = in / group_size;
  IntCodes codes{.bits = kBits, .rows = out, .cols = in, .group_size = group_size};
  codes.codes = Unpack(qweight, in, out);
  codes.zeros = Unpack(qzeros, groups, out);
  BITLOSS_TRY(const std::vector<F16> transposed, ExactF16Values(scales));
  codes.scales.resize(out * groups);
  for (size_t row = 0; row < out; ++row) {
    for (size_t g = 0; g < groups; ++g) codes.scales[row * groups + g] = transposed[g * out + row];
  }
  return PackIntCodes(codes);
}

// `count` codes of each row of words [rows][words].
std::vector<uint8_t> UnpackRows(const SafetensorsEntry& words, size_t rows, size_t count) {
  const size_t num_words = words.shape[1];
  std::vector<uint8_t> codes(rows * count);
  for (size_t row = 0; row < rows; ++row) {
    for (size_t i = 0; i < count; ++i) {
      const auto word = LoadAt<uint32_t>(words.bytes, row * num_words + i / kPerWord);
      codes[row * count + i] = (word >> (kBits * (i % kPerWord))) & 0xF;
    }
  }
  return codes;
}

Result<EncodedMatrix> LoadGemv(const SafetensorsEntry& qweight, const SafetensorsEntry& qzeros,
                               const SafetensorsEntry& scales, size_t group_size) {
  const size_t out = qweight.shape[0];
  const size_t in = qweight.shape[1] * kPerWord;
  const size_t groups = in / group_size;
  IntCodes codes{.bits = kBits, .rows = out, .cols = in, .group_size = group_size};
  codes.codes = UnpackRows(qweight, out, in);
  codes.zeros = UnpackRows(qzeros, out, groups);
  BITLOSS_TRY(const std::vector<F16> padded, ExactF16Values(scales));
  for (size_t row = 0; row < out; ++row) {
    const auto first = padded.begin() + static_cast<ptrdiff_t>(row * scales.shape[1]);
    codes.scales.insert(codes.scales.end(), first, first + static_cast<ptrdiff_t>(groups));
  }
  return PackIntCodes(codes);
}

Status ReadGemvMatrix(const StoredTensors& tensors, const std::string& module,
                      uint64_t group_option, QuantizedTensors& to) {
  Parts parts;
  BITLOSS_TRY(parts.qweight, FindPart(tensors, module + ".qweight", {"I32"}));
  const std::vector<uint64_t>& shape = parts.qweight->shape;
  if (shape.size() != 2 || shape[0] == 0 || shape[1] == 0) {
    return BadInput("tensor '{}' is not a matrix", parts.qweight->name);
  }
  const uint64_t out = shape[0], in = shape[1] * kPerWord;
  const uint64_t group_size = group_option == 0 ? in : group_option;
  if (const auto format = IntCodesFormat(kBits, group_size, Symmetry::kAsymmetric, in);
      !format.ok()) {
    return Within(fmt::format("tensor '{}'", parts.qweight->name), format.error());
  }
  BITLOSS_TRY(parts.qzeros, FindPart(tensors, module + ".qzeros", {"I32"}));
  const std::vector<uint64_t>& zeros = parts.qzeros->shape;
  const uint64_t least = (in / group_size + kPerWord - 1) / kPerWord;
  // No more padding than AutoAWQ's (to multiples of 4 words), so that sizes stay bounded.
  if (zeros.size() != 2 || zeros[0] != out || zeros[1] < least || zeros[1] >= least + 4) {
    return BadInput("tensor '{}' does not hold the zero points of [{}, {}] in groups of {}",
                    parts.qzeros->name, out, in, group_size);
  }
  BITLOSS_TRY(parts.scales, FindPart(tensors, module + ".scales", {"F16", "BF16", "F32"},
                                     {out, zeros[1] * kPerWord}));
  AddMatrix(module + ".weight",
            {.type = "int4_awq_gemv",
             .rows = out,
             .cols = in,
             .load = [qweight = *parts.qweight, qzeros = *parts.qzeros, scales = *parts.scales,
                      group_size] { return LoadGemv(qweight, qzeros, scales, group_size); }},
            {parts.qweight, parts.qzeros, parts.scales}, to);
  return Ok();
}

Status ReadMatrix(const StoredTensors& tensors, const std::string& module, uint64_t group_option,
                  QuantizedTensors& to) {
  Parts parts;
  BITLOSS_TRY(parts.qweight, FindPart(tensors, module + ".qweight", {"I32"}));
  const std::vector<uint64_t>& shape = parts.qweight->shape;
  if (shape.size() != 2 || shape[0] == 0 || shape[1] == 0) {
    return BadInput("tensor '{}' is not a matrix", parts.qweight->name);
  }
  const uint64_t in = shape[0], out = shape[1] * kPerWord;
  const uint64_t group_size = group_option == 0 ? in : group_option;
  if (const auto format = IntCodesFormat(kBits, group_size, Symmetry::kAsymmetric, in);
      !format.ok()) {
    return Within(fmt::format("tensor '{}'", parts.qweight->name), format.error());
  }
  BITLOSS_TRY(parts.qzeros,
              FindPart(tensors, module + ".qzeros", {"I32"}, {in / group_size, shape[1]}));
  BITLOSS_TRY(parts.scales, FindPart(tensors, module + ".scales", {"F16", "BF16", "F32"},
                                     {in / group_size, out}));
  AddMatrix(module + ".weight",
            {.type = "int4_awq",
             .rows = out,
             .cols = in,
             .load = [qweight = *parts.qweight, qzeros = *parts.qzeros, scales = *parts.scales,
                      group_size] { return Load(qweight, qzeros, scales, group_size); }},
            {parts.qweight, parts.qzeros, parts.scales}, to);
  return Ok();
}

Result<QuantizedTensors> Read(const Json& config, const StoredTensors& tensors) {
  const char* bits_key = config.contains("w_bit") ? "w_bit" : "bits";
  const char* group_key = config.contains("q_group_size") ? "q_group_size" : "group_size";
  BITLOSS_TRY(const uint64_t bits, UintOption(config, bits_key, std::nullopt));
  if (bits != kBits) return Unsupported("AWQ with {} bits; read are 4", bits);
  BITLOSS_TRY(const bool zero_point, BoolOption(config, "zero_point", true));
  if (!zero_point) return Unsupported("AWQ without zero points");
  BITLOSS_TRY(const std::string written, StringOption(config, "version", "gemm"));
  const std::string version = InLowerCase(written);
  const bool is_gemv = version == "gemv";
  if (version != "gemm" && !is_gemv) {
    return Unsupported("AWQ version '{}'; read are gemm and gemv", version.substr(0, 20));
  }
  BITLOSS_TRY(const uint64_t group_size, GroupOption(config, group_key));
  QuantizedTensors quantized;
  quantized.quantization.method =
      group_size == 0 ? "AWQ, a group for each row" : fmt::format("AWQ, groups of {}", group_size);
  for (const std::string& module : ModulesWith(tensors, ".qweight")) {
    BITLOSS_DO(is_gemv ? ReadGemvMatrix(tensors, module, group_size, quantized)
                       : ReadMatrix(tensors, module, group_size, quantized));
  }
  return quantized;
}

Status Supports(const Format& format, const Execution& execution, size_t rows, size_t cols) {
  constexpr size_t kRowsOfPacker = 32;
  if (!IsIntGroup(format) || format.bits != kBits || format.symmetry != Symmetry::kAsymmetric ||
      format.group_order != GroupOrder::kNeighbours) {
    return Unsupported("awq holds int4_group:G:asym, not {}", format.name);
  }
  if (execution.kind != Execution::Kind::kRealActivations) {
    return Unsupported("awq multiplies real activations");
  }
  if (rows % kRowsOfPacker != 0) {
    return Unsupported("awq needs outputs in multiples of {}, not {}", kRowsOfPacker, rows);
  }
  return format.supports(format, rows, cols);
}

Result<std::vector<SafetensorsEntry>> Write(const std::string& module,
                                            const EncodedMatrix& matrix) {
  const IntCodes codes = UnpackIntCodes(matrix);
  const size_t groups = codes.groups();
  std::vector<F16> scales(codes.scales.size());
  for (size_t row = 0; row < codes.rows; ++row) {
    for (size_t g = 0; g < groups; ++g) {
      scales[g * codes.rows + row] = codes.scales[row * groups + g];
    }
  }
  const uint64_t words = codes.rows / kPerWord;
  return std::vector<SafetensorsEntry>{
      MakePart(module + ".qweight", "I32", {codes.cols, words},
               Pack(codes.codes, codes.cols, codes.rows)),
      MakePart(module + ".qzeros", "I32", {groups, words}, Pack(codes.zeros, groups, codes.rows)),
      MakePart(module + ".scales", "F16", {groups, codes.rows}, OwnPlane(std::move(scales)))};
}

nlohmann::ordered_json Config(const Format& format, const Execution&, LeftAlone left_alone) {
  nlohmann::ordered_json kept;  // null: lm_head alone
  if (!left_alone.empty()) kept = WithHead(left_alone);
  return {{"quant_method", "awq"}, {"bits", kBits},     {"group_size", format.group_size},
          {"zero_point", true},    {"version", "gemm"}, {"modules_to_not_convert", kept}};
}

}  // namespace

Layout AwqLayout() {
  return {.name = "awq",
          .recognizes = [](const Json& config) { return IsMethod(config, "awq"); },
          .read = Read,
          .supports = Supports,
          .write = Write,
          .config = Config};
}

}  // namespace bitloss
