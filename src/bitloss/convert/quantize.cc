#include "bitloss/convert/quantize.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "bitloss/compute/devices.h"
#include "bitloss/convert/block_modules.h"
#include "bitloss/convert/block_tensors.h"
#include "bitloss/convert/carried_tensors.h"
#include "bitloss/convert/gguf_file.h"
#include "bitloss/convert/hf_folder.h"
#include "bitloss/convert/parts_folder.h"
#include "bitloss/convert/target.h"
#include "bitloss/model/lane_builder.h"
#include "bitloss/model/matrix_formats.h"
#include "bitloss/quant/formats/planes.h"
#include "bitloss/quant/scheme_file_type.h"
#include "bitloss/study/lanes.h"

namespace bitloss {
namespace {

namespace fs = std::filesystem;
using OrderedJson = nlohmann::ordered_json;

constexpr const char* kTablesPart = "tables";
constexpr const char* kGgufName = "model.gguf";

bool NamesGgufFile(const fs::path& out) { return out.extension() == ".gguf"; }

// The layout asked for; a file's name asks for gguf.
Result<std::string> LayoutAskedFor(const QuantizeOptions& options) {
  if (!NamesGgufFile(options.out)) return options.layout;
  const std::string gguf(GgufLayout().name);
  if (options.layout.empty() || options.layout == gguf) return gguf;
  return BadInput(
      "--out {} names a GGUF file, and --layout {} is a folder's; leave one of them out",
      options.out.string(), options.layout);
}

std::string LayerPart(size_t layer) { return fmt::format("layer-{:05}", layer); }

// A table as it is or, where `format` is one, in it.
Result<std::vector<SafetensorsEntry>> TableParts(const std::string& name,
                                                 const EncodedMatrix& table, const Format* format,
                                                 const Layout* layout) {
  if (format == nullptr) return std::vector{PlainTensor(name, {table.rows, table.cols}, table)};
  BITLOSS_TRY(const EncodedMatrix encoded, format->encode(*format, Decode(table)));
  return layout->write(ModuleOf(name), encoded);
}

// Embedding and head of a file type.
Result<std::vector<SafetensorsEntry>> FileTypeTables(const ModelSource& source,
                                                     const FileTypeFormats& formats,
                                                     ThreadPool& threads) {
  BITLOSS_TRY(const EncodedMatrix embedding,
              source.Embedding(source.baseline_precision(), threads));
  BITLOSS_TRY(const EncodedMatrix encoded, EncodeTable(*formats.embedding, embedding, threads));
  BITLOSS_TRY(std::vector<SafetensorsEntry> tensors,
              GgufLayout().write("model.embed_tokens", encoded));
  if (source.tied_head()) return tensors;
  BITLOSS_TRY(const EncodedMatrix head, source.Head(source.baseline_precision(), threads));
  BITLOSS_TRY(const EncodedMatrix encoded_head, EncodeTable(*formats.head, head, threads));
  BITLOSS_TRY(std::vector<SafetensorsEntry> parts, GgufLayout().write("lm_head", encoded_head));
  std::ranges::move(parts, std::back_inserter(tensors));
  return tensors;
}

// What the vectors of a lane are in, where that holds them.
const Format& KindOfVectors(const Scheme& scheme) {
  return IsPlain(scheme.head_format) ? scheme.head_format : F16Format();
}

// The model whose names and places are those of what is written.
ModelSource ModelAsWritten(const ModelSource& model, const Layout* layout) {
  return layout == &GgufLayout() ? model.AsInGguf() : model;
}

// Embedding, final norm and, unless it is the embedding, head.
Result<std::vector<SafetensorsEntry>> TableTensors(const ModelSource& source, const Scheme& scheme,
                                                   const Layout* layout, ThreadPool& threads) {
  const Format* of_head = QuantizesHead(scheme) ? &scheme.head_format : nullptr;
  const ModelSource written = ModelAsWritten(source, layout);
  const Precision precision = source.PrecisionFor(scheme.format);
  BITLOSS_TRY(const std::vector<float> norm, source.FinalNorm(precision));
  BITLOSS_TRY(SafetensorsEntry norm_part,
              PlainVector(written.FinalNormName(), norm, KindOfVectors(scheme)));
  if (const auto formats = FileTypeFormatsOf(scheme, source)) {
    BITLOSS_TRY(std::vector<SafetensorsEntry> file_type, FileTypeTables(source, *formats, threads));
    file_type.push_back(std::move(norm_part));
    return file_type;
  }
  BITLOSS_TRY(const EncodedMatrix embedding, source.Embedding(precision, threads));
  BITLOSS_TRY(std::vector<SafetensorsEntry> tensors,
              TableParts(written.EmbeddingName(), embedding, source.tied_head() ? of_head : nullptr,
                         layout));
  tensors.push_back(std::move(norm_part));
  if (!source.tied_head()) {
    BITLOSS_TRY(const EncodedMatrix head, source.Head(precision, threads));
    BITLOSS_TRY(std::vector<SafetensorsEntry> parts,
                TableParts(written.HeadName(), head, of_head, layout));
    std::ranges::move(parts, std::back_inserter(tensors));
  }
  return tensors;
}

// Everything that a part depends on.
Result<std::string> DescribeJob(const ModelFiles& model, const LaneRecord& lane,
                                std::string_view layout) {
  BITLOSS_TRY(const std::string identity, model.source.checkpoint().Identity());
  const OrderedJson job = {{"model", model.name},
                           {"identity", identity},
                           {"scheme", lane.scheme},
                           {"definition", lane.definition},
                           {"layout", layout}};
  return job.dump(2) + "\n";
}

// Whether the scheme is a plain format that rounds what the model has.
bool Casts(const ModelSource& model, const Scheme& scheme) {
  return IsPlain(scheme.format) && model.PrecisionFor(scheme.format) != Precision::kStored;
}

// Takes a block as each of a plan's schemes encodes it, one after the other, and stores it when it
// is whole: of a mixed plan, each linear as the scheme that it is given to has it.
class BlockWriter {
 public:
  BlockWriter(const ModelSource& model, const LanePlan& plan, const Layout* layout,
              const PartsFolder& folder)
      : model_(ModelAsWritten(model, layout)),
        mixed_(plan.mixed ? &*plan.mixed : nullptr),
        execution_(plan.scheme.execution),
        form_{layout, Casts(model, plan.scheme) ? &plan.scheme.format : nullptr},
        folder_(folder) {}

  Status Take(size_t component, size_t layer, const FittedLayer& fitted) {
    if (mixed_ == nullptr) {
      return Put(layer, fitted.source, fitted.encoded, fitted.activation_scales);
    }
    if (component == 0) linears_ = fitted.encoded;
    for (size_t i = 0; i < linears_.size(); ++i) {
      const auto kind = static_cast<size_t>(fitted.source.plan->linears[i].kind);
      if (mixed_->choices[layer][kind] == component) linears_[i] = fitted.encoded[i];
    }
    if (component + 1 < mixed_->components.size()) return Ok();
    return Put(layer, fitted.source, linears_, {});
  }

 private:
  // `input_scales` of a plan that is not mixed: a mixed one is written as GGUF, which has none.
  Status Put(size_t layer, const LayerSource& source, std::span<const EncodedMatrix> linears,
             std::span<const float> input_scales) {
    BITLOSS_TRY(std::vector<SafetensorsEntry> tensors,
                BlockTensors(model_, layer, source, linears, form_));
    if (execution_.static_activations && !input_scales.empty()) {
      BITLOSS_TRY(std::vector<SafetensorsEntry> scales,
                  InputScales(model_, layer, input_scales, *form_.layout, execution_));
      std::ranges::move(scales, std::back_inserter(tensors));
    }
    return folder_.Put(LayerPart(layer), tensors);
  }

  const ModelSource model_;
  const MixedScheme* mixed_;
  const Execution execution_;
  const BlockForm form_;
  const PartsFolder& folder_;
  std::vector<EncodedMatrix> linears_;  // of a mixed plan's block so far
};

// Fits, encodes and stores the layers that the folder does not have yet; how many seconds it took.
Result<double> MakeLayers(const ModelFiles& model, const LanePlan& plan,
                          const Calibration& calibration, const Layout* layout,
                          const PartsFolder& folder, const QuantizeOptions& options,
                          ThreadPool& threads, const ProgressSink& progress) {
  BITLOSS_TRY(const std::unique_ptr<Backend> backend, MakeBackend(threads));
  Transformer transformer(model.source.config(), *backend);
  Progress state{"quantize", 0, model.source.config().num_layers, "layers"};
  progress(state);
  LaneBuilderOptions builder;
  builder.calibration = calibration.sequences;
  builder.layer_done = [&](size_t done) {
    state.done = done;
    progress(state);
  };
  builder.skip_layer = [&](size_t, size_t layer) { return folder.Has(LayerPart(layer)); };
  builder.seed = options.study.seed;
  builder.importance = calibration.importance ? &*calibration.importance : nullptr;
  BlockWriter writer(model.source, plan, layout, folder);
  builder.layer_encoded = [&](size_t component, size_t layer, const FittedLayer& fitted) {
    return writer.Take(component, layer, fitted);
  };
  const std::span<const Scheme> schemes =
      plan.mixed ? std::span<const Scheme>(plan.mixed->components) : std::span(&plan.scheme, 1);
  BITLOSS_TRY(const std::vector<BuiltLane> lanes,
              BuildLanes(model.source, transformer, schemes, builder));
  double seconds = 0.0;
  for (const BuiltLane& lane : lanes) seconds += lane.seconds;
  return seconds;
}

// All finished parts as one folder; the bytes of its weights.
Result<uint64_t> Assemble(const ModelFiles& model, const Scheme& scheme, const Layout* layout,
                          const QuantizeOptions& options, PartsFolder& folder) {
  std::vector<SafetensorsEntry> tensors;
  for (size_t layer = 0; layer < model.source.config().num_layers; ++layer) {
    BITLOSS_TRY(std::vector<SafetensorsEntry> part, folder.Read(LayerPart(layer)));
    std::ranges::move(part, std::back_inserter(tensors));
  }
  BITLOSS_TRY(std::vector<SafetensorsEntry> tables, folder.Read(kTablesPart));
  std::ranges::move(tables, std::back_inserter(tensors));
  if (layout != &GgufLayout()) {
    BITLOSS_TRY(std::vector<SafetensorsEntry> carried,
                CarriedTensors(model.source, model.source.PrecisionFor(scheme.format)));
    std::ranges::move(carried, std::back_inserter(tensors));
  }
  uint64_t num_bytes = 0;
  for (const SafetensorsEntry& tensor : tensors) num_bytes += tensor.bytes.size();

  BITLOSS_TRY(const fs::path whole, folder.BeginWhole());
  if (layout == &GgufLayout()) {
    const auto file_type = FileTypeOf(scheme.format);
    const GgufTarget target = {whole / kGgufName, whole, file_type ? file_type->type : nullptr,
                               model.source.PrecisionFor(scheme.format)};
    BITLOSS_DO(WriteGgufFile(model, std::move(tensors), target));
    BITLOSS_DO(NamesGgufFile(options.out) ? folder.FinishAsFile(kGgufName) : folder.Finish());
    return num_bytes;
  }
  OrderedJson quantization;
  if (layout != nullptr) {
    quantization =
        layout->config(scheme.format, scheme.execution, PlainModules(model.source, tensors));
  }
  BITLOSS_DO(WriteWeights(whole, std::move(tensors), options.max_shard_bytes));
  BITLOSS_DO(WriteFolderFiles(model, quantization, scheme.head_format, whole));
  BITLOSS_DO(folder.Finish());
  return num_bytes;
}

}  // namespace

Result<QuantizeResult> QuantizeModel(const QuantizeOptions& options, const ProgressSink& progress) {
  BITLOSS_TRY(const std::string asked, LayoutAskedFor(options));
  BITLOSS_TRY(const ModelFiles model, OpenModel(options.study.model, options.study.baseline));
  BITLOSS_TRY(const Calibration calibration, ReadCalibration(model, options.study));
  StudyOptions study = options.study;
  study.schemes = {options.scheme};
  study.lanes.clear();
  BITLOSS_TRY(const std::vector<LanePlan> plans, PlanLanes(model, study, calibration, {}));
  const LanePlan& plan = plans.back();  // the baseline itself, for "fp16"
  const Result<const Layout*> chosen = plan.mixed
                                           ? ChooseLayoutOfMix(*plan.mixed, model.source, asked)
                                           : ChooseLayout(plan.scheme, model.source, asked);
  if (!chosen.ok() && asked != options.layout) {
    return Error{chosen.error().kind,
                 fmt::format("{}; --out names a GGUF file: a folder's name has the scheme written "
                             "in a layout of its own",
                             chosen.error().message)};
  }
  BITLOSS_TRY(const Layout* layout, chosen);

  QuantizeResult result;
  result.layout = layout == nullptr ? "plain" : std::string(layout->name);
  BITLOSS_TRY(const std::string job, DescribeJob(model, plan.record, result.layout));
  BITLOSS_TRY(PartsFolder folder, PartsFolder::OpenOrCreate(options.out, job));
  for (size_t layer = 0; layer < model.source.config().num_layers; ++layer) {
    result.num_layers_resumed += folder.Has(LayerPart(layer)) ? 1 : 0;
  }
  ThreadPool threads(options.study.num_threads);
  BITLOSS_TRY(result.seconds,
              MakeLayers(model, plan, calibration, layout, folder, options, threads, progress));
  if (!folder.Has(kTablesPart)) {
    BITLOSS_TRY(const std::vector<SafetensorsEntry> tables,
                TableTensors(model.source, plan.scheme, layout, threads));
    BITLOSS_DO(folder.Put(kTablesPart, tables));
  }
  BITLOSS_TRY(result.num_bytes, Assemble(model, plan.scheme, layout, options, folder));
  return result;
}

}  // namespace bitloss
