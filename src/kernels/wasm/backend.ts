/**
 * The private face of tfjs' wasm backend that this folder uses, in one place. tfjs is frozen upstream at 4.22.0, and nothing
 * public says where a tensor is in the wasm heap; so the fields are named here and their presence is asserted at start-up.
 */
import type { DataType, KernelBackend, TensorInfo } from "@tensorflow/tfjs-core"
import type { KernelCall as CallOf, Kernel as KernelOf } from "../replaced-kernels.ts"
import { TFJS_VERSION } from "../replaced-kernels.ts"

/** Fields of the emscripten module besides its exported C functions; `tfjs` is added at instantiation. */
export interface WasmModule {
  HEAPU8: Uint8Array
  /** exports of the binary */
  readonly asm: { readonly memory?: WebAssembly.Memory }
  /** memory of the threaded build, which imports it; absent in others */
  readonly wasmMemory?: WebAssembly.Memory
  _malloc(bytes: number): number
  _free(offset: number): void
  _init_with_threads_count(threads: number): void
  cwrap(name: string, returns: string | null, parameters: ReadonlyArray<string>): (...values: Array<number>) => number
  PThread?: {
    terminateAllThreads(): void
    readonly runningWorkers: ReadonlyArray<unknown>
    readonly unusedWorkers: Array<{ terminate(): unknown }>
  }
  tfjs: {
    init(): void
    initWithThreadsCount(threads: number): void
    getThreadsCount(): number
    registerTensor(id: number, size: number, offset: number): void
    disposeData(id: number): void
    dispose(): void
  }
}

/** tfjs's wasm backend with the private fields that the device uses. */
export interface WasmBackend extends KernelBackend {
  readonly wasm: WasmModule
  readonly dataIdMap: { get(dataId: object): { readonly id: number; readonly memoryOffset: number } }
  dataIdNextNumber: number
  makeOutput(shape: ReadonlyArray<number>, dtype: DataType): TensorInfo
  disposeData(dataId: object, force?: boolean): boolean
}

/** Arguments that tfjs passes to a kernel of this backend. */
export type KernelCall = CallOf<WasmBackend>
/** A kernel of this backend. */
export type Kernel = KernelOf<WasmBackend>

const BACKEND_FIELDS = ["wasm", "dataIdMap", "dataIdNextNumber", "makeOutput", "disposeData"] as const
const MODULE_FIELDS = ["HEAPU8", "_malloc", "_free", "tfjs"] as const
const TFJS_FIELDS = ["registerTensor", "disposeData", "getThreadsCount"] as const

const missing = (value: unknown, fields: ReadonlyArray<string>, path: string): Array<string> =>
  fields.filter((field) => (value as Record<string, unknown> | undefined)?.[field] === undefined).map((f) => path + f)

/** Narrows a backend to its private fields. Throws an Error that lists every missing field. */
export const wasmBackend = (backend: KernelBackend): WasmBackend => {
  const it = backend as WasmBackend
  const absent = [
    ...missing(it, BACKEND_FIELDS, "backend."),
    ...missing(it.wasm, MODULE_FIELDS, "backend.wasm."),
    ...missing(it.wasm?.tfjs, TFJS_FIELDS, "backend.wasm.tfjs.")
  ]
  if (absent.length > 0) {
    throw new Error(
      `tfjs' wasm backend lacks ${absent.join(", ")}: install @tensorflow/tfjs-backend-wasm ${TFJS_VERSION}`
    )
  }
  return it
}

/** Returns the memory that contains a module's tensors. */
export const memoryOf = ({ wasmMemory, asm }: WasmModule): WebAssembly.Memory => {
  const memory = wasmMemory ?? asm?.memory
  if (memory === undefined) {
    throw new Error(`tfjs' wasm backend lacks its memory: install @tensorflow/tfjs-backend-wasm ${TFJS_VERSION}`)
  }
  return memory
}
