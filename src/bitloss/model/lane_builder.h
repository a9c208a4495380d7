// Makes lanes: every block is read once, fitted and packed for each lane, and forgotten.
#ifndef BITLOSS_MODEL_LANE_BUILDER_H_
#define BITLOSS_MODEL_LANE_BUILDER_H_

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/model/fitted_blocks.h"
#include "bitloss/model/layer_fit.h"
#include "bitloss/model/transformer.h"
#include "bitloss/model/weights.h"
#include "bitloss/quant/scheme.h"

namespace bitloss {

// Takes block `layer` of lane `lane`: norms and biases, and the linears encoded.
using EncodedLayerSink =
    std::function<Status(size_t lane, size_t layer, const FittedLayer& encoded)>;

struct LaneBuilderOptions {
  // Token sequences that calibrating fits run through the blocks; each at most as long as the
  // model's positions. Only looked at if a scheme calibrates.
  std::vector<std::vector<int32_t>> calibration = {};
  // Of the noise that schemes with noise add.
  uint64_t seed = 20250917;
  // Of +imatrix; null: the mean squares of the calibration sequences.
  const ImportanceFile* importance = nullptr;
  // Of weights that are left in FP16, the head's too; as in Backend::Pack.
  Packing packing = Packing::kCopy;
  // If there, takes each block of each lane as it is encoded, in order, and lanes are returned
  // without their blocks: for what writes them down, with one block in memory.
  EncodedLayerSink layer_encoded = {};
  // With a sink: blocks that it has already, or that somebody else fits. Lanes that follow their
  // own blocks are fitted all the same, unless there is a skipped_layer.
  std::function<bool(size_t lane, size_t layer)> skip_layer = {};
  // Where such a block can be read, so that a lane that follows its own blocks goes on through it
  // instead of fitting it again.
  std::function<Result<FittedLayer>(size_t lane, size_t layer)> skipped_layer = {};
  // With a sink: lanes that somebody else fits.
  std::function<bool(size_t lane)> skip_lane = {};
  // Called after each block with the number of blocks done.
  std::function<void(size_t num_layers_done)> layer_done = {};
};

// Weights of one kind in one format.
struct StoredPart {
  std::string tensors;  // "decoder linears"
  std::string format;
  uint64_t num_weights = 0;
  uint64_t num_bytes = 0;
};

// What a lane took to make.
struct BuiltLane {
  LaneWeights weights;
  double seconds = 0.0;  // fitting, encoding and packing its blocks
  // Of a lane that was not made but read (stored_lane.h): every weight in one of them.
  std::vector<StoredPart> stored_parts = {};
};

// The lanes of `schemes` (resolved for the model), in order. Memory beyond the packed
// lanes: one block in FP32, and the calibration sequences' hidden rows, once and once more for each
// lane that follows its own blocks. kUnsupported names the
// scheme that the model or the backend cannot have; kBadInput names a damaged tensor.
Result<std::vector<BuiltLane>> BuildLanes(const ModelSource& source, Transformer& transformer,
                                          std::span<const Scheme> schemes,
                                          const LaneBuilderOptions& options);

// Whether a scheme's blocks take more than an encoding: a search, a solution, calibration.
bool TakesAFit(const Scheme& scheme);

// Makes single blocks of lanes when they are asked for: a lane need not stand in memory whole.
class BlockMaker {
 public:
  // Lane i is schemes[i] (resolved for the model's widths); its blocks are in `fitted` if it takes
  // a fit. Requires: `source`, `backend` and `fitted` outlive it. Memory: embedding and heads, and
  // while blocks are made one block in FP32.
  static Result<BlockMaker> Open(const ModelSource& source, const Backend& backend,
                                 std::vector<Scheme> schemes, uint64_t seed,
                                 const FittedBlocks& fitted);

  // The lane without its blocks, and the size of the whole lane.
  Result<LaneWeights> WithoutBlocks(size_t lane) const;

  // kBadInput names the lane and the block. Calls with the same layer read it once.
  Result<LayerWeights> Make(size_t lane, size_t layer);

  // What a packed block of the lane takes in memory. A fit chooses codes and changes no sizes, so
  // `fitted` need not have its blocks yet.
  Result<uint64_t> PackedBlockBytes(size_t lane);

  // Lets go of the block that was read last.
  void Forget() { read_.clear(); }

 private:
  BlockMaker(const ModelSource& source, const Backend& backend, const FittedBlocks& fitted)
      : source_(&source), backend_(&backend), fitted_(&fitted) {}

  Result<const LayerSource*> Read(size_t layer, Precision precision);

  const ModelSource* source_;
  const Backend* backend_;
  const FittedBlocks* fitted_;
  std::vector<Scheme> schemes_;
  std::vector<LaneWeights> shells_;
  uint64_t seed_ = 0;
  size_t layer_ = 0;  // of read_
  std::map<Precision, LayerSource> read_;
};

}  // namespace bitloss

#endif  // BITLOSS_MODEL_LANE_BUILDER_H_
