// The MPI plugin, libbitloss_mpi.so: team/mpi_api.h in calls of MPI. It needs the C library and
// MPI, and nothing of the program.
#include <mpi.h>

#include <cstring>

#include "bitloss/team/mpi_api.h"

namespace bitloss {
namespace {

// The first line of what the library says of itself.
const char* Library() {
  static char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  MPI_Get_library_version(text, &length);
  if (char* const end = std::strpbrk(text, ",\n")) *end = '\0';
  return text;
}

const char* Start() {
  int provided = MPI_THREAD_SINGLE;
  if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided) != MPI_SUCCESS) {
    return "MPI does not start";
  }
  if (provided >= MPI_THREAD_SERIALIZED) return nullptr;
  MPI_Finalize();
  return "this MPI cannot be called from a second thread; bitloss needs one that can";
}

void Finish() { MPI_Finalize(); }

int Rank() {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}

int Size() {
  int size = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return size;
}

void Broadcast(void* bytes, int num_bytes, int from) {
  MPI_Bcast(bytes, num_bytes, MPI_BYTE, from, MPI_COMM_WORLD);
}

bool Probe(int from, MpiWaiting* found) {
  int waits = 0;
  MPI_Status status;
  MPI_Iprobe(from == kAnyRank ? MPI_ANY_SOURCE : from, MPI_ANY_TAG, MPI_COMM_WORLD, &waits,
             &status);
  if (waits == 0) return false;
  found->from = status.MPI_SOURCE;
  found->tag = status.MPI_TAG;
  MPI_Get_count(&status, MPI_BYTE, &found->num_bytes);
  return true;
}

void Receive(void* bytes, const MpiWaiting* message) {
  MPI_Recv(bytes, message->num_bytes, MPI_BYTE, message->from, message->tag, MPI_COMM_WORLD,
           MPI_STATUS_IGNORE);
}

void Send(const void* bytes, int num_bytes, int to, int tag) {
  MPI_Send(bytes, num_bytes, MPI_BYTE, to, tag, MPI_COMM_WORLD);
}

constexpr MpiApi kApi = {BITLOSS_MPI_BUILD, Library, Start,   Finish, Rank, Size,
                         Broadcast,         Probe,   Receive, Send};

}  // namespace
}  // namespace bitloss

extern "C" __attribute__((visibility("default"))) const bitloss::MpiApi* BitlossMpiApi() {
  return &bitloss::kApi;
}
