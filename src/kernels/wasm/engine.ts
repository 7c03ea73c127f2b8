/**
 * The contract between kernels and the wasm device: own code (`assembly/`) over the memory in which tfjs's wasm backend keeps its
 * tensors, split over threads.
 *
 * A kernel of `assembly/` is a function (args, chunk, scratch): it reads its arguments as 32-bit words, and does one of a number of
 * independent chunks. The device that opens a wasm backend provides the engine for it (`src/device/wasm-engine.ts`); a wasm backend
 * that somebody else opened has none, and kernels fall back to their reference there.
 */
import type { TensorInfo } from "@tensorflow/tfjs"

/** Argument words of one piece of work. */
export const MOST_WORDS = 1016

export interface WasmEngine {
  /** this thread and its workers */
  readonly threads: number
  /** Byte address of a tensor's first element. */
  readonly address: (tensor: TensorInfo) => number
  /** A new float32 tensor; its contents are undefined. */
  readonly output: (shape: ReadonlyArray<number>) => TensorInfo
  /** Gives a tensor of `output` back that no caller will see. */
  readonly dispose: (tensor: TensorInfo) => void
  /** Copies bytes from one address to another. */
  readonly copy: (from: number, to: number, bytes: number) => void
  /**
   * Runs chunks 0 … chunks − 1 of a kernel and returns when all are done. `words`: integers and addresses as they are, other
   * numbers through `floatBits` or `doubleBits`. `scratch`: bytes that each thread needs for itself.
   */
  readonly run: (kernel: string, words: ReadonlyArray<number>, chunks: number, scratch?: number) => void
}

const engines = new WeakMap<object, WasmEngine>()

/** For the device that opened `backend`, tfjs's wasm backend object; `undefined` takes it back. */
export const provideWasmEngine = (backend: object, engine: WasmEngine | undefined): void => {
  if (engine === undefined) engines.delete(backend)
  else engines.set(backend, engine)
}

export const wasmEngineOf = (backend: object): WasmEngine | undefined => engines.get(backend)

const double = new Float64Array(1)
const halves = new Int32Array(double.buffer)

/** A float64 as two argument words. */
export const doubleBits = (value: number): readonly [number, number] => {
  double[0] = value
  return [halves[0]!, halves[1]!]
}

const number = new Float32Array(1)
const bits = new Int32Array(number.buffer)

/** A float32 as an argument word. */
export const floatBits = (value: number): number => {
  number[0] = value
  return bits[0]!
}
