#ifndef BITLOSS_DATA_TASKS_JSON_LINE_H_
#define BITLOSS_DATA_TASKS_JSON_LINE_H_

#include <nlohmann/json.hpp>

#include "bitloss/json/parse.h"

namespace bitloss {

// A line that is a JSON object.
struct JsonLine {
  OrderedJson json;
  size_t number = 0;
};

}  // namespace bitloss

#endif  // BITLOSS_DATA_TASKS_JSON_LINE_H_
