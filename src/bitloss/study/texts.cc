#include "bitloss/study/texts.h"

#include "bitloss/data/embedded.h"
#include "bitloss/data/text_encoder.h"

namespace bitloss {
namespace {

// Below this a perplexity says nothing; such a text is somebody's mistake.
constexpr size_t kMinPredictions = 32;

Result<std::vector<Text>> ReadTexts(const StudyOptions& options) {
  std::vector<Text> texts;
  if (options.texts.empty()) {
    BITLOSS_TRY(const std::filesystem::path folder, EmbeddedModelFolder());
    BITLOSS_TRY(Text text, LoadText(folder / "eval.txt"));
    text.name = "bitloss-tiny/eval.txt";
    texts.push_back(std::move(text));
  }
  for (const std::filesystem::path& path : options.texts) {
    BITLOSS_TRY(Text text, LoadText(path));
    texts.push_back(std::move(text));
  }
  return texts;
}

std::string DescribeAggregation(const Protocol& protocol, const Windows& windows) {
  std::string sentence(protocol.summary);
  if (!windows.note.empty()) sentence += "; " + windows.note;
  return sentence;
}

}  // namespace

Result<std::vector<StudyText>> LoadTexts(const ModelFiles& model, const StudyOptions& options) {
  if (options.texts.size() == 1 && options.texts[0] == "none") return std::vector<StudyText>();
  BITLOSS_TRY(const std::vector<Text> texts, ReadTexts(options));
  const TextEncoder encoder = MakeTextEncoder(model.tokenizer, model.source.config().max_positions);
  std::vector<StudyText> cut;
  for (const Text& text : texts) {
    for (const std::string& id : options.protocols) {
      BITLOSS_TRY(const Protocol* protocol, FindProtocol(id));
      auto windows = CutIntoWindows(*protocol, text, encoder, options.max_samples);
      if (!windows.ok()) return Within(text.name, windows.error());
      if (windows.value().num_predictions < kMinPredictions) {
        return BadInput(
            "{}: protocol {} makes only {} predictions of it; give a text with {} or more",
            text.name, id, windows.value().num_predictions, kMinPredictions);
      }
      StudyText& study_text = cut.emplace_back();
      study_text.windows = std::move(windows).value();
      study_text.record = {
          .id = id,
          .text = text.name,
          .text_hash = text.sha256,
          .aggregation = DescribeAggregation(*protocol, study_text.windows),
          .cluster_kind = std::string(ClusterKindName(study_text.windows.cluster_kind)),
          .num_units = study_text.windows.sequences.size(),
          .warnings = study_text.windows.warnings};
    }
  }
  return cut;
}

}  // namespace bitloss
