/**
 * What the library can do on this processor: the name of the best instruction set that it has kernels for, and the kernels, as one
 * text. Kernels carry the instruction set as a suffix.
 *
 *   "avx2 nt nn tn"      "" where there is none for this processor
 *
 * And its instructions for products in bfloat16 (`bfloat16.c`), the fastest first, "" where it has none: "amx avx512_bf16", "bf16".
 */
#ifdef __linux__
#define _GNU_SOURCE
#include <sys/auxv.h>
#include <unistd.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif
#include <stddef.h>
#include <stdint.h>

#ifdef _WIN32
#define EXPORTED __declspec(dllexport)
#else
#define EXPORTED __attribute__((visibility("default")))
#endif
EXPORTED const char *describe(void);
EXPORTED const char *bfloat16(void);

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

/** Linux lets a process use AMX's registers once it was asked, in all threads; others are not asked. */
static int may_use_tiles(void) {
#ifdef __linux__
  enum { ARCH_PRCTL = 158, ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
  return syscall(ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
  return 0;
#endif
}

const char *bfloat16(void) {
  uint32_t r[4];
  const char *best = describe();
  if (best[0] == 0 || best[3] != '5') return "";
  cpuid(7, 0, r);
  const uint32_t tiles = r[3];
  cpuid(7, 1, r);
  if (!has(r[0], 1u << 5)) return "";
  // amx-bf16, amx-tile; their registers are saved
  return has(tiles, 1u << 22 | 1u << 24) && has(saved(), 3u << 17) && may_use_tiles() ? "amx avx512_bf16" : "avx512_bf16";
}
#else
const char *describe(void) { return "neon " KERNELS; }

const char *bfloat16(void) {
#ifdef __linux__
  enum { BF16 = 1 << 14 };
  return getauxval(AT_HWCAP2) & BF16 ? "bf16" : "";
#else
  int found = 0;
  size_t size = sizeof found;
  return sysctlbyname("hw.optional.arm.FEAT_BF16", &found, &size, NULL, 0) == 0 && found ? "bf16" : "";
#endif
}
#endif
