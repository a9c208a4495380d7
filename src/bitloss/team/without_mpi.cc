#include "bitloss/team/mpi_team.h"

namespace bitloss {

Result<std::unique_ptr<Team>> JoinMpiTeam() {
  return Unsupported(
      "this is one of several processes of an MPI job, but bitloss was built without MPI; install "
      "libopenmpi-dev and build it again, or start it without mpirun");
}

}  // namespace bitloss
