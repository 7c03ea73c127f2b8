/**
 * Kernels over lists of tensors: one piece of work for all trainables, however many and small they are.
 *
 * The arguments are a header and a table, an entry for each tensor. Elements are counted in blocks: entry after entry, each of
 * which begins a new block. A chunk is a run of blocks, so it may be a part of one tensor or many tensors; a block is the same
 * elements whatever the chunks are.
 */
import { int } from "./arguments"

/** Elements of a block. */
export const BLOCK: i32 = 16384

// words of the header
const ENTRIES: i32 = 0
const PER_CHUNK: i32 = 1 // blocks (of pairs: entries) in a chunk
/** A kernel's own words begin here. */
export const OWN: i32 = 2

/** What entries are cut into. */
export function entries(args: usize): i32 {
  return int(args, ENTRIES)
}

/** First block (or entry) of a chunk, and the one after its last. */
export function firstOf(args: usize, chunk: i32): i32 {
  return chunk * int(args, PER_CHUNK)
}
export function endOf(args: usize, chunk: i32): i32 {
  return firstOf(args, chunk) + int(args, PER_CHUNK)
}

/** Where an entry lies. `own`: words of the kernel's own header, `words`: of an entry. */
export function entry(args: usize, own: i32, words: i32, index: i32): usize {
  return args + ((<usize>(OWN + own + index * words)) << 2)
}

export function blocksOf(size: i32): i32 {
  return (size + BLOCK - 1) / BLOCK
}
