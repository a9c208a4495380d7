#include "bitloss/store/schema.h"

#include <array>

namespace bitloss {
namespace {

constexpr const char* kVersion1 = R"sql(
CREATE TABLE study (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
);
CREATE TABLE lanes (
  lane                      INTEGER PRIMARY KEY,
  scheme                    TEXT NOT NULL UNIQUE,
  definition                TEXT NOT NULL,
  baseline                  INTEGER NOT NULL,
  control                   INTEGER NOT NULL,
  weight_bytes              INTEGER NOT NULL,
  bits_per_weight           REAL NOT NULL,
  quantized_bits_per_weight REAL,
  group_size                INTEGER,
  notes                     TEXT NOT NULL,
  coverage                  TEXT NOT NULL,
  calibration               TEXT NOT NULL
);
CREATE TABLE text_units (
  protocol   INTEGER NOT NULL,
  unit       INTEGER NOT NULL,
  num_tokens INTEGER NOT NULL,
  num_scored INTEGER NOT NULL,
  weight     REAL NOT NULL,
  clusters   BLOB NOT NULL,
  num_words  INTEGER,
  num_bytes  INTEGER,
  token_hash TEXT NOT NULL,
  PRIMARY KEY (protocol, unit)
);
CREATE TABLE text_scores (
  lane             INTEGER NOT NULL REFERENCES lanes(lane),
  protocol         INTEGER NOT NULL,
  unit             INTEGER NOT NULL,
  nll              BLOB NOT NULL,
  kl               BLOB NOT NULL,
  kl_reverse       BLOB NOT NULL,
  top1_agrees      BLOB NOT NULL,
  entropy          BLOB NOT NULL,
  top1_probability BLOB NOT NULL,
  PRIMARY KEY (lane, protocol, unit),
  FOREIGN KEY (protocol, unit) REFERENCES text_units(protocol, unit)
);
CREATE TABLE prompts (
  suite    INTEGER NOT NULL,
  prompt   INTEGER NOT NULL,
  id       TEXT NOT NULL,
  category TEXT NOT NULL,
  text     TEXT NOT NULL,
  PRIMARY KEY (suite, prompt)
);
CREATE TABLE answers (
  lane      INTEGER NOT NULL REFERENCES lanes(lane),
  suite     INTEGER NOT NULL,
  prompt    INTEGER NOT NULL,
  text      TEXT NOT NULL,
  token_ids BLOB NOT NULL,
  finish    INTEGER NOT NULL,
  error     TEXT NOT NULL,
  passed    INTEGER,
  score     REAL,
  evidence  TEXT,
  PRIMARY KEY (lane, suite, prompt),
  FOREIGN KEY (suite, prompt) REFERENCES prompts(suite, prompt)
);
CREATE TABLE answer_top_logits (
  lane     INTEGER NOT NULL,
  suite    INTEGER NOT NULL,
  prompt   INTEGER NOT NULL,
  position INTEGER NOT NULL,
  ids      BLOB NOT NULL,
  logits   BLOB NOT NULL,
  PRIMARY KEY (lane, suite, prompt, position),
  FOREIGN KEY (lane, suite, prompt) REFERENCES answers(lane, suite, prompt)
);
CREATE TABLE answer_scores (
  lane             INTEGER NOT NULL REFERENCES lanes(lane),
  suite            INTEGER NOT NULL,
  prompt           INTEGER NOT NULL,
  nll              BLOB NOT NULL,
  kl               BLOB NOT NULL,
  kl_reverse       BLOB NOT NULL,
  top1_agrees      BLOB NOT NULL,
  entropy          BLOB NOT NULL,
  top1_probability BLOB NOT NULL,
  PRIMARY KEY (lane, suite, prompt),
  FOREIGN KEY (suite, prompt) REFERENCES prompts(suite, prompt)
);
CREATE TABLE timings (
  lane       INTEGER NOT NULL REFERENCES lanes(lane),
  kind       INTEGER NOT NULL,
  key        TEXT NOT NULL,
  seconds    REAL NOT NULL,
  num_tokens INTEGER NOT NULL,
  PRIMARY KEY (lane, kind, key)
);
CREATE TABLE machine (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
);
CREATE TABLE peak_memory (
  lane  INTEGER PRIMARY KEY REFERENCES lanes(lane),
  bytes INTEGER NOT NULL
);
)sql";

constexpr const char* kVersion2 = R"sql(
CREATE TABLE answer_forks (
  lane                       INTEGER NOT NULL,
  suite                      INTEGER NOT NULL,
  prompt                     INTEGER NOT NULL,
  position                   INTEGER NOT NULL,
  baseline_token_in_baseline REAL NOT NULL,
  baseline_token_in_lane     REAL NOT NULL,
  lane_token_in_baseline     REAL NOT NULL,
  lane_token_in_lane         REAL NOT NULL,
  PRIMARY KEY (lane, suite, prompt),
  FOREIGN KEY (lane, suite, prompt) REFERENCES answers(lane, suite, prompt)
);
CREATE TABLE sampled_answers (
  lane      INTEGER NOT NULL REFERENCES lanes(lane),
  suite     INTEGER NOT NULL,
  prompt    INTEGER NOT NULL,
  sample    INTEGER NOT NULL,
  text      TEXT NOT NULL,
  token_ids BLOB NOT NULL,
  finish    INTEGER NOT NULL,
  error     TEXT NOT NULL,
  passed    INTEGER,
  score     REAL,
  evidence  TEXT,
  PRIMARY KEY (lane, suite, prompt, sample),
  FOREIGN KEY (suite, prompt) REFERENCES prompts(suite, prompt)
);
)sql";

constexpr const char* kVersion3 = R"sql(
CREATE TABLE answer_judgements (
  lane       INTEGER NOT NULL,
  suite      INTEGER NOT NULL,
  prompt     INTEGER NOT NULL,
  num_tokens INTEGER NOT NULL,
  nll        REAL NOT NULL,
  PRIMARY KEY (lane, suite, prompt),
  FOREIGN KEY (lane, suite, prompt) REFERENCES answers(lane, suite, prompt)
);
)sql";

constexpr const char* kVersion4 = R"sql(
ALTER TABLE prompts ADD COLUMN scripts TEXT NOT NULL DEFAULT '[]';
)sql";

constexpr const char* kVersion5 = R"sql(
ALTER TABLE lanes ADD COLUMN identity TEXT NOT NULL DEFAULT '{}';
ALTER TABLE lanes ADD COLUMN not_run TEXT NOT NULL DEFAULT '[]';
)sql";

// Nothing but the number: `passed` may be 2, undecided, which older programs take for passed.
constexpr const char* kVersion6 = "";

constexpr const char* kVersion7 = R"sql(
CREATE TABLE task_items (
  task       INTEGER NOT NULL,
  item       INTEGER NOT NULL,
  id         TEXT NOT NULL,
  answers    BLOB NOT NULL,
  characters BLOB NOT NULL,
  bytes      BLOB NOT NULL,
  tokens     BLOB NOT NULL,
  PRIMARY KEY (task, item)
);
CREATE TABLE task_scores (
  lane            INTEGER NOT NULL REFERENCES lanes(lane),
  task            INTEGER NOT NULL,
  item            INTEGER NOT NULL,
  log_likelihoods BLOB NOT NULL,
  greedy          BLOB NOT NULL,
  PRIMARY KEY (lane, task, item),
  FOREIGN KEY (task, item) REFERENCES task_items(task, item)
);
)sql";

// What each version adds to the one before: readers of older files know by it what those lack.
constexpr std::array<const char*, kSchemaVersion> kVersions = {
    kVersion1, kVersion2, kVersion3, kVersion4, kVersion5, kVersion6, kVersion7};

// The oldest whose records may stand beside this one's.
constexpr uint64_t kOldestToContinue = 6;

Status SetVersion(const Database& database) {
  return database.Run(fmt::format("PRAGMA user_version = {}", kSchemaVersion).c_str());
}

}  // namespace

const char* const kExpertTable = R"sql(
CREATE TABLE IF NOT EXISTS expert_changes (
  lane     INTEGER NOT NULL REFERENCES lanes(lane),
  protocol INTEGER NOT NULL,
  unit     INTEGER NOT NULL,
  layers   BLOB NOT NULL,
  changed  BLOB NOT NULL,
  PRIMARY KEY (lane, protocol, unit),
  FOREIGN KEY (protocol, unit) REFERENCES text_units(protocol, unit)
);
)sql";

Result<bool> HasTables(const Database& database) {
  BITLOSS_TRY(const uint64_t count, database.ReadInteger("SELECT count(*) FROM sqlite_master"));
  return count > 0;
}

Status CheckIsStudy(const Database& database, const std::filesystem::path& path) {
  BITLOSS_TRY(const uint64_t application, database.ReadInteger("PRAGMA application_id"));
  if (application != kApplicationId) {
    return BadInput("'{}': not a bitloss study (another program's database)", path.string());
  }
  BITLOSS_TRY(const uint64_t version, database.ReadInteger("PRAGMA user_version"));
  if (version > kSchemaVersion) {
    return Unsupported(
        "'{}': written by a newer bitloss (study version {}, this one reads up to {})",
        path.string(), version, kSchemaVersion);
  }
  return Ok();
}

Status CheckMayBeContinued(const Database& database, const std::filesystem::path& folder) {
  BITLOSS_TRY(const uint64_t version, database.ReadInteger("PRAGMA user_version"));
  if (version >= kOldestToContinue) return Ok();
  return Unsupported(
      "study '{}' is of an earlier bitloss (study version {}), whose records may not stand beside "
      "this one's; `bitloss report` reads it, but to measure more use another folder",
      folder.string(), version);
}

Status AddMissingTables(const Database& database) {
  BITLOSS_TRY(const uint64_t version, database.ReadInteger("PRAGMA user_version"));
  if (version == kSchemaVersion) return Ok();
  BITLOSS_TRY(Transaction transaction, Transaction::Begin(database));
  for (uint64_t next = version; next < kSchemaVersion; ++next) {
    BITLOSS_DO(database.Run(kVersions[next]));
  }
  BITLOSS_DO(SetVersion(database));
  return transaction.Commit();
}

Status CreateTables(const Database& database) {
  for (const char* tables : kVersions) BITLOSS_DO(database.Run(tables));
  BITLOSS_DO(SetVersion(database));
  return database.Run(fmt::format("PRAGMA application_id = {}", kApplicationId).c_str());
}

}  // namespace bitloss
