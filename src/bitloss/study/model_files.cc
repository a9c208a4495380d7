#include "bitloss/study/model_files.h"

#include "bitloss/base/file.h"
#include "bitloss/checkpoint/checkpoint.h"
#include "bitloss/data/embedded.h"
#include "bitloss/hub/hub_cache.h"
#include "bitloss/hub/hub_name.h"
#include "bitloss/hub/hub_settings.h"
#include "bitloss/model/config.h"

namespace bitloss {
namespace {

namespace fs = std::filesystem;

std::string NameOf(const std::string& model, const fs::path& path) {
  const bool from_hub = !fs::exists(model);
  if (from_hub) return model;
  const fs::path canonical = fs::weakly_canonical(path);
  return fs::is_directory(canonical) ? canonical.filename().string() : canonical.stem().string();
}

Status CheckTokenizerFits(const Tokenizer& tokenizer, const ModelConfig& config) {
  if (tokenizer.num_tokens() > config.vocab_size) {
    return BadInput(
        "the tokenizer has {} tokens, but the model only {} rows: they do not belong "
        "together",
        tokenizer.num_tokens(), config.vocab_size);
  }
  return Ok();
}

}  // namespace

Result<fs::path> FindModel(const std::string& model) {
  if (fs::exists(model)) return fs::path(model);
  const auto name = ParseHubName(HubKind::kModel, model);
  if (!name.ok()) {
    return NotFound(
        "no model '{}': there is no such folder or file; give a folder in Hugging Face layout, a "
        ".gguf file or a name on a hub (owner/name)",
        model);
  }
  BITLOSS_TRY(const HubSettings settings, HubSettingsFromEnvironment());
  auto found = FindInHubCache(name.value(), settings.cache);
  if (!found.ok()) {
    Error error =
        Within(fmt::format("no model '{}': there is no such folder or file", model), found.error());
    if (error.kind == ErrorKind::kNotFound) {
      error.message += fmt::format("; 'bitloss pull {}' fetches it", model);
    }
    return error;
  }
  return found;
}

Result<Tokenizer> OpenTokenizer(const std::string& model) {
  BITLOSS_TRY(const fs::path path, FindModel(model));
  if (fs::is_directory(path)) return Tokenizer::FromFolder(path);
  BITLOSS_TRY(const GgufFile file, GgufFile::Open(path));
  return Tokenizer::FromGguf(file);
}

Result<ModelFiles> OpenModel(const std::string& model, std::string_view baseline) {
  if (model.empty()) {
    BITLOSS_TRY(const fs::path shipped, EmbeddedModelFolder());
    return OpenAnyModel(shipped.string(), baseline);
  }
  BITLOSS_TRY(ModelFiles files, OpenAnyModel(model, baseline));
  if (const StoredQuantization* quantization = files.source.checkpoint().quantization()) {
    return Unsupported(
        "{}: already quantized ({}); give the unquantized model, and this one with --lane",
        files.path.string(), quantization->method);
  }
  return files;
}

Result<ModelFiles> OpenAnyModel(const std::string& model, std::string_view baseline) {
  BITLOSS_TRY(const fs::path path, FindModel(model));
  BITLOSS_TRY(const ModelSource source, OpenModelSource(model, baseline));
  const Checkpoint& checkpoint = source.checkpoint();
  BITLOSS_TRY(const Tokenizer tokenizer, checkpoint.gguf() != nullptr
                                             ? Tokenizer::FromGguf(*checkpoint.gguf())
                                             : Tokenizer::FromFolder(path));
  BITLOSS_DO(CheckTokenizerFits(tokenizer, source.config()));
  BITLOSS_TRY(const GenerationConfig generation, ReadGenerationConfig(checkpoint, source.config()));
  return ModelFiles{path,
                    NameOf(model, path),
                    source,
                    tokenizer,
                    {generation.eos_ids.begin(), generation.eos_ids.end()}};
}

Result<ModelSource> OpenModelSource(const std::string& model, std::string_view baseline) {
  std::optional<BaselineForm> form;
  if (!baseline.empty()) {
    BITLOSS_TRY(form, ParseBaselineForm(baseline));
  }
  BITLOSS_TRY(const fs::path path, FindModel(model));
  BITLOSS_TRY(std::unique_ptr<Checkpoint> opened, Checkpoint::Open(path));
  const std::shared_ptr<const Checkpoint> checkpoint = std::move(opened);
  BITLOSS_TRY(const ModelConfig config, ReadModelConfig(*checkpoint));
  return ModelSource::Open(checkpoint, config, form);
}

}  // namespace bitloss
