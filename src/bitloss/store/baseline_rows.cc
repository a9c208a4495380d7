#include "bitloss/store/baseline_rows.h"

#include "bitloss/base/hash.h"
#include "bitloss/store/blobs.h"
#include "bitloss/store/side_file.h"

namespace bitloss {
namespace {

constexpr const char* kRowTables = R"sql(
CREATE TABLE IF NOT EXISTS baseline_rows (
  kind INTEGER NOT NULL,
  list INTEGER NOT NULL,
  item INTEGER NOT NULL,
  rows BLOB NOT NULL,
  hash TEXT NOT NULL,
  PRIMARY KEY (kind, list, item)
);
)sql";

Query& BindKey(Query& query, const RowsKey& key) {
  return query.Bind(static_cast<uint64_t>(key.of)).Bind(key.list).Bind(key.item);
}

}  // namespace

Result<BaselineRows> BaselineRows::OpenOrCreate(const std::filesystem::path& folder,
                                                const std::string& identity, uint64_t max_bytes) {
  BaselineRows rows;
  rows.path_ = folder / "baseline-rows.db";
  rows.max_bytes_ = max_bytes;
  if (max_bytes == 0) return rows;
  BITLOSS_TRY(rows.database_, OpenSideFile(rows.path_, identity, kRowTables));
  BITLOSS_TRY(rows.num_bytes_, rows.database_->ReadInteger(
                                   "SELECT coalesce(sum(length(rows)), 0) FROM baseline_rows"));
  return rows;
}

Status BaselineRows::Put(const RowsKey& key, std::span<const float> rows) {
  if (!database_ || num_bytes_ + rows.size_bytes() > max_bytes_) return Ok();
  BITLOSS_TRY(const bool present, Has(key));
  if (present) return Ok();
  BITLOSS_TRY(Query query, database_->Prepare("INSERT INTO baseline_rows VALUES (?, ?, ?, ?, ?)"));
  const std::span<const std::byte> blob = std::as_bytes(rows);
  BITLOSS_DO(BindKey(query, key).Bind(blob).Bind(Sha256Hex(blob)).Run());
  num_bytes_ += blob.size();
  return Ok();
}

Result<bool> BaselineRows::Has(const RowsKey& key) const {
  if (!database_) return false;
  BITLOSS_TRY(Query query, database_->Prepare("SELECT 1 FROM baseline_rows"
                                              " WHERE kind = ? AND list = ? AND item = ?"));
  return BindKey(query, key).Next();
}

Result<std::vector<float>> BaselineRows::Get(const RowsKey& key) const {
  BITLOSS_CHECK(database_.has_value());
  const Error damaged =
      IoError("'{}' is damaged; remove it and run the same command again", path_.string());
  BITLOSS_TRY(Query query, database_->Prepare("SELECT rows, hash FROM baseline_rows"
                                              " WHERE kind = ? AND list = ? AND item = ?"));
  const auto found = BindKey(query, key).Next();
  if (!found.ok() || !found.value()) return damaged;
  const std::span<const std::byte> blob = query.Blob(0);
  if (Sha256Hex(blob) != query.Text(1)) return damaged;
  return FromBlob<float>(blob);
}

}  // namespace bitloss
