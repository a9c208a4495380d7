// Which lane is which, by the program itself: numbers of one lane never pass for those of another,
// and what a fit made is made once.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bitloss/cli/lanes_program.h"
#include "bitloss/store/numeric_version.h"
#include "bitloss/store/sqlite.h"

namespace bitloss {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

void RunSql(const std::string& file, const std::string& sql) {
  const auto database = Database::Open(file, DatabaseMode::kReadWrite);
  ASSERT_TRUE(database.ok());
  const Status done = database.value().Run(sql.c_str());
  ASSERT_TRUE(done.ok()) << done.error().message;
}

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

// ---- Without a study

TEST_F(LanesProgram, AWrittenCheckpointAnswersAsItsSchemeDoes) {
  Quantize("rtn4", folder_ / "written");
  const Arguments prompt = {"generate", kTiny, "Name a colour.", "--max-new-tokens", "12"};
  const std::string of_scheme = MustRun(prompt + Arguments{"--scheme", "rtn4"}).out;
  EXPECT_EQ(MustRun(prompt + Arguments{"--lane", folder_ / "written"}).out, of_scheme);
  const std::string mix = folder_.Write("mix.json", Mixed("rtn4"));
  EXPECT_EQ(MustRun(prompt + Arguments{"--scheme", mix}).out, of_scheme);
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
