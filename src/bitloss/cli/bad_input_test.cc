// What a user can get wrong: one line that says what, where and what to do; exit code 3 or more;
// nothing left behind.
#include <gmock/gmock.h>

#include "bitloss/cli/run_bitloss.h"

namespace bitloss {
namespace {

using testing::HasSubstr;

class BadInputTest : public testing::Test {
 protected:
  // The program refuses with one line that has `expected` in it, and makes no study.
  void ExpectRefused(std::vector<std::string> arguments, const std::string& expected) {
    SCOPED_TRACE(expected);
    const bool runs = arguments[0] == "run";
    if (runs && std::ranges::find(arguments, "--out") == arguments.end()) {
      arguments.insert(arguments.end(), {"--out", folder_ / "study"});
    }
    const Finished finished = RunBitloss(arguments);
    EXPECT_GE(finished.exit_code, 3) << finished.err;
    EXPECT_EQ(finished.out, "");
    EXPECT_THAT(finished.err, testing::StartsWith("bitloss: "));
    EXPECT_EQ(std::ranges::count(finished.err, '\n'), 1) << finished.err;
    EXPECT_THAT(finished.err, HasSubstr(expected));
    EXPECT_FALSE(std::filesystem::exists(folder_ / "study"));
  }

  // A copy of the embedded model to damage.
  std::string Model(const std::string& name) {
    const std::string copy = folder_ / name;
    std::filesystem::copy(BITLOSS_SOURCE_DIR "/models/bitloss-tiny", copy,
                          std::filesystem::copy_options::recursive);
    return copy;
  }

  static void Replace(const std::string& file, const std::string& from, const std::string& to) {
    std::string text = TextOf(file);
    const size_t at = text.find(from);
    BITLOSS_CHECK(at != std::string::npos);
    BITLOSS_CHECK(WriteFileAtomically(file, text.replace(at, from.size(), to)).ok());
  }

  TestFolder folder_;
};

TEST_F(BadInputTest, CommandLines) {
  ExpectRefused({"frobnicate"}, "'frobnicate' is not a command; there are: run");
  ExpectRefused({"run", "--max-samples", "0"}, "--max-samples");
  ExpectRefused({"run", "--lanes", "int8"}, "--lanes");
  ExpectRefused({"run", "--schemes", "int9"}, "unknown scheme 'int9'; nearest known: int8");
  ExpectRefused({"run", "--protocol", "wikitext"}, "protocol 'wikitext'");
  ExpectRefused({"run", "--chat-template", "vicuna"}, "chat template 'vicuna'");
  ExpectRefused({"run", "--lane", "nf4=" + folder_.Write("a", "")}, "that is a scheme");
  ExpectRefused({"run", "--lane", "mine=" + folder_ / "nowhere"}, "no model");
  ExpectRefused({"run", "--schemes", "x=int9"}, "unknown scheme 'int9'");
  ExpectRefused({"run", "--suite", "mmlu"}, "suite 'mmlu'");
  ExpectRefused({"report", folder_ / "nothing"}, "no study there");
}

TEST_F(BadInputTest, Texts) {
  const auto text = [this](std::string_view bytes) { return folder_.Write("text.txt", bytes); };
  ExpectRefused({"run", "--text", folder_ / "nowhere.txt"}, "nowhere.txt");
  ExpectRefused({"run", "--text", text("good \xff\xfe bad")}, "byte 5 (0xff) is not valid UTF-8");
  ExpectRefused({"run", "--text", text("")}, "is empty");
  ExpectRefused({"run", "--text", text("\uFEFF")}, "is a byte order mark and nothing else");
  ExpectRefused({"run", "--text", text("two words")}, "predictions");
  ExpectRefused({"run", "--calibration", text("two words")}, "text.txt");
}

TEST_F(BadInputTest, Prompts) {
  const auto suite = [this](std::string_view json) { return folder_.Write("suite.json", json); };
  ExpectRefused({"run", "--suite", suite("{\"a\": ")}, "not valid JSON at byte 6");
  ExpectRefused({"run", "--suite", suite("{\"a\": [7]}")}, "/a: an array of strings");
  const std::string endless(200'000, 'x');
  ExpectRefused({"run", "--suite", suite("{\"a\": [\"" + endless + "\"]}")}, "2048 positions");
}

TEST_F(BadInputTest, Models) {
  ExpectRefused({"run", folder_ / "nowhere"}, "no such folder or file");

  const std::string no_config = Model("no-config");
  std::filesystem::remove(no_config + "/config.json");
  ExpectRefused({"run", no_config}, "no config.json");

  const std::string foreign = Model("foreign");
  Replace(foreign + "/config.json", "\"qwen2\"", "\"gpt_neox\"");
  ExpectRefused({"run", foreign},
                "'gpt_neox' is not known; the nearest of those that are: gpt_oss");

  const std::string truncated = Model("truncated");
  std::filesystem::resize_file(truncated + "/model.safetensors", 100'000);
  ExpectRefused({"run", truncated}, "the file is truncated");

  const std::string lying = Model("lying");
  Replace(lying + "/config.json", "\"num_hidden_layers\": 4", "\"num_hidden_layers\": 5");
  ExpectRefused({"run", lying}, "model.layers.4.");

  const std::string shards = Model("shards");
  std::filesystem::remove(shards + "/model.safetensors");
  ASSERT_TRUE(WriteFileAtomically(shards + "/model.safetensors.index.json",
                                  R"({"weight_map": {"model.norm.weight": "a.safetensors"}})")
                  .ok());
  ExpectRefused({"run", shards}, "a.safetensors");
}

TEST_F(BadInputTest, WeightsThatAreNotNumbers) {
  const std::string model = Model("nan");
  // The last two bytes of the file are the FP16 value of some weight: make it a NaN.
  std::string bytes = TextOf(model + "/model.safetensors");
  bytes.replace(bytes.size() - 2, 2, "\x00\x7e", 2);
  ASSERT_TRUE(WriteFileAtomically(model + "/model.safetensors", bytes).ok());
  const Finished finished =
      RunBitloss({"run", model, "--out", folder_ / "nan-study", "--schemes", "nf4"});
  EXPECT_GE(finished.exit_code, 3);
  EXPECT_THAT(finished.err, HasSubstr("nan"));
}

TEST_F(BadInputTest, ATokenizerOfAnotherModel) {
  const std::string model = Model("small-vocabulary");
  Replace(model + "/config.json", "\"vocab_size\": 2048", "\"vocab_size\": 1024");
  ExpectRefused({"run", model}, "1024");

  const std::string none = Model("no-tokenizer");
  std::filesystem::remove(none + "/tokenizer.json");
  ExpectRefused({"run", none}, "tokenizer.json");
}

TEST_F(BadInputTest, FoldersThatCannotBeWritten) {
  const std::string file = folder_.Write("file", "in the way");
  ExpectRefused({"run", "--out", file + "/study"}, "cannot create folder");
  ExpectRefused({"run", "--out", file}, file);
}

TEST_F(BadInputTest, StudiesThatAreDamaged) {
  const std::string study = folder_ / "damaged";
  std::filesystem::create_directory(study);
  ASSERT_TRUE(WriteFileAtomically(study + "/study.db", "this is no data base").ok());
  ExpectRefused({"report", study}, "study.db");
  ExpectRefused({"run", "--out", study}, "study.db");
}

}  // namespace
}  // namespace bitloss
