// Databases that lie beside a study and are no part of it: what they hold can be computed again.
#ifndef BITLOSS_STORE_SIDE_FILE_H_
#define BITLOSS_STORE_SIDE_FILE_H_

#include <filesystem>
#include <string>

#include "bitloss/base/result.h"
#include "bitloss/store/sqlite.h"

namespace bitloss {

// The database at `path`, made with `tables` (SQL, CREATE TABLE IF NOT EXISTS). One that is
// missing, damaged or of another `identity` (everything that its contents depend on) is begun anew.
// Requires: this process holds the study's Store.
Result<Database> OpenSideFile(const std::filesystem::path& path, const std::string& identity,
                              const char* tables);

}  // namespace bitloss

#endif  // BITLOSS_STORE_SIDE_FILE_H_
