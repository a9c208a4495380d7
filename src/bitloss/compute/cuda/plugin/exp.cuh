// e^x of FP32 with the operations of compute/cpu/exp-inl.h, so with its bits.
#ifndef BITLOSS_COMPUTE_CUDA_PLUGIN_EXP_CUH_
#define BITLOSS_COMPUTE_CUDA_PLUGIN_EXP_CUH_

namespace bitloss {

__device__ inline float PowerOfTwo(int n) { return __int_as_float((n + 127) << 23); }

__device__ inline float Exp(float x) {
  constexpr float kRounder = 0x1.8p+23f;
  const bool is_zero = x < -0x1.9fe368p+6f;  // false for NaN
  if (is_zero) x = 0.0f;
  if (x > 89.0f) x = 89.0f;  // NaN stays
  const float n = __fsub_rn(__fmaf_rn(x, 0x1.715476p+0f, kRounder), kRounder);
  float r = __fmaf_rn(-n, 0x1.62e400p-1f, x);
  r = __fmaf_rn(-n, 0x1.7f7d1cp-20f, r);
  float p = 0x1.6d10fep-10f;
  p = __fmaf_rn(p, r, 0x1.120b64p-7f);
  p = __fmaf_rn(p, r, 0x1.55551ap-5f);
  p = __fmaf_rn(p, r, 0x1.5554dep-3f);
  p = __fmaf_rn(p, r, 0x1p-1f);
  p = __fmaf_rn(p, __fmul_rn(r, r), r);
  p = __fadd_rn(p, 1.0f);
  // 2^n as two factors, since it alone may not be a normal float: the first product is exact.
  const int whole = static_cast<int>(n);
  const int half = whole >> 1;
  p = __fmul_rn(__fmul_rn(p, PowerOfTwo(half)), PowerOfTwo(whole - half));
  return is_zero ? 0.0f : p;
}

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CUDA_PLUGIN_EXP_CUH_
