// A scheme that gives each kind of linear of each decoder block a format of its own, in a JSON
// file:
//
//   {"schema": "bitloss.mixed-scheme/1",
//    "layers": [{"self_attn.q_proj": "nf4", ..., "mlp.down_proj": "int8_row"}, ...]}
//
// `bitloss sensitivity --budget` writes one, `bitloss run --schemes FILE.json` evaluates it.
#ifndef BITLOSS_STUDY_MIXED_SCHEME_H_
#define BITLOSS_STUDY_MIXED_SCHEME_H_

#include <array>
#include <span>
#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/model/lane_builder.h"
#include "bitloss/model/weights.h"
#include "bitloss/quant/scheme.h"

namespace bitloss {

struct MixedScheme {
  std::vector<Scheme> components;  // resolved for the model
  // By layer and kind of linear: which of the components. Experts of a layer share one.
  std::vector<std::array<size_t, kNumLinearKinds>> choices;
};

// Whether `text`, given where a scheme is expected, names such a file: it ends in ".json".
bool NamesMixedScheme(std::string_view text);

// kBadInput names `path` and the JSON pointer of what is missing, of the wrong type or does not fit
// the model's layers. kUnsupported: a component whose fit changes more than its own matrix (awq).
// `options` as where a scheme is given by itself.
Result<MixedScheme> ParseMixedScheme(std::string_view json, std::string_view path,
                                     const ModelSource& source, const SchemeOptions& options = {});
std::string WriteMixedScheme(const MixedScheme& mixed);

// What its linears take; with everything else as the first component has it.
LaneSize SizeOf(const MixedScheme& mixed, const ModelSource& source);

// The mix as one lane, taking each linear from the lane of its component; those lanes are spent.
// Requires: built[i] is the lane of components[i], whose fits touch matrices alone.
BuiltLane AssembleMixedLane(const MixedScheme& mixed, std::vector<BuiltLane> built);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_MIXED_SCHEME_H_
