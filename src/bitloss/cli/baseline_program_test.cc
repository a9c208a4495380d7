// The baseline is what the model's files hold, by the program itself: BF16 stays BF16, a cast is
// asked for, and says what it changed.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "bitloss/checkpoint/safetensors.h"
#include "bitloss/checkpoint/write_safetensors.h"
#include "bitloss/cli/small_study.h"
#include "bitloss/json/parse.h"

namespace bitloss {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kTiny = BITLOSS_SOURCE_DIR "/models/bitloss-tiny";

class BaselineProgram : public SmallStudyTest {
 protected:
  BaselineProgram() { MustRun({"quantize", kTiny, "--scheme", "bf16", "--out", model_}); }

  Arguments Lines(const std::string& schemes, const std::string& out) const {
    return {"run",           model_,       "--schemes", schemes,
            "--max-samples", "6",          "--text",    kTiny + "/eval.txt",
            "--suite",       "none",       "--control", "none",
            "--out",         folder_ / out};
  }
  json Report(const std::string& out) const {
    return ParseJson(TextOf(folder_ / out + "/report.json")).value();
  }
  std::string Scored(const std::string& model, const Arguments& more = {}) const {
    return MustRun(Arguments{"score", model, "--ids", ids_, "--json"} + more).out;
  }

  const std::string model_ = folder_ / "bf16";  // the embedded model in BF16
  const std::string ids_ = folder_.Write("ids", "[1, 7, 300, 12, 55, 9, 41, 200]");
};

TEST_F(BaselineProgram, AModelInBf16IsComparedWithItself) {
  EXPECT_EQ(ParseJson(TextOf(model_ + "/config.json")).value().at("torch_dtype"), "bfloat16");
  EXPECT_THAT(TextOf(model_ + "/model.safetensors"), HasSubstr("\"dtype\":\"BF16\""));
  // What is written is what the lane was, bit for bit.
  EXPECT_EQ(Scored(model_), Scored(kTiny, {"--scheme", "bf16"}));
  EXPECT_NE(Scored(model_), Scored(kTiny));
  EXPECT_EQ(Scored(model_), Scored(model_, {"--scheme", "f32"})) << "nothing is rounded";

  MustRun(Lines("fp16,nf4,control-bf16", "study"));
  const json report = Report("study");
  std::vector<std::string> names, definitions;
  for (const json& lane : report.at("lanes")) {
    names.push_back(lane.at("scheme"));
    definitions.push_back(lane.at("definition"));
  }
  EXPECT_THAT(names, ElementsAre("bf16", "fp16", "nf4", "control-bf16"));
  EXPECT_THAT(definitions, ElementsAre("bf16", "f16", "nf4", "bf16@bf16"));
  EXPECT_EQ(report.at("lanes")[0].at("size").at("bits_per_weight"), 16.0);
  EXPECT_TRUE(report.at("lanes")[3].at("control"));
  // BF16 has fewer bits than FP16, but more range: no weight of this model is so small as to
  // change.
  EXPECT_THAT(report.at("lanes")[1].at("notes").dump(), HasSubstr("FP16 holds all"));
  EXPECT_THAT(report.at("lanes")[2].at("coverage").dump(), HasSubstr("bf16"));
}

// One matrix of a BF16 model has numbers that BF16 does not hold: the lane in FP32, in which
// everything is as stored, is exactly the baseline.
TEST_F(BaselineProgram, ATensorOfAnotherTypeKeepsItsValues) {
  const std::string name = "model.layers.0.mlp.down_proj.weight";
  const auto narrow = SafetensorsFile::Open(model_ + "/model.safetensors");
  const auto original = SafetensorsFile::Open(kTiny + "/model.safetensors");
  std::vector<SafetensorsEntry> tensors = narrow.value().entries();
  *std::ranges::find(tensors, name, &SafetensorsEntry::name) = *original.value().Find(name);
  const std::string mixed = folder_ / "mixed";
  std::filesystem::copy(model_, mixed);
  std::filesystem::remove(mixed + "/model.safetensors");
  ASSERT_TRUE(WriteSafetensors(mixed + "/model.safetensors", tensors).ok());

  Arguments run = Lines("f32,nf4", "mixed-study");
  run[1] = mixed;
  MustRun(run);
  const json lanes = Report("mixed-study").at("lanes");
  EXPECT_EQ(lanes[0].at("scheme"), "bf16");
  EXPECT_EQ(lanes[1].at("protocols")[0].at("kl").at("mean"), 0.0);
  EXPECT_GT(lanes[2].at("protocols")[0].at("kl").at("mean"), 0.0);
  EXPECT_NE(Scored(mixed), Scored(model_));
}

TEST_F(BaselineProgram, ACastOfTheBaselineIsAskedFor) {
  MustRun(Lines("nf4", "cast") + Arguments{"--baseline", "fp16"});
  const json baseline = Report("cast").at("lanes")[0];
  EXPECT_EQ(baseline.at("scheme"), "fp16");
  EXPECT_THAT(baseline.at("notes").dump(), HasSubstr("FP16 holds all"));

  // A study stays with its baseline.
  const Finished other = RunBitloss(Lines("nf4", "cast"));
  EXPECT_EQ(other.exit_code, 3);
  EXPECT_THAT(other.err, HasSubstr("this study's baseline is fp16, and is now asked for as bf16; "
                                   "give --baseline fp16, or use another folder"));
  const Finished unknown = RunBitloss(Lines("nf4", "x") + Arguments{"--baseline", "int8"});
  EXPECT_EQ(unknown.exit_code, 3);
  EXPECT_THAT(unknown.err, HasSubstr("no baseline 'int8'; there are fp16, bf16 and f32"));
}

TEST_F(BaselineProgram, ACastSaysWhatItChanged) {
  MustRun({"run", kTiny, "--schemes", "bf16", "--max-samples", "6", "--suite", "none", "--control",
           "none", "--out", folder_ / "notes"});
  const json lanes = Report("notes").at("lanes");
  EXPECT_FALSE(lanes[0].contains("notes"));
  EXPECT_THAT(lanes[1].at("notes").dump(), HasSubstr("weights changed when rounded to BF16: 0"));
}

TEST_F(BaselineProgram, AModelInFp32KeepsEveryBit) {
  const std::string wide = folder_ / "f32";
  MustRun({"quantize", kTiny, "--scheme", "f32", "--out", wide});
  EXPECT_EQ(Scored(wide), Scored(kTiny));
  const json config = ParseJson(TextOf(wide + "/config.json")).value();
  EXPECT_EQ(config.at("torch_dtype"), "float32");
}

}  // namespace
}  // namespace bitloss
