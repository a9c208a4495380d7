#include "bitloss/convert/carried_tensors.h"

#include <algorithm>
#include <set>

#include "bitloss/convert/block_modules.h"
#include "bitloss/convert/block_tensors.h"

namespace bitloss {
namespace {

// The names of all tensors that blocks, embedding, head and final norm are read from.
std::set<std::string> NamesOfTheModel(const ModelSource& model) {
  std::set<std::string> names = {model.EmbeddingName(), model.HeadName(), model.FinalNormName()};
  for (size_t layer = 0; layer < model.config().num_layers; ++layer) {
    for (const KeptSpec& kept : model.plan(layer).kept) {
      names.insert(model.PlaceOf(layer, kept).name);
    }
    for (size_t i = 0; i < model.plan(layer).linears.size(); ++i) {
      names.insert(model.PlaceOf(layer, i).name);
      if (!model.plan(layer).linears[i].has_bias) continue;
      names.insert(model.PlaceOfBias(layer, i)->name);
    }
  }
  return names;
}

bool IsPlainType(const std::string& type) {
  return type == "F16" || type == "BF16" || type == "F32";
}

// "vision_tower" of "model.vision_tower.blocks.0.qkv"; a module of the text model as it is.
std::string WithItsTower(const std::string& module) {
  constexpr std::string_view kModel = "model.";
  std::string_view rest = module;
  if (rest.starts_with(kModel)) rest.remove_prefix(kModel.size());
  const std::string_view first = rest.substr(0, rest.find('.'));
  if (first == rest || first == "layers" || first == "language_model") return module;
  return std::string(first);
}

}  // namespace

Result<std::vector<SafetensorsEntry>> CarriedTensors(const ModelSource& model,
                                                     Precision precision) {
  std::vector<SafetensorsEntry> tensors;
  if (model.checkpoint().gguf() != nullptr) return tensors;
  std::set<std::string> written = NamesOfTheModel(model);
  if (precision != Precision::kStored) {
    for (const TensorPart& part : model.PerLayerTensors()) {
      BITLOSS_TRY(const EncodedMatrix matrix, model.ReadPlain(part, precision));
      tensors.push_back(PlainTensor(part.name, part.shape, matrix));
      written.insert(part.name);
    }
  }
  for (const std::string& name : model.checkpoint().TensorNames()) {
    if (written.contains(name)) continue;
    std::optional<SafetensorsEntry> stored = model.checkpoint().Stored(name);
    if (!stored) {
      return Unsupported("tensor '{}' is quantized already and not part of the text model", name);
    }
    tensors.push_back(*std::move(stored));
  }
  return tensors;
}

std::vector<std::string> PlainModules(const ModelSource& model,
                                      const std::vector<SafetensorsEntry>& tensors) {
  std::set<std::string> modules;
  for (const SafetensorsEntry& tensor : tensors) {
    const std::string module = ModuleOf(tensor.name);
    const bool is_matrix = tensor.shape.size() == 2 && IsPlainType(tensor.stored_type);
    if (!is_matrix || module == tensor.name || module == "lm_head") continue;
    if (module.find("embed_tokens") != module.npos || tensor.name == model.EmbeddingName()) {
      continue;
    }
    modules.insert(WithItsTower(module));
  }
  return {modules.begin(), modules.end()};
}

}  // namespace bitloss
