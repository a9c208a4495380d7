#include "bitloss/data/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "bitloss/base/check.h"
#include "bitloss/base/file.h"
#include "bitloss/base/hash.h"
#include "bitloss/base/text.h"
#include "bitloss/data/headings.h"
#include "bitloss/data/white_space.h"

namespace bitloss {
namespace {

constexpr std::string_view kWikiText2TestSha256 =
    "173c87a53759e0201f33e0ccf978e510c2042d7f2cb78229d9a50d79b9e7dd08";
constexpr std::string_view kWikiText2ValidationSha256 =
    "4cd0f6876d07a413aa911261ff6d363c72d757d47f0fdd6015702014c89cb9c7";

constexpr size_t kMinBlockBytes = 2048;
constexpr size_t kMaxBlocks = 60;
constexpr size_t kMaxTextBytes = size_t{1} << 30;

// `bytes` without a byte order mark, every line end "\n"; says what was changed.
std::string ReadLineEnds(std::string_view bytes, std::vector<std::string>& warnings) {
  const size_t num_bytes = bytes.size();
  bytes = WithoutByteOrderMark(bytes);
  if (bytes.size() < num_bytes) {
    warnings.emplace_back("the byte order mark at its start is left out: 3 bytes");
  }
  std::string text;
  text.reserve(bytes.size());
  size_t num_pairs = 0;
  size_t num_alone = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != '\r') {
      text += bytes[i];
      continue;
    }
    text += '\n';
    const bool pair = i + 1 < bytes.size() && bytes[i + 1] == '\n';
    if (pair) ++i;
    ++(pair ? num_pairs : num_alone);
  }
  if (num_pairs > 0) warnings.push_back(fmt::format("line ends CR LF read as LF: {}", num_pairs));
  if (num_alone > 0) warnings.push_back(fmt::format("line ends CR read as LF: {}", num_alone));
  return text;
}

std::vector<Row> CutIntoRows(std::string_view raw) {
  std::vector<Row> rows;
  for (size_t begin = 0; begin < raw.size();) {
    const size_t newline = raw.find('\n', begin);
    const size_t end = newline == std::string_view::npos ? raw.size() : newline + 1;
    rows.push_back({.begin = begin,
                    .end = end,
                    .cluster = 0,
                    .blank = IsBlank(raw.substr(begin, end - begin))});
    begin = end;
  }
  return rows;
}

void ClusterByHeadings(const std::vector<size_t>& headings, Text& text) {
  text.cluster_kind = ClusterKind::kArticles;
  text.num_clusters = static_cast<uint32_t>(headings.size());
  for (size_t h = 0; h < headings.size(); ++h) {
    const size_t begin = h == 0 ? 0 : headings[h];
    const size_t end = h + 1 < headings.size() ? headings[h + 1] : text.rows.size();
    for (size_t i = begin; i < end; ++i) text.rows[i].cluster = static_cast<uint32_t>(h);
  }
}

// A block ends with a paragraph: at a blank row, or at any row of a text that has none.
void ClusterByBlocks(Text& text) {
  text.cluster_kind = ClusterKind::kBlocks;
  const size_t wanted = std::max(kMinBlockBytes, text.raw.size() / kMaxBlocks);
  const bool has_blank =
      std::any_of(text.rows.begin(), text.rows.end(), [](const Row& row) { return row.blank; });
  uint32_t cluster = 0;
  size_t block_begin = 0;
  for (Row& row : text.rows) {
    row.cluster = cluster;
    if ((row.blank || !has_blank) && row.end - block_begin >= wanted && row.end < text.raw.size()) {
      ++cluster;
      block_begin = row.end;
    }
  }
  text.num_clusters = cluster + 1;
}

void ClusterRows(Text& text) {
  const Headings headings = FindHeadings(text);
  if (headings.rows.size() >= 2) {
    ClusterByHeadings(headings.rows, text);
  } else {
    ClusterByBlocks(text);
  }
  if (headings.num_refused > 0) {
    text.warnings.push_back(
        fmt::format("rows that look like a heading (\"# ...\") but begin no article, because they "
                    "are in fenced "
                    "code or do not stand between blank rows: {}",
                    headings.num_refused));
  }
  if (headings.num_after_open_fence > 0) {
    text.warnings.push_back(fmt::format(
        "a code fence is never closed, so it is read as text; articles that begin after it: {}",
        headings.num_after_open_fence));
  }
}

Corpus Recognise(std::string_view sha256) {
  if (sha256 == kWikiText2TestSha256) return Corpus::kWikiText2Test;
  if (sha256 == kWikiText2ValidationSha256) return Corpus::kWikiText2Validation;
  return Corpus::kOther;
}

}  // namespace

std::string_view ClusterKindName(ClusterKind kind) {
  switch (kind) {
    case ClusterKind::kArticles:
      return "articles";
    case ClusterKind::kBlocks:
      return "blocks";
    case ClusterKind::kPages:
      return "pages";
  }
  BITLOSS_CHECK(false);
}

Result<Text> MakeText(std::string name, std::string bytes) {
  if (bytes.empty()) return BadInput("text '{}' is empty", name);
  if (const auto offset = FindInvalidUtf8(bytes)) {
    return BadInput("text '{}': byte {} (0x{:02x}) is not valid UTF-8; convert the file to UTF-8",
                    name, *offset, static_cast<unsigned char>(bytes[*offset]));
  }
  Text text;
  text.name = std::move(name);
  text.raw = ReadLineEnds(bytes, text.warnings);
  if (text.raw.empty())
    return BadInput("text '{}' is a byte order mark and nothing else", text.name);
  text.sha256 = Sha256Hex(text.raw);
  text.corpus = Recognise(text.sha256);
  if (text.corpus == Corpus::kWikiText2Test) text.name = "wikitext2";
  if (text.corpus == Corpus::kWikiText2Validation) text.name = "wikitext2-valid";
  text.rows = CutIntoRows(text.raw);
  ClusterRows(text);
  return text;
}

Result<Text> LoadText(const std::filesystem::path& path) {
  BITLOSS_TRY(std::string bytes, ReadFile(path, kMaxTextBytes));
  return MakeText(path.filename().string(), std::move(bytes));
}

uint32_t Stream::ClusterAt(size_t byte) const {
  BITLOSS_CHECK(byte < text.size());
  const auto after =
      std::upper_bound(pieces.begin(), pieces.end(), byte,
                       [](size_t position, const Piece& piece) { return position < piece.begin; });
  return std::prev(after)->cluster;
}

Stream RawStream(const Text& text) { return RawPart(text, 0, text.raw.size()); }

Stream RawPart(const Text& text, size_t begin, size_t end) {
  BITLOSS_CHECK(begin < end && end <= text.raw.size());
  Stream stream{.text = text.raw.substr(begin, end - begin), .pieces = {}};
  for (const Row& row : text.rows) {
    if (row.end <= begin || row.begin >= end) continue;
    const size_t from = row.begin < begin ? 0 : row.begin - begin;
    stream.pieces.push_back({.begin = from, .cluster = row.cluster});
  }
  return stream;
}

Stream JoinedStream(const Text& text) {
  if (text.corpus == Corpus::kOther) return RawStream(text);
  Stream stream;
  for (const Row& row : text.rows) {
    if (row.begin > 0) stream.text += "\n\n";
    stream.pieces.push_back({.begin = stream.text.size(), .cluster = row.cluster});
    if (!row.blank) stream.text += text.RowText(row);
  }
  return stream;
}

}  // namespace bitloss
