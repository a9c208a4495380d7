#include "bitloss/study/run.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>

#include "bitloss/base/hash.h"
#include "bitloss/data/embedded.h"
#include "bitloss/store/manifest.h"
#include "bitloss/study/answer_pass.h"
#include "bitloss/study/judge_pass.h"
#include "bitloss/study/lane_set.h"
#include "bitloss/study/lanes.h"
#include "bitloss/study/memory.h"
#include "bitloss/study/model_files.h"
#include "bitloss/study/prompts.h"
#include "bitloss/study/room.h"
#include "bitloss/study/sample_pass.h"
#include "bitloss/study/stored_lanes.h"
#include "bitloss/study/text_pass.h"
#include "bitloss/study/texts.h"
#include "bitloss/team/codec.h"

namespace bitloss {
namespace {

// Everything that a study measures, before anything is computed.
struct Plan {
  ModelFiles model;
  std::vector<StudyText> texts;  // one for each text and protocol
  std::vector<StudySuite> suites;
  Calibration calibration;
  Manifest manifest;
};

std::string OptionsJson(const StudyOptions& options) {
  nlohmann::ordered_json json;
  json["decoding"] = options.temperature ? "sampled" : "greedy";
  if (options.temperature) json["temperature"] = *options.temperature;
  if (options.num_samples > 0) {
    json["samples"] = {{"count", options.num_samples}, {"temperature", options.sample_temperature}};
  }
  if (options.max_new_tokens) json["max_new_tokens"] = *options.max_new_tokens;
  if (!options.chat_template.empty()) json["chat_template"] = options.chat_template;
  return json.dump();
}

Result<Manifest> MakeManifest(const Plan& plan, const StudyOptions& options) {
  const ModelSource& source = plan.model.source;
  Manifest manifest;
  manifest.bitloss_version = BITLOSS_VERSION;
  manifest.model.name = plan.model.name;
  manifest.model.architecture = std::string(Name(source.config().architecture));
  manifest.model.num_parameters = source.num_parameters();
  BITLOSS_TRY(manifest.model.identity, source.checkpoint().Identity());
  manifest.tokenizer_identity = plan.model.tokenizer.identity();
  for (const StudyText& text : plan.texts) manifest.protocols.push_back(text.record);
  for (const StudySuite& suite : plan.suites) {
    manifest.suites.push_back({suite.suite.id, suite.suite.sha256, suite.prompts.size()});
  }
  manifest.seed = options.seed;
  manifest.options = OptionsJson(options);
  return manifest;
}

Result<Plan> MakePlan(const StudyOptions& options) {
  std::string model = options.model;
  if (model.empty()) {
    BITLOSS_TRY(const std::filesystem::path folder, EmbeddedModelFolder());
    model = folder.string();
  }
  BITLOSS_TRY(ModelFiles files, OpenModel(model));
  Plan plan{std::move(files), {}, {}, {}, {}};
  BITLOSS_TRY(plan.texts, LoadTexts(plan.model, options));
  BITLOSS_TRY(plan.suites, LoadSuites(plan.model, options));
  BITLOSS_TRY(plan.calibration, ReadCalibration(plan.model, options));
  BITLOSS_TRY(plan.manifest, MakeManifest(plan, options));
  return plan;
}

// Whether some of the lanes lack a number.
Result<bool> HasWork(const Store& store, const Plan& plan, size_t num_samples,
                     std::span<const size_t> lanes) {
  for (size_t p = 0; p < plan.texts.size(); ++p) {
    BITLOSS_TRY(const std::vector<size_t> pending,
                PendingUnits(store, p, plan.texts[p].windows.sequences.size(), lanes));
    if (!pending.empty()) return true;
  }
  for (size_t s = 0; s < plan.suites.size(); ++s) {
    BITLOSS_TRY(
        const PendingAnswers pending,
        FindPendingAnswers(store, s, plan.suites[s].prompts.size(), lanes, plan.model.end_tokens));
    if (!pending.empty()) return true;
    BITLOSS_TRY(const bool judged, JudgingIsComplete(store, s, lanes));
    if (!judged) return true;
    BITLOSS_TRY(const bool sampled,
                SamplesAreComplete(store, s, plan.suites[s].prompts.size(), num_samples, lanes));
    if (!sampled) return true;
  }
  return false;
}

// Whether everything that the lanes lack is compared with baseline rows that are kept.
Result<bool> KeepsAllRows(const Store& store, const BaselineRows& rows, const Plan& plan,
                          std::span<const size_t> lanes) {
  for (size_t p = 0; p < plan.texts.size(); ++p) {
    BITLOSS_TRY(std::vector<size_t> pending,
                PendingUnits(store, p, plan.texts[p].windows.sequences.size(), lanes));
    BITLOSS_TRY(const size_t num_kept, PutKeptFirst(rows, RowsOf::kText, p, pending));
    if (num_kept < pending.size()) return false;
  }
  for (size_t s = 0; s < plan.suites.size(); ++s) {
    BITLOSS_TRY(PendingAnswers pending, FindPendingAnswers(store, s, plan.suites[s].prompts.size(),
                                                           lanes, plan.model.end_tokens));
    BITLOSS_TRY(const size_t num_kept, PutKeptFirst(rows, RowsOf::kAnswer, s, pending.unscored));
    if (num_kept < pending.unscored.size()) return false;
  }
  return true;
}

// Of all lanes the baseline and those that lack a number; the baseline without its blocks if what
// it has already is enough. None if nothing is lacking.
Result<std::vector<LanePlan>> LanesToRun(const Store& store, const BaselineRows& rows,
                                         const Plan& plan, size_t num_samples,
                                         std::vector<LanePlan> lanes) {
  std::vector<LanePlan> running;
  std::vector<size_t> numbers;
  bool baseline_has_work = false;
  for (LanePlan& lane : lanes) {
    const size_t number = lane.record.lane;
    BITLOSS_TRY(const bool has_work, HasWork(store, plan, num_samples, {&number, 1}));
    if (lane.record.baseline) baseline_has_work = has_work;
    if (!has_work && !lane.record.baseline) continue;
    numbers.push_back(number);
    running.push_back(std::move(lane));
  }
  if (running.size() == 1 && !baseline_has_work) return std::vector<LanePlan>();
  BITLOSS_TRY(const bool keeps_all, KeepsAllRows(store, rows, plan, numbers));
  // Answers that differ from the baseline's are read by the whole of it.
  const bool judges = !plan.suites.empty();
  running[0].complete = !baseline_has_work;
  running[0].head_only = keeps_all && !baseline_has_work && !judges;
  return running;
}

Status PutPrompts(const Plan& plan, Store& store) {
  for (size_t s = 0; s < plan.suites.size(); ++s) {
    std::vector<PromptRecord> records;
    for (const SuitePrompt& prompt : plan.suites[s].suite.prompts) {
      records.push_back(
          {records.size(), prompt.id, plan.suites[s].suite.CategoryName(prompt), prompt.prompt});
    }
    BITLOSS_DO(store.PutPrompts(s, records));
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

// Decides what stands in memory, fits the lanes, each block on one rank, and makes them.
Result<RunningLanes> MakeLanes(const Plan& plan, std::span<const LanePlan> plans,
                               const StudyOptions& options, Team& team, Transformer& transformer,
                               const ProgressSink& progress) {
  RunningLanes running;
  Progress state{"fit", 0, plan.model.source.config().num_layers, "layers"};
  const std::function<void(size_t)> layer_done = [&](size_t done) {
    state.done = done;
    progress(state);
  };
  const Status opened = [&]() -> Status {
    if (options.memory_bytes > 0) {
      BITLOSS_TRY(*running.fitted, FittedBlocks::InFile(options.out));
    }
    BITLOSS_TRY(running.set, LaneSet::Open(plan.model.source, transformer.backend(), plans,
                                           plan.manifest.seed, *running.fitted));
    BITLOSS_TRY(running.room,
                PlanRoom(plan.model.source.config(), *running.set, plans, plan.texts, plan.suites,
                         plan.calibration.num_tokens(), options.memory_bytes));
    return Ok();
  }();
  BITLOSS_DO(ShareStatus(team, opened));
  LaneBuilderOptions build;
  build.calibration = plan.calibration.sequences;
  build.seed = plan.manifest.seed;
  build.importance = plan.calibration.importance ? &*plan.calibration.importance : nullptr;
  build.layer_done = layer_done;
  BITLOSS_TRY(running.fit_seconds,
              FitLanes(plan.model.source, transformer, plans, build, team, *running.fitted));
  if (!running.room.holds_all) return running;
  state.task = "quantize";
  layer_done(0);
  BITLOSS_DO(ShareStatus(team, running.set->HoldAll(layer_done)));
  return running;
}

Status PutLanes(const Plan& plan, std::span<LanePlan> plans, const LaneSet& set, Store& store) {
  for (size_t i = 0; i < plans.size(); ++i) {
    if (plans[i].complete) continue;  // so is its record
    if (plans[i].stored) {
      DescribeStoredLane(set.lane(i), plans[i].record);
    } else {
      DescribeBuiltLane(plan.model.source, set.lane(i).weights, plans[i]);
    }
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

AnswerOptions MakeAnswerOptions(const Plan& plan, const StudyOptions& options) {
  AnswerOptions answers{{}, plan.model.tokenizer};
  answers.generation.end_tokens = plan.model.end_tokens;
  if (options.temperature) {
    answers.generation.sampling =
        Sampling{.temperature = *options.temperature, .seed = options.seed, .sample = 0};
  }
  return answers;
}

// What rank 0 keeps of a study, and knows alone.
struct Records {
  Store store;
  BaselineRows rows;
};

Result<Records> OpenRecords(const Plan& plan, const StudyOptions& options) {
  BITLOSS_TRY(Store store, Store::OpenOrCreate(options.out, plan.manifest));
  BITLOSS_DO(PutPrompts(plan, store));
  BITLOSS_TRY(const std::string manifest_json, ManifestToJson(plan.manifest));
  BITLOSS_TRY(BaselineRows rows, BaselineRows::OpenOrCreate(options.out, Sha256Hex(manifest_json),
                                                            options.keep_rows_bytes));
  return Records{std::move(store), std::move(rows)};
}

// The lanes that lack something; none if the study is complete.
Result<std::vector<LanePlan>> FindLanesToRun(const Plan& plan, const StudyOptions& options,
                                             const Records& records) {
  BITLOSS_TRY(const std::vector<LaneRecord> existing, records.store.Lanes());
  BITLOSS_TRY(std::vector<LanePlan> lanes,
              PlanLanes(plan.model, options, plan.calibration, existing));
  return LanesToRun(records.store, records.rows, plan, options.num_samples, std::move(lanes));
}

// A lane of the plan that every rank made from the same options, as rank 0 numbers it.
struct LaneToRun {
  std::string scheme;
  uint64_t lane = 0;
  bool head_only = false;
};

}  // namespace

template <class Codec>
void Members(Codec& codec, LaneToRun& value) {
  codec(value.scheme, value.lane, value.head_only);
}

namespace {

// Gives every rank the lanes that rank 0 found.
Status ShareLanes(Team& team, Result<std::vector<LanePlan>> found, std::vector<LanePlan>& lanes) {
  Result<Message> message = Message();
  if (team.leads()) {
    std::vector<LaneToRun> running;
    if (found.ok()) {
      for (const LanePlan& plan : found.value()) {
        running.push_back({plan.record.scheme, plan.record.lane, plan.head_only});
      }
      message = Encode(std::move(running));
    } else {
      message = found.error();
    }
  }
  BITLOSS_TRY(const Message shared, team.Share(0, std::move(message)));
  if (team.leads()) {
    lanes = std::move(found).value();
    return Ok();
  }
  BITLOSS_TRY(const std::vector<LaneToRun> running, Decode<std::vector<LaneToRun>>(shared));
  std::vector<LanePlan> chosen;
  for (const LaneToRun& lane : running) {
    const auto plan = std::ranges::find_if(
        lanes, [&](const LanePlan& p) { return p.record.scheme == lane.scheme; });
    BITLOSS_CHECK(plan != lanes.end());
    plan->record.lane = lane.lane;
    plan->head_only = lane.head_only;
    chosen.push_back(std::move(*plan));
  }
  lanes = std::move(chosen);
  return Ok();
}

// Rank 0's part once the lanes are there: every pass over every text and suite.
Status RunPasses(const Plan& plan, const StudyOptions& options, Crew& crew, Records& records,
                 const ProgressSink& progress) {
  for (size_t p = 0; p < plan.texts.size(); ++p) {
    BITLOSS_DO(RunTextPass(crew, plan.texts[p].windows, p, records.store, records.rows, progress));
  }
  const AnswerOptions answers = MakeAnswerOptions(plan, options);
  for (size_t s = 0; s < plan.suites.size(); ++s) {
    BITLOSS_DO(RunAnswerPass(crew, plan.suites[s], s, answers, records.store, progress));
    BITLOSS_DO(RunAnswerScoring(crew, plan.suites[s], s, plan.model.end_tokens, records.store,
                                records.rows, progress));
    BITLOSS_DO(RunJudging(crew, plan.suites[s], s, records.store, progress));
    AnswerOptions sampling = answers;
    sampling.generation.sampling =
        Sampling{.temperature = options.sample_temperature, .seed = options.seed, .sample = 0};
    BITLOSS_DO(RunSamplePass(crew, plan.suites[s], s, options.num_samples, sampling, records.store,
                             progress));
  }
  return Ok();
}

}  // namespace

Status RunStudy(const StudyOptions& options, Team& team, const ProgressSink& progress) {
  Result<Plan> planned = MakePlan(options);
  BITLOSS_DO(ShareStatus(team, planned.ok() ? Ok() : Status(planned.error())));
  const Plan& plan = planned.value();
  Result<std::vector<LanePlan>> all_lanes = PlanLanes(plan.model, options, plan.calibration, {});
  BITLOSS_DO(ShareStatus(team, all_lanes.ok() ? Ok() : Status(all_lanes.error())));
  std::vector<LanePlan> lane_plans = std::move(all_lanes).value();

  std::optional<Records> records;
  Result<std::vector<LanePlan>> found = std::vector<LanePlan>();
  if (team.leads()) {
    Result<Records> opened = OpenRecords(plan, options);
    if (opened.ok()) {
      records = std::move(opened).value();
      found = FindLanesToRun(plan, options, *records);
    } else {
      found = opened.error();
    }
  }
  BITLOSS_DO(ShareLanes(team, std::move(found), lane_plans));
  if (lane_plans.empty()) return Ok();

  ThreadPool threads(options.num_threads);
  Result<std::unique_ptr<Backend>> made = MakeCpuBackend(threads);
  BITLOSS_DO(ShareStatus(team, made.ok() ? Ok() : Status(made.error())));
  const Backend& backend = *made.value();
  Transformer transformer(plan.model.source.config(), backend);
  const ProgressSink silent = [](const Progress&) {};
  BITLOSS_TRY(const RunningLanes running, MakeLanes(plan, lane_plans, options, team, transformer,
                                                    team.leads() ? progress : silent));
  Crew crew(team, transformer, running.StudyLanes(lane_plans), running.room);
  if (!team.leads()) return crew.Serve();

  const Status status = [&]() -> Status {
    BITLOSS_DO(PutMachineNotes(backend, options, team, records->store));
    BITLOSS_DO(PutLanes(plan, lane_plans, *running.set, records->store));
    BITLOSS_DO(PutCosts(running, lane_plans, records->store));
    BITLOSS_DO(RunPasses(plan, options, crew, *records, progress));
    return PutCosts(running, lane_plans, records->store);
  }();
  crew.Dismiss();
  return status;
}

}  // namespace bitloss
