/**
 * One kernel on one memory, once as wasm and once as machine code. All memory that is not the kernel's holds NaN, and is to be as it was
 * afterwards: whoever reads or writes beside what is his shows it.
 */
import { spawnSync } from "node:child_process"
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

/** Machine code for an instruction set. */
interface Machine {
  readonly instructions: string
  readonly has: (kernel: string) => boolean
  /** Runs chunks from the last to the first on the first `used` bytes of the memory; scratch holds NaN before each. */
  readonly run: (kernel: string, chunks: number, scratchAt: number, room: number) => void
}

const binary = new URL("../../../../src/kernels/wasm/kernels-shared.wasm", import.meta.url)
const PAGES = 160
const memory = new WebAssembly.Memory({ initial: PAGES, maximum: 65_536, shared: true })
const exports = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(binary)), { env: { memory } }).exports
const all = new Uint8Array(memory.buffer)
;(exports["__stack_pointer"] as WebAssembly.Global).value = all.length
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

const file = fileURLToPath(libraryFile())
const best = openLibrary(file)
const local = best.available
  .toReversed()
  .map((wanted) => openLibrary(file, wanted))
  .map(
    ({ instructions, kernels, pointerTo }): Machine => ({
      instructions,
      has: (kernel) => kernels.has(kernel),
      run: (kernel, chunks, scratchAt, room) => {
        const heap = pointerTo(new Uint8Array(memory.buffer))
        for (let chunk = chunks - 1; chunk >= 0; chunk--) {
          all.fill(POISON, scratchAt, scratchAt + room)
          kernels.get(kernel)!(heap, ARGUMENTS, chunk, scratchAt)
        }
      }
    })
  )

/** Another processor's, by a program that runs under an emulator (`host.c`): its command, and the kernels that it has. */
const emulated = (process.env["EMULATED_NATIVE"] ?? "").split(" ").filter((part) => part !== "")
const foreign = ([emulator, program]: ReadonlyArray<string>): Machine => ({
  instructions: "neon",
  has: (kernel) => best.kernels.has(kernel),
  run: (kernel, ...given) => {
    const [chunks, scratchAt, room] = given
    const args = [program!, kernel, ...[ARGUMENTS, chunks, scratchAt, room].map(String)]
    const { status, stdout } = spawnSync(emulator!, args, { input: all.slice(0, used), maxBuffer: 1 << 28 })
    if (status !== 0) throw new Error(`${kernel} under ${emulator}: exit code ${status}`)
    all.set(stdout)
  }
})

export const libraries: ReadonlyArray<Machine> = emulated.length === 0 ? local : [foreign(emulated)]

/** Runs the chunks of a call as wasm, from the first to the last, and as machine code. */
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
  const run = (says: string, one: () => void): Written => {
    bytes.set(before)
    one()
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
  const asWasm = exports[kernel.name] as (at: number, chunk: number, scratch: number) => void
  const wasm = run("wasm", () => {
    for (let chunk = 0; chunk < chunks; chunk++) {
      bytes.fill(POISON, scratchAt, scratchAt + room)
      asWasm(ARGUMENTS, chunk, scratchAt)
    }
  })
  const native = libraries
    .filter(({ has }) => has(kernel.name))
    .map((own) => {
      const result = run(own.instructions, () => own.run(kernel.name, chunks, scratchAt, room))
      return [own.instructions, result] as const
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
