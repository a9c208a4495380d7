#include "bitloss/compute/devices.h"

#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <utility>

#include "bitloss/compute/cpu/cpu_backend.h"
#include "bitloss/compute/cuda/cuda_backend.h"
#include "bitloss/compute/cuda/cuda_plugin.h"

namespace bitloss {
namespace {

// All of `text` as a number that is not negative.
std::optional<int> ParseNumber(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

// Which of the ranks on this host the process is, as the launchers of MPI jobs tell it.
int LocalRank() {
  for (const char* name : {"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"}) {
    const char* text = std::getenv(name);
    if (text == nullptr) continue;
    if (const std::optional<int> rank = ParseNumber(text)) return *rank;
  }
  return 0;
}

// A device for each rank of the host in turn.
int DeviceOfRank(const CudaApi& api) {
  int count = 0;
  if (api.count_devices(&count) != nullptr || count == 0) return 0;  // MakeCudaBackend says why
  return LocalRank() % count;
}

// On device `number`, or on the one that is this rank's.
Result<std::unique_ptr<Backend>> MakeCudaBackendOf(const DeviceChoice& device,
                                                   std::optional<int> number, Arithmetic arithmetic,
                                                   ThreadPool& threads) {
  BITLOSS_TRY(const CudaApi* api, LoadCudaPlugin(device.cuda_plugins));
  CudaDeviceChoice choice{number ? *number : DeviceOfRank(*api)};
  if (device.memory_bytes > 0) choice.most_bytes = device.memory_bytes;
  return MakeCudaBackend(*api, choice, arithmetic, threads);
}

DeviceChoice& Chosen() {
  static DeviceChoice device;
  return device;
}

}  // namespace

void ChooseDevice(DeviceChoice device) { Chosen() = std::move(device); }

Result<std::unique_ptr<Backend>> MakeBackend(ThreadPool& threads, Arithmetic arithmetic) {
  return MakeBackend(Chosen(), threads, arithmetic);
}

Result<std::unique_ptr<Backend>> MakeBackend(const DeviceChoice& device, ThreadPool& threads,
                                             Arithmetic arithmetic) {
  if (device.name == "cpu") return MakeCpuBackend(threads, arithmetic);
  if (device.name == "auto") {
    Result<std::unique_ptr<Backend>> cuda =
        MakeCudaBackendOf(device, std::nullopt, arithmetic, threads);
    if (cuda.ok()) return cuda;
    if (arithmetic == Arithmetic::kExact) return MakeCpuBackend(threads);
    return Unsupported("--arithmetic {} wants a GPU: {}; --device cpu computes the same, slowly",
                       Name(arithmetic), cuda.error().message);
  }
  std::optional<int> number;
  if (device.name.starts_with("cuda:")) number = ParseNumber(device.name.substr(5));
  if (device.name != "cuda" && !number) {
    return BadInput("there is no device '{}': auto, cpu, cuda or cuda:N", device.name);
  }
  Result<std::unique_ptr<Backend>> cuda = MakeCudaBackendOf(device, number, arithmetic, threads);
  if (!cuda.ok()) return Within("device " + device.name, cuda.error());
  return cuda;
}

std::vector<std::string> DescribeGpus(const DeviceChoice& device) {
  const Result<const CudaApi*> api = LoadCudaPlugin(device.cuda_plugins);
  if (!api.ok()) return {api.error().message};
  return DescribeCudaDevices(*api.value());
}

}  // namespace bitloss
