// What the program and the MPI plugin say to each other: plain structs and functions, so that the
// plugin is calls of MPI alone, and the program runs on machines without MPI.
//
// The plugin exports one C function, BitlossMpiApi. Ranks and sizes are those of MPI_COMM_WORLD,
// counts are bytes. MPI's errors end the job, which is its default. Calls come from one thread at a
// time.
#ifndef BITLOSS_TEAM_MPI_API_H_
#define BITLOSS_TEAM_MPI_API_H_

namespace bitloss {

constexpr int kAnyRank = -1;

// A message that waits to be received.
struct MpiWaiting {
  int from;
  int tag;
  int num_bytes;
};

struct MpiApi {
  const char* build;  // of bitloss that the plugin belongs to

  // The name and version of the MPI library; may be asked before `start`.
  const char* (*library)();

  // Null, or what went wrong. `finish` is called once, after success alone.
  const char* (*start)();
  void (*finish)();

  int (*rank)();
  int (*size)();

  // By all ranks: every rank gets the bytes of rank `from`.
  void (*broadcast)(void* bytes, int num_bytes, int from);

  // Whether a message from `from` waits, and which; does not wait for one.
  bool (*probe)(int from, MpiWaiting* found);
  void (*receive)(void* bytes, const MpiWaiting* message);
  void (*send)(const void* bytes, int num_bytes, int to, int tag);
};

}  // namespace bitloss

#endif  // BITLOSS_TEAM_MPI_API_H_
