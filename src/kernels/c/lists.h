/**
 * Kernels over lists of tensors: one piece of work for all trainables, however many and small they are.
 *
 * Elements are counted in blocks: entry after entry, each of which begins a new block. A chunk is a run of blocks, so it may be a part of
 * one tensor or many tensors; a block is the same elements whatever the chunks are.
 */
#pragma once
#include <stdint.h>

/** Elements of a block. */
#define BLOCK 16384

static inline int32_t blocks_of(int32_t size) { return (size + BLOCK - 1) / BLOCK; }
