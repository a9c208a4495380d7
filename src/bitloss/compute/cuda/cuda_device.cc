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
  size_t left = 0;
  Check(api_.free_memory(context_, &left));
  throw DeviceError(fmt::format(
      "{}: {}: {} MiB asked for, {} MiB free; fewer lanes at once need less, --device cpu none",
      name_, what, num_bytes >> 20, left >> 20));
}

void* CudaDevice::AllocatePinned(size_t num_bytes) {
  void* memory = nullptr;
  Check(api_.allocate_pinned(context_, num_bytes, &memory));
  return memory;
}

}  // namespace bitloss
