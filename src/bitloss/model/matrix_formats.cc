#include "bitloss/model/matrix_formats.h"

#include <algorithm>
#include <map>

#include "bitloss/model/architecture.h"
#include "bitloss/quant/formats/ggml/ggml_format.h"
#include "bitloss/quant/scheme_file_type.h"

namespace bitloss {
namespace {

constexpr const char* kEmbedding = "token_embd.weight";
constexpr const char* kHead = "output.weight";

enum class Head { kTied, kOwn };

// The tensors of a GGUF file of the model, each once, and where the linears are among them.
struct GgufTensors {
  std::vector<FileTypeTensor> tensors;
  std::vector<std::vector<size_t>> of_linears;  // by layer, as numbered in its plan
};

// The tensor that holds a linear: its own, one with its neighbours, or one of all experts.
FileTypeTensor TensorOf(const TensorNames& names, size_t layer, const LinearSpec& linear) {
  const auto kind = static_cast<size_t>(linear.kind);
  const size_t in_mlp = kind - static_cast<size_t>(Linear::kGate);
  const auto named = [&](std::string_view rest, FileTypeTensor::Rank rank) {
    return FileTypeTensor{fmt::format("blk.{}.{}", layer, rest), linear.shape.in, rank};
  };
  if (linear.unit == Unit::kExpert) {
    const std::string_view own = names.stacked[in_mlp];
    return named(own.empty() ? names.stacked_gate_up : own, FileTypeTensor::Rank::kExperts);
  }
  std::string name(names.linears[kind]);
  if (linear.unit == Unit::kSharedExpert) {
    name = fmt::format("{}{}", names.shared, names.of_shared[in_mlp]);
  } else {
    for (const FusedTensor& fused : names.fused) {
      const bool is_member = fused.unit == linear.unit &&
                             std::ranges::find(fused.members, linear.kind) != fused.members.end();
      if (is_member) name = fused.name;
    }
  }
  return named(name + ".weight", FileTypeTensor::Rank::kMatrix);
}

GgufTensors TensorsOf(const ModelConfig& config, const TensorNames& names, Head head) {
  GgufTensors found;
  found.tensors.push_back({kEmbedding, config.hidden_size});
  if (head == Head::kOwn) found.tensors.push_back({kHead, config.hidden_size});
  for (size_t layer = 0; layer < config.num_layers; ++layer) {
    std::map<std::string, size_t> places;
    std::vector<size_t>& of_layer = found.of_linears.emplace_back();
    for (const LinearSpec& linear : PlanLayer(config, layer).linears) {
      FileTypeTensor tensor = TensorOf(names, layer, linear);
      const auto [place, is_new] = places.try_emplace(tensor.name, found.tensors.size());
      of_layer.push_back(place->second);
      if (is_new) found.tensors.push_back(std::move(tensor));
    }
  }
  return found;
}

const Format* FormatOf(const GgmlType& type) {
  return type.unpack == nullptr ? &F16Format() : &GgmlFormat(type);
}

// The types of a model's tensors. Embedding and head depend on whether they are one.
struct ChosenTypes {
  GgufTensors tensors;
  std::vector<const GgmlType*> types;
};

Result<ChosenTypes> ChooseFor(const Scheme& scheme, const ModelConfig& config, Head head) {
  const Architecture* architecture = FindArchitecture(config.architecture);
  if (architecture == nullptr || architecture->gguf_name.empty()) {
    return Unsupported("what llama.cpp calls the tensors of architecture {} is not known here",
                       config.architecture);
  }
  BITLOSS_DO(CheckKinds(config, "llama.cpp's file types"));
  const std::optional<NamedFileType> file_type = FileTypeOf(scheme.format);
  const Importances importances =
      scheme.fit == FitKind::kImatrix ? Importances::kGiven : Importances::kNone;
  const FileTypeModel model = {architecture->gguf_name, config.num_layers, config.num_heads,
                               config.num_kv_heads, config.experts ? config.experts->count : 0};
  ChosenTypes chosen{TensorsOf(config, architecture->gguf_names, head), {}};
  BITLOSS_TRY(chosen.types, ChooseTypes(*file_type->type, file_type->options, importances, model,
                                        chosen.tensors.tensors));
  return chosen;
}

// llama-quantize would weigh the errors of these, too.
Status CheckTables(const ImportanceFile& importance) {
  for (const char* name : {kEmbedding, kHead}) {
    if (!importance.entries().contains(name)) continue;
    return Unsupported(
        "the importance matrix has importances of '{}', which are not used here; take one without "
        "them (llama-imatrix without --process-output)",
        name);
  }
  return Ok();
}

}  // namespace

Result<Scheme> ResolveForModel(Scheme scheme, const ModelSource& source,
                               const ImportanceFile* importance) {
  scheme = OnBaseline(std::move(scheme), FormatOf(source.baseline()));
  const KvRounding& kv = scheme.execution.kv;
  if (kv.any() && source.config().latent) {
    return Unsupported(
        "scheme '{}': latent attention keeps one narrow row for all heads, not keys and "
        "values; leave {} out",
        scheme.text, SuffixOf(kv));
  }
  for (const std::optional<KvFormat>& format : {kv.keys, kv.values}) {
    for (size_t layer = 0; format && layer < source.config().num_layers; ++layer) {
      const Status fits = CheckKvFormat(*format, source.config().head_dim_of(layer));
      if (!fits.ok()) return Within(fmt::format("scheme '{}'", scheme.text), fits.error());
    }
  }
  if (!FileTypeOf(scheme.format)) {
    return ResolveForWidths(std::move(scheme), QuantizedWidths(source.config()));
  }
  Status status;
  if (scheme.fit == FitKind::kImatrix && importance != nullptr) status = CheckTables(*importance);
  if (status.ok()) {
    const auto chosen =
        ChooseFor(scheme, source.config(), source.tied_head() ? Head::kTied : Head::kOwn);
    if (!chosen.ok()) status = chosen.error();
  }
  if (!status.ok()) return Within(fmt::format("scheme '{}'", scheme.text), status.error());
  return scheme;
}

Result<Scheme> BaselineScheme(const ModelSource& source) {
  BITLOSS_TRY(Scheme scheme, ParseScheme(NameOf(source.baseline())));
  return ResolveForModel(std::move(scheme), source);
}

std::optional<FileTypeFormats> FileTypeFormatsOf(const Scheme& scheme, const ModelSource& source) {
  if (!FileTypeOf(scheme.format)) return std::nullopt;
  const bool is_tied = source.tied_head();
  const ChosenTypes chosen =
      ChooseFor(scheme, source.config(), is_tied ? Head::kTied : Head::kOwn).value();
  FileTypeFormats formats;
  formats.embedding = FormatOf(*chosen.types[0]);
  formats.head = is_tied ? formats.embedding : FormatOf(*chosen.types[1]);
  for (const std::vector<size_t>& layer : chosen.tensors.of_linears) {
    std::vector<const Format*>& of_layer = formats.linears.emplace_back();
    for (const size_t place : layer) of_layer.push_back(FormatOf(*chosen.types[place]));
  }
  return formats;
}

BlockFormats::BlockFormats(const Scheme& scheme, const ModelConfig& config, size_t layer)
    : all_(&scheme.format) {
  if (!FileTypeOf(scheme.format)) return;
  // Which of the two it is changes no linear's type.
  const ChosenTypes chosen = ChooseFor(scheme, config, Head::kTied).value();
  for (const size_t place : chosen.tensors.of_linears[layer]) {
    of_linears_.push_back(FormatOf(*chosen.types[place]));
  }
}

Result<EncodedMatrix> EncodeTable(const Format& format, const EncodedMatrix& table,
                                  ThreadPool& threads) {
  if (format.name == table.format.name) return table;
  BITLOSS_DO(format.supports(format, table.rows, table.cols));
  const Matrix weights = Decode(table);
  if (GgmlTypeOf(format) == nullptr) return format.encode(format, weights);
  return EncodeGgmlRows(format, weights, {}, threads);
}

}  // namespace bitloss
