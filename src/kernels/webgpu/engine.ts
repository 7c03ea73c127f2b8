/**
 * The contract between kernels and the webgpu device: programs of our own (`program.ts`), recorded among tfjs's commands and run in
 * their order. The device that opens a webgpu backend provides the engine for it (`recorder.ts`); a webgpu backend that
 * somebody else opened has none, and kernels fall back to their reference there.
 *
 * Recording waits for nothing. An output may be given back (`dispose`, `release`) as soon as the last program that reads it is recorded.
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import type { Program } from "./program.ts"

/** A part of a GPU buffer, as a program binds it. Offset and size in bytes. */
export interface Span {
  readonly buffer: object
  readonly offset: number
  readonly size: number
}

/** Tensors stored consecutively in one buffer. */
export interface Arena {
  readonly span: Span
  /** start of each tensor in the span, in elements */
  readonly starts: ReadonlyArray<number>
}

/** Number of four-byte elements of which the start of a tensor in an arena is a multiple, as bindings require. */
export const ARENA_ALIGNMENT = 64

/** Positions of tensors in an arena. */
export interface Layout {
  readonly starts: ReadonlyArray<number>
  readonly elements: number
}

/** Returns the positions of tensors in an arena from their sizes, in elements. */
export const layoutOf = (sizes: ReadonlyArray<number>): Layout => {
  const starts: Array<number> = []
  let elements = 0
  for (const size of sizes) {
    starts.push(elements)
    elements += Math.ceil(size / ARENA_ALIGNMENT) * ARENA_ALIGNMENT
  }
  return { starts, elements }
}

/** Engine that runs programs on a webgpu backend. */
export interface WebgpuEngine {
  readonly limits: GPUSupportedLimits
  /** maximum number of four-byte values in one binding */
  readonly mostNumbers: number
  /** whether the GPU is emulated on a CPU, where trade-offs differ */
  readonly software: boolean
  /** Creates a tensor with undefined contents. */
  readonly output: (shape: ReadonlyArray<number>, dtype?: "float32" | "int32") => TensorInfo
  /** Disposes a tensor of `output` or `outputs` that is not returned to a caller. */
  readonly dispose: (tensor: TensorInfo) => void
  /** Creates tensors that are consecutive in one buffer, which is freed with the last of them; contents undefined. */
  readonly outputs: (
    shapes: ReadonlyArray<ReadonlyArray<number>>
  ) => Arena & { readonly tensors: ReadonlyArray<TensorInfo> }
  /** Allocates memory for intermediate results; contents undefined. The caller releases it. */
  readonly scratch: (elements: number) => Span
  /** Returns the tensors as an arena, without a copy if they are stored that way already. The caller releases it. */
  readonly together: (tensors: ReadonlyArray<TensorInfo>) => Arena
  /**
   * Stores the tensors permanently as an arena and returns it: for long-lived tensors that are read together, such as frozen weights. Must not be
   * released.
   */
  readonly settled: (tensors: ReadonlyArray<TensorInfo>) => Arena
  /** Releases a span of `together` or `scratch`. */
  readonly release: (span: Span) => void
  /** Returns values that depend only on the key, stored on the device: created once per key. */
  readonly table: (key: string, make: () => Uint32Array<ArrayBuffer>) => Span
  /**
   * Records a program on tensors and spans, with any number of workgroups. A program must not both read and write a buffer, or write the same
   * part of a buffer through two bindings. Throws if the arguments do not match the program's declaration.
   */
  readonly run: <Buffers extends string, Words extends string>(
    program: Program<Buffers, Words>,
    buffers: Readonly<Record<NoInfer<Buffers>, TensorInfo | Span>>,
    words: Readonly<Record<NoInfer<Words>, number>>,
    groups: number
  ) => void
}

const engines = new WeakMap<object, WebgpuEngine>()

/** Sets the engine of `backend`, tfjs's webgpu backend object; `undefined` removes it. For the device that opened the backend. */
export const provideWebgpuEngine = (backend: object, engine: WebgpuEngine | undefined): void => {
  if (engine === undefined) engines.delete(backend)
  else engines.set(backend, engine)
}

/** Returns the engine of a backend, if it has one. */
export const webgpuEngineOf = (backend: object): WebgpuEngine | undefined => engines.get(backend)

/** Returns the number of workgroups of `size` invocations for `items`, one invocation each. */
export const groupsFor = (items: number, size: number): number => Math.ceil(items / size)
