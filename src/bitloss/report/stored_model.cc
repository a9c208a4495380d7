#include "bitloss/report/stored_model.h"

#include <fmt/format.h>

#include "bitloss/report/numbers.h"

namespace bitloss {

std::string StoredModel(const ModelRecord& model) {
  if (model.stored_types.empty()) return {};
  return fmt::format("decoded from {} ({} MB)", model.stored_types,
                     FormatMegabytes(model.stored_bytes));
}

std::string StoredModelNote(const ModelRecord& model, const LaneRecord& lane) {
  if (!lane.baseline || model.stored_types.empty()) return {};
  return fmt::format("from {}, {}", model.stored_types, FormatMegabytes(model.stored_bytes));
}

}  // namespace bitloss
