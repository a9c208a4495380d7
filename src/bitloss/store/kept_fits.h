// Decoder blocks as fits left them (codes, scales, norms): what AWQ, GPTQ and the like need not
// make again when a study goes on, gets another lane, or is measured anew on another text.
//
// They lie in <folder>/fits.db, beside the study and no part of it: a file that is missing, damaged
// or of another model is begun anew, a block that is not what was put counts as missing, and what
// is missing is fitted again, to the same bytes. Blocks are kept as they come until the file's
// limit is reached.
#ifndef BITLOSS_STORE_KEPT_FITS_H_
#define BITLOSS_STORE_KEPT_FITS_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/store/sqlite.h"

namespace bitloss {

class KeptFits {
 public:
  // `identity` names everything that all blocks depend on: the model and how the program computes.
  // max_bytes 0: nothing is kept or found. Requires: this process holds the study's Store.
  static Result<KeptFits> OpenOrCreate(const std::filesystem::path& folder,
                                       const std::string& identity, uint64_t max_bytes);

  // Block `layer` of a fit; `fit` names everything else that it depends on. Left out where it would
  // pass the limit. A block that is there stays.
  Status Put(const std::string& fit, size_t layer, std::span<const std::byte> block);
  // None: not there, or not what was put.
  Result<std::optional<std::vector<std::byte>>> Get(const std::string& fit, size_t layer);

  // What all blocks of a fit took to make; replaces what was there. 0: not known.
  Status PutSeconds(const std::string& fit, double seconds);
  Result<double> Seconds(const std::string& fit) const;

 private:
  Result<bool> Has(const std::string& fit, size_t layer) const;
  Status Remove(const std::string& fit, size_t layer);

  std::optional<Database> database_;
  uint64_t num_bytes_ = 0;
  uint64_t max_bytes_ = 0;
};

}  // namespace bitloss

#endif  // BITLOSS_STORE_KEPT_FITS_H_
