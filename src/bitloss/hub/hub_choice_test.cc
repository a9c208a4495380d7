#include "bitloss/hub/hub_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bitloss {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(HubChoice, AQuantizationStandsBetweenBoundaries) {
  const std::vector<std::string> paths = {"m-Q4_K_M.gguf", "m-Q4_K_S.gguf", "m.IQ4_XS.gguf",
                                          "m-UD-Q4_K_XL.gguf", "BF16/m.gguf"};
  EXPECT_THAT(ChooseGguf(paths, "q4_k_m").value(), ElementsAre("m-Q4_K_M.gguf"));
  EXPECT_THAT(ChooseGguf(paths, "Iq4_Xs").value(), ElementsAre("m.IQ4_XS.gguf"));
  EXPECT_THAT(ChooseGguf(paths, "Q4_K_XL").value(), ElementsAre("m-UD-Q4_K_XL.gguf"));
  EXPECT_THAT(ChooseGguf(paths, "bf16").value(), ElementsAre("BF16/m.gguf"));
  for (const char* none : {"Q4_K", "Q4", "4_XS", "F16", "K_M.g", "Q4_XS"}) {
    EXPECT_FALSE(ChooseGguf(paths, none).ok()) << none;
  }
}

TEST(HubChoice, OneOfSeveralIsNotGuessed) {
  const auto two = ChooseGguf({"a-Q8_0.gguf", "b-Q8_0.gguf"}, "Q8_0");
  EXPECT_THAT(two.error().message, HasSubstr("2 GGUF models match 'Q8_0'"));
  EXPECT_THAT(ChooseGguf({"a-Q8_0.gguf", "b-Q8_0.gguf"}, "b-Q8_0").value(),
              ElementsAre("b-Q8_0.gguf"));
  EXPECT_THAT(ChooseGguf({"a.gguf", "mmproj-a.gguf", "a.imatrix.gguf", "a.txt"}, "").value(),
              ElementsAre("a.gguf"));
  EXPECT_THAT(ChooseGguf({"a.txt"}, "").error().message, HasSubstr("no GGUF file"));
}

TEST(HubChoice, PartsComeInOrderAndAllOfThem) {
  const std::string a = "d/m-Q8_0-00001-of-00002.gguf", b = "d/m-Q8_0-00002-of-00002.gguf";
  EXPECT_THAT(ChooseGguf({b, a}, "Q8_0").value(), ElementsAre(a, b));
  EXPECT_THAT(ChooseGguf({b}, "Q8_0").error().message, HasSubstr("part 1 of 2 is missing"));
  EXPECT_THAT(ChooseGguf({a}, "").error().message, HasSubstr("part 2 of 2 is missing"));
  // Numbers that only look like parts belong to the name.
  EXPECT_THAT(ChooseGguf({"m-0001-of-0002.gguf"}, "").value(), ElementsAre("m-0001-of-0002.gguf"));
}

TEST(HubChoice, AnIndexNamesFilesBesideIt) {
  EXPECT_THAT(ShardsOf(R"({"weight_map": {"x": "b.safetensors", "y": "a.safetensors",
                                          "z": "b.safetensors"}})")
                  .value(),
              ElementsAre("a.safetensors", "b.safetensors"));
  for (const char* index : {"", "[]", "{}", R"({"weight_map": []})", R"({"weight_map": {}})",
                            R"({"weight_map": {"x": 1}})", R"({"weight_map": {"x": "a.bin"}})",
                            R"({"weight_map": {"x": "../a.safetensors"}})",
                            R"({"weight_map": {"x": "d/a.safetensors"}})"}) {
    EXPECT_FALSE(ShardsOf(index).ok()) << index;
  }
}

TEST(HubChoice, SmallFilesOfTheTopFolderAreRead) {
  for (const char* path : {"config.json", "tokenizer.model", "chat_template.jinja",
                           "additional_chat_templates/rag.jinja"}) {
    EXPECT_TRUE(IsSmallModelFile(path)) << path;
  }
  for (const char* path : {"onnx/config.json", "README.md", "pytorch_model.bin",
                           "training_args.bin", "additional_chat_templates/x.py"}) {
    EXPECT_FALSE(IsSmallModelFile(path)) << path;
  }
}

}  // namespace
}  // namespace bitloss
