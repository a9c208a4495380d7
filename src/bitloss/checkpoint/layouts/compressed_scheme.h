#ifndef BITLOSS_CHECKPOINT_LAYOUTS_COMPRESSED_SCHEME_H_
#define BITLOSS_CHECKPOINT_LAYOUTS_COMPRESSED_SCHEME_H_

#include <string_view>

namespace bitloss {

// How compressed-tensors' config names a format of ours. Inside the module.
struct CompressedScheme {
  std::string_view format;    // "pack-quantized"
  std::string_view type;      // "int", "float"
  std::string_view strategy;  // "group", "tensor_group", "channel", "tensor", "block"
  bool symmetric = true;
  std::string_view scale_dtype = {};  // "torch.uint8"; empty: none is named
};

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_LAYOUTS_COMPRESSED_SCHEME_H_
