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

/** Tensors that lie one after the other in one buffer. Where each begins: `startsOf` of their sizes. */
export interface Arena {
  readonly span: Span
  /** Where each tensor begins in the span, in elements. */
  readonly starts: ReadonlyArray<number>
}

/** Elements (of four bytes) that the start of a tensor in an arena is a multiple of: a binding may begin there. */
export const ARENA_ALIGNMENT = 64

export interface Layout {
  readonly starts: ReadonlyArray<number>
  readonly elements: number
}

/** Where tensors of these sizes, in elements, are in an arena: a function of the sizes alone. */
export const layoutOf = (sizes: ReadonlyArray<number>): Layout => {
  const starts: Array<number> = []
  let elements = 0
  for (const size of sizes) {
    starts.push(elements)
    elements += Math.ceil(size / ARENA_ALIGNMENT) * ARENA_ALIGNMENT
  }
  return { starts, elements }
}

export interface WebgpuEngine {
  readonly limits: GPUSupportedLimits
  /** Numbers of four bytes that one binding holds. */
  readonly mostNumbers: number
  /** Is the GPU emulated on a CPU? What pays there is not what pays on one. */
  readonly software: boolean
  /** A new tensor; its contents are undefined. */
  readonly output: (shape: ReadonlyArray<number>, dtype?: "float32" | "int32") => TensorInfo
  /** Gives a tensor of `output` or `outputs` back that no caller will see. */
  readonly dispose: (tensor: TensorInfo) => void
  /** New tensors one after the other in one buffer, which lives as long as one of them; contents undefined. */
  readonly outputs: (
    shapes: ReadonlyArray<ReadonlyArray<number>>
  ) => Arena & { readonly tensors: ReadonlyArray<TensorInfo> }
  /** Memory for what lies between programs. Contents undefined; the caller releases it. */
  readonly scratch: (elements: number) => Span
  /** The tensors as an arena: without a copy where they lie like that already. The caller releases it. */
  readonly together: (tensors: ReadonlyArray<TensorInfo>) => Arena
  /**
   * The tensors as an arena, in which they lie from now on: for what is there for long and read together, such as frozen weights. Nothing is
   * to be released.
   */
  readonly settled: (tensors: ReadonlyArray<TensorInfo>) => Arena
  /** Gives a span of `together` or `scratch` back. */
  readonly release: (span: Span) => void
  /** Numbers that depend on the key alone, kept on the device: made once for each key. */
  readonly table: (key: string, make: () => Uint32Array<ArrayBuffer>) => Span
  /**
   * Records a program on tensors and spans, in any number of workgroups. No buffer may be read and written by one program, and no part
   * of one be written as two. Throws where
   * what is given is not what the program declares.
   */
  readonly run: <Buffers extends string, Words extends string>(
    program: Program<Buffers, Words>,
    buffers: Readonly<Record<NoInfer<Buffers>, TensorInfo | Span>>,
    words: Readonly<Record<NoInfer<Words>, number>>,
    groups: number
  ) => void
}

const engines = new WeakMap<object, WebgpuEngine>()

/** For the device that opened `backend`, tfjs's webgpu backend object; `undefined` takes it back. */
export const provideWebgpuEngine = (backend: object, engine: WebgpuEngine | undefined): void => {
  if (engine === undefined) engines.delete(backend)
  else engines.set(backend, engine)
}

export const webgpuEngineOf = (backend: object): WebgpuEngine | undefined => engines.get(backend)

/** Workgroups of `size` invocations for `items`, one each. */
export const groupsFor = (items: number, size: number): number => Math.ceil(items / size)
