/**
 * Lists of tensors on the wasm engine: the host side of `assembly/lists.ts`. One piece of work takes a header and a table, an entry for
 * each tensor; lists longer than the engine's arguments are several pieces of work.
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { type Kernel, layoutOf } from "../declaration.ts"
import { MOST_WORDS, type WasmEngine } from "./engine.ts"

/** Elements of a block, as in `assembly/lists.ts`. */
const BLOCK = 16_384
/** Elements below which a second thread costs more than it saves. */
const WORTH_SHARING = 4 * BLOCK
/** Enough that two to eight threads are evenly busy. */
const CHUNKS = 32

/** An entry of a table. */
export interface Entry {
  /** elements */
  readonly size: number
  /** what the kernel reads, without the size, which comes last where a kernel works in blocks */
  readonly words: ReadonlyArray<number>
}

/**
 * Entries in groups whose table fits. `own`: words of the kernel's own header; `words`: of an entry with its size, if it does not have all
 * of them yet.
 */
export const inTables = <T extends Entry>(
  entries: ReadonlyArray<T>,
  own: number,
  words: number = 1 + (entries[0]?.words.length ?? 0)
): ReadonlyArray<ReadonlyArray<T>> => {
  const most = Math.floor((MOST_WORDS - 2 - own) / words)
  return Array.from({ length: Math.ceil(entries.length / most) }, (_, i) => entries.slice(i * most, (i + 1) * most))
}

export const blocksOf = (entries: ReadonlyArray<{ readonly size: number }>): number =>
  entries.reduce((sum, { size }) => sum + Math.ceil(size / BLOCK), 0)

/** How the blocks of a kernel over a list are cut. */
export const cutBlocks = (
  entries: ReadonlyArray<{ readonly size: number }>
): { readonly perChunk: number; readonly chunks: number } => {
  const blocks = blocksOf(entries)
  const total = entries.reduce((sum, { size }) => sum + size, 0)
  const perChunk = total < WORTH_SHARING ? blocks : Math.ceil(blocks / CHUNKS)
  return { perChunk, chunks: Math.ceil(blocks / perChunk) }
}

/** One piece of work over all blocks of entries that fit into one table. */
export const runBlocks = (
  engine: WasmEngine,
  kernel: string,
  own: ReadonlyArray<number>,
  entries: ReadonlyArray<Entry>
): void => {
  const blocks = blocksOf(entries)
  const total = entries.reduce((sum, { size }) => sum + size, 0)
  const perChunk = total < WORTH_SHARING ? blocks : Math.ceil(blocks / CHUNKS)
  const table = entries.flatMap(({ words, size }) => [...words, size])
  engine.runWords(kernel, [entries.length, perChunk, ...own, ...table], Math.ceil(blocks / perChunk))
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
    const blocks = table.reduce((sum, { size }) => sum + Math.ceil(size / BLOCK), 0)
    const total = table.reduce((sum, { size }) => sum + size, 0)
    const perChunk = total < WORTH_SHARING ? blocks : Math.ceil(blocks / CHUNKS)
    engine.run(kernel, buffers, words, {
      entries: table,
      perChunk,
      chunks: Math.ceil(blocks / perChunk)
    })
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

/** One piece of work over all items (entries, or parts of them) of one table; an item is a chunk unless all are small. */
export const runItems = (engine: WasmEngine, kernel: string, { own, entries, items, cost, scratch }: Items): void => {
  const perChunk = cost < WORTH_SHARING ? items : 1
  const table = entries.flatMap(({ words }) => words)
  engine.runWords(kernel, [entries.length, perChunk, ...own, ...table], Math.ceil(items / perChunk), scratch)
}

export interface Items {
  readonly own: ReadonlyArray<number>
  readonly entries: ReadonlyArray<Entry>
  readonly items: number
  /** of all of them, in multiplications */
  readonly cost: number
  /** bytes */
  readonly scratch: number
}
