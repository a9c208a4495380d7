#include "bitloss/store/store.h"

#include <nlohmann/json.hpp>

#include "bitloss/store/manifest.h"
#include "bitloss/store/schema.h"
#include "bitloss/store/store_state.h"

namespace bitloss {
namespace {

using Json = nlohmann::json;

// Rows are written once and never changed, so a power cut may cost the last transactions but cannot
// damage the file; kill -9 costs nothing.
constexpr const char* kWriterSettings =
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = NORMAL;"
    "PRAGMA foreign_keys = ON;";

Result<std::string> ReadManifest(const Database& database) {
  BITLOSS_TRY(Query query, database.Prepare("SELECT value FROM study WHERE key = 'manifest'"));
  BITLOSS_TRY(const bool found, query.Next());
  if (!found) return BadInput("it has no manifest");
  return query.Text(0);
}

Status BeginStudy(const Database& database, const std::string& manifest) {
  BITLOSS_TRY(Transaction transaction, Transaction::Begin(database));
  BITLOSS_DO(CreateTables(database));
  BITLOSS_TRY(Query query, database.Prepare("INSERT INTO study VALUES ('manifest', ?)"));
  BITLOSS_DO(query.Bind(manifest).Run());
  return transaction.Commit();
}

Status ContinueStudy(const Database& database, const std::filesystem::path& folder,
                     const std::string& manifest) {
  const Result<std::string> stored = ReadManifest(database);
  if (!stored.ok()) return Within(folder.string(), stored.error());
  if (const auto readable = ManifestFromJson(stored.value()); !readable.ok()) {
    return Within(folder.string(), readable.error());
  }
  if (const auto difference = FirstDifference(stored.value(), manifest)) {
    if (difference->pointer == "/numeric_version") {
      return BadInput(
          "study '{}' has the numbers of another bitloss (numeric version {}, this one's is {}); "
          "`bitloss report` reads it, but to measure more use another folder",
          folder.string(), difference->ours, difference->theirs);
    }
    return BadInput(
        "study '{}' was begun with {} = {}, and is now asked for with {}; use the same options, or "
        "another folder",
        folder.string(), difference->pointer, difference->ours, difference->theirs);
  }
  return AddMissingTables(database);
}

constexpr uint64_t kVersionWithLaneIdentities = 5;

constexpr std::string_view kSelectLanes =
    "SELECT lane, scheme, definition, baseline, control, weight_bytes, bits_per_weight,"
    " quantized_bits_per_weight, group_size, notes, coverage, calibration, {} FROM lanes"
    " ORDER BY lane";

Result<LaneRecord> ReadLane(const Query& query) {
  LaneRecord lane{.lane = query.Integer(0),
                  .scheme = query.Text(1),
                  .definition = query.Text(2),
                  .baseline = query.Integer(3) != 0,
                  .control = query.Integer(4) != 0,
                  .weight_bytes = query.Integer(5),
                  .bits_per_weight = query.Real(6)};
  if (!query.IsNull(7)) lane.quantized_bits_per_weight = query.Real(7);
  if (!query.IsNull(8)) lane.group_size = query.Integer(8);
  BITLOSS_TRY(lane.notes, WordsFromJson(query.Text(9), "notes of a lane"));
  lane.coverage = query.Text(10);
  lane.calibration = query.Text(11);
  lane.identity = query.Text(12);
  BITLOSS_TRY(lane.not_run, WordsFromJson(query.Text(13), "what a lane did not run"));
  for (const std::string& text : {lane.coverage, lane.calibration, lane.identity}) {
    if (!Json::accept(text)) return BadInput("lane '{}': not JSON: {}", lane.scheme, text);
  }
  return lane;
}

Status CheckSameLane(const LaneRecord& stored, const LaneRecord& lane) {
  if (stored.lane == lane.lane && stored.scheme == lane.scheme &&
      stored.definition == lane.definition && stored.identity == lane.identity &&
      stored.baseline == lane.baseline && stored.control == lane.control) {
    return Ok();
  }
  return BadInput(
      "lane {} of this study is '{}' ({}), and is now asked for as lane {}, '{}' ({}); use another "
      "folder",
      stored.lane, stored.scheme, stored.definition, lane.lane, lane.scheme, lane.definition);
}

}  // namespace

std::string WordsToJson(const std::vector<std::string>& words) {
  return Json(words).dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<std::vector<std::string>> WordsFromJson(const std::string& text, std::string_view what) {
  try {
    return Json::parse(text).get<std::vector<std::string>>();
  } catch (const Json::exception& error) {
    return BadInput("{}: {}", what, error.what());
  }
}

std::string AnswerTimingKey(size_t suite, size_t prompt) {
  return fmt::format("{}/{}", suite, prompt);
}

Store::Store(std::unique_ptr<State> state) : state_(std::move(state)) {}
Store::~Store() = default;
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;

const Manifest& Store::manifest() const { return state_->manifest; }
const std::filesystem::path& Store::folder() const { return state_->folder; }

Result<Store> Store::OpenOrCreate(const std::filesystem::path& folder, const Manifest& manifest) {
  BITLOSS_TRY(const std::string manifest_json, ManifestToJson(manifest));
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return IoError("cannot create folder '{}': {}", folder.string(), error.message());

  BITLOSS_TRY(FolderLock lock, FolderLock::Acquire(folder));
  BITLOSS_TRY(Database database, Database::Open(folder / "study.db", DatabaseMode::kReadWrite));
  // Looked at before anything is set: another program's database is not to be touched.
  BITLOSS_TRY(const bool begun, HasTables(database));
  if (begun) {
    BITLOSS_DO(CheckIsStudy(database, folder / "study.db"));
    BITLOSS_DO(CheckMayBeContinued(database, folder));
  }
  BITLOSS_DO(database.Run(kWriterSettings));
  BITLOSS_DO(begun ? ContinueStudy(database, folder, manifest_json)
                   : BeginStudy(database, manifest_json));
  return Store(std::make_unique<State>(
      State{folder, std::move(lock), std::move(database), manifest, kSchemaVersion}));
}

Result<Store> Store::OpenForReading(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "study.db";
  std::error_code error;
  if (!std::filesystem::exists(file, error)) {
    return NotFound("'{}': no study there (study.db is missing); `bitloss run --out` makes one",
                    folder.string());
  }
  BITLOSS_TRY(Database database, Database::Open(file, DatabaseMode::kReadOnly));
  // One snapshot for the reader's whole life, while a writer goes on.
  BITLOSS_DO(database.Run("BEGIN"));
  Result<bool> begun = HasTables(database);
  if (!begun.ok() && begun.error().kind == ErrorKind::kIo &&
      !std::filesystem::exists(folder / "study.db-wal", error)) {
    // Read-only media: the shared-memory file of WAL cannot be made, and there is no writer.
    BITLOSS_TRY(database, Database::Open(file, DatabaseMode::kReadOnlyUnchanging));
    begun = HasTables(database);
  }
  BITLOSS_TRY(const bool has_tables, begun);
  if (!has_tables) {
    return BadInput("'{}': the study was never begun (no records); run it again", file.string());
  }
  BITLOSS_DO(CheckIsStudy(database, file));
  BITLOSS_TRY(const uint64_t version, database.ReadInteger("PRAGMA user_version"));
  auto state =
      std::make_unique<State>(State{folder, FolderLock(), std::move(database), {}, version});
  Result<std::string> text = ReadManifest(state->database);
  if (!text.ok()) return state->Damaged(text.error());
  Result<Manifest> manifest = ManifestFromJson(text.value());
  if (!manifest.ok()) return state->Damaged(manifest.error());
  state->manifest = std::move(manifest).value();
  return Store(std::move(state));
}

Result<std::vector<LaneRecord>> Store::Lanes() const {
  const bool has_identities = state_->version >= kVersionWithLaneIdentities;
  BITLOSS_TRY(Query query, state_->database.Prepare(fmt::format(
                               kSelectLanes, has_identities ? "identity, not_run" : "'{}', '[]'")));
  std::vector<LaneRecord> lanes;
  while (true) {
    BITLOSS_TRY(const bool row, query.Next());
    if (!row) return lanes;
    Result<LaneRecord> lane = ReadLane(query);
    if (!lane.ok()) return state_->Damaged(lane.error());
    lanes.push_back(std::move(lane).value());
  }
}

Status Store::PutLane(const LaneRecord& lane) {
  for (const std::string& text : {lane.coverage, lane.calibration, lane.identity}) {
    BITLOSS_CHECK(Json::accept(text));
  }
  BITLOSS_TRY(Transaction transaction, Transaction::Begin(state_->database));
  BITLOSS_TRY(const std::vector<LaneRecord> lanes, Lanes());
  for (const LaneRecord& stored : lanes) {
    if (stored.lane != lane.lane && stored.scheme != lane.scheme) continue;
    if (const Status same = CheckSameLane(stored, lane); !same.ok()) {
      return Within(state_->folder.string(), same.error());
    }
  }
  // Not INSERT OR REPLACE: that deletes the row that scores refer to.
  BITLOSS_TRY(Query query,
              state_->database.Prepare(
                  "INSERT INTO lanes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,"
                  " ?13, ?14)"
                  " ON CONFLICT (lane) DO UPDATE SET weight_bytes = ?6, bits_per_weight = ?7,"
                  " quantized_bits_per_weight = ?8, group_size = ?9, notes = ?10, coverage = ?11,"
                  " calibration = ?12, not_run = ?14"));
  query.Bind(lane.lane).Bind(lane.scheme).Bind(lane.definition);
  query.Bind(uint64_t{lane.baseline}).Bind(uint64_t{lane.control});
  query.Bind(lane.weight_bytes).Bind(lane.bits_per_weight);
  query.Bind(lane.quantized_bits_per_weight).Bind(lane.group_size);
  query.Bind(WordsToJson(lane.notes)).Bind(lane.coverage).Bind(lane.calibration);
  query.Bind(lane.identity).Bind(WordsToJson(lane.not_run));
  BITLOSS_DO(query.Run());
  return transaction.Commit();
}

}  // namespace bitloss
