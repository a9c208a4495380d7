// What goes from block to block: one row for each token. In most models that is the residual
// stream alone. Where layers attend to keys and values of an earlier one, or are told more of a
// token than the stream says, the row holds those too, so that whoever carries rows from block to
// block, through a lane that stands in memory whole or through one that never does, carries all
// that the next block reads.
#ifndef BITLOSS_MODEL_STREAM_H_
#define BITLOSS_MODEL_STREAM_H_

#include <cstddef>
#include <vector>

#include "bitloss/model/config.h"

namespace bitloss {

// Columns [begin, end) of a row.
struct ColumnRange {
  size_t begin = 0;
  size_t end = 0;
  size_t size() const { return end - begin; }
};

class StreamLayout {
 public:
  explicit StreamLayout(const ModelConfig& config);

  size_t width() const { return width_; }
  // The residual stream, which comes first; of several, the first.
  ColumnRange residual() const { return residual_; }
  // What layers are told of a token, all of them; empty if the model has none. And one layer's.
  ColumnRange per_layer() const { return per_layer_; }
  ColumnRange per_layer(size_t layer) const;
  // Keys and values of a layer that a later one attends to; empty of others.
  ColumnRange keys(size_t layer) const { return layers_[layer].keys; }
  ColumnRange values(size_t layer) const { return layers_[layer].values; }

 private:
  struct Shared {
    ColumnRange keys;
    ColumnRange values;
  };
  ColumnRange Take(size_t count);

  size_t width_ = 0;
  ColumnRange residual_;
  ColumnRange per_layer_;
  std::vector<Shared> layers_;
};

}  // namespace bitloss

#endif  // BITLOSS_MODEL_STREAM_H_
