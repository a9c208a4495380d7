// What the readers of tokenizer.json's trees have in common.
#ifndef BITLOSS_TOKENIZER_STEP_TREE_H_
#define BITLOSS_TOKENIZER_STEP_TREE_H_

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "bitloss/base/result.h"
#include "bitloss/tokenizer/json_fields.h"
#include "bitloss/tokenizer/pattern.h"
#include "bitloss/tokenizer/pre_tokenizer.h"

namespace bitloss {

using VisitStep = std::function<Status(const JsonFields& node, const std::string& type)>;

// Visits the leaves of a tree of Sequences, in order; `children` is the field that holds them.
// Nothing for null.
Status ForEachStep(const nlohmann::json& value, const std::string& where, std::string_view children,
                   const VisitStep& visit);

Error UnknownKind(const JsonFields& node, std::string_view type, std::string_view known);

// The field `pattern` of a node, which is {"String": "..."}, a text to look for, or, in the second,
// {"Regex": "..."} too.
Result<std::string> LiteralPattern(const JsonFields& node);
Result<Pattern> AnyPattern(const JsonFields& node);

// Metaspace is a pre-tokenizer and a decoder.
Result<PreTokenizer::Metaspace> ReadMetaspace(const JsonFields& node);

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_STEP_TREE_H_
