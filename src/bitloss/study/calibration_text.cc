#include "bitloss/study/calibration_text.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "bitloss/base/file.h"
#include "bitloss/base/hash.h"
#include "bitloss/base/random.h"
#include "bitloss/data/embedded.h"

namespace bitloss {
namespace {

// `count` of 0 to size - 1, ascending: those with the smallest random numbers.
std::vector<size_t> Draw(size_t size, size_t count, uint64_t seed) {
  const RandomStream stream(seed, "calibration");
  std::vector<size_t> drawn(size);
  std::iota(drawn.begin(), drawn.end(), size_t{0});
  std::ranges::sort(drawn, {}, [&](size_t i) { return std::pair(stream.Bits(i), i); });
  drawn.resize(count);
  std::ranges::sort(drawn);
  return drawn;
}

Status ReadImportance(const std::filesystem::path& path, Calibration& calibration) {
  BITLOSS_TRY(const std::string importances, ReadFile(path));
  calibration.importance_name = path.filename().string();
  calibration.importance_hash = Sha256Hex(importances);
  BITLOSS_TRY(calibration.importance, ImportanceFile::Open(path));
  return Ok();
}

// Cuts the text at `path`.
Status ReadSequences(const ModelFiles& model, const StudyOptions& options,
                     const std::filesystem::path& path, Calibration& calibration) {
  BITLOSS_TRY(const std::string text, ReadFile(path));
  calibration.text_hash = Sha256Hex(text);
  const auto encoded =
      model.tokenizer.Encode(text, Tokenizer::Special::kAsText, Tokenizer::AddTokens::kNone);
  if (!encoded.ok()) return Within(path.string(), encoded.error());
  const std::vector<TokenId>& ids = encoded.value();

  const size_t length =
      std::min(options.calibration_sequence, size_t{model.source.config().max_positions});
  const size_t available = ids.size() / length;
  if (available == 0) {
    return BadInput("calibration text '{}' has {} tokens; at least {} are needed", path.string(),
                    ids.size(), length);
  }
  const size_t wanted =
      std::clamp<size_t>(options.calibration_tokens / length, size_t{1}, available);
  calibration.seed = options.calibration_seed;
  std::vector<size_t> chosen(wanted);
  std::iota(chosen.begin(), chosen.end(), size_t{0});
  if (calibration.seed) chosen = Draw(available, wanted, *calibration.seed);
  for (const size_t i : chosen) {
    const auto begin = ids.begin() + static_cast<ptrdiff_t>(i * length);
    calibration.sequences.emplace_back(begin, begin + static_cast<ptrdiff_t>(length));
  }
  return Ok();
}

}  // namespace

size_t Calibration::num_tokens() const {
  size_t count = 0;
  for (const auto& sequence : sequences) count += sequence.size();
  return count;
}

Result<Calibration> ReadCalibration(const ModelFiles& model, const StudyOptions& options) {
  Calibration calibration;
  if (!options.imatrix.empty()) BITLOSS_DO(ReadImportance(options.imatrix, calibration));
  if (!options.calibration.empty()) {
    calibration.text_name = options.calibration.filename().string();
    BITLOSS_DO(ReadSequences(model, options, options.calibration, calibration));
    return calibration;
  }
  const Result<std::filesystem::path> shipped = EmbeddedModelFolder();
  if (!shipped.ok()) {
    calibration.missing = shipped.error();
    return calibration;
  }
  calibration.text_name = "bitloss-tiny/calibration.txt";
  BITLOSS_DO(ReadSequences(model, options, shipped.value() / "calibration.txt", calibration));
  return calibration;
}

std::string CalibrationJson(const Calibration& calibration) {
  nlohmann::ordered_json json = {{"text", calibration.text_name},
                                 {"hash", calibration.text_hash},
                                 {"sequences", calibration.sequences.size()},
                                 {"tokens", calibration.num_tokens()}};
  if (calibration.seed) json["seed"] = *calibration.seed;
  return json.dump();
}

std::string DefinitionOf(const Calibration& calibration) {
  return fmt::format("{}x{} tokens of {}{}", calibration.sequences.size(),
                     calibration.sequences[0].size(), calibration.text_hash.substr(0, 12),
                     calibration.seed ? fmt::format(", seed {}", *calibration.seed) : "");
}

}  // namespace bitloss
