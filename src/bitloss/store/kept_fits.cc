#include "bitloss/store/kept_fits.h"

#include "bitloss/base/hash.h"
#include "bitloss/store/side_file.h"

namespace bitloss {
namespace {

constexpr const char* kFitTables = R"sql(
CREATE TABLE IF NOT EXISTS fitted_blocks (
  fit   TEXT NOT NULL,
  layer INTEGER NOT NULL,
  block BLOB NOT NULL,
  hash  TEXT NOT NULL,
  PRIMARY KEY (fit, layer)
);
CREATE TABLE IF NOT EXISTS fit_seconds (
  fit     TEXT PRIMARY KEY,
  seconds REAL NOT NULL
);
)sql";

// SQLite's own limit of a blob is 1,000,000,000 bytes.
constexpr uint64_t kMaxBlockBytes = 900'000'000;

}  // namespace

Result<KeptFits> KeptFits::OpenOrCreate(const std::filesystem::path& folder,
                                        const std::string& identity, uint64_t max_bytes) {
  KeptFits fits;
  fits.max_bytes_ = max_bytes;
  if (max_bytes == 0) return fits;
  BITLOSS_TRY(fits.database_, OpenSideFile(folder / "fits.db", identity, kFitTables));
  BITLOSS_TRY(fits.num_bytes_, fits.database_->ReadInteger(
                                   "SELECT coalesce(sum(length(block)), 0) FROM fitted_blocks"));
  return fits;
}

Status KeptFits::Put(const std::string& fit, size_t layer, std::span<const std::byte> block) {
  if (!database_ || block.size() > kMaxBlockBytes || num_bytes_ + block.size() > max_bytes_) {
    return Ok();
  }
  BITLOSS_TRY(const bool present, Has(fit, layer));
  if (present) return Ok();
  BITLOSS_TRY(Query query, database_->Prepare("INSERT INTO fitted_blocks VALUES (?, ?, ?, ?)"));
  BITLOSS_DO(query.Bind(fit).Bind(layer).Bind(block).Bind(Sha256Hex(block)).Run());
  num_bytes_ += block.size();
  return Ok();
}

Result<std::optional<std::vector<std::byte>>> KeptFits::Get(const std::string& fit, size_t layer) {
  std::optional<std::vector<std::byte>> block;
  if (!database_) return block;
  bool damaged = false;
  {
    BITLOSS_TRY(Query query, database_->Prepare("SELECT block, hash FROM fitted_blocks"
                                                " WHERE fit = ? AND layer = ?"));
    const auto found = query.Bind(fit).Bind(layer).Next();
    if (found.ok() && !found.value()) return block;
    damaged = !found.ok() || Sha256Hex(query.Blob(0)) != query.Text(1);
    if (!damaged) block.emplace(query.Blob(0).begin(), query.Blob(0).end());
  }
  if (damaged) BITLOSS_DO(Remove(fit, layer));
  return block;
}

Status KeptFits::PutSeconds(const std::string& fit, double seconds) {
  if (!database_) return Ok();
  BITLOSS_TRY(Query query, database_->Prepare("INSERT OR REPLACE INTO fit_seconds VALUES (?, ?)"));
  return query.Bind(fit).Bind(seconds).Run();
}

Result<double> KeptFits::Seconds(const std::string& fit) const {
  if (!database_) return 0.0;
  BITLOSS_TRY(Query query, database_->Prepare("SELECT seconds FROM fit_seconds WHERE fit = ?"));
  BITLOSS_TRY(const bool found, query.Bind(fit).Next());
  return found ? query.Real(0) : 0.0;
}

Result<bool> KeptFits::Has(const std::string& fit, size_t layer) const {
  BITLOSS_TRY(Query query,
              database_->Prepare("SELECT 1 FROM fitted_blocks WHERE fit = ? AND layer = ?"));
  return query.Bind(fit).Bind(layer).Next();
}

Status KeptFits::Remove(const std::string& fit, size_t layer) {
  BITLOSS_TRY(Query query,
              database_->Prepare("DELETE FROM fitted_blocks WHERE fit = ? AND layer = ?"));
  return query.Bind(fit).Bind(layer).Run();
}

}  // namespace bitloss
