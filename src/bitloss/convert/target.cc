#include "bitloss/convert/target.h"

#include "bitloss/convert/gguf_file.h"
#include "bitloss/model/weights.h"
#include "bitloss/quant/formats/ggml/ggml_format.h"

namespace bitloss {
namespace {

Status CanHold(const Layout& layout, const Scheme& scheme, const ModelConfig& config) {
  if (layout.write == nullptr) return Unsupported("{} is only read", layout.name);
  for (const Linear linear : kAllLinears) {
    const LinearShape shape = ShapeOf(config, linear);
    BITLOSS_DO(layout.supports(scheme.format, scheme.execution, shape.out, shape.in));
  }
  return Ok();
}

}  // namespace

Result<const Layout*> ChooseLayout(const Scheme& scheme, const ModelConfig& config,
                                   std::string_view name) {
  if (name == GgufLayout().name || (name.empty() && GgmlTypeOf(scheme.format) != nullptr)) {
    BITLOSS_DO(CanHold(GgufLayout(), scheme, config));
    if (QuantizesHead(scheme) && GgmlTypeOf(scheme.head_format) == nullptr) {
      return Unsupported("scheme '{}': gguf has no type for a head in {}", scheme.text,
                         scheme.head_format.name);
    }
    return &GgufLayout();
  }
  if (QuantizesHead(scheme)) {
    return Unsupported("scheme '{}': folders keep lm_head in FP16; leave +head out", scheme.text);
  }
  const bool real = scheme.execution.kind == Execution::Kind::kRealActivations;
  if (scheme.format.name == F16Format().name && real && name.empty()) return nullptr;
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

}  // namespace bitloss
