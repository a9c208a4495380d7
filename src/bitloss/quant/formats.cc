// The list of formats.
#include <algorithm>
#include <vector>

#include "bitloss/quant/format.h"
#include "bitloss/quant/formats/bf16/bf16.h"
#include "bitloss/quant/formats/f16/f16.h"
#include "bitloss/quant/formats/f32/f32.h"
#include "bitloss/quant/formats/fp4/fp4.h"
#include "bitloss/quant/formats/fp4_dq/fp4_dq.h"
#include "bitloss/quant/formats/fp8/fp8.h"
#include "bitloss/quant/formats/ggml/ggml_format.h"
#include "bitloss/quant/formats/int8_row/int8_row.h"
#include "bitloss/quant/formats/int_group/int_group.h"
#include "bitloss/quant/formats/mx/mx.h"
#include "bitloss/quant/formats/nf4/nf4.h"
#include "bitloss/quant/formats/nf4_dq/nf4_dq.h"
#include "bitloss/quant/formats/nvfp4/nvfp4.h"
#include "bitloss/quant/nearest_names.h"

namespace bitloss {
namespace {

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0;;) {
    const size_t end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) return parts;
    begin = end + 1;
  }
}

// Whether it is a type that GGUF files may hold and that is decoded, but not encoded.
bool OnlyReadFromFiles(std::string_view name) {
  return std::ranges::any_of(GgmlTypes(), [&](const GgmlType& type) {
    return type.unpack != nullptr && type.encode == nullptr && GgmlFormat(type).name == name;
  });
}

}  // namespace

bool IsPlain(const Format& format) {
  return format.decode == F16Format().decode || format.decode == BF16Format().decode ||
         format.decode == F32Format().decode;
}

std::span<const FormatFamily> FormatFamilies() {
  static const std::vector<FormatFamily> kFamilies = [] {
    std::vector<FormatFamily> families = {
        F16Family(),       BF16Family(),      F32Family(),     Int8RowFamily(),   Nf4Family(),
        Nf4DqFamily(),     Fp4Family(),       Fp4DqFamily(),   Int8GroupFamily(), Int4GroupFamily(),
        Int3GroupFamily(), Int2GroupFamily(), Fp8E4M3Family(), Fp8E5M2Family(),   MxFp4Family(),
        MxFp6Family(),     MxFp8Family(),     NvFp4Family(),
    };
    std::ranges::copy(GgmlFamilies(), std::back_inserter(families));
    return families;
  }();
  return kFamilies;
}

Result<Format> ParseFormat(std::string_view text) {
  const std::vector<std::string_view> parts = Split(text, ':');
  const auto families = FormatFamilies();
  const auto family = std::ranges::find(families, parts[0], &FormatFamily::name);
  if (family == families.end()) {
    if (OnlyReadFromFiles(text)) {
      return Unsupported("format '{}' is only read from GGUF files; a lane cannot be made of it",
                         text);
    }
    std::vector<std::string_view> known;
    for (const FormatFamily& f : families) known.push_back(f.name);
    return Unsupported("unknown format '{}'; known are {}", parts[0],
                       NearestNames(parts[0], known, known.size()));
  }
  return family->make(std::span(parts).subspan(1));
}

}  // namespace bitloss
