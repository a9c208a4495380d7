// The tables of study.db, and how a file of an older version becomes one of this version.
// docs/study-format.md describes every column.
#ifndef BITLOSS_STORE_SCHEMA_H_
#define BITLOSS_STORE_SCHEMA_H_

#include <cstdint>
#include <filesystem>

#include "bitloss/base/result.h"
#include "bitloss/store/sqlite.h"

namespace bitloss {

inline constexpr uint64_t kApplicationId = 0x424C4F53;  // "BLOS": what makes a database a study
inline constexpr uint64_t kSchemaVersion = 4;           // PRAGMA user_version

// Whether `database` has tables of its own: false for a file that was just created.
Result<bool> HasTables(const Database& database);

// kBadInput for a database that is not a study, kUnsupported for one of a newer version.
Status CheckIsStudy(const Database& database, const std::filesystem::path& path);

// Brings the schema to kSchemaVersion, from any older version or from nothing.
// Requires: an open transaction; CheckIsStudy is ok or HasTables is false.
Status Migrate(const Database& database);

}  // namespace bitloss

#endif  // BITLOSS_STORE_SCHEMA_H_
