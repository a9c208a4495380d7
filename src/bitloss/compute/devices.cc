#include "bitloss/compute/devices.h"

#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "bitloss/compute/cuda/cuda_backend.h"
#include "bitloss/compute/cuda/cuda_plugin.h"

namespace bitloss {
namespace {

// The N of "cuda:N", 0 of "cuda".
std::optional<int> CudaDeviceNumber(std::string_view name) {
  if (name == "cuda") return 0;
  if (!name.starts_with("cuda:")) return std::nullopt;
  name.remove_prefix(5);
  int number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size() || number < 0) return std::nullopt;
  return number;
}

Result<std::unique_ptr<Backend>> MakeCudaBackendOf(const DeviceChoice& device, int number,
                                                   ThreadPool& threads) {
  BITLOSS_TRY(const CudaApi* api, LoadCudaPlugin(device.cuda_plugins));
  return MakeCudaBackend(*api, number, threads);
}

DeviceChoice& Chosen() {
  static DeviceChoice device;
  return device;
}

}  // namespace

void ChooseDevice(DeviceChoice device) { Chosen() = std::move(device); }

Result<std::unique_ptr<Backend>> MakeBackend(ThreadPool& threads) {
  return MakeBackend(Chosen(), threads);
}

Result<std::unique_ptr<Backend>> MakeBackend(const DeviceChoice& device, ThreadPool& threads) {
  if (device.name == "cpu") return MakeCpuBackend(threads);
  if (device.name == "auto") {
    Result<std::unique_ptr<Backend>> cuda = MakeCudaBackendOf(device, 0, threads);
    return cuda.ok() ? std::move(cuda) : MakeCpuBackend(threads);
  }
  const std::optional<int> number = CudaDeviceNumber(device.name);
  if (!number) {
    return BadInput("there is no device '{}': auto, cpu, cuda or cuda:N", device.name);
  }
  Result<std::unique_ptr<Backend>> cuda = MakeCudaBackendOf(device, *number, threads);
  if (!cuda.ok()) return Within("device " + device.name, cuda.error());
  return cuda;
}

std::vector<std::string> DescribeGpus(const DeviceChoice& device) {
  const Result<const CudaApi*> api = LoadCudaPlugin(device.cuda_plugins);
  if (!api.ok()) return {api.error().message};
  return DescribeCudaDevices(*api.value());
}

}  // namespace bitloss
