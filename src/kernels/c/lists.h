/** Kernels over lists of tensors, as in `../wasm/assembly/lists.ts`. */
#pragma once
#include <stdint.h>

/** Elements of a block. */
#define BLOCK 16384

static inline int32_t blocks_of(int32_t size) { return (size + BLOCK - 1) / BLOCK; }
