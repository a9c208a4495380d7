#ifndef BITLOSS_TEMPLATES_JSON_VALUE_H_
#define BITLOSS_TEMPLATES_JSON_VALUE_H_

#include <string_view>

#include "bitloss/base/result.h"
#include "bitloss/templates/value.h"

namespace bitloss::templates {

// JSON as Python's json.loads gives it to a template: the order of keys is kept, the last of equal
// ones counts, 1.0 stays a float, integers past 64 bits keep their digits. kBadInput with the byte
// if `text` is not JSON or nested more than kMaxValueDepth deep.
Result<Value> ParseJsonValue(std::string_view text);

}  // namespace bitloss::templates

#endif  // BITLOSS_TEMPLATES_JSON_VALUE_H_
