/**
 * The contract between kernels and the wasm device: own code (`../c/`) over the memory in which tfjs's wasm backend keeps its
 * tensors, split over threads.
 *
 * A kernel of `../c/` is a function (args, chunk, scratch): it reads its arguments as 32-bit words, and does one of a number of
 * independent chunks. The device that opens a wasm backend provides the engine for it (`threads.ts`); a wasm backend
 * that somebody else opened has none, and kernels fall back to their reference there.
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import type { BuffersOf, BufferTypes, EntryOf, EntryTypes, Kernel, WordsOf, WordTypes } from "../declaration.ts"
import type { ProductCuts } from "./product-cuts.ts"

/** Argument words of one piece of work. */
export const MOST_WORDS = 1016

/** A tensor, or a place in the heap, in bytes. */
export type Buffer = TensorInfo | { readonly address: number }

/** Options of a run in addition to buffers and words. */
export interface Work<E extends EntryTypes> {
  /** of a kernel over a list; they have to fit (`fitting` of `cuts.ts`) */
  readonly entries?: ReadonlyArray<EntryOf<E, Buffer>>
  /** of a kernel over a list: entries, blocks or parts that are a chunk */
  readonly perChunk?: number
  /** of a kernel that has no `split`; default 1 */
  readonly chunks?: number
  /** bytes for each thread, where the declaration does not say */
  readonly scratch?: number
}

export interface WasmEngine {
  /** of matrix products, for the code that computes them: the wasm module, or the native library on the same memory (`../native`) */
  readonly cuts: ProductCuts
  /** this thread and its workers */
  readonly threads: number
  /** Byte address of the first element. */
  readonly address: (buffer: Buffer) => number
  /** A new float32 tensor; its contents are undefined. */
  readonly output: (shape: ReadonlyArray<number>) => TensorInfo
  /** Gives a tensor of `output` back that no caller will see. */
  readonly dispose: (tensor: TensorInfo) => void
  /** Copies bytes from one address to another. */
  readonly copy: (from: number, to: number, bytes: number) => void
  /**
   * Runs all chunks of a kernel and returns how many there were, when they are done. Throws where what is given is not what the kernel
   * declares.
   */
  readonly run: <B extends BufferTypes, W extends WordTypes, E extends EntryTypes>(
    kernel: Kernel<B, W, E>,
    buffers: BuffersOf<NoInfer<B>, Buffer>,
    words: WordsOf<NoInfer<W>>,
    work?: Work<NoInfer<E>>
  ) => number
}

const engines = new WeakMap<object, WasmEngine>()

/** For the device that opened `backend`, tfjs's wasm backend object; `undefined` takes it back. */
export const provideWasmEngine = (backend: object, engine: WasmEngine | undefined): void => {
  if (engine === undefined) engines.delete(backend)
  else engines.set(backend, engine)
}

export const wasmEngineOf = (backend: object): WasmEngine | undefined => engines.get(backend)

const number = new Float32Array(1)
const bits = new Int32Array(number.buffer)

/** The bits of a float32. */
export const floatBits = (value: number): number => {
  number[0] = value
  return bits[0]!
}
