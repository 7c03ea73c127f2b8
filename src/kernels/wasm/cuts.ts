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

/** [items of a chunk, chunks]. `cost`: of an item, in multiplications; `unit`: what a chunk's items are a multiple of. */
export const chunksOf = (items: number, cost: number, unit = 1): readonly [perChunk: number, chunks: number] => {
  if (items * cost < WORTH_SHARING) return [items, 1]
  const perChunk = Math.ceil(items / CHUNKS / unit) * unit
  return [perChunk, Math.ceil(items / perChunk)]
}

/** Elements of a block, as in `../c/lists.h`. */
const BLOCK = 16_384
/** Likewise, of a list. */
const LIST_CHUNKS = 32

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

/** Tensors of one place in the lists, and how many numbers each has. */
export interface ListEntry {
  readonly size: number
  readonly [tensor: string]: TensorInfo | number
}

/** Over all blocks of lists: one piece of work, or several where the arguments would not fit. */
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

/** Entries in groups whose arguments fit. */
export const fitting = <T>(kernel: Kernel, entries: ReadonlyArray<T>): ReadonlyArray<ReadonlyArray<T>> => {
  const { size, entrySize } = layoutOf(kernel)
  const most = Math.floor((MOST_WORDS - size) / entrySize)
  return Array.from({ length: Math.ceil(entries.length / most) }, (_, i) => entries.slice(i * most, (i + 1) * most))
}

/**
 * How items (entries, or parts of them) are cut: an item is a chunk unless all are small. `cost`: of all of them, in multiplications.
 */
export const cutItems = (items: number, cost: number): { readonly perChunk: number; readonly chunks: number } => {
  const perChunk = cost < WORTH_SHARING ? items : 1
  return { perChunk, chunks: Math.ceil(items / perChunk) }
}
