// Which processor computes, by name: the one place that makes backends for programs. The choice is
// the process's, as that of an instruction set is: no number depends on it. Which arithmetic it
// computes in does decide numbers, and is asked for by whoever records it.
#ifndef BITLOSS_COMPUTE_DEVICES_H_
#define BITLOSS_COMPUTE_DEVICES_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/base/threads.h"
#include "bitloss/compute/arithmetic.h"
#include "bitloss/compute/backend.h"

namespace bitloss {

struct DeviceChoice {
  // "cpu"; "cuda:N"; "cuda", the first GPU, or in an MPI job one for each rank of the host in turn;
  // "auto": the same if the plugin, its driver and a device answer, else the CPU.
  std::string name = "cpu";
  // Where the CUDA plugin may lie; the first that exists counts.
  std::vector<std::filesystem::path> cuda_plugins = {};
  // Of a GPU's memory, use no more; 0: what others leave of it.
  uint64_t memory_bytes = 0;
};

// kBadInput for a name that is none of these; kUnsupported, with the reason, for a GPU that cannot
// be used. The CPU takes so long over split arithmetic that it is taken by name alone: "auto" then
// wants a GPU. Requires: `threads` outlives the backend.
Result<std::unique_ptr<Backend>> MakeBackend(const DeviceChoice& device, ThreadPool& threads,
                                             Arithmetic arithmetic = Arithmetic::kExact);

// What MakeBackend(threads) makes from now on; before, the CPU. Not while another thread makes one.
void ChooseDevice(DeviceChoice device);
Result<std::unique_ptr<Backend>> MakeBackend(ThreadPool& threads,
                                             Arithmetic arithmetic = Arithmetic::kExact);

// A line for each GPU, or one that says why there is none.
std::vector<std::string> DescribeGpus(const DeviceChoice& device);

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_DEVICES_H_
