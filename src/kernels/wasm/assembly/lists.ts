/**
 * Kernels over lists of tensors: one piece of work for all trainables, however many and small they are.
 *
 * Elements are counted in blocks: entry after entry, each of which begins a new block. A chunk is a run of blocks, so it may be a part of
 * one tensor or many tensors; a block is the same elements whatever the chunks are.
 */

/** Elements of a block. */
export const BLOCK: i32 = 16384

export function blocksOf(size: i32): i32 {
  return (size + BLOCK - 1) / BLOCK
}
