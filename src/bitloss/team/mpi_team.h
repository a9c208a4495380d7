#ifndef BITLOSS_TEAM_MPI_TEAM_H_
#define BITLOSS_TEAM_MPI_TEAM_H_

#include <filesystem>
#include <memory>
#include <span>

#include "bitloss/base/result.h"
#include "bitloss/team/mpi_api.h"
#include "bitloss/team/team.h"

namespace bitloss {

// The plugin's table, from the first of `paths` that exists. kUnsupported, with the reason: it is
// not there, it does not load (no MPI library), or it is another build's.
Result<const MpiApi*> LoadMpiPlugin(std::span<const std::filesystem::path> paths);

// All ranks of this MPI job. kUnsupported without the plugin, or if MPI does not start as bitloss
// needs it.
Result<std::unique_ptr<Team>> JoinMpiTeam(std::span<const std::filesystem::path> plugins);

}  // namespace bitloss

#endif  // BITLOSS_TEAM_MPI_TEAM_H_
