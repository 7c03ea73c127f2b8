/**
 * One kernel on one memory, once as wasm and once as machine code. All memory that is not the kernel's holds NaN, and is to be as it was
 * afterwards: whoever reads or writes beside what is his shows it.
 */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { type Kernel, layoutOf } from "../../../../src/kernels/declaration.ts"
import { libraryFile, openLibrary } from "../../../../src/kernels/native/library.ts"
import { writeArguments } from "../../../../src/kernels/wasm/arguments.ts"
import { MOST_WORDS } from "../../../../src/kernels/wasm/engine.ts"

export type Values = Float32Array | Int32Array | Float64Array
/** What a buffer holds before; of one that is written, how many bytes that may be. */
export type Given = Readonly<Record<string, Values | number>>

export interface Call {
  readonly kernel: Kernel
  /** what is read and written, and words */
  readonly given: Given
  readonly words: Readonly<Record<string, number>>
  readonly entries?: ReadonlyArray<{ readonly given: Given; readonly words: Readonly<Record<string, number>> }>
  readonly perChunk?: number
  readonly chunks?: number
  readonly scratch?: number
}

/** What a call wrote: buffers by their names, those of entries by their names and places. */
export type Written = Readonly<Record<string, Float32Array>>

/** The instruction sets of this platform that this processor may have; the library says which is the best. */
const BEFORE: Readonly<Record<string, ReadonlyArray<string>>> = { avx512: ["avx2"] }

const file = fileURLToPath(libraryFile())
const best = openLibrary(file)
export const libraries = [best, ...(BEFORE[best.instructions] ?? []).map((wanted) => openLibrary(file, wanted))]

const binary = new URL("../../../../src/kernels/wasm/kernels-shared.wasm", import.meta.url)
const PAGES = 160
const memory = new WebAssembly.Memory({ initial: PAGES, maximum: 65_536, shared: true })
const exports = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(binary)), { env: { memory } }).exports
const all = new Uint8Array(memory.buffer)
/** of whatever type, not a number */
const POISON = 0xff
const ARGUMENTS = 4096
const FIRST = 16_384
/** between buffers, which begin at any multiple of four or eight */
const GAP = 200
/** bytes at the end that are nobody's */
const BEYOND = 4096

/** that were written by the last call */
let used = all.length

type Run = (chunk: number) => void

/** Runs the chunks of a call in either order, as wasm and with each library. */
export const runBoth = (call: Call): { readonly wasm: Written; readonly native: ReadonlyMap<string, Written> } => {
  const { kernel, given, words, entries = [], perChunk = 0, scratch = 0 } = call
  const written = new Map<string, readonly [at: number, bytes: number]>()
  let end = FIRST
  all.subarray(0, used).fill(POISON)
  /** A `Buffer` for each. */
  const placed = (types: object, own: Given, suffix: string) =>
    Object.fromEntries(
      Object.entries(own).map(([name, values]) => {
        const at = end
        const type = (types as Kernel["buffers"])[name]
        if (type === undefined) throw new Error(`${kernel.name} has no ${name}`)
        const size = typeof values === "number" ? values : values.byteLength
        if (typeof values !== "number") all.set(new Uint8Array(values.buffer, values.byteOffset, size), at)
        if (type.writes) written.set(`${name}${suffix}`, [at, size])
        end = Math.ceil((at + size + GAP) / 8) * 8 + (type.element === "f64" || end % 8 !== 0 ? 0 : 4)
        return [name, { address: at }]
      })
    )
  const buffers = placed(kernel.buffers, given, "")
  const rows = entries.map((one, i) => ({ ...placed(kernel.entry!, one.given, ` ${i}`), ...one.words }))
  const room = Math.max(scratch, kernel.scratch?.(words) ?? 0)
  const scratchAt = Math.ceil(end / 64) * 64
  used = scratchAt + room + BEYOND
  const bytes = all.subarray(0, used)
  const chunks = writeArguments(
    {
      i32: new Int32Array(memory.buffer, ARGUMENTS, MOST_WORDS),
      f32: new Float32Array(memory.buffer, ARGUMENTS, MOST_WORDS),
      f64: new Float64Array(memory.buffer, ARGUMENTS, MOST_WORDS / 2)
    },
    (buffer) => (buffer as { readonly address: number }).address,
    layoutOf(kernel),
    kernel,
    buffers,
    words,
    { entries: rows as never, perChunk, chunks: call.chunks ?? 1 }
  )
  const before = bytes.slice()
  const run = (says: string, one: Run, order: ReadonlyArray<number>): Written => {
    bytes.set(before)
    for (const chunk of order) {
      bytes.fill(POISON, scratchAt, scratchAt + room)
      one(chunk)
    }
    bytes.fill(POISON, scratchAt, scratchAt + room)
    const results = [...written].map(([name, [at, size]]) => {
      const own = bytes.slice(at, at + size)
      bytes.set(before.subarray(at, at + size), at)
      return [name, new Float32Array(own.buffer)] as const
    })
    const changed = Buffer.compare(bytes, before) === 0 ? -1 : bytes.findIndex((byte, i) => byte !== before[i])
    if (changed >= 0)
      throw new Error(`${kernel.name} (${says}) wrote at ${changed}, beside ${JSON.stringify([...written])}`)
    return Object.fromEntries(results)
  }
  const order = Array.from({ length: chunks }, (_, i) => i)
  const asWasm = exports[kernel.name] as (at: number, chunk: number, scratch: number) => void
  const wasm = run("wasm", (chunk) => asWasm(ARGUMENTS, chunk, scratchAt), order)
  const native = libraries.flatMap((library) => {
    const own = library.kernels.get(kernel.name)
    if (own === undefined) return []
    const heap = library.pointer(library.addressOf(memory.buffer))
    const result = run(library.instructions, (chunk) => own(heap, ARGUMENTS, chunk, scratchAt), order.toReversed())
    return [[library.instructions, result] as const]
  })
  return { wasm, native: new Map(native) }
}

/** The largest difference of two arrays, in units of the largest finite number of the first; ∞ where one is not a number and the other is. */
export const distance = (expected: ArrayLike<number>, actual: ArrayLike<number>): number => {
  let most = Number.MIN_VALUE
  let error = 0
  for (let i = 0; i < expected.length; i++) {
    const [x, y] = [expected[i]!, actual[i]!]
    if (Object.is(x, y)) continue
    if (Number.isFinite(x)) most = Math.max(most, Math.abs(x))
    error = Math.max(
      error,
      Number.isFinite(x) && Number.isFinite(y) ? Math.abs(x - y) : x === y ? 0 : Number.POSITIVE_INFINITY
    )
  }
  for (let i = 0; i < expected.length; i++)
    if (Number.isFinite(expected[i]!)) most = Math.max(most, Math.abs(expected[i]!))
  return error / most
}
