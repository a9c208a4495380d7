// What was named on the command line and is not there: fetched from its hub, before a command opens
// it.
#ifndef BITLOSS_CLI_FETCH_H_
#define BITLOSS_CLI_FETCH_H_

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

#include "bitloss/base/result.h"
#include "bitloss/hub/hub_cache.h"
#include "bitloss/hub/pull.h"
#include "bitloss/study/options.h"
#include "bitloss/team/team.h"

namespace bitloss {

// Fetches, with progress on standard error.
Result<Pulled> PullWithProgress(const HubName& name, ModelNeed need, const HubSettings& settings);

// Nothing if there is such a path, if `model` is no name on a hub, if the hub cache has all that is
// needed of it, or offline: opening it says what is missing. Else fetches it.
Status FetchModel(const std::string& model, ModelNeed need = ModelNeed::kEverything);

// The same for a text; `text` becomes the path of the file in the cache.
Status FetchText(std::filesystem::path& text);

// Everything that a study names. In an MPI job rank 0 fetches and the others find it, or fetch it
// where they have another cache. The same error on all ranks.
Status FetchInputs(StudyOptions& options, Team& team);
Status FetchInputs(StudyOptions& options);

// From here on nothing is fetched, as with HF_HUB_OFFLINE=1: names are looked for in the local
// cache.
void GoOffline();

// --offline: as HF_HUB_OFFLINE=1.
void AddOfflineOption(CLI::App& command);

}  // namespace bitloss

#endif  // BITLOSS_CLI_FETCH_H_
