/**
 * The rates of native matrix products, beside a system's BLAS where one is named: of one thread, on operands that no cache holds, as a
 * training step finds them (each repetition takes others, out of a gigabyte).
 *
 *   bun bench/native-products.bench.ts [--blas libopenblas.so.0] [--repetitions 24]
 *
 * `--blas` is a library with `cblas_sgemm` and, as OpenBLAS has it, `openblas_set_num_threads`, called in place on the same memory. In Bun.
 */
import { dlopen } from "bun:ffi"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { layoutOf } from "../src/kernels/declaration.ts"
import { libraryFile, openLibrary } from "../src/kernels/native/library.ts"
import { NATIVE_CUTS } from "../src/kernels/native/product-cuts.ts"
import { type ArgumentViews, writeArguments } from "../src/kernels/wasm/arguments.ts"
import { MOST_WORDS } from "../src/kernels/wasm/engine.ts"
import { KERNELS } from "../src/kernels/wasm/product.ts"
import { printTable, setting } from "./cells.ts"
import { median } from "./shapes.ts"

const { values } = parseArgs({
  options: { blas: { type: "string" }, repetitions: { type: "string", default: "24" } }
})

const PAGES = 16_384 // of 64 KiB
const ARGUMENTS = 1024
const SCRATCH = (PAGES - 256) * 65_536
const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true })
new Float32Array(memory.buffer).fill(0.5)
const views: ArgumentViews = {
  i32: new Int32Array(memory.buffer, ARGUMENTS, MOST_WORDS),
  f32: new Float32Array(memory.buffer, ARGUMENTS, MOST_WORDS),
  f64: new Float64Array(memory.buffer, ARGUMENTS, MOST_WORDS / 2)
}

let top = 1 << 16
/** The address of so many floats; in the end the first ones come again. */
const place = (floats: number): number => {
  if (top + 4 * floats > SCRATCH) top = 1 << 16
  const at = top
  top += Math.ceil(floats / 16) * 64
  return at
}

interface Shape {
  readonly kind: "nt" | "nn"
  readonly m: number
  readonly n: number
  readonly k: number
}
type Multiply = (shape: Shape, a: number, b: number, c: number) => void

const file = fileURLToPath(libraryFile())
const best = openLibrary(file)

const own = (instructions: string): Multiply => {
  const library = openLibrary(file, instructions)
  const pointer = library.pointerTo(new Uint8Array(memory.buffer))
  return ({ kind, m, n, k }, a, b, c) => {
    const at = (address: number) => ({ address, stride: 0 })
    const [rows, columns] = NATIVE_CUTS.chunk({ kind, m, n, k }, 1, 1)
    const none = {
      lda2: 0,
      ldb2: 0,
      k2: 0,
      aOuter: 0,
      bOuter: 0,
      cOuter: 0,
      aInner: 0,
      bInner: 0,
      cInner: 0,
      operands: 0
    }
    const words = {
      ...none,
      lda: k,
      ldb: kind === "nt" ? k : n,
      ldc: n,
      m,
      n,
      k,
      start: 0,
      inner: 1,
      packing: 0,
      scale: 1
    }
    const chunks = Math.ceil(m / rows) * Math.ceil(n / columns)
    const addressOf = (buffer: object): number => (buffer as { readonly address: number }).address
    const buffers = { a: at(a), b: at(b), c: at(c) }
    writeArguments(
      views,
      addressOf,
      layoutOf(KERNELS[kind]),
      KERNELS[kind],
      buffers,
      { ...words, rows, columns },
      { chunks }
    )
    const call = library.kernels.get(kind)!
    for (let chunk = 0; chunk < chunks; chunk++) call(pointer, ARGUMENTS, chunk, SCRATCH)
  }
}

const [ROW_MAJOR, PLAIN, TRANSPOSED] = [101, 111, 112]

const blas = (library: string): Multiply => {
  const ints = Array<"i32">(6).fill("i32")
  const { symbols } = dlopen(library, {
    cblas_sgemm: { args: [...ints, "f32", "ptr", "i32", "ptr", "i32", "f32", "ptr", "i32"], returns: "void" },
    openblas_set_num_threads: { args: ["i32"], returns: "void" }
  })
  symbols.openblas_set_num_threads(1)
  const base = best.pointerTo(new Uint8Array(memory.buffer)) as number
  const at = (address: number) => (base + address) as never
  return ({ kind, m, n, k }, a, b, c) => {
    const [turn, ldb] = kind === "nt" ? [TRANSPOSED, k] : [PLAIN, n]
    symbols.cblas_sgemm(ROW_MAJOR, PLAIN, turn, m, n, k, 1, at(a), k, at(b), ldb, 0, at(c), n)
  }
}

/** GFLOP/s of the median repetition. */
const rateOf = (multiply: Multiply, shape: Shape): number => {
  const { m, n, k } = shape
  const times = Array.from({ length: Number(values.repetitions) }, () => {
    const [a, b, c] = [place(m * k), place(n * k), place(m * n)]
    const began = performance.now()
    multiply(shape, a, b, c)
    return performance.now() - began
  })
  return (2 * m * n * k) / median(times) / 1e6
}

const columns: ReadonlyArray<readonly [name: string, multiply: Multiply]> = [
  ...best.available.toReversed().map((name) => [`ours, ${name}`, own(name)] as const),
  ...(values.blas === undefined ? [] : [[values.blas, blas(values.blas)] as const])
]
const sizes = [128, 1024].flatMap((m) => [
  [m, 384, 384],
  [m, 1536, 384],
  [m, 384, 1536]
])
const shapes = (["nt", "nn"] as const).flatMap((kind) =>
  sizes.map(([m, n, k]): Shape => ({ kind, m: m!, n: n!, k: k! }))
)

console.log(`${setting()} · GFLOP/s of one thread\n`)
printTable(
  ["m × n × k", ...columns.map(([name]) => name)],
  shapes.map((shape) => [
    `${shape.kind} ${shape.m} × ${shape.n} × ${shape.k}`,
    ...columns.map(([, multiply]) => rateOf(multiply, shape).toFixed(0))
  ])
)
