#include "bitloss/convert/block_tensors.h"

#include <algorithm>
#include <map>

#include "bitloss/convert/block_modules.h"
#include "bitloss/convert/gguf_file.h"
#include "bitloss/model/matrix_rows.h"

namespace bitloss {
namespace {

DType TypeOf(const Format& plain) {
  if (plain.name == F16Format().name) return DType::kF16;
  return plain.name == BF16Format().name ? DType::kBF16 : DType::kF32;
}

// The plain format that a file's type is; null if none.
const Format* PlainOf(std::string_view stored_type) {
  if (stored_type == "F16") return &F16Format();
  if (stored_type == "BF16") return &BF16Format();
  return stored_type == "F32" ? &F32Format() : nullptr;
}

bool Holds(const Format& format, std::span<const float> values) {
  if (format.name == F32Format().name) return true;
  const auto through = format.name == F16Format().name ? ThroughF16 : ThroughBF16;
  return std::ranges::all_of(values, [&](float value) { return through(value) == value; });
}

const Format& FormatFor(std::span<const float> values, std::span<const Format* const> preferred) {
  for (const Format* format : preferred) {
    if (format != nullptr && Holds(*format, values)) return *format;
  }
  for (const Format* format : {&F16Format(), &BF16Format()}) {
    if (Holds(*format, values)) return *format;
  }
  return F32Format();
}

// The type that the checkpoint has the tensor in; null if it says nothing of what is written: GGUF
// files have all vectors in F32, and folders need not. What is no linear is F32 in a new GGUF file.
const Format* TypeIn(const Checkpoint& checkpoint, const std::string& name, const Layout* layout) {
  if (checkpoint.gguf() == nullptr && layout == &GgufLayout()) return &F32Format();
  const auto info = checkpoint.Info(name);
  const bool speaks = checkpoint.gguf() == nullptr || layout == &GgufLayout();
  return info.ok() && speaks ? PlainOf(info.value().stored_type) : nullptr;
}

// A tensor while its parts are put into it.
struct Whole {
  std::vector<uint64_t> shape;
  std::vector<float> values;
  size_t filled = 0;
};

class PlainTensors {
 public:
  // Values [rows][cols] where `place` says.
  void Put(const TensorPart& place, ConstMatrixView values) {
    Whole& whole = At(place);
    const size_t cols = whole.shape.back();
    const size_t run = place.block_step == 0 ? place.rows : place.run;
    for (size_t row = 0; row < values.rows; ++row) {
      const size_t at = place.Place(row);
      for (size_t col = 0; col < values.cols; ++col) {
        const size_t turned = (place.block + row / run * place.block_step + col) * cols + at;
        whole.values[place.is_transposed ? turned : at * values.cols + col] = values.Row(row)[col];
      }
    }
    whole.filled += values.rows * values.cols;
  }

  // Of a bias: its elements are where its linear's rows are.
  void PutVector(const TensorPart& place, std::span<const float> values) {
    Whole& whole = At(place);
    for (size_t i = 0; i < values.size(); ++i) whole.values[place.Place(i)] = values[i];
    whole.filled += values.size();
  }

  // All of them, each in the first format that holds it: what all is rounded to, or as the
  // checkpoint has it.
  Status MoveTo(const Checkpoint& checkpoint, const BlockForm& form,
                std::vector<SafetensorsEntry>& tensors) {
    for (auto& [name, whole] : wholes_) {
      if (whole.filled != whole.values.size()) {
        return Unsupported("tensor '{}': {} of its {} elements are known here", name, whole.filled,
                           whole.values.size());
      }
      const Format* preferred[] = {form.plain, TypeIn(checkpoint, name, form.layout)};
      const Format& format = FormatFor(whole.values, preferred);
      const ConstMatrixView row{whole.values.data(), 1, whole.values.size(), whole.values.size()};
      BITLOSS_TRY(const EncodedMatrix encoded, format.encode(format, row));
      tensors.push_back(PlainTensor(name, whole.shape, encoded));
    }
    return Ok();
  }

 private:
  Whole& At(const TensorPart& place) {
    Whole& whole = wholes_[place.name];
    if (whole.shape.empty()) {
      whole.shape = place.shape;
      size_t count = 1;
      for (const uint64_t extent : place.shape) count *= extent;
      whole.values.resize(count);
    }
    return whole;
  }

  std::map<std::string, Whole> wholes_;
};

bool IsWhole(const TensorPart& place) {
  return !place.is_transposed && place.run == 0 && place.shape.size() == 2 &&
         place.rows == place.shape[0];
}

// One module's tensors in a layout.
Result<std::vector<SafetensorsEntry>> WriteModule(const BlockModule& module,
                                                  std::span<const EncodedMatrix> linears,
                                                  const Layout& layout) {
  if (module.linears.size() == 1 && IsWhole(module.places[0])) {
    return layout.write(module.name, linears[module.linears[0]]);
  }
  std::vector<const EncodedMatrix*> parts;
  for (const size_t linear : module.linears) parts.push_back(&linears[linear]);
  BITLOSS_TRY(const EncodedMatrix joined, JoinRows(parts, module.places));
  BITLOSS_TRY(std::vector<SafetensorsEntry> tensors, layout.write(module.name, joined));
  const std::vector<uint64_t>& shape = module.places[0].shape;
  if (shape.size() > 2) {  // of all experts or heads: one tensor, its last extent in bytes
    const uint64_t row_bytes = tensors[0].shape.back();
    tensors[0].shape = shape;
    tensors[0].shape.back() = row_bytes;
  }
  return tensors;
}

void PutBiases(const ModelSource& model, size_t layer, const LayerSource& source,
               const Layout* layout, PlainTensors& plain) {
  for (const BlockModule& module : ModulesOf(model, layer)) {
    for (const size_t i : module.linears) {
      if (source.biases[i].empty()) continue;
      TensorPart place = *model.PlaceOfBias(layer, i);
      if (layout != nullptr && module.was_stacked) {
        place = {.name = module.name + ".bias", .shape = {module.shape.out}};
      }
      plain.PutVector(place, source.biases[i]);
    }
  }
}

}  // namespace

SafetensorsEntry PlainTensor(std::string name, std::vector<uint64_t> shape,
                             const EncodedMatrix& matrix) {
  const DType dtype = TypeOf(matrix.format);
  return {.name = std::move(name),
          .stored_type = std::string(Name(dtype)),
          .dtype = dtype,
          .shape = std::move(shape),
          .bytes = matrix.codes};
}

Result<SafetensorsEntry> PlainVector(std::string name, std::span<const float> values,
                                     const Format& preferred) {
  const Format* first[] = {&preferred};
  const Format& format = FormatFor(values, first);
  const ConstMatrixView row{values.data(), 1, values.size(), values.size()};
  BITLOSS_TRY(const EncodedMatrix encoded, format.encode(format, row));
  return PlainTensor(std::move(name), {values.size()}, encoded);
}

Result<std::vector<SafetensorsEntry>> InputScales(const ModelSource& model, size_t layer,
                                                  std::span<const float> scales,
                                                  const Layout& layout,
                                                  const Execution& execution) {
  const float of_zeros = ScaleOfInputs(execution, 0.0f);
  std::vector<SafetensorsEntry> tensors;
  for (const BlockModule& module : ModulesOf(model, layer)) {
    const float scale = scales[module.linears[0]];
    if (scale == of_zeros) {
      return Unsupported(
          "module '{}': no input above 0 in the calibration text, so that it has no scale; "
          "calibrate with more text",
          module.name);
    }
    for (const size_t linear : module.linears) {
      if (scales[linear] != scale) {
        return Unsupported("module '{}': linears of one tensor, whose inputs have scales {} and {}",
                           module.name, scale, scales[linear]);
      }
    }
    tensors.push_back(layout.write_input_scale(module.name, execution, scale));
  }
  return tensors;
}

Result<std::vector<SafetensorsEntry>> BlockTensors(const ModelSource& model, size_t layer,
                                                   const LayerSource& source,
                                                   std::span<const EncodedMatrix> linears,
                                                   const BlockForm& form) {
  std::vector<SafetensorsEntry> tensors;
  PlainTensors plain;
  for (const KeptSpec& kept : source.plan->kept) {
    // A GGUF file has another number here, from which this one was computed: its own goes along.
    if (kept.kept == Kept::kDecayLog && form.layout == &GgufLayout()) continue;
    plain.Put(model.PlaceOf(layer, kept), source.part(kept.kept));
  }
  PutBiases(model, layer, source, form.layout, plain);
  if (form.layout != nullptr) {
    for (const BlockModule& module : ModulesOf(model, layer)) {
      BITLOSS_TRY(std::vector<SafetensorsEntry> parts, WriteModule(module, linears, *form.layout));
      std::ranges::move(parts, std::back_inserter(tensors));
    }
  } else {
    for (size_t i = 0; i < linears.size(); ++i) {
      const TensorPart place = model.PlaceOf(layer, i);
      if (IsWhole(place)) {
        tensors.push_back(PlainTensor(place.name, place.shape, linears[i]));
      } else {
        plain.Put(place, Decode(linears[i]));
      }
    }
  }
  BITLOSS_DO(plain.MoveTo(model.checkpoint(), form, tensors));
  return tensors;
}

}  // namespace bitloss
