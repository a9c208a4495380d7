#include "bitloss/team/team.h"

#include <cstdlib>
#include <cstring>

#include "bitloss/base/check.h"
#include "bitloss/team/mpi_team.h"

namespace bitloss {
namespace {

class SoleRank final : public Team {
 public:
  size_t rank() const override { return 0; }
  size_t size() const override { return 1; }
  Result<Message> Share(size_t, Result<Message> value) override { return value; }

  Status Deal(const Jobs& jobs, const Work& work) override {
    for (size_t item = 0; item < jobs.num_items; ++item) {
      BITLOSS_TRY(const Message job, jobs.job(item));
      BITLOSS_TRY(const Message result, work(job));
      BITLOSS_DO(jobs.accept(item, result));
    }
    return Ok();
  }

  Status Serve(const Work&) override { return Ok(); }
  void Dismiss() override {}
};

// What launchers tell each process: Open MPI's mpirun, srun with PMI, and srun with PMIx, which
// tells the rank alone beside the number of tasks of the step.
struct LauncherVariables {
  const char* rank;
  const char* size;
};
constexpr LauncherVariables kLaunchers[] = {{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                                            {"PMI_RANK", "PMI_SIZE"},
                                            {"PMIX_RANK", "SLURM_STEP_NUM_TASKS"}};

struct Launched {
  uint64_t rank = 0;
  uint64_t size = 1;
};

Launched AskLauncher() {
  for (const LauncherVariables& launcher : kLaunchers) {
    const char* const rank = std::getenv(launcher.rank);
    const char* const size = std::getenv(launcher.size);
    if (rank != nullptr && size != nullptr) {
      return {std::strtoull(rank, nullptr, 10), std::strtoull(size, nullptr, 10)};
    }
  }
  return {};
}

}  // namespace

std::unique_ptr<Team> OneRank() { return std::make_unique<SoleRank>(); }

Result<std::unique_ptr<Team>> JoinTeam(std::span<const std::filesystem::path> mpi_plugins) {
  const Launched launched = AskLauncher();
  if (launched.size <= 1) return OneRank();
  Result<std::unique_ptr<Team>> team = JoinMpiTeam(mpi_plugins);
  if (!team.ok()) {
    return Unsupported(
        "this is one of {} processes of an MPI job, and cannot be: {}; start it without mpirun, or "
        "install Open MPI (to build with it: libopenmpi-dev)",
        launched.size, team.error().message);
  }
  // Each would take itself for the only one, and all would write one study.
  if (team.value()->size() != launched.size) {
    return Unsupported(
        "this is one of {} processes of an MPI job, but {} knows of {}: the launcher belongs to "
        "another MPI; use its own mpirun",
        launched.size, DescribeMpi(mpi_plugins), team.value()->size());
  }
  return team;
}

bool LaunchedFirst() { return AskLauncher().rank == 0; }

std::string DescribeMpi(std::span<const std::filesystem::path> mpi_plugins) {
  const Result<const MpiApi*> api = LoadMpiPlugin(mpi_plugins);
  return api.ok() ? api.value()->library() : api.error().message;
}

Status ShareStatus(Team& team, const Status& status) {
  for (size_t from = 0; from < team.size(); ++from) {
    Result<Message> value = Message();
    if (team.rank() == from && !status.ok()) value = status.error();
    const Result<Message> shared = team.Share(from, std::move(value));
    if (!shared.ok()) return shared.error();
  }
  return Ok();
}

}  // namespace bitloss
