// A model's weights on disk, whatever the layout: tensors by their Hugging Face names, decoded to
// float32 row by row.
#ifndef BITLOSS_CHECKPOINT_CHECKPOINT_H_
#define BITLOSS_CHECKPOINT_CHECKPOINT_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/checkpoint/gguf.h"
#include "bitloss/quant/format.h"
#include "bitloss/quant/scheme.h"
#include "bitloss/tensor/tensor_view.h"

namespace bitloss {

struct SafetensorsEntry;  // checkpoint/safetensors.h

// What is known of a tensor without reading it. It has `rows` rows of `cols` neighbouring elements:
// cols is the last extent, rows the product of the others; a vector is one row, a scalar one row of
// one element.
struct TensorInfo {
  std::vector<uint64_t> shape;  // slowest first, as PyTorch
  std::string stored_type;      // as its file spells it: "F16", "Q4_K"
  uint64_t num_bytes = 0;       // stored
  uint64_t rows = 0;
  uint64_t cols = 0;
};

// What a folder's config.json says of weights that another tool has quantized.
struct StoredQuantization {
  std::string method;   // "bitsandbytes nf4"
  Execution execution;  // what is multiplied where the matrices are run as they are meant to
  // What `execution` rounds inputs of linears to, in words; empty: nothing.
  std::string rounds = {};
  // Where calibration found the scale of inputs, each matrix's Execution::activation_scale:
  // "P.weight".
  std::map<std::string, float, std::less<>> input_scales = {};
  // What its config asks of the program that serves it and what is not run here, in words:
  // "activations in float 8 bits, token".
  std::vector<std::string> not_run = {};
  std::vector<std::string> notes = {};  // sentences for a reader
};

// Abstract because a folder and a GGUF file have nothing in common but this. All functions may be
// called from several threads at once.
class Checkpoint {
 public:
  // `path` is one of
  //   a folder with config.json and model.safetensors, or model.safetensors.index.json and the
  //     shards that it names, quantized or not (checkpoint/layouts lists the layouts);
  //   a .gguf file (any part of a split one), or a folder with that and no config.json.
  //
  // kNotFound: nothing there, no weights in the folder, a missing shard (one message for all of
  // them). kUnsupported: weights quantized in a way that no layout of checkpoint/layouts reads.
  // kBadInput also for a quantized matrix whose parts are missing or do not fit together.
  // Everything else as SafetensorsFile::Open and GgufFile::Open say.
  static Result<std::unique_ptr<Checkpoint>> Open(const std::filesystem::path& path);
  virtual ~Checkpoint() = default;

  // As given to Open.
  virtual const std::filesystem::path& path() const = 0;

  // Sorted. Names are Hugging Face's ("model.layers.0.mlp.up_proj.weight"). A tensor of a GGUF file
  // that has none keeps its own, except the rotary factors: "rope_freqs".
  virtual std::vector<std::string> TensorNames() const = 0;

  // A quantized matrix counts as one tensor: its parts (codes, scales) have no names here, and its
  // size is theirs. kNotFound if there is no such tensor.
  virtual Result<TensorInfo> Info(std::string_view name) const = 0;
  bool Has(std::string_view name) const { return Info(name).ok(); }
  Result<std::vector<uint64_t>> Shape(std::string_view name) const;
  Result<std::string> StoredType(std::string_view name) const;

  // Rows [begin, end) to float32, as the file defines their values, in Hugging Face's row order:
  // the rows of q and k that GGUF reorders for architecture llama (interleaved instead of
  // half-split rotary pairs), weights and biases, are put back.
  //
  // kUnsupported if the type cannot be decoded. Requires: begin <= end <= rows, out.size() ==
  // (end - begin) * cols.
  virtual Status ReadRows(std::string_view name, uint64_t begin, uint64_t end,
                          std::span<float> out) const = 0;

  // The stored bytes themselves, if they are plain F16, BF16 or F32 in Hugging Face's order.
  virtual std::optional<TensorView> View(std::string_view name) const = 0;

  // A folder's tensor as it lies in its file, of whatever type; none if there is no such tensor, if
  // it is a quantized matrix, or if the checkpoint is no folder. For who writes it again.
  virtual std::optional<SafetensorsEntry> Stored(std::string_view name) const;

  // The matrix packed as its file has quantized it, nothing expanded; none if the file holds plain
  // numbers. kUnsupported if no packed format says what the file says. Requires: Has(name).
  virtual Result<std::optional<EncodedMatrix>> Quantized(std::string_view name) const = 0;

  // Of a folder whose config.json has a quantization_config, or that has a hf_quant_config.json;
  // none for a GGUF file, whose tensors each say for themselves.
  virtual const StoredQuantization* quantization() const { return nullptr; }

  // The file behind a GGUF checkpoint, for its metadata; null for a folder.
  virtual const GgufFile* gguf() const { return nullptr; }

  // A hash (SHA-256, hexadecimal) that tells two models apart: of the headers and metadata of all
  // files, the text of the folder's other files that decide how the model runs (config.json,
  // generation_config.json, hf_quant_config.json, tokenizer.json, tokenizer_config.json,
  // chat_template.jinja), and of every tensor the name,
  // the size and all bytes. So it does not depend on where the model lies, and no other weights
  // pass for these. Reads the model once: about a second for 1.4 GB on a processor with
  // instructions for SHA.
  virtual Result<std::string> Identity() const = 0;
};

// kBadInput, naming the tensor and the first element that is NaN or infinite. `first` is the index
// in the tensor of values[0].
Status CheckFinite(std::string_view tensor, std::span<const float> values, uint64_t first = 0);

// ReadRows, then CheckFinite.
Status ReadFiniteRows(const Checkpoint& checkpoint, std::string_view name, uint64_t begin,
                      uint64_t end, std::span<float> out);

}  // namespace bitloss

#endif  // BITLOSS_CHECKPOINT_CHECKPOINT_H_
