#include "bitloss/metrics/similarity.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "bitloss/base/text.h"

namespace bitloss {
namespace {

constexpr size_t kLongestNgram = 6;

// What Python's str.split() takes for white space (Unicode's, and the four separators 28 to 31).
bool IsWhiteSpace(char32_t c) {
  return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

std::u32string CharactersWithoutSpace(std::string_view text) {
  std::u32string characters = CodePointsOf(text);
  std::erase_if(characters, IsWhiteSpace);
  return characters;
}

std::vector<std::u32string_view> SortedNgrams(std::u32string_view text, size_t n) {
  std::vector<std::u32string_view> ngrams;
  for (size_t i = 0; i + n <= text.size(); ++i) ngrams.push_back(text.substr(i, n));
  std::sort(ngrams.begin(), ngrams.end());
  return ngrams;
}

// How many n-grams of the two multisets can be paired.
size_t CountMatches(const std::vector<std::u32string_view>& a,
                    const std::vector<std::u32string_view>& b) {
  size_t count = 0;
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    if (a[i] == b[j]) {
      ++count;
      ++i;
      ++j;
    } else if (a[i] < b[j]) {
      ++i;
    } else {
      ++j;
    }
  }
  return count;
}

}  // namespace

std::optional<size_t> FirstDivergence(std::span<const int32_t> a, std::span<const int32_t> b) {
  const auto [in_a, in_b] = std::ranges::mismatch(a, b);
  if (in_a == a.end() && in_b == b.end()) return std::nullopt;
  return static_cast<size_t>(in_a - a.begin());
}

size_t EditDistance(std::span<const int32_t> a, std::span<const int32_t> b) {
  // Row i holds the distances of a's first i tokens to each beginning of b.
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

double EditDistanceShare(std::span<const int32_t> a, std::span<const int32_t> b) {
  const size_t longer = std::max(a.size(), b.size());
  if (longer == 0) return 0.0;
  return static_cast<double>(EditDistance(a, b)) / static_cast<double>(longer);
}

double ChrF2(std::string_view hypothesis, std::string_view reference) {
  const std::u32string hypothesis_text = CharactersWithoutSpace(hypothesis);
  const std::u32string reference_text = CharactersWithoutSpace(reference);
  double precision = 0;
  double recall = 0;
  double num_orders = 0;
  for (size_t n = 1; n <= kLongestNgram; ++n) {
    const auto ours = SortedNgrams(hypothesis_text, n);
    const auto theirs = SortedNgrams(reference_text, n);
    if (ours.empty() || theirs.empty()) break;
    const auto matches = static_cast<double>(CountMatches(ours, theirs));
    precision += matches / static_cast<double>(ours.size());
    recall += matches / static_cast<double>(theirs.size());
    num_orders += 1;
  }
  if (precision == 0) return 0.0;  // also if there was nothing to compare
  precision /= num_orders;
  recall /= num_orders;
  return 100 * 5 * precision * recall / (4 * precision + recall);
}

}  // namespace bitloss
