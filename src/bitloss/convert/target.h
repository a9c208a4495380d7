// Which layout a scheme is written in.
#ifndef BITLOSS_CONVERT_TARGET_H_
#define BITLOSS_CONVERT_TARGET_H_

#include <string>
#include <string_view>

#include "bitloss/base/result.h"
#include "bitloss/checkpoint/layouts/layout.h"
#include "bitloss/model/weights.h"
#include "bitloss/quant/scheme.h"
#include "bitloss/study/mixed_scheme.h"

namespace bitloss {

// The layout named, or, for an empty name, the first of Layouts() that can hold all linears of the
// model in the scheme's format, as its checkpoint keeps them (fused, stacked); GgufLayout for
// GGUF's own formats. Null for f16, which needs none. kUnsupported says why the scheme cannot be
// written.
Result<const Layout*> ChooseLayout(const Scheme& scheme, const ModelSource& model,
                                   std::string_view name);

// The same for schemes that are mixed: a GGUF file alone has a type for each of its matrices.
Result<const Layout*> ChooseLayoutOfMix(const MixedScheme& mixed, const ModelSource& model,
                                        std::string_view name);

}  // namespace bitloss

#endif  // BITLOSS_CONVERT_TARGET_H_
