// The tables of study.db.
// docs/study-format.md describes every column.
#ifndef BITLOSS_STORE_SCHEMA_H_
#define BITLOSS_STORE_SCHEMA_H_

#include <cstdint>
#include <filesystem>

#include "bitloss/base/result.h"
#include "bitloss/store/sqlite.h"

namespace bitloss {

inline constexpr uint64_t kApplicationId = 0x424C4F53;  // "BLOS": what makes a database a study
inline constexpr uint64_t kSchemaVersion = 7;           // PRAGMA user_version

// Makes the table of what experts tokens choose, unless it is there: only a study of a mixture has
// it, so that no other's file changes. Programs that do not know it pass it by.
extern const char* const kExpertTable;

// Whether `database` has tables of its own: false for a file that was just created.
Result<bool> HasTables(const Database& database);

// kBadInput for a database that is not a study, kUnsupported for one of a newer version.
Status CheckIsStudy(const Database& database, const std::filesystem::path& path);

// kUnsupported for a study of an older version than 6: nothing may be added to it. Before 5 its
// lanes do not say what they were made of; before 6 the checks judged some answers otherwise.
Status CheckMayBeContinued(const Database& database, const std::filesystem::path& folder);

// Adds what a study that may be continued lacks of the tables of kSchemaVersion.
Status AddMissingTables(const Database& database);

// Makes the tables of kSchemaVersion. Requires: an open transaction; HasTables is false.
Status CreateTables(const Database& database);

}  // namespace bitloss

#endif  // BITLOSS_STORE_SCHEMA_H_
