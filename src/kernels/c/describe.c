/**
 * What the library can do on this processor: the name of the best instruction set that it has kernels for, and the kernels, as one
 * text. Kernels carry the instruction set as a suffix.
 *
 *   "avx2 nt nn tn"      "" where there is none for this processor
 */
#include <stdint.h>

#ifdef _WIN32
__declspec(dllexport)
#else
__attribute__((visibility("default")))
#endif
const char *describe(void);

#if defined(__x86_64__)
static void cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4]) {
  __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(sub));
}

/** The registers that the system saves when it switches threads. */
static uint32_t saved(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

static int has(uint32_t bits, uint32_t wanted) { return (bits & wanted) == wanted; }

const char *describe(void) {
  uint32_t r[4];
  cpuid(0, 0, r);
  if (r[0] < 7) return "";
  cpuid(1, 0, r);
  // fma, osxsave, f16c
  if (!has(r[2], 1u << 12 | 1u << 27 | 1u << 29)) return "";
  const uint32_t state = saved();
  cpuid(7, 0, r);
  // bmi1, avx2, bmi2; xmm and ymm are saved
  if (!has(r[1], 1u << 3 | 1u << 5 | 1u << 8) || !has(state, 6)) return "";
  // avx512f, dq, cd, bw, vl; masks and zmm are saved
  if (has(r[1], 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31) && has(state, 0xe6)) return "avx512 " KERNELS;
  return "avx2 " KERNELS;
}
#else
const char *describe(void) { return "neon " KERNELS; }
#endif
