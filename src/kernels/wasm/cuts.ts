/**
 * How work on the wasm engine is cut into chunks: a function of the work alone, since neither the number of threads nor which thread takes which
 * chunk may change a result. And lists, where the arguments of one piece of work do not hold all entries.
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { type Kernel, layoutOf } from "../declaration.ts"
import { MOST_WORDS, type WasmEngine } from "./engine.ts"

/** Multiplications, or elements of a list, below which a second thread costs more than it saves. */
const WORTH_SHARING = 1 << 16

/** Enough that two to eight threads are evenly busy. */
const CHUNKS = 16

/**
 * Returns the number of items per chunk, and of chunks. `cost`: of an item, in multiplications; `unit`: number of which a chunk's item count is a
 * multiple.
 */
export const chunksOf = (items: number, cost: number, unit = 1): readonly [perChunk: number, chunks: number] => {
  if (items * cost < WORTH_SHARING) return [items, 1]
  const perChunk = Math.ceil(items / CHUNKS / unit) * unit
  return [perChunk, Math.ceil(items / perChunk)]
}

/** Elements of a block, as in `../c/lists.h`. */
const BLOCK = 16_384
/** Likewise, of a list. */
const LIST_CHUNKS = 32

/** Returns the number of blocks in all entries. */
export const blocksOf = (entries: ReadonlyArray<{ readonly size: number }>): number =>
  entries.reduce((sum, { size }) => sum + Math.ceil(size / BLOCK), 0)

/** Returns the division of a list kernel's blocks into chunks. */
export const cutBlocks = (
  entries: ReadonlyArray<{ readonly size: number }>
): { readonly perChunk: number; readonly chunks: number } => {
  const blocks = blocksOf(entries)
  const total = entries.reduce((sum, { size }) => sum + size, 0)
  const perChunk = total < WORTH_SHARING ? blocks : Math.ceil(blocks / LIST_CHUNKS)
  return { perChunk, chunks: Math.ceil(blocks / perChunk) }
}

/** Tensors at one index of the lists, and the number of values of each. */
export interface ListEntry {
  readonly size: number
  readonly [tensor: string]: TensorInfo | number
}

/** Runs a kernel over all blocks of lists, in several pieces of work if the arguments would not fit into one. */
export const runLists = (
  engine: WasmEngine,
  kernel: Kernel,
  buffers: Readonly<Record<string, TensorInfo>>,
  words: Readonly<Record<string, number>>,
  entries: ReadonlyArray<ListEntry>
): void => {
  for (const table of fitting(kernel, entries)) {
    engine.run(kernel, buffers, words, { entries: table, ...cutBlocks(table) })
  }
}

/** Groups entries so that the arguments of each group fit. */
export const fitting = <T>(kernel: Kernel, entries: ReadonlyArray<T>): ReadonlyArray<ReadonlyArray<T>> => {
  const { size, entrySize } = layoutOf(kernel)
  const most = Math.floor((MOST_WORDS - size) / entrySize)
  return Array.from({ length: Math.ceil(entries.length / most) }, (_, i) => entries.slice(i * most, (i + 1) * most))
}

/** Divides items (entries, or parts of them) into chunks: one item per chunk, unless all are small. `cost`: of all items, in multiplications. */
export const cutItems = (items: number, cost: number): { readonly perChunk: number; readonly chunks: number } => {
  const perChunk = cost < WORTH_SHARING ? items : 1
  return { perChunk, chunks: Math.ceil(items / perChunk) }
}
