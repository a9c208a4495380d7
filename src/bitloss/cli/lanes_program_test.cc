// What a lane is, by the program itself: numbers of one lane never pass for those of another, what
// a fit made is made once, and a lane says what of its checkpoint was not run.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bitloss/cli/small_study.h"
#include "bitloss/json/parse.h"
#include "bitloss/store/numeric_version.h"
#include "bitloss/store/sqlite.h"

namespace bitloss {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const std::string kTiny = BITLOSS_SOURCE_DIR "/models/bitloss-tiny";

void RunSql(const std::string& file, const std::string& sql) {
  const auto database = Database::Open(file, DatabaseMode::kReadWrite);
  ASSERT_TRUE(database.ok());
  const Status done = database.value().Run(sql.c_str());
  ASSERT_TRUE(done.ok()) << done.error().message;
}

class LanesProgram : public SmallStudyTest {
 protected:
  // A checkpoint of the embedded model at `path`, in place of what is there.
  static void Quantize(const std::string& scheme, const std::string& path,
                       const Arguments& more = {}) {
    std::filesystem::remove_all(path);
    MustRun(Arguments{"quantize", kTiny, "--scheme", scheme, "--out", path} + more);
  }

  // Six lines of text, no prompts.
  Arguments Lines(const std::string& schemes = "fp16") const {
    return {"run",       "--schemes", schemes, "--max-samples",  "6", "--suite", "none",
            "--control", "none",      "--out", folder_ / "study"};
  }

  // The program refuses in one line that says `expected` and how to go on, and the study stays.
  void ExpectAnotherLane(const Arguments& arguments, const std::string& expected) const {
    const auto json_of = [&] {
      return MustRun({"report", folder_ / "study", "--format", "json"}).out;
    };
    const std::string before = json_of();
    const Finished finished = RunBitloss(arguments);
    EXPECT_GE(finished.exit_code, 3) << expected;
    EXPECT_EQ(finished.out, "");
    EXPECT_EQ(std::ranges::count(finished.err, '\n'), 1) << finished.err;
    EXPECT_THAT(finished.err,
                AllOf(HasSubstr(expected), HasSubstr("NAME="), HasSubstr("another folder")));
    EXPECT_EQ(json_of(), before);
  }

  json Report() const { return ParseJson(TextOf(folder_ / "study/report.json")).value(); }

  std::vector<std::string> LaneNames() const {
    std::vector<std::string> names;
    const json report = Report();
    for (const json& lane : report.at("lanes")) names.push_back(lane.at("scheme"));
    return names;
  }

  json Lane(const std::string& name) const {
    const json report = Report();
    for (const json& lane : report.at("lanes")) {
      if (lane.at("scheme") == name) return lane;
    }
    ADD_FAILURE() << "no lane " << name;
    return {};
  }
};

// ---- The numeric version

// What a study with a lane of every kind says, to seven digits: those of its numbers that are
// recorded and not computed anew for each report.
std::string NumbersOf(const json& report) {
  json lanes;
  for (const json& lane : report.at("lanes")) {
    json& one = lanes[lane.at("scheme").get<std::string>()];
    for (const json& protocol : lane.at("protocols")) {
      const double kl = protocol.contains("kl") ? protocol["kl"].at("mean").get<double>() : 0.0;
      one[protocol.at("id").get<std::string>()] = {
          fmt::format("{:.6e}", protocol.at("nll").get<double>()), fmt::format("{:.6e}", kl),
          protocol.at("tokens"), protocol.at("tokens_hash").get<std::string>().substr(0, 12)};
    }
  }
  return lanes.dump(1) + "\n";
}

TEST_F(LanesProgram, NumbersThatChangeRaiseTheNumericVersion) {
  MustRun({"run", "--schemes",
           "int8,nf4,awq,gptq,q4_k,w8a8,int4_group:64:float+hqq,fp16+noise:0.01",
           "--calibration-tokens", "512", "--max-samples", "3", "--protocol",
           "lines-512-seed,llamacpp-512", "--suite", "none", "--control", "none", "--out",
           folder_ / "study"});
  const std::string file = fmt::format("{}/src/bitloss/cli/testdata/numbers_of_version_{}.json",
                                       BITLOSS_SOURCE_DIR, kNumericVersion);
  const std::string found = NumbersOf(Report());
  ASSERT_TRUE(std::filesystem::exists(file)) << "write it with\n" << found;
  EXPECT_EQ(ParseJson(TextOf(file)).value(), ParseJson(found).value())
      << "raise kNumericVersion (store/numeric_version.h) and write a new file with\n"
      << found;
}

// ---- Stale lanes

TEST_F(LanesProgram, AnotherCheckpointBehindTheSamePathIsAnotherLane) {
  const std::string path = folder_ / "mine";
  Quantize("nf4", path);
  MustRun(Lines() + Arguments{"--lane", path});
  const json first = Lane("mine");
  Quantize("rtn4", path);
  ExpectAnotherLane(Lines() + Arguments{"--lane", path},
                    "lane 'mine' of this study was measured with files = ");

  MustRun(Lines() + Arguments{"--lane", "new=" + path});
  EXPECT_THAT(LaneNames(), ElementsAre("fp16", "mine", "new"));
  EXPECT_EQ(Lane("mine").at("protocols"), first.at("protocols"));
  EXPECT_NE(Lane("new").at("protocols"), first.at("protocols"));
}

TEST_F(LanesProgram, FoldersOfOneNameAreToldApart) {
  const std::string a = folder_ / "a/model", b = folder_ / "b/model", copy = folder_ / "c/model";
  Quantize("nf4", a);
  Quantize("rtn4", b);
  const Finished both = RunBitloss(Lines() + Arguments{"--lane", a, "--lane", b});
  EXPECT_GE(both.exit_code, 3);
  EXPECT_THAT(both.err, AllOf(HasSubstr("two lanes are called 'model'"), HasSubstr(a),
                              HasSubstr("--lane NAME=" + b)));

  MustRun(Lines() + Arguments{"--lane", a});
  ExpectAnotherLane(Lines() + Arguments{"--lane", b}, "was measured with files = ");
  // The same bytes elsewhere are the same lane.
  std::filesystem::create_directory(folder_ / "c");
  std::filesystem::copy(a, copy, std::filesystem::copy_options::recursive);
  MustRun(Lines() + Arguments{"--lane", copy});
  EXPECT_THAT(LaneNames(), ElementsAre("fp16", "model"));
}

// Each linear of each of four blocks in one scheme.
std::string Mixed(const std::string& scheme) {
  json layer;
  for (const char* linear : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                             "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}) {
    layer[linear] = scheme;
  }
  return json{{"schema", "bitloss.mixed-scheme/1"},
              {"layers", json::array({layer, layer, layer, layer})}}
      .dump();
}

TEST_F(LanesProgram, AMixedSchemeThatIsRewrittenIsAnotherLane) {
  const std::string path = folder_.Write("mixed.json", Mixed("nf4"));
  MustRun(Lines(path));
  folder_.Write("mixed.json", Mixed("int8_row"));
  ExpectAnotherLane(Lines(path), "was measured with layers = ");
  // White space is no content.
  folder_.Write("mixed.json", ParseJson(Mixed("nf4")).value().dump(3));
  MustRun(Lines(path));
}

TEST_F(LanesProgram, AMixedSchemeFollowsTheThreshold) {
  const std::string path = folder_.Write("mixed.json", Mixed("int8"));
  MustRun(Lines("int8,mix=" + path) + Arguments{"--int8-threshold", "1.5"});
  EXPECT_EQ(Lane("mix").at("protocols"), Lane("int8").at("protocols"));
  ExpectAnotherLane(Lines("mix=" + path), "was measured with layers = ");
}

TEST_F(LanesProgram, AnotherThresholdIsAnotherLane) {
  MustRun(Lines("int8"));
  ExpectAnotherLane(Lines("int8") + Arguments{"--int8-threshold", "2"},
                    "was measured with scheme = \"int8_row@llm.int8(6)\", and is now asked for "
                    "with \"int8_row@llm.int8(2)\"");
  MustRun(Lines("low=int8") + Arguments{"--int8-threshold", "2"});
  EXPECT_NE(Lane("low").at("protocols"), Lane("int8").at("protocols"));
}

TEST_F(LanesProgram, AnotherCalibrationIsAnotherLane) {
  const std::string text = folder_.Write("other.txt", TextOf(kTiny + "/eval.txt"));
  const auto calibrated = [&](const std::string& text_file, const std::string& tokens,
                              const std::string& sequence) {
    return Lines("awq") + Arguments{"--calibration",          text_file,
                                    "--calibration-tokens",   tokens,
                                    "--calibration-sequence", sequence};
  };
  const std::string shipped = kTiny + "/calibration.txt";
  MustRun(calibrated(shipped, "512", "128"));
  const std::string lane = "lane 'awq' of this study was measured with ";
  ExpectAnotherLane(calibrated(text, "512", "128"), lane + "calibration text = ");
  ExpectAnotherLane(calibrated(shipped, "256", "128"),
                    lane + "calibration sequences = 4, and is now asked for with 2");
  ExpectAnotherLane(calibrated(shipped, "256", "64"),
                    lane + "calibration tokens_each = 128, and is now asked for with 64");
  ExpectAnotherLane(calibrated(shipped, "512", "128") + Arguments{"--calibration-seed", "3"},
                    lane + "calibration seed = absent, and is now asked for with 3");
  // What does not calibrate does not depend on it.
  MustRun(calibrated(shipped, "512", "128") + Arguments{"--schemes", "nf4"});
  MustRun(Lines("nf4"));
}

TEST_F(LanesProgram, AnotherModelIsAnotherStudyHoweverLittleItDiffers) {
  const std::string model = folder_ / "model";
  std::filesystem::copy(kTiny, model);
  MustRun(Lines() + Arguments{model});
  const std::string before = Records(folder_ / "study");
  ASSERT_TRUE(WriteFileAtomically(model + "/chat_template.jinja",
                                  "{{ messages[0]['content'] }}\n{# another #}")
                  .ok());
  const Finished other = RunBitloss(Lines() + Arguments{model});
  EXPECT_GE(other.exit_code, 3);
  EXPECT_EQ(Records(folder_ / "study"), before);
  std::filesystem::remove(model + "/chat_template.jinja");

  std::string bytes = TextOf(model + "/model.safetensors");
  bytes[bytes.size() / 2] ^= 1;  // one bit of one weight
  ASSERT_TRUE(WriteFileAtomically(model + "/model.safetensors", bytes).ok());
  const Finished edited = RunBitloss(Lines() + Arguments{model});
  EXPECT_GE(edited.exit_code, 3);
  EXPECT_THAT(edited.err, HasSubstr("/model/identity"));
}

TEST_F(LanesProgram, AStudyOfAnEarlierVersionIsReadAndNotContinued) {
  MustRun(Lines("nf4"));
  const json now = Report();
  RunSql(folder_ / "study/study.db",
         "ALTER TABLE lanes DROP COLUMN identity; ALTER TABLE lanes DROP COLUMN not_run;"
         "PRAGMA user_version = 4");
  const Finished finished = RunBitloss(Lines("nf4"));
  EXPECT_GE(finished.exit_code, 3);
  EXPECT_EQ(std::ranges::count(finished.err, '\n'), 1) << finished.err;
  EXPECT_THAT(finished.err, AllOf(HasSubstr("study version 4"), HasSubstr("another folder")));
  MustRun({"report", folder_ / "study"});
  EXPECT_EQ(Report().at("lanes")[1].at("protocols"), now.at("lanes")[1].at("protocols"));
}

// ---- Names

TEST_F(LanesProgram, LanesCanBeNamed) {
  const std::string path = folder_ / "a=b";
  Quantize("nf4", path);
  MustRun(Lines("plain=nf4,nf4+head=int8_row") +
          Arguments{"--lane", "stored=" + path, "--lane", path});
  EXPECT_THAT(LaneNames(), ElementsAre("fp16", "plain", "nf4+head=int8_row", "stored", "a=b"));
  EXPECT_EQ(Lane("plain").at("definition"), "nf4");
  EXPECT_EQ(Lane("stored").at("protocols"), Lane("a=b").at("protocols"));

  const Finished scheme = RunBitloss(Lines() + Arguments{"--lane", "nf4=" + path});
  EXPECT_THAT(scheme.err, HasSubstr("a lane cannot be called 'nf4': that is a scheme"));
  const Finished twice = RunBitloss(Lines("x=nf4,x=int8"));
  EXPECT_THAT(twice.err, HasSubstr("two lanes are called 'x', 'nf4' and 'int8'"));
}

TEST_F(LanesProgram, TheIdentityOfAStudyIsThatOfItsInputs) {
  const auto identity = [](const Arguments& study) {
    return MustRun(study + Arguments{"--print-identity"}).out;
  };
  const std::string path = folder_ / "mine";
  Quantize("nf4", path);
  const Arguments study = Lines("int8,awq") + Arguments{"--lane", path};
  const std::string original = identity(study);
  EXPECT_EQ(original.size(), 65u);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "study"));
  EXPECT_EQ(identity(study + Arguments{"--threads", "1"}), original);
  EXPECT_NE(identity(study + Arguments{"--int8-threshold", "5"}), original);
  EXPECT_NE(identity(study + Arguments{"--calibration-tokens", "512"}), original);
  Quantize("rtn4", path);
  EXPECT_NE(identity(study), original);
}

// ---- Fits are made once

class KeptFitsProgram : public LanesProgram {
 protected:
  KeptFitsProgram() {
    MustRun(Lines(kSchemes) + kShort);
    records_ = Records(folder_ / "study");
  }

  // The study measured anew with what is kept of its fits.
  std::string Again(const Arguments& more = {}) const {
    std::filesystem::remove(folder_ / "study/study.db");
    MustRun(Lines(kSchemes) + kShort + more);
    return Records(folder_ / "study");
  }
  void ChangeFits(const std::string& sql) const { RunSql(folder_ / "study/fits.db", sql); }

  // Of one format, so that one can stand in the other's place.
  const std::string kSchemes =
      "ordered=int4_group:128:asym+gptq:act,solved=int4_group:128:asym+gptq";
  const Arguments kShort = {"--calibration-tokens", "128", "--calibration-sequence", "128"};
  std::string records_;
};

TEST_F(KeptFitsProgram, GivesTheSameBytesWhateverIsKept) {
  EXPECT_TRUE(Again() == records_) << "all";
  ChangeFits("DELETE FROM fitted_blocks WHERE layer >= 2");
  EXPECT_TRUE(Again() == records_) << "half";
  ChangeFits("UPDATE fitted_blocks SET block = zeroblob(100) WHERE layer = 1");
  EXPECT_TRUE(Again() == records_) << "damaged blocks";
  ASSERT_TRUE(WriteFileAtomically(folder_ / "study/fits.db", "not a database").ok());
  EXPECT_TRUE(Again() == records_) << "damaged file";
  std::filesystem::remove(folder_ / "study/fits.db");
  EXPECT_TRUE(Again({"--keep-fits", "100K"}) == records_) << "little room";
  std::filesystem::remove(folder_ / "study/fits.db");
  EXPECT_TRUE(Again({"--keep-fits", "0"}) == records_) << "nothing";
  EXPECT_FALSE(std::filesystem::exists(folder_ / "study/fits.db"));
}

TEST_F(KeptFitsProgram, DoesNotFitAgainWhatIsKept) {
  // Put one fit's blocks in the other's place: what is read shows.
  const json solved = Lane("solved").at("protocols");
  const json ordered = Lane("ordered").at("protocols");
  ASSERT_NE(ordered, solved);
  ChangeFits(
      "CREATE TABLE other AS SELECT * FROM fitted_blocks WHERE fit NOT LIKE '%act%';"
      "UPDATE fitted_blocks SET"
      " block = (SELECT block FROM other WHERE other.layer = fitted_blocks.layer),"
      " hash = (SELECT hash FROM other WHERE other.layer = fitted_blocks.layer)"
      " WHERE fit LIKE '%act%'; DROP TABLE other");
  Again();
  EXPECT_NE(Lane("ordered").at("protocols"), ordered);
  EXPECT_EQ(Lane("solved").at("protocols"), solved);
}

TEST_F(KeptFitsProgram, AnotherCalibrationTakesNothingFromThem) {
  const Arguments other = {"--calibration-tokens", "256", "--calibration-sequence", "128"};
  std::filesystem::remove(folder_ / "study/study.db");
  MustRun(Lines(kSchemes) + other);
  const std::string with = Records(folder_ / "study");
  std::filesystem::remove_all(folder_ / "study");
  MustRun(Lines(kSchemes) + other);
  EXPECT_TRUE(Records(folder_ / "study") == with);
  EXPECT_FALSE(with == records_);
}

// ---- As it is served

// Every table names the lane so, and the report lists `count` things that were left out.
void ExpectSaysSo(const std::string& study, const std::string& terminal, const std::string& name,
                  size_t count) {
  EXPECT_THAT(terminal, HasSubstr("\n" + name));
  for (const char* format : {"md", "html", "csv", "seed"}) {
    EXPECT_THAT(MustRun({"report", study, "--format", format}).out, HasSubstr(name)) << format;
  }
  const json lane = ParseJson(TextOf(study + "/report.json")).value().at("lanes").at(1);
  EXPECT_EQ(lane.at("scheme"), name);
  EXPECT_EQ(lane.value("not_run", json::array()).size(), count);
}

class ServedLanes : public LanesProgram {
 protected:
  // Changes the quantization_config of a checkpoint.
  static void Ask(const std::string& path, const std::string& pointer, const json& value) {
    json config = ParseJson(TextOf(path + "/config.json")).value();
    config["quantization_config"][json::json_pointer(pointer)] = value;
    ASSERT_TRUE(WriteFileAtomically(path + "/config.json", config.dump()).ok());
  }
  const json kFp8Tokens = {{"num_bits", 8},
                           {"type", "float"},
                           {"strategy", "token"},
                           {"dynamic", true},
                           {"symmetric", true}};
  const json kFp8Cache = {{"num_bits", 8},
                          {"type", "float"},
                          {"strategy", "tensor"},
                          {"dynamic", false},
                          {"symmetric", true}};
};

TEST_F(ServedLanes, Fp8ActivationsAreRunAsTheConfigAsksAndWeightsAloneBesideThem) {
  const std::string path = folder_ / "served";
  Quantize("fp8_e4m3:row", path, {"--layout", "compressed-tensors"});
  MustRun(Lines() + Arguments{"--lane", path});
  EXPECT_THAT(LaneNames(), ElementsAre("fp16", "served")) << "asks for nothing else";
  EXPECT_FALSE(Lane("served").contains("not_run"));
  const json weights = Lane("served").at("protocols");
  const Finished nothing = RunBitloss(Lines() + Arguments{"--lane", path + "@weights"});
  EXPECT_EQ(nothing.exit_code, 3);
  EXPECT_THAT(nothing.err, HasSubstr("leave @weights out"));

  std::filesystem::remove_all(folder_ / "study");
  Ask(path, "/config_groups/group_0/input_activations", kFp8Tokens);
  MustRun(Lines("fp8-dynamic") + Arguments{"--lane", path, "--lane", path + "@weights"});
  EXPECT_THAT(LaneNames(), ElementsAre("fp16", "fp8-dynamic", "served", "served (weights only)"));
  EXPECT_EQ(Lane("served").at("protocols"), Lane("fp8-dynamic").at("protocols"));
  EXPECT_EQ(Lane("served (weights only)").at("protocols"), weights);
  EXPECT_NE(Lane("served").at("protocols"), weights);
  EXPECT_FALSE(Lane("served").contains("not_run"));
  EXPECT_THAT(Lane("served (weights only)").at("not_run"),
              ElementsAre("inputs of linears rounded to float, 8 bits (token, dynamic)"));

  std::filesystem::remove_all(folder_ / "study");
  Ask(path, "/kv_cache_scheme", kFp8Cache);
  Ask(path, "/a_new_option", 7);
  const Finished finished = MustRun(Lines() + Arguments{"--lane", path, "--verbose"});
  ExpectSaysSo(folder_ / "study", finished.out, "served (KV cache left out)", 1);
  EXPECT_THAT(Lane("served (KV cache left out)").at("not_run"),
              ElementsAre("KV cache rounded to float, 8 bits (tensor, static)"));
  EXPECT_THAT(finished.out, HasSubstr("entry \"a_new_option\" is not known"));
  EXPECT_THAT(finished.out, HasSubstr("as it is served (@fp8)"));
}

TEST_F(ServedLanes, WhatIsWrittenToBeServedSoIsRunSo) {
  for (const std::string scheme : {"fp8-dynamic", "mxfp4-w4a4", "mxfp8-w8a8", "w4a8"}) {
    const std::string path = folder_ / scheme;
    Quantize(scheme, path);
    MustRun(Lines(scheme) + Arguments{"--lane", "written=" + path});
    EXPECT_EQ(Lane("written").at("protocols"), Lane(scheme).at("protocols")) << scheme;
    std::filesystem::remove_all(folder_ / "study");
  }
}

TEST_F(ServedLanes, ScalesThatAFileHoldsAreCalledLeftOut) {
  const std::string path = folder_ / "served";
  Quantize("nvfp4", path);
  Ask(path, "/config_groups/group_0/input_activations",
      {{"num_bits", 4}, {"type", "float"}, {"strategy", "tensor_group"}, {"dynamic", "local"}});
  const Finished nvfp4 = MustRun(Lines() + Arguments{"--lane", "w4a4=" + path});
  ExpectSaysSo(folder_ / "study", nvfp4.out, "w4a4 (weights only)", 1);
}

TEST_F(ServedLanes, AQuantizedCacheBesideInt8ActivationsIsSaidToBeLeftOut) {
  const std::string path = folder_ / "served";
  Quantize("w8a8", path);
  Ask(path, "/kv_cache_scheme", kFp8Cache);
  const Finished finished = MustRun(Lines() + Arguments{"--lane", path});
  ExpectSaysSo(folder_ / "study", finished.out, "served (KV cache left out)", 1);
}

TEST_F(ServedLanes, ModelOptsOwnFileIsNotOverlooked) {
  const std::string path = folder_ / "served";
  std::filesystem::copy(kTiny, path);
  const std::string file = path + "/hf_quant_config.json";
  ASSERT_TRUE(WriteFileAtomically(
                  file, R"({"quantization": {"quant_algo": null, "kv_cache_quant_algo": "FP8"}})")
                  .ok());
  // Its weights are the baseline's own, so that nothing is left to measure; its name says why.
  const Finished cache = RunBitloss(Lines("nf4") + Arguments{"--lane", path});
  EXPECT_THAT(cache.out, HasSubstr("served (weights only)"));
  EXPECT_THAT(cache.err, HasSubstr("lane 'served (weights only)': quantization did not engage"));
  ASSERT_TRUE(WriteFileAtomically(file, R"({"quantization": {"quant_algo": "NVFP4"}})").ok());
  const Finished weights = RunBitloss(Lines() + Arguments{"--lane", path});
  EXPECT_GE(weights.exit_code, 3);
  EXPECT_THAT(weights.err, HasSubstr("quantized by ModelOpt (\"NVFP4\"), which is not read"));
}

TEST_F(ServedLanes, TransformsAreRefused) {
  const std::string path = folder_ / "served";
  Quantize("fp8_e4m3:row", path, {"--layout", "compressed-tensors"});
  Ask(path, "/transform_config", {{"config_groups", {{"R1", 1}}}});
  const Finished finished = RunBitloss(Lines() + Arguments{"--lane", path});
  EXPECT_GE(finished.exit_code, 3);
  EXPECT_THAT(finished.err, HasSubstr("transform_config"));
}

TEST_F(LanesProgram, AQuantizedModelSaysWhatItWas) {
  Quantize("q4_1", folder_ / "gguf", {"--layout", "gguf"});
  const Finished finished = MustRun(Lines("nf4") + Arguments{folder_ / "gguf/model.gguf"});
  const json stored = Report().at("model").at("stored");
  EXPECT_THAT(stored.at("types").get<std::string>(), HasSubstr("Q4_1"));
  const double megabytes = stored.at("bytes").get<double>() / 1e6;
  EXPECT_NEAR(megabytes,
              static_cast<double>(std::filesystem::file_size(folder_ / "gguf/model.gguf")) / 1e6,
              0.5);
  // On the page, and in its tables beside the baseline's size.
  const std::string was = fmt::format("from {}", stored.at("types").get<std::string>());
  const std::string size = fmt::format("{:.2f}", megabytes);
  EXPECT_THAT(finished.out, AllOf(HasSubstr("decoded " + was + " (" + size + " MB)"),
                                  HasSubstr(was + ", " + size)));
  const auto report = [&](const char* format) {
    std::string text = MustRun({"report", folder_ / "study", "--format", format}).out;
    std::erase(text, '\\');  // Markdown's
    return text;
  };
  for (const char* format : {"md", "html"}) {
    EXPECT_THAT(report(format), HasSubstr("decoded " + was + " (" + size + " MB)")) << format;
    EXPECT_THAT(report(format), HasSubstr(was + ", " + size)) << format;
  }
  MustRun({"run", "--schemes", "nf4", "--max-samples", "6", "--suite", "none", "--control", "none",
           "--out", folder_ / "plain"});
  EXPECT_FALSE(
      ParseJson(TextOf(folder_ / "plain/report.json")).value().at("model").contains("stored"));
}

// Sums over a power of two of tokens are means that come back exactly.
TEST_F(LanesProgram, AnImportanceMatrixThatIsWrittenGivesTheLaneOfItsText) {
  const std::string matrix = folder_ / "tiny.imatrix.gguf";
  const Arguments text = {"--calibration-tokens", "1024", "--calibration-sequence", "256"};
  MustRun(Arguments{"imatrix", kTiny, "--out", matrix} + text);
  Quantize("iq2_m+imatrix", folder_ / "by-text", text);
  Quantize("iq2_m+imatrix", folder_ / "by-file", {"--imatrix", matrix});
  EXPECT_TRUE(TextOf(folder_ / "by-text/model.gguf") == TextOf(folder_ / "by-file/model.gguf"));
  const Finished again = RunBitloss({"imatrix", kTiny, "--out", matrix});
  EXPECT_EQ(again.exit_code, 3);
  EXPECT_THAT(again.err, HasSubstr("is there already"));
}

TEST_F(LanesProgram, AFileTypeIsALaneWhoseRecordSaysWhatEachMatrixIsIn) {
  MustRun(Lines("Q4_K_M"));
  const json lane = Report()["lanes"][1];
  EXPECT_EQ(lane["scheme"], "q4_k_m");
  EXPECT_EQ(lane["definition"], "gguf:q4_k_m");
  EXPECT_EQ(lane["coverage"]["parts"][0]["format"], "q5_0 x 22, q4_k x 2, q8_0 x 2, q6_k x 2");
  EXPECT_EQ(lane["coverage"]["parts"][1]["format"], "q8_0, the rest f16");
}

// OLMoE's shape, with a token for each letter.
std::string MakeMixture(const std::string& model) {
  std::filesystem::copy(BITLOSS_SOURCE_DIR "/src/bitloss/model/testdata/architectures/olmoe",
                        model);
  json vocabulary = {{"\u0120", 0}};
  for (char c = '!'; c <= '~'; ++c) vocabulary[std::string(1, c)] = vocabulary.size();
  const json tokenizer = {
      {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", json::array()}}},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}}};
  std::ofstream(model + "/tokenizer.json") << tokenizer.dump();
  json config = ParseJson(TextOf(model + "/config.json")).value();
  config["max_position_embeddings"] = 512;  // as long as a line may be
  std::ofstream(model + "/config.json") << config.dump();
  return model;
}

constexpr const char* kShortText = "some short words\nmore of them\nand the end\n";

// However it is run: on one thread or two, or with a lane added to what is kept of the baseline.
TEST_F(LanesProgram, CountsTokensThatGoToOtherExperts) {
  const std::string model = MakeMixture(folder_ / "mixture");
  const std::string text = folder_.Write("short.txt", kShortText);
  const auto study = [&](const std::string& out, const std::string& schemes) {
    return Arguments{"run",       model,  "--text", text, "--suite",   "none",
                     "--control", "none", "--out",  out,  "--schemes", schemes};
  };
  const auto run = [&](const Arguments& arguments) {
    MustRun(arguments);
    return ParseJson(TextOf(arguments[9] + "/report.json")).value();
  };
  const std::string both = "int3_group:8,int8_row";
  const json report = run(study(folder_ / "study", both) + Arguments{"--threads", "1"});
  const json& three = report["lanes"][1]["protocols"][0]["experts_changed"];
  const json& eight = report["lanes"][2]["protocols"][0]["experts_changed"];
  ASSERT_EQ(three["layers"].size(), 2u);
  EXPECT_EQ(three["layers"][1]["layer"], 1);
  EXPECT_GT(three["mean"], eight["mean"]);
  EXPECT_GT(three["mean"], 0.05);
  EXPECT_LT(three["mean"], 1.0);
  EXPECT_FALSE(report["lanes"][0]["protocols"][0].contains("experts_changed"));

  const auto expect_same = [&](const json& other, const char* how) {
    EXPECT_EQ(other["lanes"][1]["protocols"], report["lanes"][1]["protocols"]) << how;
    EXPECT_EQ(other["lanes"][2]["protocols"], report["lanes"][2]["protocols"]) << how;
  };
  expect_same(run(study(folder_ / "two", both) + Arguments{"--threads", "2"}), "two threads");
  run(study(folder_ / "later", "int3_group:8"));
  expect_same(run(study(folder_ / "later", both)), "a lane added");
}

TEST_F(LanesProgram, AMixturesExpertsAreAPartOfTheirOwn) {
  const std::string model = MakeMixture(folder_ / "mixture");
  const std::string text = folder_.Write("short.txt", kShortText);
  MustRun({"run", model, "--schemes", "nf4", "--control", "none", "--text", text, "--suite", "none",
           "--out", folder_ / "study"});
  const json report = Report();
  ASSERT_EQ(report["lanes"].size(), 2u);
  for (const json& lane : report["lanes"]) {
    const json& parts = lane["coverage"]["parts"];
    ASSERT_EQ(parts.size(), 3u);
    EXPECT_EQ(parts[0]["tensors"], "decoder linears but the experts'");
    EXPECT_EQ(parts[1]["tensors"], "experts");
    // Two layers of four experts: gate, up and down of 32 by 24. q and o of 32 by 32, k and v half.
    EXPECT_EQ(parts[1]["weights"], 2 * 4 * 3 * 32 * 24);
    EXPECT_EQ(parts[0]["weights"], 2 * 3 * 32 * 32);
    double bytes = 0.0, weights = 0.0;
    for (const json& part : {parts[0], parts[2]}) {
      bytes += part["bytes"].get<double>();
      weights += part["weights"].get<double>();
    }
    const json& size = lane["size"];
    EXPECT_EQ(size["bits_per_weight_without_experts"], 8.0 * bytes / weights);
    EXPECT_EQ(size["bits_per_weight_of_experts"],
              8.0 * parts[1]["bytes"].get<double>() / (2 * 4 * 3 * 32 * 24));
  }
  EXPECT_EQ(report["lanes"][0]["size"]["bits_per_weight_of_experts"], 16.0);
  EXPECT_EQ(report["lanes"][1]["size"]["bits_per_weight_of_experts"], 4.5);
}

TEST_F(LanesProgram, AWrittenCheckpointAnswersAsItsSchemeDoes) {
  Quantize("rtn4", folder_ / "written");
  const Arguments prompt = {"generate", kTiny, "Name a colour.", "--max-new-tokens", "12"};
  const std::string of_scheme = MustRun(prompt + Arguments{"--scheme", "rtn4"}).out;
  EXPECT_EQ(MustRun(prompt + Arguments{"--lane", folder_ / "written"}).out, of_scheme);
  const Finished both =
      RunBitloss(prompt + Arguments{"--scheme", "nf4", "--lane", folder_ / "written"});
  EXPECT_NE(both.exit_code, 0);
  EXPECT_THAT(both.err, AllOf(HasSubstr("--lane"), HasSubstr("--scheme")));
}

TEST_F(LanesProgram, AnInterruptionSaysWhatIsKept) {
  const std::string study = folder_ / "study", written = folder_ / "written";
  const Finished run = RunBitloss({"run", "--schemes", "nf4,awq", "--out", study},
                                  {.interrupt_at = study + "/study.db"});
  EXPECT_EQ(run.signal, SIGINT);
  EXPECT_THAT(run.err, HasSubstr("interrupted; what is finished is kept in '" + study + "'"));
  const Finished quantize =
      RunBitloss({"quantize", kTiny, "--scheme", "awq", "--out", written + "/"},
                 {.interrupt_at = written + ".partial/job.json"});
  EXPECT_EQ(quantize.signal, SIGINT);
  EXPECT_THAT(quantize.err, HasSubstr("kept in '" + written + ".partial'"));
}

}  // namespace
}  // namespace bitloss
