#include "bitloss/convert/target.h"

#include <algorithm>
#include <array>

#include "bitloss/convert/block_modules.h"
#include "bitloss/convert/gguf_config.h"
#include "bitloss/convert/gguf_file.h"
#include "bitloss/model/matrix_rows.h"
#include "bitloss/quant/formats/ggml/ggml_format.h"
#include "bitloss/quant/scheme_file_type.h"

namespace bitloss {
namespace {

// Whether the layout has a place for a module, whole: fused linears are written as one.
Status CanHold(const Layout& layout, const Scheme& scheme, const BlockModule& module) {
  if (module.name.empty()) {
    return Unsupported("{} holds no experts that lie in one tensor, as this architecture's do",
                       layout.name);
  }
  if (module.was_stacked && layout.stacked_experts == StackedExperts::kLeftAlone) {
    return Unsupported(
        "{} holds single matrices, and {} is part of a tensor with all experts of its layer, which "
        "compressed-tensors and gptq take apart",
        layout.name, module.name);
  }
  if (std::ranges::any_of(module.places, &TensorPart::is_transposed)) {
    return Unsupported(
        "{} lies turned in GGUF, which codes cannot be; latent attention is written from a folder, "
        "as compressed-tensors",
        module.name);
  }
  if (module.linears.size() > 1 && !RowsStandAlone(scheme.format, module.shape.in)) {
    return Unsupported(
        "{} holds {} linears in one matrix, whose rows {} does not keep apart; formats with scales "
        "for each row do (int8_row, int4_group, fp8)",
        module.name, module.linears.size(), scheme.format.name);
  }
  return layout.supports(scheme.format, scheme.execution, module.shape.out, module.shape.in);
}

Status CanHold(const Layout& layout, const Scheme& scheme, const ModelSource& model) {
  if (layout.write == nullptr) return Unsupported("{} is only read", layout.name);
  const size_t different = model.config().layers.empty() ? 1 : model.config().num_layers;
  for (size_t layer = 0; layer < different; ++layer) {
    for (const BlockModule& module : ModulesOf(model, layer)) {
      BITLOSS_DO(CanHold(layout, scheme, module));
    }
  }
  return Ok();
}

bool IsWrittenAnew(const ModelConfig& config) {
  constexpr std::array<std::string_view, 2> kWritten = {"llama", "qwen2"};
  return std::ranges::find(kWritten, config.architecture) != kWritten.end();
}

// A configuration in the words of the other kind of file is made for these alone.
Status CanBeSaidInFolder(const ModelSource& model) {
  if (model.checkpoint().gguf() == nullptr || IsWrittenAnew(model.config())) return Ok();
  return Unsupported(
      "no folder is made of a GGUF file of architecture {}: of llama and qwen2 alone",
      model.config().architecture);
}

// Experts in MXFP4, as their makers publish them.
Status CanBeWrittenPlain(const ModelSource& model) {
  for (size_t layer = 0; layer < model.config().num_layers; ++layer) {
    for (size_t i = 0; i < model.plan(layer).linears.size(); ++i) {
      const std::string name = model.PlaceOf(layer, i).name;
      BITLOSS_TRY(const TensorInfo info, model.checkpoint().Info(name));
      if (model.checkpoint().gguf() != nullptr || info.stored_type != "mxfp4") continue;
      return Unsupported("tensor '{}' is published in MXFP4 and is not written plainly", name);
    }
  }
  return Ok();
}

// The words of a model that is a GGUF file are copied.
Status CanBeSaidInGguf(const ModelSource& model) {
  return model.checkpoint().gguf() != nullptr ? Ok() : CheckSaidInGguf(model);
}

}  // namespace

Result<const Layout*> ChooseLayout(const Scheme& scheme, const ModelSource& model,
                                   std::string_view name) {
  if (scheme.execution.kv.any()) {
    return Unsupported("scheme '{}': no file says how keys and values are kept; leave {} out",
                       scheme.text, SuffixOf(scheme.execution.kv));
  }
  if (FileTypeOf(scheme.format)) {
    if (!name.empty() && name != GgufLayout().name) {
      return Unsupported("scheme '{}': a file type is written as gguf, not as {}", scheme.text,
                         name);
    }
    BITLOSS_DO(CanBeSaidInGguf(model));
    return &GgufLayout();
  }
  if (name == GgufLayout().name || (name.empty() && GgmlTypeOf(scheme.format) != nullptr)) {
    BITLOSS_DO(CanBeSaidInGguf(model));
    BITLOSS_DO(CanHold(GgufLayout(), scheme, model.AsInGguf()));
    if (QuantizesHead(scheme) && GgmlTypeOf(scheme.head_format) == nullptr) {
      return Unsupported("scheme '{}': gguf has no type for a head in {}", scheme.text,
                         scheme.head_format.name);
    }
    return &GgufLayout();
  }
  if (QuantizesHead(scheme)) {
    return Unsupported("scheme '{}': folders keep lm_head as it is; leave +head out", scheme.text);
  }
  const bool real = scheme.execution.kind == Execution::Kind::kRealActivations;
  BITLOSS_DO(CanBeSaidInFolder(model));
  if (IsPlain(scheme.format) && real && name.empty()) {
    BITLOSS_DO(CanBeWrittenPlain(model));
    return nullptr;
  }
  std::string reasons;
  for (const Layout& layout : Layouts()) {
    if (!name.empty() && layout.name != name) continue;
    const Status status = CanHold(layout, scheme, model);
    if (status.ok()) return &layout;
    reasons += (reasons.empty() ? "" : "; ") + status.error().message;
  }
  if (reasons.empty())
    return NotFound("no layout '{}'; 'bitloss quantize --help' lists them", name);
  return Unsupported("scheme '{}' cannot be written: {}", scheme.text, reasons);
}

Result<const Layout*> ChooseLayoutOfMix(const MixedScheme& mixed, const ModelSource& model,
                                        std::string_view name) {
  if (!name.empty() && name != GgufLayout().name) {
    return Unsupported("a mixed scheme is written as gguf, not as {}", name);
  }
  BITLOSS_DO(CanBeSaidInGguf(model));
  for (const Scheme& component : mixed.components) {
    const Status status = CanHold(GgufLayout(), component, model.AsInGguf());
    if (!status.ok()) {
      return Unsupported("a mixed scheme is written as gguf, which cannot hold '{}': {}",
                         component.text, status.error().message);
    }
  }
  return &GgufLayout();
}

}  // namespace bitloss
