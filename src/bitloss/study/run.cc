#include "bitloss/study/run.h"

#include <array>
#include <chrono>
#include <ctime>
#include <optional>

#include "bitloss/base/hash.h"
#include "bitloss/compute/devices.h"
#include "bitloss/store/baseline_rows.h"
#include "bitloss/store/kept_fits.h"
#include "bitloss/store/manifest.h"
#include "bitloss/store/store.h"
#include "bitloss/study/cache_size.h"
#include "bitloss/study/lane_set.h"
#include "bitloss/study/lanes.h"
#include "bitloss/study/lanes_to_run.h"
#include "bitloss/study/memory.h"
#include "bitloss/study/passes/passes.h"
#include "bitloss/study/prompts.h"
#include "bitloss/study/room.h"
#include "bitloss/study/stored_lanes.h"
#include "bitloss/study/study_plan.h"
#include "bitloss/team/codec.h"

namespace bitloss {
namespace {

Status PutPromptsAndItems(const StudyPlan& plan, Store& store) {
  for (size_t s = 0; s < plan.suites.size(); ++s) {
    std::vector<PromptRecord> records;
    for (const SuitePrompt& prompt : plan.suites[s].suite.prompts) {
      records.push_back({records.size(), prompt.id, plan.suites[s].suite.CategoryName(prompt),
                         prompt.prompt, prompt.scripts});
    }
    BITLOSS_DO(store.PutPrompts(s, records));
  }
  for (size_t t = 0; t < plan.tasks.size(); ++t) {
    BITLOSS_DO(store.PutTaskItems(t, plan.tasks[t].items));
  }
  return Ok();
}

// What a rank runs with.
struct RunningLanes {
  std::unique_ptr<FittedBlocks> fitted = std::make_unique<FittedBlocks>();
  std::unique_ptr<LaneSet> set;
  Room room;
  std::vector<double> fit_seconds;

  std::vector<StudyLane> StudyLanes(std::span<const LanePlan> plans) const {
    std::vector<StudyLane> lanes;
    for (size_t i = 0; i < plans.size(); ++i) {
      BlockProvider* provider = room.holds_all ? nullptr : set.get();
      lanes.push_back(
          {plans[i].record.lane, {plans[i].record.scheme, &set->lane(i).weights, provider, i}});
    }
    return lanes;
  }
};

// What lanes are made with on a rank.
struct Workshop {
  Team& team;
  Transformer& transformer;
  const ProgressSink& progress;
  KeptFits* kept = nullptr;  // rank 0's
};

// The same for all ranks: they make their blocks together, or each when it needs them.
Result<Room> AgreeOnRoom(Team& team, Room own) {
  Room room = own;
  for (size_t rank = 0; rank < team.size(); ++rank) {
    BITLOSS_TRY(const Message message, team.Share(rank, Encode(own)));
    BITLOSS_TRY(const Room other, Decode<Room>(message));
    room = Smaller(room, other);
  }
  return room;
}

// Decides what stands in memory, fits the lanes, each block on one rank, and makes them.
Result<RunningLanes> MakeLanes(const StudyPlan& plan, std::span<const LanePlan> plans,
                               const StudyOptions& options, const Workshop& workshop) {
  RunningLanes running;
  Progress state{"fit", 0, plan.model.source.config().num_layers, "layers"};
  const std::function<void(size_t)> layer_done = [&](size_t done) {
    state.done = done;
    workshop.progress(state);
  };
  const Status opened = [&]() -> Status {
    if (options.memory_bytes > 0) {
      BITLOSS_TRY(*running.fitted, FittedBlocks::InFile(options.out));
    }
    BITLOSS_TRY(running.set, LaneSet::Open(plan.model.source, workshop.transformer.backend(), plans,
                                           plan.manifest.seed, *running.fitted));
    BITLOSS_TRY(running.room,
                PlanRoom(plan.model.source.config(), *running.set, plans,
                         {plan.texts, plan.suites, plan.tasks, plan.calibration.num_tokens()},
                         options.memory_bytes, workshop.transformer.backend()));
    return Ok();
  }();
  BITLOSS_DO(ShareStatus(workshop.team, opened));
  BITLOSS_TRY(running.room, AgreeOnRoom(workshop.team, running.room));
  LaneBuilderOptions build;
  build.calibration = plan.calibration.sequences;
  build.seed = plan.manifest.seed;
  build.importance = plan.calibration.importance ? &*plan.calibration.importance : nullptr;
  build.layer_done = layer_done;
  BITLOSS_TRY(running.fit_seconds,
              FitLanes(plan.model.source, workshop.transformer, plans, build, workshop.team,
                       {.blocks = *running.fitted, .kept = workshop.kept}));
  if (!running.room.holds_all) return running;
  state.task = "quantize";
  layer_done(0);
  BITLOSS_DO(ShareStatus(workshop.team, running.set->HoldAll(layer_done)));
  return running;
}

Status PutLanes(const StudyPlan& plan, std::span<LanePlan> plans, const LaneSet& set,
                Store& store) {
  for (size_t i = 0; i < plans.size(); ++i) {
    if (plans[i].complete) continue;  // so is its record
    if (plans[i].stored) {
      DescribeStoredLane(set.lane(i), plans[i].record);
    } else {
      BITLOSS_DO(DescribeBuiltLane(plan.model.source, set.lane(i).weights, plans[i]));
    }
    DescribeCache(plan.model.source.config(), plans[i]);
    BITLOSS_DO(store.PutLane(plans[i].record));
  }
  return Ok();
}

// What the lanes took to make, so far.
Status PutCosts(const RunningLanes& running, std::span<const LanePlan> plans, Store& store) {
  for (size_t i = 0; i < plans.size(); ++i) {
    if (plans[i].complete) continue;
    const double seconds = running.fit_seconds[i] + running.set->lane(i).seconds;
    const Timing timing{plans[i].record.lane, TimingKind::kQuantize, "", seconds, 0};
    BITLOSS_DO(store.PutTimings({&timing, 1}));
    BITLOSS_DO(store.PutPeakMemory(plans[i].record.lane, PeakResidentBytes()));
  }
  return Ok();
}

std::string UtcNow() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  std::array<char, 32> text;
  const size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return {text.data(), length};
}

Status PutMachineNotes(const Backend& backend, const StudyOptions& options, const Team& team,
                       Store& store) {
  std::vector<MachineNote> notes = {{"backend", backend.Describe()},
                                    {"threads", fmt::format("{}", options.num_threads)},
                                    {"timestamp", UtcNow()}};
  if (team.size() > 1) notes.push_back({"ranks", fmt::format("{}", team.size())});
  return store.PutMachineNotes(notes);
}

// The most of a device's memory that was used, by rank 0.
Status PutDeviceMemory(const Backend& backend, Store& store) {
  const std::optional<DeviceMemory> memory = backend.device_memory();
  if (!memory) return Ok();
  const MachineNote note{
      "device memory", fmt::format("{} of {} MiB", memory->most_used >> 20, memory->usable >> 20)};
  return store.PutMachineNotes({&note, 1});
}

// What rank 0 keeps of a study, and knows alone.
struct Records {
  Store store;
  BaselineRows rows;
  KeptFits fits;
};

// Everything that fitted blocks depend on beside their own fit.
std::string IdentityOfFits(const Manifest& manifest, Arithmetic arithmetic) {
  std::string inputs =
      fmt::format("{} {} numbers {} blocks {}", manifest.model.identity,
                  manifest.tokenizer_identity, manifest.numeric_version, kFittedBlockVersion);
  if (arithmetic != Arithmetic::kExact) inputs += fmt::format(" {}", Name(arithmetic));
  return Sha256Hex(inputs);
}

Result<Records> OpenRecords(const StudyPlan& plan, const StudyOptions& options) {
  BITLOSS_TRY(Store store, Store::OpenOrCreate(options.out, plan.manifest));
  BITLOSS_DO(PutPromptsAndItems(plan, store));
  BITLOSS_TRY(const std::string manifest_json, ManifestToJson(plan.manifest));
  // Rows of a mixture hold the experts that they chose, too.
  const std::string holds = plan.model.source.config().experts ? " experts" : "";
  BITLOSS_TRY(BaselineRows rows,
              BaselineRows::OpenOrCreate(options.out, Sha256Hex(manifest_json) + holds,
                                         options.keep_rows_bytes));
  BITLOSS_TRY(KeptFits fits,
              KeptFits::OpenOrCreate(options.out, IdentityOfFits(plan.manifest, options.arithmetic),
                                     options.keep_fits_bytes));
  return Records{std::move(store), std::move(rows), std::move(fits)};
}

}  // namespace

Result<std::string> StudyIdentity(const StudyOptions& options) {
  BITLOSS_TRY(const StudyPlan plan, MakeStudyPlan(options));
  BITLOSS_TRY(const std::vector<LanePlan> lanes,
              PlanLanes(plan.model, options, plan.calibration, {}));
  BITLOSS_TRY(std::string text, ManifestToJson(plan.manifest));
  for (const LanePlan& lane : lanes) {
    text += fmt::format("\n{} {}", lane.record.scheme, lane.record.identity);
  }
  return Sha256Hex(text);
}

Status RunStudy(const StudyOptions& options, Team& team, const ProgressSink& progress) {
  Result<StudyPlan> planned = MakeStudyPlan(options);
  BITLOSS_DO(ShareStatus(team, planned.ok() ? Ok() : Status(planned.error())));
  const StudyPlan& plan = planned.value();
  Result<std::vector<LanePlan>> all_lanes = PlanLanes(plan.model, options, plan.calibration, {});
  BITLOSS_DO(ShareStatus(team, all_lanes.ok() ? Ok() : Status(all_lanes.error())));
  std::vector<LanePlan> lane_plans = std::move(all_lanes).value();

  std::optional<Records> records;
  Result<std::vector<LanePlan>> found = std::vector<LanePlan>();
  if (team.leads()) {
    Result<Records> opened = OpenRecords(plan, options);
    if (opened.ok()) {
      records = std::move(opened).value();
      found = FindLanesToRun(plan, options, records->store, records->rows);
    } else {
      found = opened.error();
    }
  }
  BITLOSS_DO(ShareLanes(team, std::move(found), lane_plans));
  if (lane_plans.empty()) return Ok();

  ThreadPool threads(options.num_threads);
  Result<std::unique_ptr<Backend>> made = MakeBackend(threads, options.arithmetic);
  BITLOSS_DO(ShareStatus(team, made.ok() ? Ok() : Status(made.error())));
  const Backend& backend = *made.value();
  Transformer transformer(plan.model.source.config(), backend);
  const ProgressSink silent = [](const Progress&) {};
  const Workshop workshop = {team, transformer, team.leads() ? progress : silent,
                             records ? &records->fits : nullptr};
  BITLOSS_TRY(const RunningLanes running, MakeLanes(plan, lane_plans, options, workshop));
  Crew crew(team, transformer, running.StudyLanes(lane_plans), running.room);
  if (!team.leads()) return crew.Serve();

  const Status status = [&]() -> Status {
    BITLOSS_DO(PutMachineNotes(backend, options, team, records->store));
    BITLOSS_DO(PutLanes(plan, lane_plans, *running.set, records->store));
    BITLOSS_DO(PutCosts(running, lane_plans, records->store));
    const PassWork work{crew, records->store, records->rows, progress};
    for (const auto& pass : PassesOf(plan, options)) BITLOSS_DO(pass->Run(work));
    BITLOSS_DO(PutDeviceMemory(backend, records->store));
    return PutCosts(running, lane_plans, records->store);
  }();
  crew.Dismiss();
  return status;
}

}  // namespace bitloss
