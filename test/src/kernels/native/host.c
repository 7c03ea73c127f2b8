/**
 * Runs a kernel of another processor's library on an image of a memory, which comes by stdin and goes, as the kernel left it, by stdout:
 *
 *   host KERNEL ARGUMENTS CHUNKS SCRATCH SCRATCH_BYTES
 *
 * Chunks from the last to the first, each with a scratch of NaN. `EACH_KERNEL(X)` is X of every kernel's name.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void Kernel(uint8_t *heap, uint32_t at, int32_t chunk, uint32_t scratch);
#define DECLARE(name) Kernel name##_neon;
EACH_KERNEL(DECLARE)

static const struct {
  const char *name;
  Kernel *call;
} kernels[] = {
#define ENTRY(name) {#name, name##_neon},
    EACH_KERNEL(ENTRY)
};

int main(int argc, char **argv) {
  if (argc != 6) return 2;
  const uint32_t at = atoi(argv[2]), scratch = atoi(argv[4]), bytes = atoi(argv[5]);
  const size_t most = 64 << 20;
  uint8_t *heap = aligned_alloc(65536, most);
  const size_t size = fread(heap, 1, most, stdin);
  for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
    if (strcmp(kernels[i].name, argv[1]) != 0) continue;
    for (int32_t chunk = atoi(argv[3]) - 1; chunk >= 0; chunk--) {
      memset(heap + scratch, 0xff, bytes);
      kernels[i].call(heap, at, chunk, scratch);
    }
    return fwrite(heap, 1, size, stdout) == size ? 0 : 3;
  }
  return 4;
}
