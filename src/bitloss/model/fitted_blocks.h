// Decoder blocks of lanes that took a fit: kept from the moment they are fitted until they are
// packed, in memory or in a file, and handed from process to process as bytes.
#ifndef BITLOSS_MODEL_FITTED_BLOCKS_H_
#define BITLOSS_MODEL_FITTED_BLOCKS_H_

#include <filesystem>
#include <map>
#include <memory>
#include <utility>

#include "bitloss/base/bytes.h"
#include "bitloss/base/result.h"
#include "bitloss/model/layer_fit.h"

namespace bitloss {

// A fitted block as bytes: norms, biases, activation scales, and of each linear the name of its
// format, its shape and its planes; numbers little-endian.
SharedBytes WriteFittedBlock(const FittedLayer& block);
// Raised when these bytes change their meaning: whoever keeps them keeps this beside them.
inline constexpr int kFittedBlockVersion = 2;

// The same block, of the given plan, its weights empty and its planes inside `bytes`. `format` is
// what the block was fitted to; a linear may be in the format that this one stores rows of its
// width in. kBadInput if the bytes are not such a block.
Result<FittedLayer> ReadFittedBlock(const SharedBytes& bytes, const Format& format,
                                    std::shared_ptr<const LayerPlan> plan);

class FittedBlocks {
 public:
  FittedBlocks() = default;
  // Keeps them in a file in `folder` (or, if that is not on this machine, where temporary files go)
  // that has no name and ends with the process. kIo if there is no room for it.
  static Result<FittedBlocks> InFile(const std::filesystem::path& folder);

  Status Put(size_t lane, size_t layer, const SharedBytes& block);
  bool Has(size_t lane, size_t layer) const { return places_.contains({lane, layer}); }
  // Requires: Has(lane, layer).
  Result<SharedBytes> Get(size_t lane, size_t layer) const;

 private:
  struct Place {
    SharedBytes bytes;  // or in the file:
    uint64_t offset = 0;
    uint64_t size = 0;
  };
  std::map<std::pair<size_t, size_t>, Place> places_;
  std::shared_ptr<const int> file_;  // descriptor; null: in memory
  uint64_t end_ = 0;                 // of the file
};

}  // namespace bitloss

#endif  // BITLOSS_MODEL_FITTED_BLOCKS_H_
