// One GPU as the host sees it: its memory, and errors as exceptions (device_error.h).
#ifndef BITLOSS_COMPUTE_CUDA_CUDA_DEVICE_H_
#define BITLOSS_COMPUTE_CUDA_CUDA_DEVICE_H_

#include <cstddef>
#include <string>
#include <utility>

#include "bitloss/compute/cuda/device_api.h"
#include "bitloss/compute/tensor.h"

namespace bitloss {

class CudaDevice final : public TensorMemory {
 public:
  // `context` was opened on device `number` and becomes this object's.
  CudaDevice(const CudaApi& api, CudaContext* context, int number, const CudaDeviceInfo& info);
  ~CudaDevice() override;
  CudaDevice(const CudaDevice&) = delete;
  CudaDevice& operator=(const CudaDevice&) = delete;

  const CudaApi& api() const { return api_; }
  CudaContext* context() const { return context_; }
  // "cuda:0, NVIDIA H200"
  const std::string& name() const { return name_; }
  const CudaDeviceInfo& info() const { return info_; }
  CudaMemory Memory() const;

  // Throws DeviceError unless it is null.
  void Check(CudaError error) const;

  void* AllocateBytes(size_t num_bytes);
  void FreeBytes(void* memory) { api_.free(context_, memory); }
  // Of the host's memory, for copies to the device.
  void* AllocatePinned(size_t num_bytes);
  void FreePinned(void* memory) { api_.free_pinned(context_, memory); }
  float* Allocate(size_t count) override {
    return static_cast<float*>(AllocateBytes(count * sizeof(float)));
  }
  void Free(float* floats) override { FreeBytes(floats); }

 private:
  const CudaApi& api_;
  CudaContext* context_;
  CudaDeviceInfo info_;
  std::string name_;
};

// Owns memory; Reserve keeps nothing and reuses memory when it is enough.
template <auto kAllocate, auto kFree>
class BasicCudaBuffer {
 public:
  BasicCudaBuffer() = default;
  BasicCudaBuffer(CudaDevice& device, size_t num_bytes) { Reserve(device, num_bytes); }
  BasicCudaBuffer(BasicCudaBuffer&& other) noexcept { *this = std::move(other); }
  BasicCudaBuffer& operator=(BasicCudaBuffer&& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(memory_, other.memory_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~BasicCudaBuffer() { Release(); }

  void Reserve(CudaDevice& device, size_t num_bytes) {
    if (num_bytes <= size_ && memory_ != nullptr) return;
    Release();
    memory_ = (device.*kAllocate)(num_bytes);
    device_ = &device;
    size_ = num_bytes;
  }

  size_t size() const { return size_; }
  void* data() const { return memory_; }
  template <class T>
  T* as() const {
    return static_cast<T*>(memory_);
  }

 private:
  void Release() {
    if (memory_ != nullptr) (device_->*kFree)(std::exchange(memory_, nullptr));
    size_ = 0;
  }

  CudaDevice* device_ = nullptr;
  void* memory_ = nullptr;
  size_t size_ = 0;
};
using CudaBuffer = BasicCudaBuffer<&CudaDevice::AllocateBytes, &CudaDevice::FreeBytes>;
using PinnedBuffer = BasicCudaBuffer<&CudaDevice::AllocatePinned, &CudaDevice::FreePinned>;

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CUDA_CUDA_DEVICE_H_
