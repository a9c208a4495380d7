// For tests: a small checkpoint of some architecture, written and run again.
#ifndef BITLOSS_CONVERT_TEST_ARCHITECTURES_H_
#define BITLOSS_CONVERT_TEST_ARCHITECTURES_H_

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "bitloss/checkpoint/checkpoint.h"
#include "bitloss/checkpoint/safetensors.h"
#include "bitloss/checkpoint/test_files.h"
#include "bitloss/convert/test_gguf.h"
#include "bitloss/convert/test_written.h"
#include "bitloss/json/parse.h"
#include "bitloss/study/model_files.h"

namespace bitloss {

// How experts lie in a model's own checkpoint.
enum class ExpertsLie { kNowhere, kAlone, kStacked, kNameless, kInMxfp4 };

inline ExpertsLie ExpertsOf(const ModelSource& model) {
  for (size_t layer = 0; layer < model.config().num_layers; ++layer) {
    const std::vector<LinearSpec>& linears = model.plan(layer).linears;
    for (size_t i = 0; i < linears.size(); ++i) {
      if (linears[i].unit != Unit::kExpert) continue;
      const std::string name = model.PlaceOf(layer, i).name;
      const std::string alone = model.NameOfLoneExpert(layer, linears[i]);
      if (model.checkpoint().StoredType(name).value() == "mxfp4") return ExpertsLie::kInMxfp4;
      if (alone.empty()) return ExpertsLie::kNameless;
      return name == alone ? ExpertsLie::kAlone : ExpertsLie::kStacked;
    }
  }
  return ExpertsLie::kNowhere;
}

// ASCII alone, a token for each character, where a checkpoint has none of its own.
inline std::string CharacterTokenizer() {
  nlohmann::json vocabulary;
  for (int c = '!'; c <= '~'; ++c) vocabulary[std::string(1, static_cast<char>(c))] = c;
  vocabulary["<s>"] = 0;
  vocabulary["\u0120"] = 1;  // a space
  vocabulary["\u010a"] = 2;  // a line's end
  const nlohmann::json byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", false}};
  return nlohmann::json{
      {"version", "1.0"},
      {"added_tokens",
       {{{"id", 0},
         {"content", "<s>"},
         {"single_word", false},
         {"lstrip", false},
         {"rstrip", false},
         {"normalized", false},
         {"special", true}}}},
      {"normalizer", nullptr},
      {"pre_tokenizer", byte_level},
      {"post_processor", nullptr},
      {"decoder", byte_level},
      {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", nlohmann::json::array()}}}}
      .dump();
}

enum class TokensOf { kModel, kCharacters };

class WrittenArchitecture {
 public:
  // Of the model in a folder or a GGUF file; `from` is left as it is. One that has no tokenizer has
  // that of characters, or whatever it has.
  explicit WrittenArchitecture(const std::filesystem::path& from,
                               TokensOf tokens = TokensOf::kModel)
      : folder_(), model_path_() {
    model_path_ = folder_.path() / from.filename();
    if (from.extension() == ".gguf") {
      CopyWithTokenizer(from, model_path_);
    } else {
      CopyFolder(from, tokens);
    }
    std::string text;
    for (int line = 0; line < 6; ++line) {
      text += "The " + std::to_string(line) + ". of six lines that nobody reads but a model.\n";
    }
    folder_.Write("text.txt", text);
  }

  QuantizeOptions Options(const std::string& scheme, const std::string& layout) const {
    QuantizeOptions options = OptionsFor(model_path_, scheme, folder_.path() / "written");
    options.layout = layout;
    options.study.texts = {folder_.path() / "text.txt"};
    options.study.protocols = {"rolling-doc"};
    return options;
  }

  ModelFiles Model() const { return OpenModel(model_path_.string()).value(); }

  // Why it is not written; empty where it is, and a study of both says the same of them.
  std::string ExpectTheLanesBitsOrRefusal(const std::string& scheme,
                                          const std::string& layout) const {
    const QuantizeOptions options = Options(scheme, layout);
    const std::string refusal = MessageOf(QuantizeModel(options, kSilent));
    if (refusal.empty()) ExpectSameBits(StudyOfBoth(options, folder_.path() / "study"), 1);
    return refusal;
  }

  void ExpectTheLanesBits(const std::string& scheme, const std::string& layout) const {
    EXPECT_EQ(ExpectTheLanesBitsOrRefusal(scheme, layout), "");
  }

  // The config.json of both, but for what a quantized one must say otherwise.
  void ExpectTheModelsConfig() const {
    nlohmann::json configs[] = {ReadJsonFile(model_path_ / "config.json").value(),
                                ReadJsonFile(folder_.path() / "written/config.json").value()};
    for (nlohmann::json& config : configs) {
      for (const char* key : {"quantization_config", "dtype", "torch_dtype"}) {
        config.erase(key);
        if (config.contains("text_config")) config["text_config"].erase(key);
      }
    }
    EXPECT_EQ(configs[0], configs[1]);
  }

  nlohmann::json Config() const {
    return ReadJsonFile(folder_.path() / "written/config.json").value();
  }

  // What a model computes of the text by its own configuration: the folder's or the written file's.
  std::vector<double> BaselineLosses(const std::filesystem::path& model) const {
    StudyOptions study = Options("fp16", "").study;
    study.model = model;
    study.schemes = {"int8_row"};
    study.suite = "none";
    study.out = folder_.path() / ("losses-of-" + model.filename().string());
    const Status ran = RunStudy(study, *OneRank(), kSilent);
    EXPECT_TRUE(ran.ok()) << ran.error().message;
    const TokenScores scores =
        Store::OpenForReading(study.out).value().TextScores(0, 0, 0).value().value();
    return {scores.nll.begin(), scores.nll.end()};
  }

  // As a file that another reads without the folder. Numbers of the configuration are in FP32
  // there.
  void ExpectTheFoldersLossesOfTheGguf() const {
    const std::vector<double> of_folder = BaselineLosses(model_path_);
    const std::vector<double> of_file = BaselineLosses(folder_.path() / "written/model.gguf");
    ASSERT_EQ(of_file.size(), of_folder.size());
    EXPECT_GT(of_folder.size(), 50u);
    for (size_t i = 0; i < of_folder.size(); ++i) EXPECT_NEAR(of_file[i], of_folder[i], 2e-5) << i;
  }

  GgufFile Gguf() const { return GgufFile::Open(folder_.path() / "written/model.gguf").value(); }

  void ExpectTheModelsGguf() const {
    ExpectTheSameGguf(folder_.path() / "written/model.gguf", model_path_);
  }

  void ExpectTheModelsTensors() const {
    const auto model = Checkpoint::Open(model_path_).value();
    const auto written = Checkpoint::Open(folder_.path() / "written").value();
    EXPECT_EQ(written->TensorNames(), model->TensorNames());
    for (const std::string& name : model->TensorNames()) {
      const auto a = model->Stored(name), b = written->Stored(name);
      ASSERT_TRUE(a && b) << name;
      EXPECT_EQ(a->stored_type, b->stored_type) << name;
      EXPECT_EQ(a->shape, b->shape) << name;
      EXPECT_TRUE(std::ranges::equal(a->bytes.span(), b->bytes.span())) << name;
    }
  }

 private:
  void CopyFolder(const std::filesystem::path& from, TokensOf tokens) {
    namespace fs = std::filesystem;
    fs::copy(from, model_path_);
    const bool has_own = fs::exists(model_path_ / "tokenizer.json");
    if (has_own && tokens == TokensOf::kModel) return;
    for (const char* name : {"tokenizer.json", "tokenizer_config.json", "tokenizer.model",
                             "special_tokens_map.json", "generation_config.json"}) {
      fs::remove(model_path_ / name);
    }
    folder_.Write(from.filename().string() + "/tokenizer.json", CharacterTokenizer());
    folder_.Write(from.filename().string() + "/tokenizer_config.json", R"({"bos_token": "<s>"})");
  }

  test_files::Folder folder_;
  std::filesystem::path model_path_;
};

// GGUF files in `folder` or below it.
inline std::vector<std::filesystem::path> GgufFilesIn(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".gguf") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

// A GGUF file as one: unrounded it is the same file, rounded to BF16 it has that lane's bits.
inline void ExpectWrittenAsGguf(const std::filesystem::path& file) {
  const WrittenArchitecture plain(file);
  const QuantizeOptions options = plain.Options("fp16", "gguf");
  if (plain.Model().source.config().latent) {
    EXPECT_THAT(MessageOf(QuantizeModel(options, kSilent)), testing::HasSubstr("lies turned"));
    return;
  }
  ASSERT_EQ(MessageOf(QuantizeModel(options, kSilent)), "");
  plain.ExpectTheModelsGguf();
  WrittenArchitecture(file).ExpectTheLanesBits("bf16", "gguf");
}

// Folders in `folder` that hold a checkpoint.
inline std::vector<std::string> CheckpointsIn(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (std::filesystem::exists(entry.path() / "logits.json")) {
      names.push_back(entry.path().filename().string());
    }
  }
  std::ranges::sort(names);
  return names;
}

// Those of the folders' checkpoints of which a GGUF file is made, each of which has their losses.
inline std::vector<std::string> WrittenAsGguf(const std::filesystem::path& folder) {
  std::vector<std::string> found;
  for (const std::string& name : CheckpointsIn(folder)) {
    SCOPED_TRACE(name);
    const WrittenArchitecture written(folder / name, TokensOf::kCharacters);
    const std::string refusal = MessageOf(QuantizeModel(written.Options("fp16", "gguf"), kSilent));
    if (!refusal.empty()) {
      EXPECT_THAT(refusal,
                  testing::ContainsRegex("^gguf: .*(would be read otherwise|is not known there)"));
      continue;
    }
    written.ExpectTheFoldersLossesOfTheGguf();
    found.push_back(name);
  }
  return found;
}

// Rows that stand alone, in a layout that takes experts apart.
inline void ExpectWrittenInGroups(const std::filesystem::path& folder) {
  const WrittenArchitecture written(folder);
  if (ExpertsOf(written.Model().source) == ExpertsLie::kNameless) {
    EXPECT_THAT(
        MessageOf(QuantizeModel(written.Options("int8_row", "compressed-tensors"), kSilent)),
        testing::HasSubstr("holds no experts that lie in one tensor"));
    return;
  }
  written.ExpectTheLanesBits("int8_row", "compressed-tensors");
  written.ExpectTheModelsConfig();
}

inline void ExpectWrittenForBitsandbytes(const std::filesystem::path& folder) {
  const WrittenArchitecture written(folder);
  const ExpertsLie experts = ExpertsOf(written.Model().source);
  if (experts == ExpertsLie::kNowhere || experts == ExpertsLie::kAlone) {
    written.ExpectTheLanesBits("int8", "bitsandbytes-8bit");
    return;
  }
  EXPECT_THAT(MessageOf(QuantizeModel(written.Options("int8", "bitsandbytes-8bit"), kSilent)),
              testing::HasSubstr("bitsandbytes-8bit holds"));
}

inline void ExpectWrittenPlainly(const std::filesystem::path& folder) {
  const WrittenArchitecture written(folder);
  const QuantizeOptions options = written.Options("fp16", "");
  if (ExpertsOf(written.Model().source) == ExpertsLie::kInMxfp4) {
    EXPECT_THAT(MessageOf(QuantizeModel(options, kSilent)),
                testing::HasSubstr("is published in MXFP4 and is not written plainly"));
    return;
  }
  ASSERT_EQ(MessageOf(QuantizeModel(options, kSilent)), "");
  written.ExpectTheModelsTensors();
  written.ExpectTheModelsConfig();
}

}  // namespace bitloss

#endif  // BITLOSS_CONVERT_TEST_ARCHITECTURES_H_
