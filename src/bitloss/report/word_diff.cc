#include "bitloss/report/word_diff.h"

#include <algorithm>
#include <cstdint>
#include <span>

namespace bitloss {
namespace {

constexpr size_t kMaxCells = size_t{2000} * 2000;

struct Word {
  std::string_view text;   // without white space
  std::string_view whole;  // with what follows (a leading run of white space is a word of its own)
};

bool IsSpace(char c) { return std::string_view(" \t\r\n\v\f").find(c) != std::string_view::npos; }

std::vector<Word> SplitWords(std::string_view text) {
  std::vector<Word> words;
  size_t begin = 0;
  while (begin < text.size()) {
    size_t end = begin;
    while (end < text.size() && !IsSpace(text[end])) ++end;
    size_t next = end;
    while (next < text.size() && IsSpace(text[next])) ++next;
    words.push_back({text.substr(begin, end - begin), text.substr(begin, next - begin)});
    begin = next;
  }
  return words;
}

// Builds pieces, joining neighbours of one kind.
class Pieces {
 public:
  void Same(const Word& word) { Append(word.whole, /*differs=*/false); }
  void Added(const Word& word) { Append(word.whole, /*differs=*/true); }
  void Missing(const Word& word) {
    if (pieces_.empty() || !pieces_.back().differs) pieces_.push_back({"", true, ""});
    pieces_.back().missing += word.whole;
  }
  std::vector<DiffPiece> Take() { return std::move(pieces_); }

 private:
  void Append(std::string_view text, bool differs) {
    if (pieces_.empty() || pieces_.back().differs != differs) pieces_.push_back({"", differs, ""});
    pieces_.back().text += text;
  }
  std::vector<DiffPiece> pieces_;
};

void AppendMiddle(std::span<const Word> before, std::span<const Word> after, Pieces& pieces) {
  const size_t rows = before.size();
  const size_t columns = after.size();
  if (rows != 0 && columns > kMaxCells / rows) {
    for (const Word& word : before) pieces.Missing(word);
    for (const Word& word : after) pieces.Added(word);
    return;
  }
  // length[i][j]: longest common subsequence of before[i..) and after[j..).
  const size_t stride = columns + 1;
  std::vector<uint16_t> length((rows + 1) * stride);
  for (size_t i = rows; i-- > 0;) {
    for (size_t j = columns; j-- > 0;) {
      length[i * stride + j] =
          before[i].text == after[j].text
              ? static_cast<uint16_t>(length[(i + 1) * stride + j + 1] + 1)
              : std::max(length[(i + 1) * stride + j], length[i * stride + j + 1]);
    }
  }
  size_t i = 0;
  size_t j = 0;
  while (i < rows || j < columns) {
    if (i < rows && j < columns && before[i].text == after[j].text) {
      pieces.Same(after[j]);
      ++i;
      ++j;
    } else if (j == columns ||
               (i < rows && length[(i + 1) * stride + j] >= length[i * stride + j + 1])) {
      pieces.Missing(before[i++]);
    } else {
      pieces.Added(after[j++]);
    }
  }
}

}  // namespace

std::vector<DiffPiece> DiffWords(std::string_view baseline, std::string_view answer) {
  const std::vector<Word> before = SplitWords(baseline);
  const std::vector<Word> after = SplitWords(answer);
  const size_t shorter = std::min(before.size(), after.size());
  size_t head = 0;
  while (head < shorter && before[head].text == after[head].text) ++head;
  size_t tail = 0;
  while (tail < shorter - head &&
         before[before.size() - 1 - tail].text == after[after.size() - 1 - tail].text) {
    ++tail;
  }
  Pieces pieces;
  for (size_t i = 0; i < head; ++i) pieces.Same(after[i]);
  AppendMiddle(std::span(before).subspan(head, before.size() - head - tail),
               std::span(after).subspan(head, after.size() - head - tail), pieces);
  for (size_t i = after.size() - tail; i < after.size(); ++i) pieces.Same(after[i]);
  return pieces.Take();
}

}  // namespace bitloss
