/** Writes what a kernel is run with to where it reads its arguments; checked against its declaration. */
import {
  type BufferTypes,
  type EntryTypes,
  type Field,
  type Kernel,
  type Layout,
  refuseOthers,
  type WordTypes
} from "../declaration.ts"
import { chunksOf } from "./cuts.ts"
import { type Buffer, MOST_WORDS, type Work } from "./engine.ts"

/** Views of the argument memory, one per type of words. All begin at the first argument. */
export interface ArgumentViews {
  readonly i32: Int32Array
  readonly f32: Float32Array
  readonly f64: Float64Array
}

type Values = Readonly<Record<string, Buffer | number | undefined>>

/** Values that there are. */
const countOf = (values: Values): number => {
  let count = 0
  for (const name in values) if (values[name] !== undefined) count++
  return count
}

/** Writes the arguments of a kernel and returns the number of its chunks. */
export const writeArguments = (
  { i32, f32, f64 }: ArgumentViews,
  addressOf: (buffer: Buffer) => number,
  layout: Layout,
  kernel: Kernel<BufferTypes, WordTypes, EntryTypes>,
  buffers: Readonly<Record<string, Buffer | undefined>>,
  words: Readonly<Record<string, number>>,
  { entries = [], perChunk = 0, chunks = 1 }: Work<EntryTypes>,
  farAddressOf?: (buffer: Buffer) => number | undefined
): number => {
  const { name, split, entry = {} } = kernel
  const size = layout.size + entries.length * layout.entrySize
  if (size > MOST_WORDS) throw new Error(`${name}: ${size} words exceed ${MOST_WORDS}`)

  /** Whether the values are those of the fields, no less and no more. */
  const write = (fields: ReadonlyArray<Field>, start: number, values: Values): boolean => {
    let count = 0
    for (const { name, type, at, optional } of fields) {
      const value = values[name]
      if (value === undefined) {
        if (!optional) return false
        i32[start + at] = 0
        continue
      }
      const isFar = type === "far"
      if (isFar || type === "buffer") {
        if (typeof value !== "object" || value === null) return false
        const address = (isFar ? farAddressOf?.(value) : undefined) ?? addressOf(value)
        i32[start + at] = address
        if (isFar) i32[start + at + 1] = Math.floor(address / 2 ** 32)
      } else if (typeof value !== "number") return false
      else if (type === "f32") f32[start + at] = value
      else if (type === "f64") f64[(start + at) / 2] = value
      else i32[start + at] = value
      count++
    }
    return count === countOf(values)
  }
  if (!write(layout.fieldsBySource.buffers, 0, buffers)) refuseOthers(name, "buffers", kernel.buffers, buffers)
  if (!write(layout.fieldsBySource.words, 0, words)) refuseOthers(name, "words", kernel.words, words)
  const cut =
    split === undefined ? ([perChunk, chunks] as const) : chunksOf(words[split.over]!, split.cost(words), split.unit)
  for (const { name, at } of layout.fieldsBySource.implicit) i32[at] = name === "entries" ? entries.length : cut[0]
  let start = layout.size
  for (const one of entries) {
    if (!write(layout.entry, start, one)) refuseOthers(name, "entry", entry, one)
    start += layout.entrySize
  }
  return cut[1]
}
