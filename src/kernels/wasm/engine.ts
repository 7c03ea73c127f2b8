/**
 * The contract between kernels and the wasm device: own code (`../c/`) over the memory in which tfjs's wasm backend keeps its
 * tensors, split over threads.
 *
 * A kernel of `../c/` is a function (args, chunk, scratch): it reads its arguments as 32-bit words, and does one of a number of
 * independent chunks. The device that opens a wasm backend provides the engine for it (`threads.ts`); a wasm backend
 * that somebody else opened has none, and kernels fall back to their reference there.
 */
import type { Tensor, TensorInfo } from "@tensorflow/tfjs-core"
import type { BuffersOf, BufferTypes, EntryOf, EntryTypes, Kernel, WordsOf, WordTypes } from "../declaration.ts"
import type { ProductCuts } from "./product-cuts.ts"

/** Maximum number of argument words of a piece of work. */
export const MOST_WORDS = 1016

/** A tensor, or an address in the heap, in bytes. */
export type Buffer = TensorInfo | { readonly address: number }

/** Options of a run in addition to buffers and words. */
export interface Work<E extends EntryTypes> {
  /** entries of a kernel over a list; their arguments must fit (`fitting` of `cuts.ts`) */
  readonly entries?: ReadonlyArray<EntryOf<E, Buffer>>
  /** entries, blocks or parts per chunk, for a kernel over a list */
  readonly perChunk?: number
  /** number of chunks, for a kernel without `split`; default 1 */
  readonly chunks?: number
  /** bytes of scratch per thread, if the declaration does not give them */
  readonly scratch?: number
}

/** A file in memory, read-only. */
export interface MappedFile {
  /** machine address of its first byte */
  readonly address: number
  readonly unmap: () => void
}

/** Instructions of a processor for products in bfloat16. */
export interface Bfloat16 {
  /** "amx", "avx512_bf16" or, on arm64, "bf16" */
  readonly name: string
  /** their number in `../c/bfloat16.h` */
  readonly operands: number
}

/** Tensors in private memory outside of the heap. Kernels reach them by fields that are declared `far`; whatever else touches one moves it into the heap. */
export interface Outside {
  /** Returns the machine address of a tensor; undefined: it lies in the heap. */
  readonly addressOf: (tensor: TensorInfo) => number | undefined
  readonly output: WasmEngine["output"]
  /** Creates a float32 tensor of these values, or of zeros; undefined for a small one, which the heap has room for. */
  readonly tensor: (shape: ReadonlyArray<number>, values?: Float32Array) => Tensor | undefined
}

/** Engine that runs kernels on a wasm backend's memory. */
export interface WasmEngine {
  /** Maps a file of `bytes` bytes; absent if the kernels read no mapped files. Throws with a reason. */
  readonly mapFile?: ((file: string, bytes: number) => MappedFile) | undefined
  /** Returns the processor's instructions for products in bfloat16, the fastest first; absent if the kernels have none. */
  readonly bfloat16?: (() => ReadonlyArray<Bfloat16>) | undefined
  /** instructions by which products with frozen weights are computed; undefined: in float32 */
  products?: Bfloat16 | undefined
  /**
   * division of matrix products, which depends on the code that computes them: the wasm module, or the native library on the same memory
   * (`../native`)
   */
  readonly cuts: ProductCuts
  /** number of threads: this one and its workers */
  readonly threads: number
  /** Returns the byte address of a buffer's first element, which is moved into the heap if it lies outside. */
  readonly address: (buffer: Buffer) => number
  /** Memory outside of the heap, which ends at 4 GiB; absent if the kernels reach none. */
  readonly outside?: Outside | undefined
  /** Creates a float32 tensor with undefined contents; outside of the heap if `before` lies there, which it replaces. */
  readonly output: (shape: ReadonlyArray<number>, before?: TensorInfo) => TensorInfo
  /** Disposes a tensor of `output` that is not returned to a caller. */
  readonly dispose: (tensor: TensorInfo) => void
  /** Copies bytes from one address to another. */
  readonly copy: (from: number, to: number, bytes: number) => void
  /** Runs all chunks of a kernel, and returns their number when they are done. Throws if the arguments do not match the kernel's declaration. */
  readonly run: <B extends BufferTypes, W extends WordTypes, E extends EntryTypes>(
    kernel: Kernel<B, W, E>,
    buffers: BuffersOf<NoInfer<B>, Buffer>,
    words: WordsOf<NoInfer<W>>,
    work?: Work<NoInfer<E>>
  ) => number
}

const engines = new WeakMap<object, WasmEngine>()

/** Sets the engine of `backend`, tfjs's wasm backend object; `undefined` removes it. For the device that opened the backend. */
export const provideWasmEngine = (backend: object, engine: WasmEngine | undefined): void => {
  if (engine === undefined) engines.delete(backend)
  else engines.set(backend, engine)
}

/** Returns the engine of a backend, if it has one. */
export const wasmEngineOf = (backend: object): WasmEngine | undefined => engines.get(backend)

const number = new Float32Array(1)
const bits = new Int32Array(number.buffer)

/** Returns the bits of a float32. */
export const floatBits = (value: number): number => {
  number[0] = value
  return bits[0]!
}
