// An evaluation text: UTF-8 bytes, cut into rows, each row in a cluster.
//
// A row is a line with its "\n" (the last one may lack it). Line ends are read as Python's text
// mode reads them: "\r\n" and a lone "\r" are "\n", and a byte order mark at the start is no text;
// both are said (Text::warnings). A row is blank if it is nothing but Unicode's white space, U+00A0
// and U+3000 included.
//
// Clusters are what error bars resample, because the tokens of one article share topic and names:
// in WikiText-2 an article is what follows a level-1 heading (" = Title = " between blank rows; 60
// of them in the test split), in a text with at least two Markdown headings likewise: "# Title"
// between blank rows, outside fenced code, so that comments in code are none (headings.h). Rows
// that only look like a heading are said. Any other text has blocks: whole paragraphs gathered
// until they hold at least 2 KiB and a sixtieth of the text. What precedes the first heading
// belongs to the first article.
//
// WikiText-2's raw test and validation files are recognised by SHA-256, once their line ends are
// read. The Hugging Face data set that papers use differs from the file in one thing: a blank row
// is the empty string there, where the file has " \n".
#ifndef BITLOSS_DATA_TEXT_H_
#define BITLOSS_DATA_TEXT_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "bitloss/base/result.h"

namespace bitloss {

enum class Corpus { kWikiText2Test, kWikiText2Validation, kOther };
enum class ClusterKind { kArticles, kBlocks, kPages };

// "articles", "blocks" or "pages", as reports print it.
std::string_view ClusterKindName(ClusterKind kind);

struct Row {
  size_t begin = 0;  // bytes [begin, end) of Text::raw, with the newline
  size_t end = 0;
  uint32_t cluster = 0;
  bool blank = false;  // nothing but white space
};

struct Text {
  std::string name;    // "wikitext2", "wikitext2-valid", or what the caller called it
  std::string raw;     // as in the file, but for its line ends and byte order mark
  std::string sha256;  // of raw
  Corpus corpus = Corpus::kOther;
  std::vector<Row> rows;
  ClusterKind cluster_kind = ClusterKind::kBlocks;
  uint32_t num_clusters = 0;
  // What is read otherwise than it stands in the file, and how much of it; a line each.
  std::vector<std::string> warnings;

  std::string_view RowText(const Row& row) const {
    return std::string_view(raw).substr(row.begin, row.end - row.begin);
  }
};

// Takes `bytes` as a text; a recognised corpus gets its own name.
// kBadInput if it is empty, a byte order mark alone, or not UTF-8 (with the byte offset).
Result<Text> MakeText(std::string name, std::string bytes);

// The file at `path`, named after it without its folder. Errors of ReadFile and MakeText.
Result<Text> LoadText(const std::filesystem::path& path);

// A part of a text, or a text joined from its rows, that knows where its bytes came from.
struct Stream {
  // The bytes from `begin` to the next piece belong to `cluster`.
  struct Piece {
    size_t begin = 0;
    uint32_t cluster = 0;
  };
  std::string text;
  std::vector<Piece> pieces;  // ascending; the first begins at 0

  // Requires: `byte` < text.size().
  uint32_t ClusterAt(size_t byte) const;
};

// The raw file.
Stream RawStream(const Text& text);

// "\n\n".join(rows), rows as the Hugging Face data set has them, if the text is a recognised
// corpus; a text that is not a data set of rows has nothing to join and gives the raw file.
Stream JoinedStream(const Text& text);

// Bytes [begin, end) of the raw file. Requires: begin < end <= raw.size().
Stream RawPart(const Text& text, size_t begin, size_t end);

}  // namespace bitloss

#endif  // BITLOSS_DATA_TEXT_H_
