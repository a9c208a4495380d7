#include "bitloss/convert/block_modules.h"

#include <algorithm>

#include "bitloss/model/matrix_rows.h"

namespace bitloss {
namespace {

BlockModule LoneExpert(std::string name, size_t linear, LinearShape shape) {
  TensorPart place{.name = name, .shape = {shape.out, shape.in}};
  place.rows = shape.out;
  place.cols = shape.in;
  return {.name = ModuleOf(name),
          .shape = shape,
          .linears = {linear},
          .places = {std::move(place)},
          .was_stacked = true};
}

}  // namespace

std::string ModuleOf(const std::string& tensor) {
  constexpr std::string_view kWeight = ".weight";
  if (!tensor.ends_with(kWeight)) return tensor;
  return tensor.substr(0, tensor.size() - kWeight.size());
}

std::vector<BlockModule> ModulesOf(const ModelSource& model, size_t layer) {
  const std::vector<LinearSpec>& linears = model.plan(layer).linears;
  const bool takes_experts_apart = !model.in_gguf();
  std::vector<BlockModule> modules;
  for (size_t i = 0; i < linears.size(); ++i) {
    TensorPart place = model.PlaceOf(layer, i);
    if (linears[i].unit == Unit::kExpert && takes_experts_apart) {
      const std::string alone = model.NameOfLoneExpert(layer, linears[i]);
      if (place.name != alone) {
        modules.push_back(LoneExpert(alone, i, linears[i].shape));
        continue;
      }
    }
    const std::string name = ModuleOf(place.name);
    auto module = std::ranges::find(modules, name, &BlockModule::name);
    if (module == modules.end()) {
      modules.push_back({name, {RowsOfWhole(place), place.cols}, {}, {}});
      module = modules.end() - 1;
    }
    module->linears.push_back(i);
    module->places.push_back(std::move(place));
  }
  return modules;
}

}  // namespace bitloss
