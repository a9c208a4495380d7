#include "bitloss/data/text.h"

#include <algorithm>
#include <utility>

#include "bitloss/base/check.h"
#include "bitloss/base/file.h"
#include "bitloss/base/hash.h"
#include "bitloss/base/text.h"

namespace bitloss {
namespace {

constexpr std::string_view kWikiText2TestSha256 =
    "173c87a53759e0201f33e0ccf978e510c2042d7f2cb78229d9a50d79b9e7dd08";
constexpr std::string_view kWikiText2ValidationSha256 =
    "4cd0f6876d07a413aa911261ff6d363c72d757d47f0fdd6015702014c89cb9c7";

constexpr size_t kMinBlockBytes = 2048;
constexpr size_t kMaxBlocks = 60;
constexpr size_t kMaxTextBytes = size_t{1} << 30;

std::string_view Strip(std::string_view s) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const size_t begin = s.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return s.substr(begin, s.find_last_not_of(kSpace) - begin + 1);
}

std::vector<Row> CutIntoRows(std::string_view raw) {
  std::vector<Row> rows;
  for (size_t begin = 0; begin < raw.size();) {
    const size_t newline = raw.find('\n', begin);
    const size_t end = newline == std::string_view::npos ? raw.size() : newline + 1;
    rows.push_back({.begin = begin,
                    .end = end,
                    .cluster = 0,
                    .blank = Strip(raw.substr(begin, end - begin)).empty()});
    begin = end;
  }
  return rows;
}

// "= Title =", but not "= = Section = =".
bool IsWikiHeading(std::string_view stripped) {
  return stripped.size() > 4 && stripped.starts_with("= ") && stripped.ends_with(" =") &&
         stripped[2] != '=' && stripped[stripped.size() - 3] != '=';
}

// The rows at which an article begins, in order.
std::vector<size_t> FindHeadings(const Text& text) {
  std::vector<size_t> headings;
  const auto blank = [&](size_t i) { return i >= text.rows.size() || text.rows[i].blank; };
  for (size_t i = 0; i < text.rows.size(); ++i) {
    const std::string_view row = text.RowText(text.rows[i]);
    const bool alone = (i == 0 || blank(i - 1)) && blank(i + 1);
    if ((alone && IsWikiHeading(Strip(row))) || row.starts_with("# ")) headings.push_back(i);
  }
  return headings;
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
  text.raw = std::move(bytes);
  text.sha256 = Sha256Hex(text.raw);
  text.corpus = Recognise(text.sha256);
  if (text.corpus == Corpus::kWikiText2Test) text.name = "wikitext2";
  if (text.corpus == Corpus::kWikiText2Validation) text.name = "wikitext2-valid";
  text.rows = CutIntoRows(text.raw);
  if (const std::vector<size_t> headings = FindHeadings(text); headings.size() >= 2) {
    ClusterByHeadings(headings, text);
  } else {
    ClusterByBlocks(text);
  }
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
