#ifndef BITLOSS_STUDY_STORED_TYPES_H_
#define BITLOSS_STUDY_STORED_TYPES_H_

#include <cstdint>
#include <string>

#include "bitloss/base/result.h"
#include "bitloss/checkpoint/checkpoint.h"

namespace bitloss {

struct StoredTypes {
  // The types of the tensors that are not plain floating-point numbers, most weights first: "Q4_1",
  // "Q4_K, Q6_K". Empty if all are.
  std::string quantized = {};
  uint64_t num_bytes = 0;  // of all tensors
};

Result<StoredTypes> FindStoredTypes(const Checkpoint& checkpoint);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_STORED_TYPES_H_
