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

// How many processes the launcher says that it started: Open MPI's mpirun, or srun with PMI.
size_t LaunchedProcesses() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    if (const char* value = std::getenv(name)) return std::strtoull(value, nullptr, 10);
  }
  // PMIx tells the rank alone; srun tells the number of tasks of the step.
  const char* tasks = std::getenv("SLURM_STEP_NUM_TASKS");
  if (std::getenv("PMIX_RANK") != nullptr && tasks != nullptr) {
    return std::strtoull(tasks, nullptr, 10);
  }
  return 1;
}

}  // namespace

std::unique_ptr<Team> OneRank() { return std::make_unique<SoleRank>(); }

Result<std::unique_ptr<Team>> JoinTeam() {
  if (LaunchedProcesses() <= 1) return OneRank();
  return JoinMpiTeam();
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
