// Every layout: what is written reads back as the same planes, and folders that lie are refused in
// one line.
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "bitloss/checkpoint/checkpoint.h"
#include "bitloss/checkpoint/layouts/int_codes.h"
#include "bitloss/checkpoint/layouts/layout.h"
#include "bitloss/checkpoint/layouts/parts.h"
#include "bitloss/checkpoint/test_files.h"
#include "bitloss/checkpoint/write_safetensors.h"
#include "bitloss/json/parse.h"
#include "bitloss/quant/formats/planes.h"
#include "bitloss/quant/testdata/gaussian_matrix.h"

namespace bitloss {
namespace {

using test_files::Folder;
using testing::HasSubstr;

constexpr size_t kRows = 64;
constexpr size_t kCols = 256;
const std::string kModule = "model.layers.0.mlp.up_proj";
const std::string kName = kModule + ".weight";

struct Written {
  std::string layout;
  std::string scheme;
};

// The parts and the config of one matrix, to be tampered with before they are written.
struct Stored {
  explicit Stored(const Written& written) {
    const Layout* layout = FindLayout(written.layout);
    const Scheme scheme = ParseScheme(written.scheme).value();
    encoded = scheme.format.encode(scheme.format, GaussianMatrix(kRows, kCols, 11)).value();
    parts = layout->write(kModule, encoded).value();
    config = layout->config(scheme.format, scheme.execution, {});
  }

  SafetensorsEntry& Part(std::string_view suffix) {
    return *std::ranges::find_if(
        parts, [&](const SafetensorsEntry& part) { return part.name.ends_with(suffix); });
  }

  Result<std::unique_ptr<Checkpoint>> Open(const Folder& folder) const {
    folder.Write("config.json", Json{{"quantization_config", config}}.dump());
    EXPECT_TRUE(WriteSafetensors(folder.path() / "model.safetensors", parts).ok());
    return Checkpoint::Open(folder.path());
  }
  // The error of opening the folder, or of reading the matrix.
  std::string Refusal() const {
    const Folder folder;
    const auto opened = Open(folder);
    if (!opened.ok()) return opened.error().message;
    const auto matrix = opened.value()->Quantized(kName);
    return matrix.ok() ? "" : matrix.error().message;
  }

  EncodedMatrix encoded;
  std::vector<SafetensorsEntry> parts;
  Json config;
};

class EveryLayout : public testing::TestWithParam<Written> {};
INSTANTIATE_TEST_SUITE_P(
    Layouts, EveryLayout,
    testing::Values(
        Written{"bitsandbytes-4bit", "nf4"}, Written{"bitsandbytes-4bit", "nf4-dq"},
        Written{"bitsandbytes-4bit", "fp4"}, Written{"bitsandbytes-4bit", "fp4_dq"},
        Written{"bitsandbytes-8bit", "int8"}, Written{"awq", "int4_group:64:asym"},
        Written{"awq", "int4_group:256:asym"}, Written{"gptq", "int4_group:64:sym"},
        Written{"gptq", "int3_group:128:sym"}, Written{"gptq", "int2_group:32:asym"},
        Written{"gptq", "int4_group:128:asym"}, Written{"compressed-tensors", "int4_group:32:sym"},
        Written{"compressed-tensors", "int3_group:64:asym"},
        Written{"compressed-tensors", "int8_row"},
        Written{"compressed-tensors", "int8_group:64:sym"}, Written{"gptq", "int8_group:64:asym"},
        Written{"gptq", "int4_group:96:sym:index"}, Written{"compressed-tensors", "w8a8"},
        Written{"compressed-tensors", "fp8_e4m3:row"}, Written{"compressed-tensors", "nvfp4"},
        Written{"compressed-tensors", "mxfp4"}, Written{"compressed-tensors", "mxfp6"},
        Written{"compressed-tensors", "mxfp8"}, Written{"compressed-tensors", "fp8_e4m3:tensor"},
        Written{"fp8", "fp8-block"}),
    [](const auto& tested) {
      std::string name = tested.param.layout + "_" + tested.param.scheme;
      std::ranges::replace_if(
          name, [](char c) { return !std::isalnum(c); }, '_');
      return name;
    });

bool SamePlane(const SharedBytes& a, const SharedBytes& b) {
  return std::ranges::equal(a.span(), b.span());
}

TEST_P(EveryLayout, ReadsWhatItWrites) {
  const Stored stored(GetParam());
  const Folder folder;
  const auto opened = stored.Open(folder);
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  const Checkpoint& checkpoint = *opened.value();
  EXPECT_THAT(checkpoint.TensorNames(), testing::ElementsAre(kName));
  ASSERT_NE(checkpoint.quantization(), nullptr);
  EXPECT_EQ(checkpoint.Info(kName).value().rows, kRows);
  EXPECT_EQ(checkpoint.Info(kName).value().cols, kCols);
  EXPECT_FALSE(checkpoint.View(kName));

  const EncodedMatrix read = checkpoint.Quantized(kName).value().value();
  EXPECT_EQ(read.format.name, stored.encoded.format.name);
  EXPECT_TRUE(SamePlane(read.codes, stored.encoded.codes));
  // Of an absmax, what the file has is the scale that it makes.
  if (stored.encoded.format.name != "int8_row" || GetParam().layout == "bitsandbytes-8bit") {
    EXPECT_TRUE(SamePlane(read.scales, stored.encoded.scales));
  }
  EXPECT_TRUE(SamePlane(read.zeros, stored.encoded.zeros));
  EXPECT_TRUE(SamePlane(read.extra, stored.encoded.extra));

  std::vector<float> rows(2 * kCols);
  ASSERT_TRUE(checkpoint.ReadRows(kName, 3, 5, rows).ok());
  const Matrix decoded = Decode(stored.encoded);
  EXPECT_TRUE(std::ranges::equal(rows, decoded.flat().subspan(3 * kCols, 2 * kCols)));
}

// Whatever part is missing, of another type or of another shape, the error names it.
TEST_P(EveryLayout, NamesThePartThatDoesNotFit) {
  const Stored whole(GetParam());
  for (size_t i = 0; i < whole.parts.size(); ++i) {
    const std::string& name = whole.parts[i].name;
    const bool optional = name.ends_with(".weight_format") || name.ends_with(".g_idx");
    // What says that the module is quantized at all is not missed when it is gone.
    const bool marks = name.find("quant_state") != name.npos || name.ends_with(".SCB") ||
                       name.ends_with(".qweight") || name.ends_with(".weight_packed") ||
                       name.ends_with(".weight_scale") || name.ends_with(".weight_scale_inv");
    Stored missing = whole;
    missing.parts.erase(missing.parts.begin() + static_cast<ptrdiff_t>(i));
    if (!optional && !marks) {
      EXPECT_THAT(missing.Refusal(), HasSubstr(name)) << "missing";
    }
    Stored mistyped = whole;
    mistyped.parts[i].stored_type = "F64";
    mistyped.parts[i].shape = {1};
    mistyped.parts[i].bytes = test_files::Bytes(std::string(8, '\0'));
    EXPECT_THAT(mistyped.Refusal(), HasSubstr("'" + kModule)) << name << " of another type";
    Stored longer = whole;
    const SharedBytes& bytes = whole.parts[i].bytes;
    std::string more(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const uint64_t elements = whole.parts[i].shape.empty() ? 1 : whole.parts[i].shape[0];
    more += std::string(bytes.size() / elements, '\0');
    longer.parts[i].shape = whole.parts[i].shape;
    if (longer.parts[i].shape.empty()) continue;
    longer.parts[i].shape[0] += 1;
    longer.parts[i].bytes = test_files::Bytes(more);
    // One scale for the tensor, or for a block, serves as many rows; the model's shapes decide
    // then.
    const bool any_rows = whole.encoded.format.name == "fp8_e4m3:tensor" ||
                          whole.encoded.format.name == "fp8_e4m3:block";
    if (any_rows && name == kName) continue;
    EXPECT_THAT(longer.Refusal(), HasSubstr("'" + kModule)) << name << " a row longer";
  }
}

// ---- bitsandbytes

// A quant state with something else in it.
Stored WithState(const char* key, const Json& value) {
  Stored stored({"bitsandbytes-4bit", "nf4-dq"});
  SafetensorsEntry& part = stored.Part("__nf4");
  Json state = ParseJson(std::string_view(reinterpret_cast<const char*>(part.bytes.data()),
                                          part.bytes.size()))
                   .value();
  state[key] = value;
  const std::string text = state.dump();
  part.bytes = test_files::Bytes(text);
  part.shape = {text.size()};
  return stored;
}

TEST(BitsandbytesLayoutTest, RefusesQuantStatesThatLie) {
  EXPECT_THAT(WithState("blocksize", 128).Refusal(), HasSubstr("blocks of 128 weights; read are"));
  EXPECT_THAT(WithState("quant_type", "fp4").Refusal(), HasSubstr("is not nf4 or fp4 as its name"));
  EXPECT_THAT(WithState("shape", {kRows, kCols * 2}).Refusal(), HasSubstr("do not hold the codes"));
  EXPECT_THAT(WithState("shape", {uint64_t{1} << 63, 2}).Refusal(),
              HasSubstr("not one of a matrix"));
  EXPECT_THAT(WithState("shape", "x").Refusal(), HasSubstr("'shape' is not two numbers"));
  EXPECT_THAT(WithState("nested_offset", 1e300).Refusal(), HasSubstr("is not finite"));
  EXPECT_THAT(WithState("nested_blocksize", 64).Refusal(), HasSubstr("nested blocks of 64"));
  Stored torn({"bitsandbytes-4bit", "nf4"});
  torn.Part("__nf4").bytes = test_files::Bytes("{\"a");
  torn.Part("__nf4").shape = {3};
  EXPECT_THAT(torn.Refusal(), HasSubstr("__nf4': not valid JSON at byte 3"));
}

TEST(BitsandbytesLayoutTest, RefusesOtherLevelsThanTheFormats) {
  Stored stored({"bitsandbytes-4bit", "nf4"});
  stored.Part(".quant_map").bytes = test_files::Bytes(std::string(64, '\1'));
  EXPECT_THAT(stored.Refusal(), HasSubstr("quant_map': its levels are not the format's own"));
}

TEST(BitsandbytesLayoutTest, RefusesScalesThatAreNotFinite) {
  Stored plain({"bitsandbytes-4bit", "nf4"});
  plain.Part(".absmax").bytes =
      test_files::Bytes(std::string(plain.Part(".absmax").bytes.size(), '\xff'));
  EXPECT_THAT(plain.Refusal(), HasSubstr("absmax': element 0 is"));
  Stored rows({"bitsandbytes-8bit", "int8"});
  rows.Part(".SCB").bytes = test_files::Bytes(std::string(rows.Part(".SCB").bytes.size(), '\xff'));
  EXPECT_THAT(rows.Refusal(), HasSubstr("SCB': element 0 is"));
}

TEST(BitsandbytesLayoutTest, RefusesCodesInTiles) {
  Stored stored({"bitsandbytes-8bit", "int8"});
  stored.Part(".weight_format").bytes = test_files::Bytes("\2");
  EXPECT_THAT(stored.Refusal(), HasSubstr("in tiles for one GPU"));
}

// ---- AWQ

// A matrix whose codes are given: in groups of `cols`, scale 1, zero points `zero`.
EncodedMatrix WithCodes(size_t rows, size_t cols, std::string_view format_name,
                        const std::function<uint8_t(size_t row, size_t col)>& code, uint8_t zero) {
  IntCodes codes{.bits = ParseFormat(format_name).value().bits,
                 .rows = rows,
                 .cols = cols,
                 .group_size = cols,
                 .symmetry = ParseFormat(format_name).value().symmetry};
  for (size_t row = 0; row < rows; ++row) {
    for (size_t col = 0; col < cols; ++col) codes.codes.push_back(code(row, col));
  }
  codes.scales.assign(rows, RoundToF16(1.0f));
  codes.zeros.assign(rows, zero);
  return PackIntCodes(codes).value();
}

uint32_t Word(const SafetensorsEntry& part, size_t index) {
  uint32_t word = 0;
  std::memcpy(&word, part.bytes.data() + index * sizeof(word), sizeof(word));
  return word;
}

// AutoAWQ packs outputs 0 to 7 holding 0 to 7 as 0x75316420.
TEST(AwqLayoutTest, PacksInAutoAwqsOrder) {
  const EncodedMatrix matrix = WithCodes(
      32, 8, "int4_group:8:asym", [](size_t row, size_t) { return static_cast<uint8_t>(row % 8); },
      9);
  const auto parts = FindLayout("awq")->write("m", matrix).value();
  EXPECT_EQ(parts[0].name, "m.qweight");
  EXPECT_THAT(parts[0].shape, testing::ElementsAre(8, 4));
  EXPECT_EQ(Word(parts[0], 0), 0x75316420u);
  EXPECT_EQ(Word(parts[1], 0), 0x99999999u);
}

TEST(AwqLayoutTest, RefusesWhatItCannotReadByName) {
  Stored stored({"awq", "int4_group:64:asym"});
  const Json config = stored.config;
  const auto refusal = [&](const char* key, const Json& value) {
    stored.config = config;
    stored.config[key] = value;
    return stored.Refusal();
  };
  EXPECT_THAT(refusal("bits", 3), HasSubstr("AWQ with 3 bits"));
  EXPECT_THAT(refusal("bits", "x"), HasSubstr("'bits' is \"x\""));
  EXPECT_THAT(refusal("version", "GEMV_FAST"),
              HasSubstr("AWQ version 'gemv_fast'; read are gemm and gemv"));
  EXPECT_THAT(refusal("zero_point", false), HasSubstr("AWQ without zero points"));
  EXPECT_THAT(refusal("group_size", 0), HasSubstr("'group_size' is 0"));
  EXPECT_THAT(refusal("group_size", 96), HasSubstr("do not divide into groups of 96"));
  EXPECT_THAT(refusal("group_size", 128), HasSubstr("qzeros' has shape [4, 8], not [2, 8]"));
  EXPECT_EQ(refusal("version", "GEMM"), "");
}

// A matrix in AutoAWQ's other layout: words along the inputs, groups filled up to `words` of zero
// points.
Stored AsGemv(size_t words) {
  Stored stored({"awq", "int4_group:64:asym"});
  stored.config["version"] = "gemv";
  const IntCodes codes = UnpackIntCodes(stored.encoded);
  std::vector<uint32_t> qweight(kRows * kCols / 8);
  for (size_t i = 0; i < codes.codes.size(); ++i) {
    qweight[i / 8] |= uint32_t{codes.codes[i]} << (4 * (i % 8));
  }
  std::vector<uint32_t> qzeros(kRows * words, 0);
  std::vector<F16> scales(kRows * words * 8, RoundToF16(7.0f));
  for (size_t row = 0; row < kRows; ++row) {
    for (size_t g = 0; g < codes.groups(); ++g) {
      qzeros[row * words + g / 8] |= uint32_t{codes.zeros[row * codes.groups() + g]}
                                     << (4 * (g % 8));
      scales[row * words * 8 + g] = codes.scales[row * codes.groups() + g];
    }
  }
  stored.parts = {MakePart(kModule + ".qweight", "I32", {kRows, kCols / 8}, OwnPlane(qweight)),
                  MakePart(kModule + ".qzeros", "I32", {kRows, words}, OwnPlane(qzeros)),
                  MakePart(kModule + ".scales", "F16", {kRows, words * 8}, OwnPlane(scales))};
  return stored;
}

TEST(AwqLayoutTest, ReadsTheGemvLayout) {
  const Stored stored = AsGemv(2);  // as AutoAWQ pads 4 groups of 64
  const Folder folder;
  const EncodedMatrix read = stored.Open(folder).value()->Quantized(kName).value().value();
  EXPECT_EQ(read.format.name, stored.encoded.format.name);
  EXPECT_TRUE(SamePlane(read.codes, stored.encoded.codes));
  EXPECT_TRUE(SamePlane(read.scales, stored.encoded.scales));
  EXPECT_TRUE(SamePlane(read.zeros, stored.encoded.zeros));
}

TEST(AwqLayoutTest, RefusesGemvPartsThatDoNotFit) {
  EXPECT_EQ(AsGemv(1).Refusal(), "");
  EXPECT_THAT(AsGemv(5).Refusal(), HasSubstr("qzeros' does not hold the zero points of [64, 256]"));
  Stored longer = AsGemv(2);
  longer.Part(".scales").shape = {kRows * 2, 8};
  EXPECT_THAT(longer.Refusal(), HasSubstr("scales' has shape"));
  Stored flat = AsGemv(2);
  flat.Part(".qweight").shape = {kRows * kCols / 8};
  EXPECT_THAT(flat.Refusal(), HasSubstr("qweight' is not a matrix"));
}

TEST(AwqLayoutTest, RefusesAnInfiniteScale) {
  Stored stored({"awq", "int4_group:64:asym"});
  stored.Part(".scales").bytes =
      test_files::Bytes(std::string(stored.Part(".scales").bytes.size(), '\x7c'));
  EXPECT_THAT(stored.Refusal(), HasSubstr("scales': element 0 is"));
}

// ---- GPTQ

// The bytes of an index [kCols].
SharedBytes IndexBytes(const std::function<int64_t(size_t col)>& group_of) {
  std::string bytes;
  for (size_t col = 0; col < kCols; ++col) {
    bytes += test_files::Raw(static_cast<int32_t>(group_of(col)));
  }
  return test_files::Bytes(bytes);
}

// Inputs 0 to 7 holding 0 to 7 pack to 0x76543210; symmetric zero points to 0x77777777 in v1.
TEST(GptqLayoutTest, PacksAsAutoGptqDoes) {
  const EncodedMatrix matrix = WithCodes(
      32, 8, "int4_group:8:sym", [](size_t, size_t col) { return static_cast<uint8_t>(col); }, 8);
  const auto parts = FindLayout("gptq")->write("m", matrix).value();
  EXPECT_THAT(parts[0].shape, testing::ElementsAre(1, 32));
  EXPECT_EQ(Word(parts[0], 0), 0x76543210u);
  EXPECT_THAT(parts[1].shape, testing::ElementsAre(1, 4));
  EXPECT_EQ(Word(parts[1], 0), 0x77777777u);
  const EncodedMatrix asymmetric = WithCodes(
      32, 8, "int4_group:8:asym", [](size_t, size_t col) { return static_cast<uint8_t>(col); }, 8);
  EXPECT_EQ(Word(FindLayout("gptq")->write("m", asymmetric).value()[1], 0), 0x88888888u);
}

// Ten codes, then one in two words (2 bits and 1), ten from bit 1, one split 1 and 2, ten.
TEST(GptqLayoutTest, SplitsThreeBitCodesOverWords) {
  const EncodedMatrix matrix = WithCodes(
      32, 32, "int3_group:32:sym",
      [](size_t, size_t col) { return static_cast<uint8_t>(col == 10 || col == 21 ? 5 : 0); }, 4);
  const auto parts = FindLayout("gptq")->write("m", matrix).value();
  EXPECT_THAT(parts[0].shape, testing::ElementsAre(3, 32));
  EXPECT_EQ(Word(parts[0], 0), 1u << 30);        // the low two bits of 5
  EXPECT_EQ(Word(parts[0], 32), 1u | 1u << 31);  // its high bit; the low bit of the second 5
  EXPECT_EQ(Word(parts[0], 64), 2u);             // its two high bits
}

TEST(GptqLayoutTest, ReadsBothStoragesOfZeroPoints) {
  Stored stored({"gptq", "int4_group:128:asym"});
  const EncodedMatrix v2 = stored.encoded;
  // v1: each word less one in each field, with borrow.
  const SharedBytes bytes = stored.Part(".qzeros").bytes;
  std::string words(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (size_t i = 0; i < words.size(); i += 4) {
    uint32_t word = 0;
    std::memcpy(&word, words.data() + i, 4);
    word -= 0x11111111u;
    std::memcpy(words.data() + i, &word, 4);
  }
  stored.Part(".qzeros").bytes = test_files::Bytes(words);
  for (const Json& format : {Json("gptq"), Json()}) {
    stored.config["checkpoint_format"] = format;
    const Folder folder;
    const EncodedMatrix read = stored.Open(folder).value()->Quantized(kName).value().value();
    EXPECT_TRUE(SamePlane(read.zeros, v2.zeros));
    EXPECT_TRUE(SamePlane(read.codes, v2.codes));
  }
}

TEST(GptqLayoutTest, DoesWithoutGroupIndices) {
  Stored stored({"gptq", "int4_group:64:sym"});
  std::erase_if(stored.parts, [](const auto& part) { return part.name.ends_with(".g_idx"); });
  EXPECT_EQ(stored.Refusal(), "");
}

// Where a group says no format, compressed-tensors guesses one from its arguments.
TEST(CompressedTensorsLayoutTest, SaysTheFormatInTheGroupToo) {
  for (const auto& [scheme, format] : {std::pair("int8_row", "int-quantized"),
                                       {"int4_group:32:sym", "pack-quantized"},
                                       {"mxfp4", "mxfp4-pack-quantized"}}) {
    const Json config = Stored({"compressed-tensors", scheme}).config;
    EXPECT_EQ(config.at("format"), format);
    EXPECT_EQ(config.at("config_groups").at("group_0").at("format"), format);
  }
}

std::vector<std::string> LeftOut(const std::string& layout, const std::string& scheme,
                                 const char* key) {
  const Scheme parsed = ParseScheme(scheme).value();
  const std::vector<std::string> alone = {"model.layers.0.mlp.gate", "vision_tower"};
  const Json config = FindLayout(layout)->config(parsed.format, parsed.execution, alone);
  if (!config.at(key).is_object()) return config.at(key).get<std::vector<std::string>>();
  std::vector<std::string> names;
  for (const auto& [name, value] : config.at(key).items()) names.push_back(name);
  return names;
}

TEST(LayoutsTest, NameTheModulesThatAreLeftAloneAsTheirToolsDo) {
  using testing::ElementsAre;
  EXPECT_THAT(LeftOut("compressed-tensors", "int8_row", "ignore"),
              ElementsAre("model.layers.0.mlp.gate", "re:.*vision_tower.*", "lm_head"));
  EXPECT_THAT(LeftOut("bitsandbytes-4bit", "nf4", "llm_int8_skip_modules"),
              ElementsAre("model.layers.0.mlp.gate", "vision_tower", "lm_head"));
  EXPECT_THAT(LeftOut("awq", "int4_group:64:asym", "modules_to_not_convert"),
              ElementsAre("model.layers.0.mlp.gate", "vision_tower", "lm_head"));
  EXPECT_THAT(LeftOut("fp8", "fp8-block", "modules_to_not_convert"),
              ElementsAre("model.layers.0.mlp.gate", "vision_tower", "lm_head"));
  EXPECT_THAT(LeftOut("gptq", "int4_group:64:sym", "dynamic"),
              ElementsAre(R"(-:.*vision_tower.*)", R"(-:model\.layers\.0\.mlp\.gate$)"));
}

TEST(GptqLayoutTest, RefusesWhatItCannotReadByName) {
  Stored stored({"gptq", "int4_group:64:sym"});
  const Json config = stored.config;
  const auto refusal = [&](const char* key, const Json& value) {
    stored.config = config;
    stored.config[key] = value;
    return stored.Refusal();
  };
  EXPECT_THAT(refusal("bits", 5), HasSubstr("GPTQ with 5 bits"));
  EXPECT_THAT(refusal("checkpoint_format", "marlin"), HasSubstr("checkpoint_format 'marlin'"));
  EXPECT_THAT(refusal("is_marlin_format", true), HasSubstr("marlin's order"));
  EXPECT_THAT(refusal("dynamic", Json{{"+:.*", {{"bits", 8}}}}), HasSubstr("for some modules"));
  EXPECT_EQ(refusal("dynamic", Json{{"-:.*gate$", Json::object()}}), "") << "it is only skipped";
  EXPECT_THAT(refusal("group_size", 12), HasSubstr("qzeros' has shape"));
  EXPECT_THAT(refusal("bits", 8), HasSubstr("'" + kModule));
  stored.config = config;
  stored.Part(".g_idx").bytes = IndexBytes([](size_t col) { return col == 3 ? 4 : 0; });
  EXPECT_THAT(stored.Refusal(), HasSubstr("g_idx': input 3 belongs to group 4 of 4"));
  stored.Part(".g_idx").bytes = IndexBytes([](size_t) { return -1; });
  EXPECT_THAT(stored.Refusal(), HasSubstr("input 0 belongs to group -1 of 4"));
}

// Act order without static groups: the values are those of each input's own group.
TEST(GptqLayoutTest, ReadsGroupsInTheOrderOfActivations) {
  for (const char* scheme : {"int4_group:64:asym", "int3_group:32:sym", "int8_group:64:asym"}) {
    Stored stored({"gptq", scheme});
    const size_t groups = kCols / stored.encoded.format.group_size;
    stored.Part(".g_idx").bytes = IndexBytes([&](size_t col) { return col * 5 % groups; });
    const GroupedCodes codes = stored.encoded.format.unpack(stored.encoded);
    const Folder folder;
    const auto opened = stored.Open(folder);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    const EncodedMatrix read = opened.value()->Quantized(kName).value().value();
    EXPECT_THAT(read.format.name, testing::EndsWith(":index"));
    const Matrix decoded = Decode(read);
    for (size_t row = 0; row < kRows; ++row) {
      for (size_t col = 0; col < kCols; ++col) {
        const size_t group = row * groups + col * 5 % groups;
        const float steps = static_cast<float>(codes.codes[row * kCols + col]) - codes.zeros[group];
        ASSERT_EQ(decoded.Row(row)[col], steps * codes.scales[group]) << scheme << row << col;
      }
    }
  }
}

// 256 inputs in groups of 96: the last has 64. With or without an index.
TEST(GptqLayoutTest, ReadsALastGroupThatIsShort) {
  Stored stored({"gptq", "int4_group:96:asym:index"});
  EXPECT_THAT(stored.Part(".scales").shape, testing::ElementsAre(3, kRows));
  const Folder folder;
  const EncodedMatrix read = stored.Open(folder).value()->Quantized(kName).value().value();
  EXPECT_TRUE(SamePlane(read.extra, stored.encoded.extra));
  std::erase_if(stored.parts, [](const auto& part) { return part.name.ends_with(".g_idx"); });
  const Folder other;
  const EncodedMatrix without = stored.Open(other).value()->Quantized(kName).value().value();
  EXPECT_TRUE(std::ranges::equal(Decode(without).flat(), Decode(stored.encoded).flat()));
}

// ---- compressed-tensors

TEST(CompressedTensorsLayoutTest, RunsInt8ActivationsWhereTheConfigAsksForThem) {
  const Folder folder;
  const auto w8a8 = Stored({"compressed-tensors", "w8a8"}).Open(folder).value();
  EXPECT_EQ(w8a8->quantization()->execution.kind, Execution::Kind::kW8A8);
  EXPECT_TRUE(w8a8->quantization()->notes.empty());
  EXPECT_TRUE(w8a8->quantization()->not_run.empty());
  Stored other({"compressed-tensors", "w8a8"});
  other.config["config_groups"]["group_0"]["input_activations"]["strategy"] = "tensor";
  const Folder other_folder;
  const auto tensor = other.Open(other_folder).value();
  EXPECT_EQ(tensor->quantization()->execution.kind, Execution::Kind::kRealActivations);
  EXPECT_THAT(tensor->quantization()->not_run,
              testing::ElementsAre("inputs of linears rounded to int, 8 bits (tensor, dynamic)"));
}

TEST(CompressedTensorsLayoutTest, RunsRoundedInputsThatItKnowsToTheLastWord) {
  for (const auto& [scheme, execution] :
       {std::pair("fp8-dynamic", "@fp8"), std::pair("mxfp4-w4a4", "@mxfp4"),
        std::pair("mxfp8-w8a8", "@mxfp8"), std::pair("int8_row@w8a8:asym", "@w8a8:asym")}) {
    const Folder folder;
    const auto opened = Stored({"compressed-tensors", scheme}).Open(folder).value();
    EXPECT_EQ(DefinitionOf(opened->quantization()->execution), execution);
    EXPECT_TRUE(opened->quantization()->not_run.empty()) << scheme;
  }
  // The same with scales that are no powers of two, found before, or for other groups.
  for (const auto& [key, value] :
       {std::pair("scale_dtype", Json("torch.float16")), std::pair("dynamic", Json(false)),
        std::pair("group_size", Json(16))}) {
    Stored other({"compressed-tensors", "mxfp4-w4a4"});
    other.config["config_groups"]["group_0"]["input_activations"][key] = value;
    const Folder folder;
    const auto opened = other.Open(folder).value();
    EXPECT_EQ(opened->quantization()->execution.kind, Execution::Kind::kRealActivations) << key;
    EXPECT_EQ(opened->quantization()->not_run.size(), 1u) << key;
  }
}

TEST(CompressedTensorsLayoutTest, RefusesWhatItCannotReadByName) {
  Stored stored({"compressed-tensors", "int4_group:64:sym"});
  Json config = stored.config;
  config["config_groups"]["group_0"].erase("format");  // of the whole file alone, as older ones
  const auto refusal = [&](const char* pointer, const Json& value) {
    stored.config = config;
    stored.config[Json::json_pointer(pointer)] = value;
    return stored.Refusal();
  };
  EXPECT_THAT(refusal("/format", "marlin-24"), HasSubstr("format 'marlin-24'; read are"));
  EXPECT_THAT(refusal("/config_groups/group_0/format", "marlin-24"),
              HasSubstr("format 'marlin-24'; read are"));
  EXPECT_THAT(refusal("/config_groups", Json::object()), HasSubstr("has no 'config_groups'"));
  EXPECT_THAT(refusal("/config_groups/group_0", 1), HasSubstr("is not an object"));
  EXPECT_THAT(refusal("/config_groups/group_0/weights/num_bits", 9), HasSubstr("with 9 bits"));
  EXPECT_THAT(refusal("/config_groups/group_0/weights/num_bits", 8), HasSubstr("weight_packed'"));
  EXPECT_THAT(refusal("/format", "int-quantized"), HasSubstr("no config group is pack-quantized"));
  stored.config = config;
  stored.parts.push_back(
      MakePart(kModule + ".weight_g_idx", "I32", {1}, test_files::Bytes("1234")));
  EXPECT_THAT(stored.Refusal(), HasSubstr("weight_g_idx' has shape [1], not [256]"));
}

TEST(CompressedTensorsLayoutTest, ReadsGroupsInTheOrderOfActivations) {
  const auto read = [](const std::function<int64_t(size_t)>& group_of) {
    Stored stored({"compressed-tensors", "int4_group:64:asym"});
    stored.parts.push_back(
        MakePart(kModule + ".weight_g_idx", "I32", {kCols}, IndexBytes(group_of)));
    const Folder folder;
    return stored.Open(folder).value()->Quantized(kName).value().value();
  };
  const EncodedMatrix neighbours = read([](size_t) { return -1; });
  EXPECT_EQ(neighbours.format.name, "int4_group:64:asym");
  const EncodedMatrix turned = read([](size_t col) { return 3 - col / 64; });
  EXPECT_EQ(turned.format.name, "int4_group:64:asym:index");
  const GroupedCodes codes = neighbours.format.unpack(neighbours);
  const float steps = static_cast<float>(codes.codes[0]) - codes.zeros[3];
  EXPECT_EQ(Decode(turned).Row(0)[0], steps * codes.scales[3]);
}

TEST(CompressedTensorsLayoutTest, RefusesShapesThatLie) {
  for (const int64_t side : {int64_t{-1}, int64_t{0}, int64_t{1} << 40, int64_t{65}}) {
    Stored stored({"compressed-tensors", "int4_group:64:sym"});
    stored.Part(".weight_shape").bytes =
        test_files::Bytes(test_files::Raw(side) + test_files::Raw(int64_t{kCols}));
    EXPECT_THAT(stored.Refusal(), HasSubstr("'" + kModule)) << side;
  }
}

TEST(CompressedTensorsLayoutTest, RefusesScalesThatAreOfNoGroups) {
  Stored wrong({"compressed-tensors", "mxfp4"});
  wrong.Part(".weight_scale").shape = {kRows * 2, kCols / 64};
  EXPECT_THAT(wrong.Refusal(), HasSubstr("weight_scale' has shape [128, 4], which is not one of "));
  Stored narrow({"compressed-tensors", "nvfp4"});
  narrow.Part(".weight_scale").shape = {kRows / 2, kCols / 8};
  EXPECT_THAT(narrow.Refusal(),
              HasSubstr("weight_scale' has shape [32, 32], which is not one of "));
}

// Codes and zero points of 3 bits as compressed-tensors packed them until June 2026: ten in a word
// of 32 bits, none in two.
TEST(CompressedTensorsLayoutTest, ReadsCodesThatDoNotStraddleWords) {
  Stored stored({"compressed-tensors", "int3_group:64:asym"});
  const GroupedCodes codes = stored.encoded.format.unpack(stored.encoded);
  const auto pack = [](size_t lines, size_t count, const auto& code_at) {
    const size_t num_words = (count + 9) / 10;
    std::vector<uint32_t> words(lines * num_words);
    for (size_t line = 0; line < lines; ++line) {
      for (size_t i = 0; i < count; ++i) {
        words[line * num_words + i / 10] |= uint32_t{code_at(line, i)} << (3 * (i % 10));
      }
    }
    return words;
  };
  constexpr size_t kGroups = kCols / 64;
  const auto rows =
      pack(kRows, kCols, [&](size_t row, size_t i) { return codes.codes[row * kCols + i]; });
  const auto columns = pack(kGroups, kRows, [&](size_t g, size_t row) {
    return static_cast<uint8_t>(codes.zeros[row * kGroups + g]);
  });
  std::vector<uint32_t> zeros(columns.size());  // [words][groups]
  for (size_t g = 0; g < kGroups; ++g) {
    for (size_t i = 0; i < 7; ++i) zeros[i * kGroups + g] = columns[g * 7 + i];
  }
  stored.Part(".weight_packed") =
      MakePart(kModule + ".weight_packed", "I32", {kRows, 26}, OwnPlane(rows));
  stored.Part(".weight_zero_point") =
      MakePart(kModule + ".weight_zero_point", "I32", {7, kGroups}, OwnPlane(zeros));
  const Folder folder;
  const EncodedMatrix read = stored.Open(folder).value()->Quantized(kName).value().value();
  EXPECT_TRUE(SamePlane(read.codes, stored.encoded.codes));
  EXPECT_TRUE(SamePlane(read.zeros, stored.encoded.zeros));
}

// Until April 2025 zero points were stored as they are.
TEST(CompressedTensorsLayoutTest, ReadsZeroPointsThatAreNotPacked) {
  Stored stored({"compressed-tensors", "int4_group:64:asym"});
  std::vector<int8_t> values;
  for (const float zero : stored.encoded.format.unpack(stored.encoded).zeros) {
    values.push_back(static_cast<int8_t>(zero - 8.0f));
  }
  SafetensorsEntry& part = stored.Part(".weight_zero_point");
  part = MakePart(part.name, "I8", {kRows, kCols / 64}, OwnPlane(values));
  const Folder folder;
  const EncodedMatrix read = stored.Open(folder).value()->Quantized(kName).value().value();
  EXPECT_TRUE(SamePlane(read.zeros, stored.encoded.zeros));
  values[5] = 8;
  part.bytes = OwnPlane(values);
  EXPECT_THAT(stored.Refusal(), HasSubstr("weight_zero_point': 8 is no zero point of 4 bits"));
}

// A row of int8 codes with scale 2^-4, or two groups of 128 with 2^-4 and 2^-5.
Stored Int8Parts(uint64_t groups, std::optional<int8_t> zero) {
  Stored stored({"compressed-tensors", "int8_row"});
  std::vector<float> scales;
  for (size_t i = 0; i < kRows * groups; ++i) scales.push_back(i % 2 == 0 ? 0x1p-4f : 0x1p-5f);
  stored.Part(".weight_scale") =
      MakePart(kModule + ".weight_scale", "F32", {kRows, groups}, OwnPlane(scales));
  if (zero) {
    stored.parts.push_back(MakePart(kModule + ".weight_zero_point", "I8", {kRows, groups},
                                    OwnPlane(std::vector<int8_t>(kRows * groups, *zero))));
  }
  return stored;
}

TEST(CompressedTensorsLayoutTest, ReadsInt8InGroupsAndAboutZeroPoints) {
  const auto code = [](const Stored& stored, size_t row, size_t col) {
    return static_cast<float>(LoadAt<int8_t>(stored.encoded.codes, row * kCols + col));
  };
  const auto decode = [](const Stored& stored, std::string_view format) {
    const Folder folder;
    const EncodedMatrix read = stored.Open(folder).value()->Quantized(kName).value().value();
    EXPECT_EQ(read.format.name, format);
    return Decode(read);
  };
  const Stored groups = Int8Parts(2, std::nullopt);
  const Matrix in_groups = decode(groups, "int8_group:128:sym");
  EXPECT_EQ(in_groups.Row(3)[127], code(groups, 3, 127) * 0x1p-4f);
  EXPECT_EQ(in_groups.Row(3)[128], code(groups, 3, 128) * 0x1p-5f);
  const Stored zeros = Int8Parts(1, int8_t{-9});
  const Matrix about_zeros = decode(zeros, "int8_group:256:asym");
  EXPECT_EQ(about_zeros.Row(1)[7], (code(zeros, 1, 7) + 9.0f) * 0x1p-5f);
  // @w8a8 multiplies rows of one scale only.
  Stored activations = Int8Parts(2, std::nullopt);
  activations.config = Stored({"compressed-tensors", "w8a8"}).config;
  const Folder with_activations;
  const auto opened = activations.Open(with_activations).value();
  EXPECT_EQ(opened->quantization()->execution.kind, Execution::Kind::kRealActivations);
  EXPECT_EQ(opened->quantization()->not_run.size(), 1u);
  // Symmetric weights may have zeros beside them.
  EXPECT_EQ(decode(Int8Parts(1, int8_t{0}), "int8_row").Row(1)[7], code(zeros, 1, 7) * 0x1p-5f);
}

TEST(CompressedTensorsLayoutTest, RefusesInt8PartsThatDoNotFit) {
  Stored stored = Int8Parts(2, int8_t{1});
  stored.Part(".weight_zero_point").shape = {2, kRows};
  EXPECT_THAT(stored.Refusal(), HasSubstr("weight_zero_point' has shape [2, 64], not that of"));
  stored = Int8Parts(3, std::nullopt);
  EXPECT_THAT(stored.Refusal(), HasSubstr("weight_scale' has shape [64, 3], neither one scale"));
}

// ---- Fine-grained FP8

TEST(FineGrainedFp8LayoutTest, RefusesWhatItCannotReadByName) {
  Stored stored({"fp8", "fp8-block"});
  const Json config = stored.config;
  stored.config["weight_block_size"] = {64, 64};
  EXPECT_THAT(stored.Refusal(), HasSubstr("fp8 in blocks of [64,64]; read are [128,128]"));
  stored.config = config;
  stored.config["fmt"] = "e5m2";
  EXPECT_THAT(stored.Refusal(), HasSubstr("fp8 of type \"e5m2\""));
}

TEST(FineGrainedFp8LayoutTest, RoundsActivationsUnlessTheirScalesAreStored) {
  const Folder dynamic;
  const auto served = Stored({"fp8", "fp8-block"}).Open(dynamic).value();
  EXPECT_EQ(DefinitionOf(served->quantization()->execution), "@fp8:block");
  EXPECT_TRUE(served->quantization()->not_run.empty());
  Stored stored({"fp8", "fp8-block"});
  stored.config["activation_scheme"] = "static";
  stored.config["scale_fmt"] = "ue8m0";
  const Folder folder;
  const auto opened = stored.Open(folder).value();
  EXPECT_THAT(opened->quantization()->not_run,
              testing::ElementsAre("inputs of linears rounded to float, 8 bits (static)"));
  EXPECT_THAT(opened->quantization()->notes,
              testing::ElementsAre(HasSubstr("entry \"scale_fmt\" is not known")));
}

TEST(FineGrainedFp8LayoutTest, IsWrittenForWholeBlocksOnly) {
  const Layout& layout = *FindLayout("fp8");
  const Format format = ParseFormat("fp8_e4m3:block").value();
  const Execution rounded = ParseExecution("fp8:block", 0.0f).value();
  EXPECT_TRUE(layout.supports(format, rounded, 128, 384).ok());
  EXPECT_THAT(layout.supports(format, rounded, 576, 1536).error().message,
              HasSubstr("128 divides both sides, not 576 x 1536"));
  EXPECT_FALSE(layout.supports(format, rounded, 128, 576).ok());
  EXPECT_THAT(layout.supports(format, {}, 128, 384).error().message,
              HasSubstr("served with inputs of linears in FP8"));
}

}  // namespace
}  // namespace bitloss
