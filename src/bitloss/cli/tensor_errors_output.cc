#include "bitloss/cli/tensor_errors_output.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace bitloss {
namespace {

double BitsPerWeight(const TensorError& tensor) {
  return 8.0 * static_cast<double>(tensor.num_bytes) /
         static_cast<double>(tensor.error.num_weights);
}

}  // namespace

std::string TensorErrorsJson(const TensorErrors& errors) {
  nlohmann::ordered_json json;
  json["tensors"] = nlohmann::ordered_json::array();
  for (const TensorError& tensor : errors.tensors) {
    const WeightError& error = tensor.error;
    nlohmann::ordered_json entry = {{"name", tensor.name},
                                    {"format", tensor.format},
                                    {"bytes", tensor.num_bytes},
                                    {"bits_per_weight", BitsPerWeight(tensor)},
                                    {"relative_frobenius", error.relative_frobenius()}};
    if (std::isfinite(error.sqnr_db())) entry["sqnr_db"] = error.sqnr_db();
    entry["worst"] = {{"row", error.worst_row},
                      {"column", error.worst_col},
                      {"weight", error.worst_weight},
                      {"decoded", error.worst_decoded},
                      {"error", error.worst}};
    entry["saturated"] = error.num_saturated;
    entry["flushed_to_zero"] = error.num_flushed;
    entry["weights"] = error.num_weights;
    json["tensors"].push_back(entry);
  }
  json["changed_norms"] = errors.changed_norms;
  return json.dump(2) + "\n";
}

std::string TensorErrorsTable(const TensorErrors& errors) {
  std::string text = fmt::format("{:<44} {:<20} {:>9} {:>8} {:>22} {:>9} {:>9} {:>11} {:>6}\n",
                                 "tensor", "format", "rel.error", "SQNR dB",
                                 "worst weight -> value", "saturated", "flushed", "bytes", "bits");
  for (const TensorError& tensor : errors.tensors) {
    const WeightError& error = tensor.error;
    text += fmt::format(
        "{:<44} {:<20} {:>9.3g} {:>8.2f} {:>10.4g} -> {:>8.4g} {:>9} {:>9} {:>11} {:>6.3f}\n",
        tensor.name, tensor.format, error.relative_frobenius(), error.sqnr_db(), error.worst_weight,
        error.worst_decoded, error.num_saturated, error.num_flushed, tensor.num_bytes,
        BitsPerWeight(tensor));
  }
  if (!errors.changed_norms.empty()) {
    text += fmt::format(
        "{} norms are not the base's: scales were moved into the matrices behind them (AWQ), whose "
        "errors count that too\n",
        errors.changed_norms.size());
  }
  return text;
}

}  // namespace bitloss
