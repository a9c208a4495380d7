// For tests: reads the arrays of the golden files beside this, hexadecimal raw little-endian bytes.
#ifndef BITLOSS_QUANT_TESTDATA_GOLDEN_JSON_H_
#define BITLOSS_QUANT_TESTDATA_GOLDEN_JSON_H_

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bitloss/base/check.h"
#include "bitloss/json/parse.h"
#include "bitloss/tensor/dtype.h"
#include "bitloss/tensor/matrix.h"

namespace bitloss::golden {

inline nlohmann::json Read(const std::string& name) {
  return ReadJsonFile(BITLOSS_SOURCE_DIR "/src/bitloss/quant/testdata/" + name).value();
}

template <class T>
std::vector<T> Array(const nlohmann::json& hex) {
  const auto& text = hex.get_ref<const std::string&>();
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i < text.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
  }
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

// `<key>_f16` or `<key>_f32` of a case as a matrix of its shape.
inline Matrix MatrixOf(const nlohmann::json& golden, const std::string& key) {
  Matrix matrix(golden.at("shape")[0], golden.at("shape")[1]);
  if (golden.contains(key + "_f32")) {
    std::ranges::copy(Array<float>(golden.at(key + "_f32")), matrix.data());
  } else {
    ToFloat(Array<F16>(golden.at(key + "_f16")), matrix.flat());
  }
  return matrix;
}

}  // namespace bitloss::golden

#endif  // BITLOSS_QUANT_TESTDATA_GOLDEN_JSON_H_
