#include "bitloss/checkpoint/layouts/gptq.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bitloss/checkpoint/layouts/int_codes.h"
#include "bitloss/checkpoint/layouts/parts.h"
#include "bitloss/quant/formats/packed_bits.h"
#include "bitloss/quant/formats/planes.h"

namespace bitloss {
namespace {

// How an entry of "dynamic" begins that skips a module.
constexpr std::string_view kSkips = "-:";

using Json = nlohmann::json;

enum class ZeroStorage { kMinusOne, kAsIs };  // v1, v2

struct Options {
  int bits = 4;
  uint64_t group_size = 0;  // 0: the whole row
  ZeroStorage zeros = ZeroStorage::kMinusOne;
};

// The number of words for `count` codes.
Result<uint64_t> NumWords(uint64_t count, int bits) {
  constexpr uint64_t kMax = uint64_t{1} << 32;
  if (count >= kMax || count * bits % 32 != 0) {
    return Unsupported("{} codes of {} bits do not fill whole words", count, bits);
  }
  return count * bits / 32;
}

// Codes of column `column` of words [num_words][num_columns], which run down it.
void UnpackColumn(const SafetensorsEntry& words, size_t column, int bits,
                  std::span<uint8_t> codes) {
  const size_t num_words = words.shape[0], num_columns = words.shape[1];
  std::vector<uint32_t> run(num_words);
  for (size_t i = 0; i < num_words; ++i) {
    run[i] = LoadAt<uint32_t>(words.bytes, i * num_columns + column);
  }
  UnpackBits(reinterpret_cast<const uint8_t*>(run.data()), bits, 0, codes);
}

// One in each field of a word.
constexpr uint32_t OneInEachField(int bits) {
  return bits == 2 ? 0x55555555u : bits == 4 ? 0x11111111u : 0x01010101u;
}

// Zero points of group `group`, in the order of the outputs.
std::vector<uint8_t> ZerosOfGroup(const SafetensorsEntry& words, size_t group, size_t outputs,
                                  const Options& options) {
  const size_t num_words = words.shape[1];
  std::vector<uint32_t> run(num_words);
  for (size_t i = 0; i < num_words; ++i) {
    run[i] = LoadAt<uint32_t>(words.bytes, group * num_words + i);
    if (options.zeros == ZeroStorage::kMinusOne && options.bits != 3) {
      run[i] += OneInEachField(options.bits);
    }
  }
  std::vector<uint8_t> zeros(outputs);
  UnpackBits(reinterpret_cast<const uint8_t*>(run.data()), options.bits, 0, zeros);
  if (options.zeros == ZeroStorage::kMinusOne && options.bits == 3) {
    for (uint8_t& zero : zeros) zero = (zero + 1) & 7;
  }
  return zeros;
}

struct Parts {
  SafetensorsEntry qweight, qzeros, scales;
  std::optional<SafetensorsEntry> g_idx;
};

// Neighbours, of which the last may be fewer.
std::vector<uint32_t> RaggedGroups(size_t in, size_t group_size) {
  std::vector<uint32_t> group_of(in);
  for (size_t i = 0; i < in; ++i) group_of[i] = static_cast<uint32_t>(i / group_size);
  return group_of;
}

Result<EncodedMatrix> Load(const Parts& parts, const Options& options, size_t in,
                           size_t group_size) {
  const size_t out = parts.qweight.shape[1];
  IntCodes codes{.bits = options.bits, .rows = out, .cols = in, .group_size = group_size};
  const size_t groups = codes.groups();
  if (in % group_size != 0) codes.group_of = RaggedGroups(in, group_size);
  if (parts.g_idx) BITLOSS_DO(ReadGroupIndex(*parts.g_idx, codes));
  codes.codes.resize(out * in);
  for (size_t row = 0; row < out; ++row) {
    UnpackColumn(parts.qweight, row, options.bits, std::span(codes.codes).subspan(row * in, in));
  }
  BITLOSS_TRY(const std::vector<F16> transposed, ExactF16Values(parts.scales));
  codes.scales.resize(out * groups);
  codes.zeros.resize(out * groups);
  for (size_t g = 0; g < groups; ++g) {
    const std::vector<uint8_t> zeros = ZerosOfGroup(parts.qzeros, g, out, options);
    for (size_t row = 0; row < out; ++row) {
      codes.scales[row * groups + g] = transposed[g * out + row];
      codes.zeros[row * groups + g] = zeros[row];
    }
  }
  const auto middle = static_cast<uint8_t>(1 << (options.bits - 1));
  const bool symmetric = std::ranges::all_of(codes.zeros, [&](uint8_t z) { return z == middle; });
  codes.symmetry = symmetric ? Symmetry::kSymmetric : Symmetry::kAsymmetric;
  return PackIntCodes(codes);
}

// The inputs of a matrix whose columns have so many words.
Result<uint64_t> NumInputs(const SafetensorsEntry& qweight, int bits) {
  constexpr uint64_t kMax = uint64_t{1} << 28;
  if (qweight.shape.size() != 2 || qweight.shape[0] == 0 || qweight.shape[1] == 0 ||
      qweight.shape[0] > kMax || qweight.shape[0] * 32 % static_cast<uint64_t>(bits) != 0) {
    return BadInput("tensor '{}' of shape [{}] does not hold codes of {} bits", qweight.name,
                    fmt::join(qweight.shape, ", "), bits);
  }
  return qweight.shape[0] * 32 / static_cast<uint64_t>(bits);
}

Status ReadMatrix(const StoredTensors& tensors, const std::string& module, const Options& options,
                  QuantizedTensors& to) {
  BITLOSS_TRY(const SafetensorsEntry* qweight, FindPart(tensors, module + ".qweight", {"I32"}));
  BITLOSS_TRY(const uint64_t in, NumInputs(*qweight, options.bits));
  const uint64_t out = qweight->shape[1];
  const uint64_t group_size = options.group_size == 0 ? in : options.group_size;
  const std::string context = fmt::format("tensor '{}'", qweight->name);
  if (const auto format =
          IntCodesFormat(options.bits, group_size, Symmetry::kAsymmetric, in, GroupOrder::kIndexed);
      !format.ok()) {
    return Within(context, format.error());
  }
  const auto zero_words = NumWords(out, options.bits);
  if (!zero_words.ok()) return Within(context, zero_words.error());
  const uint64_t groups = (in + group_size - 1) / group_size;
  BITLOSS_TRY(const SafetensorsEntry* qzeros,
              FindPart(tensors, module + ".qzeros", {"I32"}, {groups, zero_words.value()}));
  BITLOSS_TRY(const SafetensorsEntry* scales,
              FindPart(tensors, module + ".scales", {"F16", "BF16", "F32"}, {groups, out}));
  const SafetensorsEntry* g_idx = nullptr;
  if (const auto found = tensors.find(module + ".g_idx");
      found != tensors.end() && !found->second.bytes.empty()) {
    BITLOSS_TRY(g_idx, FindPart(tensors, module + ".g_idx", {"I32"}, {in}));
  }
  Parts parts{*qweight, *qzeros, *scales, std::nullopt};
  if (g_idx != nullptr) parts.g_idx = *g_idx;
  AddMatrix(
      module + ".weight",
      {.type = fmt::format("int{}_gptq", options.bits),
       .rows = out,
       .cols = in,
       .load = [parts, options, in, group_size] { return Load(parts, options, in, group_size); }},
      {qweight, qzeros, scales, g_idx}, to);
  return Ok();
}

Result<Options> ReadOptions(const Json& config) {
  Options options;
  BITLOSS_TRY(const uint64_t bits, UintOption(config, "bits", std::nullopt));
  if (bits != 2 && bits != 3 && bits != 4 && bits != 8) {
    return Unsupported("GPTQ with {} bits; read are 2, 3, 4 and 8", bits);
  }
  options.bits = static_cast<int>(bits);
  BITLOSS_TRY(options.group_size, GroupOption(config, "group_size"));
  BITLOSS_TRY(const std::string format, StringOption(config, "checkpoint_format", "gptq"));
  if (format != "gptq" && format != "gptq_v2") {
    return Unsupported("GPTQ checkpoint_format '{}'; read are gptq and gptq_v2",
                       format.substr(0, 20));
  }
  options.zeros = format == "gptq" ? ZeroStorage::kMinusOne : ZeroStorage::kAsIs;
  BITLOSS_TRY(const bool marlin, BoolOption(config, "is_marlin_format", false));
  if (marlin) return Unsupported("GPTQ in marlin's order of weights");
  const auto dynamic = config.find("dynamic");
  if (dynamic == config.end() || dynamic->is_null()) return options;
  for (const auto& [module, of_module] : dynamic->items()) {
    if (module.starts_with(kSkips)) continue;  // its weight is there, and no codes are
    return Unsupported("GPTQ with options of its own for some modules ('dynamic')");
  }
  return options;
}

Result<QuantizedTensors> Read(const Json& config, const StoredTensors& tensors) {
  BITLOSS_TRY(const Options options, ReadOptions(config));
  QuantizedTensors quantized;
  quantized.quantization.method =
      fmt::format("GPTQ, {} bits, {}", options.bits,
                  options.group_size == 0 ? "a group for each row"
                                          : fmt::format("groups of {}", options.group_size));
  for (const std::string& module : ModulesWith(tensors, ".qweight")) {
    BITLOSS_DO(ReadMatrix(tensors, module, options, quantized));
  }
  return quantized;
}

Status Supports(const Format& format, const Execution& execution, size_t rows, size_t cols) {
  if (!IsIntGroup(format)) return Unsupported("gptq holds int_group, not {}", format.name);
  if (execution.kind != Execution::Kind::kRealActivations) {
    return Unsupported("gptq multiplies real activations");
  }
  BITLOSS_TRY(const uint64_t row_words, NumWords(rows, format.bits));
  BITLOSS_TRY(const uint64_t col_words, NumWords(cols, format.bits));
  static_cast<void>(row_words + col_words);
  return format.supports(format, rows, cols);
}

// Words [cols * b / 32][rows] whose columns hold the rows of codes.
SharedBytes PackColumns(const IntCodes& codes) {
  const size_t num_words = codes.cols * static_cast<size_t>(codes.bits) / 32;
  std::vector<uint32_t> words(num_words * codes.rows);
  std::vector<uint32_t> run(num_words);
  for (size_t row = 0; row < codes.rows; ++row) {
    PackBits(std::span(codes.codes).subspan(row * codes.cols, codes.cols), codes.bits,
             reinterpret_cast<uint8_t*>(run.data()));
    for (size_t i = 0; i < num_words; ++i) words[i * codes.rows + row] = run[i];
  }
  return OwnPlane(std::move(words));
}

SharedBytes PackZeros(const IntCodes& codes, ZeroStorage storage) {
  const size_t groups = codes.groups();
  const size_t num_words = codes.rows * static_cast<size_t>(codes.bits) / 32;
  std::vector<uint32_t> words(groups * num_words);
  std::vector<uint8_t> zeros(codes.rows);
  const int offset = storage == ZeroStorage::kMinusOne ? 1 : 0;  // none of v1's is 0
  for (size_t g = 0; g < groups; ++g) {
    for (size_t row = 0; row < codes.rows; ++row) {
      zeros[row] = static_cast<uint8_t>(codes.zeros[row * groups + g] - offset);
    }
    PackBits(zeros, codes.bits, reinterpret_cast<uint8_t*>(words.data() + g * num_words));
  }
  return OwnPlane(std::move(words));
}

ZeroStorage StorageOf(Symmetry symmetry) {
  return symmetry == Symmetry::kAsymmetric ? ZeroStorage::kAsIs : ZeroStorage::kMinusOne;
}

Result<std::vector<SafetensorsEntry>> Write(const std::string& module,
                                            const EncodedMatrix& matrix) {
  const IntCodes codes = UnpackIntCodes(matrix);
  const size_t groups = codes.groups();
  const auto bits = static_cast<size_t>(codes.bits);
  std::vector<F16> scales(codes.scales.size());
  for (size_t row = 0; row < codes.rows; ++row) {
    for (size_t g = 0; g < groups; ++g) {
      scales[g * codes.rows + row] = codes.scales[row * groups + g];
    }
  }
  std::vector<int32_t> g_idx(codes.cols);
  for (size_t i = 0; i < g_idx.size(); ++i) {
    const bool indexed = !codes.group_of.empty();
    g_idx[i] = static_cast<int32_t>(indexed ? codes.group_of[i] : i / codes.group_size);
  }
  return std::vector<SafetensorsEntry>{
      MakePart(module + ".qweight", "I32", {codes.cols * bits / 32, codes.rows},
               PackColumns(codes)),
      MakePart(module + ".qzeros", "I32", {groups, codes.rows * bits / 32},
               PackZeros(codes, StorageOf(codes.symmetry))),
      MakePart(module + ".scales", "F16", {groups, codes.rows}, OwnPlane(std::move(scales))),
      MakePart(module + ".g_idx", "I32", {codes.cols}, OwnPlane(std::move(g_idx)))};
}

nlohmann::ordered_json Config(const Format& format, const Execution&, LeftAlone left_alone) {
  const bool symmetric = format.symmetry != Symmetry::kAsymmetric;
  nlohmann::ordered_json config = {{"quant_method", "gptq"},
                                   {"bits", format.bits},
                                   {"group_size", format.group_size},
                                   {"desc_act", format.group_order == GroupOrder::kIndexed},
                                   {"sym", symmetric},
                                   {"damp_percent", 0.01},
                                   {"static_groups", false},
                                   {"true_sequential", true},
                                   {"lm_head", false},
                                   {"checkpoint_format", symmetric ? "gptq" : "gptq_v2"}};
  for (const std::string& module : left_alone) {
    const bool is_tower = module.find('.') == module.npos;
    std::string pattern = fmt::format("{}{}", kSkips, is_tower ? ".*" : "");
    for (const char c : module) pattern += c == '.' ? "\\." : std::string(1, c);
    config["dynamic"][pattern + (is_tower ? ".*" : "$")] = nlohmann::ordered_json::object();
  }
  return config;
}

}  // namespace

Layout GptqLayout() {
  return {.name = "gptq",
          .recognizes = [](const Json& config) { return IsMethod(config, "gptq"); },
          .read = Read,
          .supports = Supports,
          .write = Write,
          .config = Config};
}

}  // namespace bitloss
