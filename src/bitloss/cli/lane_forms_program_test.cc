// What a lane is made of, by the program itself: checkpoints run as they are served or say what was
// left out, file types and mixtures say what each part is in.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bitloss/cli/lanes_program.h"
#include "bitloss/json/parse.h"

namespace bitloss {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

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
  for (const std::string scheme :
       {"fp8-dynamic", "mxfp4-w4a4", "mxfp8-w8a8", "w4a8", "int8_row@w8a8:asym", "fp8-static",
        "nvfp4-w4a4", "int8_row@w8a8:ct:static"}) {
    const std::string path = folder_ / scheme;
    Quantize(scheme, path);
    MustRun(Lines(scheme) + Arguments{"--lane", "written=" + path});
    EXPECT_EQ(Lane("written").at("protocols"), Lane(scheme).at("protocols")) << scheme;
    std::filesystem::remove_all(folder_ / "study");
  }
}

TEST_F(ServedLanes, WeightsAloneAreThoseOfAFileWithStaticScales) {
  const std::string path = folder_ / "served";
  Quantize("fp8-static", path);
  MustRun(Lines("fp8_e4m3:tensor,fp8-static") +
          Arguments{"--lane", "written=" + path, "--lane", "alone=" + path + "@weights"});
  EXPECT_EQ(Lane("written").at("protocols"), Lane("fp8-static").at("protocols"));
  EXPECT_EQ(Lane("alone (weights only)").at("protocols"), Lane("fp8_e4m3:tensor").at("protocols"));
}

TEST_F(ServedLanes, AsymmetricScalesThatAFileHoldsAreCalledLeftOut) {
  const std::string path = folder_ / "served";
  Quantize("int8_row", path, {"--layout", "compressed-tensors"});
  Ask(path, "/config_groups/group_0/input_activations",
      {{"num_bits", 8},
       {"type", "int"},
       {"strategy", "tensor"},
       {"dynamic", false},
       {"symmetric", false}});
  const Finished int8 = MustRun(Lines() + Arguments{"--lane", path});
  ExpectSaysSo(folder_ / "study", int8.out, "served (weights only)", 1);
}

TEST_F(ServedLanes, AScaleThatTheConfigPromisesMustBeThere) {
  const std::string path = folder_ / "served";
  Quantize("nvfp4", path);
  Ask(path, "/config_groups/group_0/input_activations",
      {{"num_bits", 4},
       {"type", "float"},
       {"strategy", "tensor_group"},
       {"group_size", 16},
       {"dynamic", "local"}});
  const Finished nvfp4 = RunBitloss(Lines() + Arguments{"--lane", path});
  EXPECT_GE(nvfp4.exit_code, 3);
  EXPECT_THAT(nvfp4.err, HasSubstr("input_global_scale' is missing"));
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

// Four layers of two heads of 64: 1,024 keys and values a token, in 16 bits, 4.5 or 8.5.
TEST_F(LanesProgram, EveryLaneSaysWhatATokenTakesInItsCache) {
  const std::string out = MustRun(Lines("fp16+kv=q4_0,nf4+k=q8_0") + Arguments{"--verbose"}).out;
  const auto bytes = [&](const char* lane) {
    return Lane(lane).at("size").at("cache_bytes_per_token").get<uint64_t>();
  };
  EXPECT_EQ(bytes("fp16"), 2048u);
  EXPECT_EQ(bytes("fp16+kv=q4_0"), 576u);
  EXPECT_EQ(bytes("nf4+k=q8_0"), 544u + 1024u);
  const json cache = Lane("nf4+k=q8_0").at("coverage").at("cache");
  EXPECT_EQ(cache.at("keys"), "q8_0");
  EXPECT_EQ(cache.at("values"), "unrounded");
  EXPECT_THAT(out, testing::ContainsRegex("fp16\\+kv=q4_0 +q4_0 +q4_0 +576 +28.1"));
  const std::string study = folder_ / "study";
  EXPECT_THAT(MustRun({"report", study, "--format", "md"}).out,
              HasSubstr("| nf4+k=q8\\_0 | q8\\_0 | unrounded | 1,568 | 76.6 |"));
  EXPECT_THAT(MustRun({"report", study, "--format", "html"}).out,
              HasSubstr("Keys and values</h3>"));
  EXPECT_THAT(MustRun({"report", study, "--format", "csv"}).out,
              testing::ContainsRegex("fp16\\+kv=q4_0,protocol,[^\n]*,576,\r\n"));
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

}  // namespace
}  // namespace bitloss
