// The processes that work on one study: this one alone, or the ranks of an MPI job.
//
// Rank 0 leads: it alone knows what is to do and where results go. The others have read the same
// inputs, wait, and do what they are dealt. A rank that dies takes the job with it (mpirun and srun
// see to that); what rank 0 accepted before is in the study.
#ifndef BITLOSS_TEAM_TEAM_H_
#define BITLOSS_TEAM_TEAM_H_

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bitloss/base/result.h"

namespace bitloss {

using Message = std::vector<std::byte>;
using MessageView = std::span<const std::byte>;

class Team {
 public:
  // What is dealt, by rank 0: job(item) makes the message, accept(item, result) takes what came of
  // it. Both are called one at a time, but not always on the same thread.
  struct Jobs {
    size_t num_items = 0;
    std::function<Result<Message>(size_t item)> job;
    std::function<Status(size_t item, MessageView result)> accept;
  };
  using Work = std::function<Result<Message>(MessageView job)>;

  virtual ~Team() = default;

  virtual size_t rank() const = 0;
  virtual size_t size() const = 0;
  bool leads() const { return rank() == 0; }

  // Every rank receives what rank `from` passes, be it an error. Called by all ranks, in the same
  // order.
  virtual Result<Message> Share(size_t from, Result<Message> value) = 0;

  // Rank 0: accept(i, work(job(i))) for each item, in order of i as far as ranks are free; rank 0
  // takes its part. Returns the first error once no rank works on an item any more.
  virtual Status Deal(const Jobs& jobs, const Work& work) = 0;

  // The other ranks: do what Deal sends, until rank 0 calls Dismiss. An error of `work` goes to
  // rank 0.
  virtual Status Serve(const Work& work) = 0;

  // Rank 0, once every other rank serves or is about to.
  virtual void Dismiss() = 0;
};

// This process alone.
std::unique_ptr<Team> OneRank();

// The ranks that mpirun or srun started, else this process alone. MPI is a plugin, the first of
// `mpi_plugins` that exists; alone it is not looked for. kUnsupported, with the reason, in a job of
// several ranks that cannot use it. Called once, before other threads exist.
Result<std::unique_ptr<Team>> JoinTeam(std::span<const std::filesystem::path> mpi_plugins);

// Whether the launcher counts this process as its first, as alone it is: the one that says what all
// of them would say.
bool LaunchedFirst();

// The MPI library that the plugin found, or why there is none; one line.
std::string DescribeMpi(std::span<const std::filesystem::path> mpi_plugins);

// The same for all: the error of the lowest rank that passes one. Called by all ranks.
Status ShareStatus(Team& team, const Status& status);

}  // namespace bitloss

#endif  // BITLOSS_TEAM_TEAM_H_
