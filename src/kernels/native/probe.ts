/** Tests a native library: computes products of each kind and precision on separate memory and compares them with plain sums. */
import { layoutOf } from "../declaration.ts"
import { type ArgumentViews, writeArguments } from "../wasm/arguments.ts"
import { MOST_WORDS } from "../wasm/engine.ts"
import { KERNELS } from "../wasm/product.ts"
import { heapOf, type NativeLibrary } from "./heap.ts"

/** Sizes that leave a part of a tile in every direction, for every instruction set. */
const [M, N, K] = [13, 37, 29]
const [ARGUMENTS, A, B, C, SCRATCH] = [1024, 8192, 16_384, 24_576, 32_768] // bytes
const PAGES = 2 // of 64 KiB

/** Terms of ±1/2 and so on, which are bfloat16: sums of 29 of their products are exact in float32, in any order. */
const term = (i: number): number => ((i * 7) % 9) / 4 - 1

/** Compares the library's results with expected ones. Returns a clause that names the first difference, or undefined. */
export const disagreement = (library: NativeLibrary): string | undefined => {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true })
  const { pointer } = heapOf(library, memory)
  const floats = new Float32Array(memory.buffer)
  const at = (address: number, i: number): number => floats[address / 4 + i]!
  const views: ArgumentViews = {
    i32: new Int32Array(memory.buffer, ARGUMENTS, MOST_WORDS),
    f32: new Float32Array(memory.buffer, ARGUMENTS, MOST_WORDS),
    f64: new Float64Array(memory.buffer, ARGUMENTS, MOST_WORDS / 2)
  }
  const rounded = library
    .bfloat16()
    .flatMap(({ operands }) => (["nt", "nn"] as const).map((kind) => [kind, operands] as const))
  for (const [kind, operands] of [["nt", 0], ["nn", 0], ["tn", 0], ...rounded] as const) {
    const call = library.kernels.get(kind)
    if (call === undefined) return `kernel ${kind} is missing`
    for (let i = 0; i < M * K; i++) floats[A / 4 + i] = term(i)
    for (let i = 0; i < N * K; i++) floats[B / 4 + i] = term(i + 3)
    const kernel = KERNELS[kind]
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
      packing: 0,
      operands,
      scale: 1
    }
    const [lda, ldb] = [kind === "tn" ? M : K, kind === "nt" ? K : N]
    const words = { ...none, lda, ldb, ldc: N, m: M, n: N, k: K, start: 0, inner: 1, rows: M, columns: N }
    const buffers = { a: { address: A }, b: { address: B }, c: { address: C } }
    const addressOf = (buffer: object): number => (buffer as { readonly address: number }).address
    writeArguments(views, addressOf, layoutOf(kernel), kernel, buffers, words, { chunks: 1 })
    call(pointer, ARGUMENTS, 0, SCRATCH)
    for (let i = 0; i < M; i++)
      for (let j = 0; j < N; j++) {
        let sum = 0
        for (let p = 0; p < K; p++)
          sum += at(A, kind === "tn" ? p * M + i : i * K + p) * at(B, kind === "nt" ? j * K + p : p * N + j)
        const actual = at(C, i * N + j)
        if (actual !== sum) return `an element of a product (${kind}) is ${actual}, expected ${sum}`
      }
  }
  return undefined
}
