#include "bitloss/convert/target.h"

#include <algorithm>
#include <array>

#include "bitloss/convert/gguf_file.h"
#include "bitloss/model/weights.h"
#include "bitloss/quant/formats/ggml/ggml_format.h"
#include "bitloss/quant/scheme_file_type.h"

namespace bitloss {
namespace {

Status CanHold(const Layout& layout, const Scheme& scheme, const ModelConfig& config) {
  if (layout.write == nullptr) return Unsupported("{} is only read", layout.name);
  for (const LinearSpec& linear : PlanLayer(config, 0).linears) {
    const LinearShape shape = linear.shape;
    BITLOSS_DO(layout.supports(scheme.format, scheme.execution, shape.out, shape.in));
  }
  return Ok();
}

// Others are read alone: their matrices lie in other ways than one by one under Llama's names.
Status CanBeWritten(const ModelConfig& config) {
  constexpr std::array<std::string_view, 2> kWritten = {"llama", "qwen2"};
  if (std::ranges::find(kWritten, config.architecture) != kWritten.end()) return Ok();
  return Unsupported("checkpoints of architecture {} are not written; written are {}",
                     config.architecture, fmt::join(kWritten, ", "));
}

// A GGUF file of these has no key for a window, and the writer none for these scalings.
Status CanBeSaidInGguf(const ModelConfig& config) {
  const RopeScaling& scaling = config.ropes[0].scaling;
  if (std::holds_alternative<YarnRopeScaling>(scaling) ||
      std::holds_alternative<LongRopeScaling>(scaling)) {
    return Unsupported("gguf: this kind of rotary scaling is not written");
  }
  for (size_t layer = 0; layer < config.num_layers; ++layer) {
    if (config.layer(layer).window > 0) {
      return Unsupported("gguf: a file of architecture {} has no word for a window",
                         config.architecture);
    }
  }
  return Ok();
}

}  // namespace

Result<const Layout*> ChooseLayout(const Scheme& scheme, const ModelConfig& config,
                                   std::string_view name) {
  BITLOSS_DO(CanBeWritten(config));
  if (scheme.execution.kv.any()) {
    return Unsupported("scheme '{}': no file says how keys and values are kept; leave {} out",
                       scheme.text, SuffixOf(scheme.execution.kv));
  }
  if (FileTypeOf(scheme.format)) {
    if (!name.empty() && name != GgufLayout().name) {
      return Unsupported("scheme '{}': a file type is written as gguf, not as {}", scheme.text,
                         name);
    }
    BITLOSS_DO(CanBeSaidInGguf(config));
    return &GgufLayout();
  }
  if (name == GgufLayout().name || (name.empty() && GgmlTypeOf(scheme.format) != nullptr)) {
    BITLOSS_DO(CanHold(GgufLayout(), scheme, config));
    BITLOSS_DO(CanBeSaidInGguf(config));
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
  if (IsPlain(scheme.format) && real && name.empty()) return nullptr;
  std::string reasons;
  for (const Layout& layout : Layouts()) {
    if (!name.empty() && layout.name != name) continue;
    const Status status = CanHold(layout, scheme, config);
    if (status.ok()) return &layout;
    reasons += (reasons.empty() ? "" : "; ") + status.error().message;
  }
  if (reasons.empty())
    return NotFound("no layout '{}'; 'bitloss quantize --help' lists them", name);
  return Unsupported("scheme '{}' cannot be written: {}", scheme.text, reasons);
}

Result<const Layout*> ChooseLayoutOfMix(const MixedScheme& mixed, const ModelConfig& config,
                                        std::string_view name) {
  BITLOSS_DO(CanBeWritten(config));
  if (!name.empty() && name != GgufLayout().name) {
    return Unsupported("a mixed scheme is written as gguf, not as {}", name);
  }
  BITLOSS_DO(CanBeSaidInGguf(config));
  for (const Scheme& component : mixed.components) {
    const Status status = CanHold(GgufLayout(), component, config);
    if (!status.ok()) {
      return Unsupported("a mixed scheme is written as gguf, which cannot hold '{}': {}",
                         component.text, status.error().message);
    }
  }
  return &GgufLayout();
}

}  // namespace bitloss
