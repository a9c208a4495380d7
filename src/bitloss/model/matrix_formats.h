// The format of every matrix of a scheme: one for all linears of the decoder blocks and one for the
// head, or, of a file type, what llama-quantize chooses for each tensor.
#ifndef BITLOSS_MODEL_MATRIX_FORMATS_H_
#define BITLOSS_MODEL_MATRIX_FORMATS_H_

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/model/importance.h"
#include "bitloss/model/weights.h"
#include "bitloss/quant/scheme.h"

namespace bitloss {

// Of a file type.
struct FileTypeFormats {
  std::vector<std::vector<const Format*>> linears;  // by layer, then as numbered in its plan
  const Format* embedding = nullptr;
  const Format* head = nullptr;  // of a tied one, the embedding's
};

// Settles what a scheme leaves to the model: what follows its baseline, whether its heads fit a
// cache's blocks, its widths (ResolveForWidths), and a file type's choice, which sees the model's
// tensors by the names that a GGUF file of it has. `importance` (may be null) is what +imatrix goes
// by where a file is given. kUnsupported: a tensor that is made by importances alone when there are
// none; an architecture whose GGUF names are not known; a file that has importances of embedding or
// head.
Result<Scheme> ResolveForModel(Scheme scheme, const ModelSource& source,
                               const ImportanceFile* importance = nullptr);
// The baseline itself.
Result<Scheme> BaselineScheme(const ModelSource& source);

// Nothing if the scheme is no file type. Requires: resolved for the model.
std::optional<FileTypeFormats> FileTypeFormatsOf(const Scheme& scheme, const ModelSource& source);

// The format of each linear of a block. Requires: the scheme is resolved for the model, whose
// configuration this is; it, or the format, outlives this.
class BlockFormats {
 public:
  explicit BlockFormats(const Format& of_all) : all_(&of_all) {}
  BlockFormats(const Scheme& scheme, const ModelConfig& config, size_t layer);
  const Format& operator[](size_t linear) const {
    return of_linears_.empty() ? *all_ : *of_linears_[linear];
  }

 private:
  const Format* all_;
  std::vector<const Format*> of_linears_;
};

// One matrix outside the blocks (embedding, head) in `format`.
Result<EncodedMatrix> EncodeTable(const Format& format, const EncodedMatrix& table,
                                  ThreadPool& threads);

// As PackLayer of weights.h, each linear in its own format.
Result<LayerWeights> PackLayerIn(const ModelConfig& config, const LayerSource& source,
                                 const BlockFormats& formats, const Execution& execution,
                                 const Backend& backend, LaneSize& size);

}  // namespace bitloss

#endif  // BITLOSS_MODEL_MATRIX_FORMATS_H_
