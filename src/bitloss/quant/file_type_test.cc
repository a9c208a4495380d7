#include "bitloss/quant/file_type.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>
#include <sstream>

#include "bitloss/base/file.h"
#include "bitloss/base/hash.h"

namespace bitloss {
namespace {

using testing::HasSubstr;

// What ChooseTypes looks at of a model: its tensors by their names in a GGUF file.
struct Model {
  FileTypeModel facts;
  std::vector<FileTypeTensor> tensors;
};

Model DenseModel(size_t num_layers, size_t hidden, size_t ffn, size_t heads, size_t kv_heads) {
  Model model{{"llama", num_layers, heads, kv_heads, 0}, {{"token_embd.weight", hidden}}};
  for (size_t layer = 0; layer < num_layers; ++layer) {
    for (const char* name :
         {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"}) {
      const size_t cols = std::string_view(name) == "ffn_down" ? ffn : hidden;
      model.tensors.push_back({fmt::format("blk.{}.{}.weight", layer, name), cols});
    }
  }
  return model;
}

Model SmolLm2() { return DenseModel(30, 576, 1536, 9, 3); }

// "180 Q4_0, 30 Q3_K, 1 Q8_0": most first, then by name.
std::string Counts(std::string_view file_type, Importances importances, const Model& model,
                   const FileTypeOptions& options = {}) {
  const auto types =
      ChooseTypes(*FindFileType(file_type), options, importances, model.facts, model.tensors);
  if (!types.ok()) return types.error().message;
  std::map<std::string_view, int> counts;
  for (const GgmlType* type : types.value()) ++counts[type->name];
  std::vector<std::pair<int, std::string_view>> sorted;
  for (const auto& [name, count] : counts) sorted.emplace_back(-count, name);
  std::ranges::sort(sorted);
  std::string text;
  for (const auto& [count, name] : sorted) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", -count, name);
  }
  return text;
}

// Printed by llama-quantize.
TEST(FileTypeTest, MixesTheTypesOfSmolLm2AsLlamaQuantizeDoes) {
  constexpr std::pair<std::string_view, std::string_view> kPlain[] = {
      {"Q2_K", "180 Q4_0, 30 Q3_K, 1 Q8_0"},
      {"Q3_K_S", "180 Q4_0, 30 Q3_K, 1 Q8_0"},
      {"Q3_K_M", "120 Q4_0, 58 Q5_0, 29 Q4_K, 2 Q5_1, 1 Q5_K, 1 Q8_0"},
      {"Q3_K_L", "120 Q4_0, 60 Q5_1, 30 Q5_K, 1 Q8_0"},
      {"Q4_0", "210 Q4_0, 1 Q8_0"},
      {"Q4_1", "210 Q4_1, 1 Q8_0"},
      {"Q4_K_S", "176 Q5_0, 27 Q4_K, 4 Q5_1, 3 Q5_K, 1 Q8_0"},
      {"Q4_K_M", "166 Q5_0, 16 Q4_K, 15 Q8_0, 14 Q6_K"},
      {"Q5_0", "210 Q5_0, 1 Q8_0"},
      {"Q5_1", "210 Q5_1, 1 Q8_0"},
      {"Q5_K_S", "180 Q5_1, 30 Q5_K, 1 Q8_0"},
      {"Q5_K_M", "166 Q5_1, 16 Q5_K, 15 Q8_0, 14 Q6_K"},
      {"Q6_K", "181 Q8_0, 30 Q6_K"},
      {"Q8_0", "211 Q8_0"},
      {"IQ3_XS", "180 IQ4_NL, 30 IQ3_S, 1 Q8_0"},
      {"IQ3_S", "180 IQ4_NL, 30 IQ3_S, 1 Q8_0"},
      {"IQ3_M", "120 IQ4_NL, 60 Q5_0, 27 IQ3_S, 3 Q4_K, 1 Q8_0"},
      {"IQ4_NL", "207 IQ4_NL, 3 Q5_K, 1 Q8_0"},
      {"IQ4_XS", "180 IQ4_NL, 27 IQ4_XS, 3 Q5_K, 1 Q8_0"},
      {"TQ1_0", "180 Q4_0, 30 TQ1_0, 1 Q8_0"},
      {"TQ2_0", "180 Q4_0, 30 TQ2_0, 1 Q8_0"},
      {"MXFP4_MOE", "211 Q8_0"},
  };
  constexpr std::pair<std::string_view, std::string_view> kWeighted[] = {
      {"Q2_K_S", "180 Q4_0, 27 Q2_K, 3 Q4_K, 1 Q8_0"},
      {"IQ1_S", "150 IQ4_NL, 30 Q4_0, 27 IQ1_S, 3 Q2_K, 1 Q8_0"},
      {"IQ1_M", "150 IQ4_NL, 30 Q4_0, 27 IQ1_M, 3 Q2_K, 1 Q8_0"},
      {"IQ2_XXS", "150 IQ4_NL, 30 Q4_0, 27 IQ2_XXS, 3 Q2_K, 1 Q8_0"},
      {"IQ2_XS", "150 IQ4_NL, 30 Q4_0, 27 IQ2_XS, 3 Q2_K, 1 Q8_0"},
      {"IQ2_S", "180 IQ4_NL, 27 IQ2_XS, 3 IQ3_S, 1 Q8_0"},
      {"IQ2_M", "180 IQ4_NL, 27 IQ2_S, 3 IQ3_S, 1 Q8_0"},
      {"IQ3_XXS", "180 IQ4_NL, 30 IQ3_XXS, 1 Q8_0"},
      {"Q4_0", "207 Q4_0, 3 Q4_1, 1 Q8_0"},
  };
  for (const auto& [name, counts] : kPlain) {
    EXPECT_EQ(Counts(name, Importances::kNone, SmolLm2()), counts) << name;
  }
  for (const auto& [name, counts] : kWeighted) {
    EXPECT_EQ(Counts(name, Importances::kGiven, SmolLm2()), counts) << name;
  }
  EXPECT_EQ(std::size(kPlain) + std::size(kWeighted) - 1, FileTypes().size());
}

// The models of testdata/make_file_types.py.
Model GoldenModel(const std::string& name) {
  if (name == "mha") return DenseModel(22, 1024, 2816, 16, 16);
  if (name == "odd") return DenseModel(12, 576, 1500, 9, 3);
  if (name == "dense" || name == "eighty") {
    Model model =
        name == "dense" ? DenseModel(32, 2048, 5632, 32, 4) : DenseModel(80, 1024, 2816, 16, 2);
    model.tensors.push_back({"output.weight", name == "dense" ? size_t{2048} : size_t{1024}});
    return model;
  }
  Model model =
      name == "eight" ? DenseModel(16, 1024, 3584, 16, 4) : DenseModel(18, 1024, 768, 16, 8);
  model.facts.num_experts = name == "eight" ? 8 : 60;
  for (FileTypeTensor& tensor : model.tensors) {
    const size_t end = tensor.name.rfind(".weight");
    if (tensor.name.find("ffn_") == std::string::npos) continue;
    tensor.name.insert(end, "_exps");
    tensor.rank = FileTypeTensor::Rank::kExperts;
  }
  model.tensors.push_back({"output.weight", 1024});
  return model;
}

// The first digits of the SHA-256 of "NAME TYPE" lines, by name.
std::string DigestOf(const Model& model, std::span<const GgmlType* const> types) {
  std::map<std::string, std::string_view> by_name;
  for (size_t i = 0; i < types.size(); ++i) by_name[model.tensors[i].name] = types[i]->name;
  std::string text;
  for (const auto& [name, type] : by_name) text += fmt::format("{} {}\n", name, type);
  return Sha256Hex(text).substr(0, 16);
}

// testdata/make_file_types.py asked llama-quantize.
TEST(FileTypeTest, GivesEachTensorTheTypeThatLlamaQuantizeGivesIt) {
  std::istringstream lines(
      ReadFile(BITLOSS_SOURCE_DIR "/src/bitloss/quant/testdata/file_types.txt").value());
  std::string name, file_type, use, digest, counts;
  int num_equal = 0, num_refused = 0;
  while (lines >> name >> file_type >> use >> digest && std::getline(lines, counts)) {
    const Model model = GoldenModel(name);
    const auto types = ChooseTypes(*FindFileType(file_type), {},
                                   use == "plain" ? Importances::kNone : Importances::kGiven,
                                   model.facts, model.tensors);
    if (!types.ok()) {
      EXPECT_EQ(use, "plain") << types.error().message;
      const bool needs = file_type == "Q2_K_S" || counts.find("IQ1") != counts.npos ||
                         counts.find("IQ2") != counts.npos || counts.find("IQ3_XXS") != counts.npos;
      EXPECT_TRUE(needs) << name << " " << file_type << counts;
      ++num_refused;
      continue;
    }
    EXPECT_EQ(DigestOf(model, types.value()), digest)
        << name << " " << file_type << " " << use << counts;
    ++num_equal;
  }
  EXPECT_EQ(num_equal + num_refused, 6 * 2 * static_cast<int>(FileTypes().size()));
  EXPECT_LT(num_refused, 6 * 9);
}

TEST(FileTypeTest, NamesTheTensorThatNeedsImportances) {
  for (const char* name : {"Q2_K_S", "IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M"}) {
    EXPECT_THAT(Counts(name, Importances::kNone, SmolLm2()), HasSubstr("add +imatrix")) << name;
  }
  // Without them llama-quantize mixes IQ3_XXS of other types but for q and k, which take IQ2_S.
  EXPECT_EQ(Counts("IQ3_XXS", Importances::kNone, DenseModel(8, 512, 1024, 8, 8)),
            "blk.0.attn_k.weight would be IQ2_S, which file type IQ3_XXS makes by importances "
            "alone: add +imatrix");
}

TEST(FileTypeTest, FindsNamesInAnyLetterCaseAndTheAliases) {
  EXPECT_EQ(FindFileType("q4_k_m")->name, "Q4_K_M");
  EXPECT_EQ(FindFileType("Q5_k")->name, "Q5_K_M");
  EXPECT_EQ(FindFileType("iq2_S")->base, "IQ2_XS");
  EXPECT_EQ(FindFileType("q4_k_x"), nullptr);
}

TEST(FileTypeTest, OptionsOverruleTheMixture) {
  const auto with = [](std::initializer_list<std::string_view> options) {
    FileTypeOptions read;
    for (const std::string_view option : options) EXPECT_TRUE(read.Read(option).ok()) << option;
    return Counts("Q4_K_M", Importances::kNone, DenseModel(8, 512, 1024, 8, 8), read);
  };
  EXPECT_EQ(with({}), "48 Q4_K, 9 Q6_K");
  EXPECT_EQ(with({"pure"}), "57 Q4_K");
  EXPECT_EQ(with({"pure", "token-embedding-type=f16"}), "56 Q4_K, 1 F16");
  // The embedding is the head, too.
  EXPECT_EQ(with({"output-tensor-type=Q8_0"}), "48 Q4_K, 8 Q6_K, 1 Q8_0");
  EXPECT_EQ(with({"output-tensor-type=q8_0", "token-embedding-type=q5_0"}),
            "48 Q4_K, 8 Q6_K, 1 Q5_0");
  // The first that is found; a tensor that is asked for is not counted by the others' rules.
  EXPECT_EQ(with({"tensor-type=ATTN_V=q8_0", "tensor-type=attn_(q|v)=q5_k"}),
            "36 Q4_K, 8 Q5_K, 8 Q8_0, 5 Q6_K");
}

TEST(FileTypeTest, RefusesOptionsThatItDoesNotKnow) {
  FileTypeOptions options;
  EXPECT_THAT(options.Read("leave").error().message, HasSubstr("those are pure, "));
  EXPECT_THAT(options.Read("output-tensor-type=q9_0").error().message,
              HasSubstr("'q9_0' is no type of tensors that can be made; those are Q"));
  EXPECT_THAT(options.Read("output-tensor-type=nvfp4").error().message, HasSubstr("'nvfp4'"));
  EXPECT_THAT(options.Read("tensor-type=attn_(=q8_0").error().message,
              HasSubstr("'attn_(' is no regular expression"));
  EXPECT_THAT(options.Read("tensor-type=q8_0").error().message, HasSubstr("tensor-type=REGEX"));
}

TEST(FileTypeTest, RefusesRowsThatNoBlockDividesWhereATypeIsAskedFor) {
  FileTypeOptions options;
  ASSERT_TRUE(options.Read("token-embedding-type=q4_k").ok());
  EXPECT_EQ(Counts("Q8_0", Importances::kNone, SmolLm2(), options),
            "token_embd.weight: rows of 576 weights do not divide into blocks of 256 of Q4_K");
  // Rows that 32 does not divide are left in F16.
  EXPECT_EQ(Counts("Q4_K_M", Importances::kNone, DenseModel(1, 100, 64, 4, 4)), "7 F16, 1 Q8_0");
}

}  // namespace
}  // namespace bitloss
