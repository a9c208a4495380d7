// Small checkpoints of the architectures that the project keeps, written and run again.
#include "bitloss/convert/test_architectures.h"

namespace bitloss {
namespace {

const std::filesystem::path kFolder =
    BITLOSS_SOURCE_DIR "/src/bitloss/model/testdata/architectures";

class WrittenArchitectures : public testing::TestWithParam<std::string> {};

TEST_P(WrittenArchitectures, HaveTheLanesBitsInCompressedTensors) {
  ExpectWrittenInGroups(kFolder / GetParam());
}

TEST_P(WrittenArchitectures, HaveTheLanesBitsForBitsandbytesOrAreRefusedWithStackedExperts) {
  ExpectWrittenForBitsandbytes(kFolder / GetParam());
}

TEST_P(WrittenArchitectures, AreTheModelsOwnTensorsWherePlain) {
  ExpectWrittenPlainly(kFolder / GetParam());
}

// Routers stay, and GPTQModel is told so; awq moves scales into norms and routers too.
TEST(WrittenExperts, StandBesideRoutersThatTheConfigNames) {
  const WrittenArchitecture written(kFolder / "mixtral");
  written.ExpectTheLanesBits("int4_group:8:asym+awq", "gptq");
  const nlohmann::json config = written.Config();
  EXPECT_TRUE(config.at("quantization_config")
                  .at("dynamic")
                  .contains(R"(-:model\.layers\.0\.block_sparse_moe\.gate$)"))
      << config;
}

// One matrix holds q, k and v, whose rows share their inputs and so the order of their groups.
TEST(WrittenLinears, ThatShareATensorAreJoinedWithTheIndexOfTheirGroups) {
  const WrittenArchitecture written(kFolder / "deepseek_v2");
  written.ExpectTheLanesBits("int4_group:16:full:index+gptq:act", "gptq");
}

class WrittenGgufFiles : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(WrittenGgufFiles, AreTheModelsOwnTensorsAndHaveTheLanesBits) {
  ExpectWrittenAsGguf(GetParam());
}

INSTANTIATE_TEST_SUITE_P(All, WrittenGgufFiles, testing::ValuesIn(GgufFilesIn(kFolder)),
                         [](const auto& which) { return which.param.stem().string(); });

// A GGUF file has all experts of a layer in one tensor, which a type's blocks leave one.
TEST(WrittenGguf, HoldsExpertsInOneTensorInAType) {
  const test_files::Folder folder;
  const std::filesystem::path model = folder.path() / "mixture.gguf";
  WriteMixture(model);
  for (const char* scheme : {"q8_0", "q4_0+head=q8_0", "gguf:q8_0"}) {
    SCOPED_TRACE(scheme);
    const WrittenArchitecture written(model);
    written.ExpectTheLanesBits(scheme, "gguf");
    const GgufFile file = written.Gguf();
    const GgufTensor* experts = file.FindTensor("blk.0.ffn_down_exps.weight");
    ASSERT_NE(experts, nullptr);
    EXPECT_EQ(experts->shape, (std::vector<uint64_t>{4, 32, 64}));
    EXPECT_EQ(experts->type->name, std::string(scheme).starts_with("q4_0") ? "Q4_0" : "Q8_0");
    EXPECT_EQ(file.FindTensor("blk.0.ffn_gate_inp.weight")->type->name, "F32") << "as stored";
  }
}

TEST(WrittenGguf, IsMadeOfTheFoldersThatItCanSay) {
  EXPECT_THAT(WrittenAsGguf(kFolder),
              testing::ElementsAre("arcee", "ernie4_5", "granitemoe", "hunyuan_v1_dense", "mixtral",
                                   "olmo2", "olmoe", "seed_oss"));
}

TEST(WrittenGguf, MadeOfAFolderHasTheLanesBits) {
  const WrittenArchitecture written(kFolder / "granitemoe");
  written.ExpectTheLanesBits("bf16", "gguf");
}

// A file that would be read as another model is not made.
TEST(WrittenGguf, IsNotMadeOfAFolderThatItCannotSay) {
  for (const auto& [name, respect] : {std::pair("gemma4", "its configuration would be read"),
                                      {"exaone4", "what its layers do would be read"},
                                      {"mellum", "architecture mellum is not known there"}}) {
    const WrittenArchitecture written(kFolder / name);
    EXPECT_THAT(MessageOf(QuantizeModel(written.Options("fp16", "gguf"), kSilent)),
                testing::AllOf(testing::HasSubstr("gguf: "), testing::HasSubstr(respect)));
  }
}

INSTANTIATE_TEST_SUITE_P(All, WrittenArchitectures, testing::ValuesIn(CheckpointsIn(kFolder)),
                         [](const auto& which) { return which.param; });

}  // namespace
}  // namespace bitloss
