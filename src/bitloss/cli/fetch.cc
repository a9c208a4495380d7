#include "bitloss/cli/fetch.h"

#include <cstdlib>
#include <system_error>

#include "bitloss/cli/pull_printer.h"
#include "bitloss/study/lane_request.h"

namespace bitloss {
namespace {

namespace fs = std::filesystem;

bool IsThere(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

}  // namespace

Result<Pulled> PullWithProgress(const HubName& name, ModelNeed need, const HubSettings& settings) {
  PullPrinter printer(name.Text());
  PullListener listener;
  listener.notice = [&](const std::string& notice) { printer.Say(notice); };
  listener.progress = [&](const PullProgress& progress) {
    if (!settings.quiet) printer(progress);
  };
  auto pulled = Pull(name, need, settings, listener);
  if (pulled.ok()) printer.Finish(pulled.value());
  return pulled;
}

Status FetchModel(const std::string& model, ModelNeed need) {
  if (model.empty() || IsThere(model)) return Ok();
  const auto name = ParseHubName(HubKind::kModel, model);
  if (!name.ok()) return Ok();
  BITLOSS_TRY(const HubSettings settings, HubSettingsFromEnvironment());
  if (settings.offline) return Ok();
  const auto found = FindInHubCache(name.value(), settings.cache);
  // The one GGUF file that lies here need not be the only one there: without QUANT the hub is
  // asked.
  const bool is_guess =
      found.ok() && name.value().part.empty() && fs::is_regular_file(found.value());
  if (found.ok() && !is_guess && IsWholeModel(found.value(), need)) return Ok();
  const auto pulled = PullWithProgress(name.value(), need, settings);
  return pulled.ok() ? Ok() : Within("no such folder or file here", pulled.error());
}

Status FetchText(fs::path& text) {
  if (text.empty() || IsThere(text)) return Ok();
  const auto name = ParseHubName(HubKind::kDataSet, text.string());
  if (!name.ok()) return Ok();
  BITLOSS_TRY(const HubSettings settings, HubSettingsFromEnvironment());
  if (auto found = FindInHubCache(name.value(), settings.cache); found.ok()) {
    text = std::move(found).value();
    return Ok();
  }
  auto pulled = PullWithProgress(name.value(), ModelNeed::kEverything, settings);
  if (!pulled.ok()) return Within("no such file here", pulled.error());
  text = std::move(pulled).value().path;
  return Ok();
}

Status FetchInputs(StudyOptions& options) {
  BITLOSS_DO(FetchModel(options.model));
  for (const std::string& lane : options.lanes) {
    const auto request = ParseCheckpointRequest(lane);
    if (request.ok()) BITLOSS_DO(FetchModel(request.value().lane.what));
  }
  for (fs::path& text : options.texts) BITLOSS_DO(FetchText(text));
  for (fs::path& task : options.tasks) BITLOSS_DO(FetchText(task));
  return FetchText(options.calibration);
}

Status FetchInputs(StudyOptions& options, Team& team) {
  BITLOSS_DO(ShareStatus(team, team.leads() ? FetchInputs(options) : Ok()));
  return ShareStatus(team, team.leads() ? Ok() : FetchInputs(options));
}

void GoOffline() { ::setenv("HF_HUB_OFFLINE", "1", /*overwrite=*/1); }

void AddOfflineOption(CLI::App& command) {
  command.add_flag_callback(
      "--offline", GoOffline,
      "Fetch nothing: names on a hub are looked for in the local cache alone");
}

}  // namespace bitloss
