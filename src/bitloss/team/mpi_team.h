#ifndef BITLOSS_TEAM_MPI_TEAM_H_
#define BITLOSS_TEAM_MPI_TEAM_H_

#include <memory>

#include "bitloss/base/result.h"
#include "bitloss/team/team.h"

namespace bitloss {

// All ranks of this MPI job. kUnsupported if bitloss was built without MPI, or if its MPI cannot be
// called from a second thread; kIo if MPI does not start.
Result<std::unique_ptr<Team>> JoinMpiTeam();

}  // namespace bitloss

#endif  // BITLOSS_TEAM_MPI_TEAM_H_
