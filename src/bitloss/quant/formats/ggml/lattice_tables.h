// The points of ggml's lattice formats, as constants of the formats: point i of a table of eights
// is eight coordinates of two bits each, coordinate j at bits 2j, 2j + 1 of LatticePoint(table, i),
// counted in the order of the format's coordinates; of fours, coordinate j at bits 4j to 4j + 3.
#ifndef BITLOSS_QUANT_FORMATS_GGML_LATTICE_TABLES_H_
#define BITLOSS_QUANT_FORMATS_GGML_LATTICE_TABLES_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bitloss {

// Hexadecimal, two bytes a point, low byte first.
extern const std::string_view kIq2XxsPoints;  // 256 of eight
extern const std::string_view kIq2XsPoints;   // 512
extern const std::string_view kIq2SPoints;    // 1024
extern const std::string_view kIq1Points;     // 2048
extern const std::string_view kIq3XxsPoints;  // 256 of four
extern const std::string_view kIq3SPoints;    // 512

// Point `index` of a table.
inline uint16_t LatticePoint(std::string_view table, size_t index) {
  const auto digit = [&](size_t at) {
    const char c = table[4 * index + at];
    return c <= '9' ? c - '0' : c - 'a' + 10;
  };
  return static_cast<uint16_t>(digit(0) << 4 | digit(1) | digit(2) << 12 | digit(3) << 8);
}

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FORMATS_GGML_LATTICE_TABLES_H_
