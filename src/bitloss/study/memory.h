#ifndef BITLOSS_STUDY_MEMORY_H_
#define BITLOSS_STUDY_MEMORY_H_

#include <cstdint>

namespace bitloss {

// The most memory that this process has had resident so far, in bytes.
uint64_t PeakResidentBytes();

// The memory of this process that is resident now and not a file's: what --memory bounds.
uint64_t PrivateResidentBytes();

}  // namespace bitloss

#endif  // BITLOSS_STUDY_MEMORY_H_
