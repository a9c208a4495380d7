// What a device that fails in the middle of an operation throws (backend.h): out of its memory, a
// kernel that did not run, a card that is gone. Caught by the command line alone, which says it in
// one line; what a study has stored stays.
#ifndef BITLOSS_COMPUTE_DEVICE_ERROR_H_
#define BITLOSS_COMPUTE_DEVICE_ERROR_H_

#include <stdexcept>

namespace bitloss {

class DeviceError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_DEVICE_ERROR_H_
