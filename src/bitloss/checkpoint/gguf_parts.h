// The names of the parts of a split GGUF file: "x-00002-of-00005.gguf".
#ifndef BITLOSS_CHECKPOINT_GGUF_PARTS_H_
#define BITLOSS_CHECKPOINT_GGUF_PARTS_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace bitloss {

struct GgufPartName {
  std::string whole;  // without the numbers; the path itself of a file that is not split
  size_t number = 1;  // from 1
  size_t count = 1;
};

// Which part of how many a path says that it is.
GgufPartName ParseGgufPartName(std::string_view path);

// "-00002-of-00005.gguf"
std::string GgufPartSuffix(size_t number, size_t count);

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_GGUF_PARTS_H_
