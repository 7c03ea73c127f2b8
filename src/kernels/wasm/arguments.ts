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

/** The places of the arguments, as numbers of each type that words have. All begin at the first argument. */
export interface ArgumentViews {
  readonly i32: Int32Array
  readonly f32: Float32Array
  readonly f64: Float64Array
}

type Given = Readonly<Record<string, Buffer | number | undefined>>

/** Returns in how many chunks the kernel is cut. */
export const writeArguments = (
  { i32, f32, f64 }: ArgumentViews,
  addressOf: (buffer: Buffer) => number,
  layout: Layout,
  kernel: Kernel<BufferTypes, WordTypes, EntryTypes>,
  buffers: Readonly<Record<string, Buffer | undefined>>,
  words: Readonly<Record<string, number>>,
  { entries = [], perChunk = 0, chunks = 1 }: Work<EntryTypes>
): number => {
  const { name, split, entry = {} } = kernel
  const size = layout.size + entries.length * layout.entrySize
  if (size > MOST_WORDS) throw new Error(`${name}: ${size} words of arguments are more than ${MOST_WORDS}`)
  refuseOthers(name, "buffers", kernel.buffers, buffers)
  refuseOthers(name, "words", kernel.words, words)

  const write = ({ name, type, at }: Field, start: number, given: Given): void => {
    const value = given[name]
    if (typeof value !== "number") {
      i32[start + at] = value === undefined ? 0 : addressOf(value)
    } else if (type === "f32") f32[start + at] = value
    else if (type === "f64") f64[(start + at) / 2] = value
    else i32[start + at] = value
  }
  const cut =
    split === undefined ? ([perChunk, chunks] as const) : chunksOf(words[split.over]!, split.cost(words), split.unit)
  const implicit = { entries: entries.length, perChunk: cut[0] }
  for (const field of layout.fields) {
    const given = field.name in kernel.buffers ? buffers : field.name in words ? words : implicit
    write(field, 0, given)
  }
  let start = layout.size
  for (const one of entries) {
    refuseOthers(name, "entry", entry, one)
    for (const field of layout.entry) write(field, start, one)
    start += layout.entrySize
  }
  return cut[1]
}
