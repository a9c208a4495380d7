#include "bitloss/compute/cuda/cuda_device.h"

#include <fmt/format.h>

#include "bitloss/compute/device_error.h"

namespace bitloss {

CudaDevice::CudaDevice(const CudaApi& api, CudaContext* context, int number,
                       const CudaDeviceInfo& info)
    : api_(api),
      context_(context),
      info_(info),
      name_(fmt::format("cuda:{}, {}", number, info.name)) {}

CudaDevice::~CudaDevice() { api_.close(context_); }

void CudaDevice::Check(CudaError error) const {
  if (error != nullptr) throw DeviceError(fmt::format("{}: {}", name_, error));
}

void* CudaDevice::AllocateBytes(size_t num_bytes) {
  void* memory = nullptr;
  const CudaError error = api_.allocate(context_, num_bytes, &memory);
  if (error == nullptr) return memory;
  const std::string what = error;
  const CudaMemory there = Memory();
  throw DeviceError(
      fmt::format("{}: {}: {} MiB asked for, {} of {} MiB used; fewer lanes at once and shorter "
                  "sequences need less, --device cpu none",
                  name_, what, num_bytes >> 20, there.used >> 20, there.usable >> 20));
}

CudaMemory CudaDevice::Memory() const {
  CudaMemory memory{};
  Check(api_.look_at_memory(context_, &memory));
  return memory;
}

void* CudaDevice::AllocatePinned(size_t num_bytes) {
  void* memory = nullptr;
  Check(api_.allocate_pinned(context_, num_bytes, &memory));
  return memory;
}

}  // namespace bitloss
