// The plugin's table: devices, memory, copies; the operations are in the files beside it.
#include <cstdio>

#include "bitloss/compute/cuda/plugin/context.cuh"

namespace bitloss {

CudaError Told(cudaError_t status, const char* doing) {
  thread_local char text[512];
  cudaGetLastError();  // it is told: the next call begins without it
  switch (status) {
    case cudaErrorMemoryAllocation:
      std::snprintf(text, sizeof(text), "out of device memory during %s", doing);
      break;
    case cudaErrorInsufficientDriver:
      std::snprintf(text, sizeof(text), "no NVIDIA driver, or one older than CUDA %d.%d needs",
                    CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
      break;
    case cudaErrorNoDevice:
      std::snprintf(text, sizeof(text), "no CUDA device");
      break;
    default:
      std::snprintf(text, sizeof(text), "%s during %s", cudaGetErrorString(status), doing);
  }
  return text;
}

namespace {

CudaError CountDevices(int* count) {
  *count = 0;
  BITLOSS_CUDA("looking for devices", cudaGetDeviceCount(count));
  return nullptr;
}

CudaError Describe(int device, CudaDeviceInfo* info) {
  cudaDeviceProp properties;
  BITLOSS_CUDA("looking at a device", cudaGetDeviceProperties(&properties, device));
  std::snprintf(info->name, sizeof(info->name), "%s", properties.name);
  info->compute_major = properties.major;
  info->compute_minor = properties.minor;
  info->multiprocessors = properties.multiProcessorCount;
  info->memory_bytes = properties.totalGlobalMem;
  BITLOSS_CUDA("looking at a device", cudaDriverGetVersion(&info->driver));
  info->runtime = CUDART_VERSION;
  return nullptr;
}

CudaError Open(int device, size_t most_bytes, CudaContext** context) {
  BITLOSS_CUDA("opening the device", cudaSetDevice(device));
  cudaMemPool_t pool;
  BITLOSS_CUDA("opening the device", cudaDeviceGetDefaultMemPool(&pool, device));
  unsigned long long keep = most_bytes;  // memory that is freed is used again, not given back
  BITLOSS_CUDA("opening the device",
               cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keep));
  cudaStream_t stream;
  BITLOSS_CUDA("opening the device", cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  int multiprocessors = 0;
  BITLOSS_CUDA("opening the device",
               cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device));
  int major = 0;
  int minor = 0;
  BITLOSS_CUDA("opening the device",
               cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
  BITLOSS_CUDA("opening the device",
               cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device));
  *context = new CudaContext{device,          stream, pool, most_bytes,
                             multiprocessors, 10 * major + minor};
  return nullptr;
}

void Close(CudaContext* context) {
  cudaSetDevice(context->device);
  cudaStreamSynchronize(context->stream);
  cudaStreamDestroy(context->stream);
  delete context;
}

CudaError Allocate(CudaContext* context, size_t num_bytes, void** memory) {
  BITLOSS_CUDA("choosing the device", cudaSetDevice(context->device));
  if (context->most_bytes != SIZE_MAX) {
    unsigned long long used = 0;
    BITLOSS_CUDA("looking at memory", cudaMemPoolGetAttribute(
                                          context->pool, cudaMemPoolAttrUsedMemCurrent, &used));
    if (num_bytes > context->most_bytes - (used < context->most_bytes ? used : context->most_bytes)) {
      return Told(cudaErrorMemoryAllocation, "an allocation within its bound");
    }
  }
  BITLOSS_CUDA("an allocation",
               cudaMallocAsync(memory, num_bytes == 0 ? 1 : num_bytes, context->stream));
  return nullptr;
}

void Free(CudaContext* context, void* memory) {
  cudaSetDevice(context->device);
  cudaFreeAsync(memory, context->stream);
}

CudaError AllocatePinned(CudaContext* context, size_t num_bytes, void** memory) {
  BITLOSS_CUDA("choosing the device", cudaSetDevice(context->device));
  BITLOSS_CUDA("an allocation of host memory", cudaMallocHost(memory, num_bytes));
  return nullptr;
}

void FreePinned(CudaContext* context, void* memory) {
  cudaSetDevice(context->device);
  cudaFreeHost(memory);
}

CudaError LookAtMemory(CudaContext* context, CudaMemory* memory) {
  BITLOSS_CUDA("choosing the device", cudaSetDevice(context->device));
  size_t free = 0;
  size_t total = 0;
  BITLOSS_CUDA("looking at memory", cudaMemGetInfo(&free, &total));
  unsigned long long used = 0;
  unsigned long long most = 0;
  unsigned long long reserved = 0;  // used, and kept for what comes
  BITLOSS_CUDA("looking at memory", cudaMemPoolGetAttribute(
                                        context->pool, cudaMemPoolAttrUsedMemCurrent, &used));
  BITLOSS_CUDA("looking at memory",
               cudaMemPoolGetAttribute(context->pool, cudaMemPoolAttrUsedMemHigh, &most));
  BITLOSS_CUDA("looking at memory", cudaMemPoolGetAttribute(
                                        context->pool, cudaMemPoolAttrReservedMemCurrent,
                                        &reserved));
  const size_t there = free + reserved;
  *memory = {used, most, there < context->most_bytes ? there : context->most_bytes};
  return nullptr;
}

CudaError CopyRows(CudaContext* context, const void* from, size_t from_pitch, void* to,
                   size_t to_pitch, size_t width, size_t rows, cudaMemcpyKind kind) {
  if (rows == 0 || width == 0) return nullptr;
  BITLOSS_CUDA("choosing the device", cudaSetDevice(context->device));
  if (rows == 1 || (from_pitch == width && to_pitch == width)) {
    BITLOSS_CUDA("a copy", cudaMemcpyAsync(to, from, width * rows, kind, context->stream));
  } else {
    BITLOSS_CUDA("a copy", cudaMemcpy2DAsync(to, to_pitch, from, from_pitch, width, rows, kind,
                                             context->stream));
  }
  return nullptr;
}

CudaError Wait(CudaContext* context) {
  BITLOSS_CUDA("waiting for the device", cudaStreamSynchronize(context->stream));
  return nullptr;
}

// Both wait: the host's memory is the caller's again.
CudaError Upload(CudaContext* context, const void* from, size_t from_pitch, void* to,
                 size_t to_pitch, size_t width, size_t rows) {
  const CudaError error =
      CopyRows(context, from, from_pitch, to, to_pitch, width, rows, cudaMemcpyHostToDevice);
  return error != nullptr ? error : Wait(context);
}

CudaError Download(CudaContext* context, const void* from, size_t from_pitch, void* to,
                   size_t to_pitch, size_t width, size_t rows) {
  const CudaError error =
      CopyRows(context, from, from_pitch, to, to_pitch, width, rows, cudaMemcpyDeviceToHost);
  return error != nullptr ? error : Wait(context);
}

CudaError Copy(CudaContext* context, const void* from, size_t from_pitch, void* to, size_t to_pitch,
               size_t width, size_t rows) {
  return CopyRows(context, from, from_pitch, to, to_pitch, width, rows, cudaMemcpyDeviceToDevice);
}

constexpr CudaApi kApi = {.build = BITLOSS_CUDA_BUILD,
                          .count_devices = CountDevices,
                          .describe = Describe,
                          .open = Open,
                          .close = Close,
                          .allocate = Allocate,
                          .free = Free,
                          .look_at_memory = LookAtMemory,
    .allocate_pinned = AllocatePinned,
    .free_pinned = FreePinned,
                          .upload = Upload,
                          .download = Download,
                          .copy = Copy,
                          .copy_all = CopyAll,
                          .wait = Wait,
                          .to_panels = ToPanels,
                          .gather_rows = GatherRows,
                          .read = Read,
                          .rms_norm = RmsNorm,
                          .rope = Rope,
                          .swiglu = SwiGlu,
                          .add = Add,
                          .attention = Attend,
                          .multiply = Multiply,
                          .split_activations = SplitActivations,
                          .split_weights = SplitWeights,
                          .multiply_split = MultiplySplit,
                          .round_rows = RoundRows,
                          .multiply_int8 = MultiplyInt8,
                          .multiply_blocks = MultiplyBlocks,
                          .sum_inputs = SumInputs,
                          .quadratic_forms = QuadraticForms,
                          .squared_distances = SquaredDistances,
                          .sum_rows = SumRows,
                          .compare_rows = CompareRows,
                          .find_top = FindTop,
                          .measure_limits = MeasureLimits};

}  // namespace
}  // namespace bitloss

extern "C" __attribute__((visibility("default"))) const bitloss::CudaApi* BitlossCudaApi() {
  return &bitloss::kApi;
}
