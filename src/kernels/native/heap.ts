/** Replaces a wasm module's kernels with native ones, on its memory. `library.ts` opens the library; pages load neither. */
import type { Foreign, Pointer } from "../../ffi/index.ts"
import type { Bfloat16, Buffer, Outside, WasmEngine } from "../wasm/engine.ts"
import type { PrivateMemory } from "./outside.ts"
import { NATIVE_CUTS } from "./product-cuts.ts"

/** A kernel of the library. Arguments are byte addresses within the heap at `heap`. */
export type NativeKernel = (heap: Pointer, args: number, chunk: number, scratch: number) => unknown

/** An opened native library. */
export interface NativeLibrary {
  readonly file: string
  /** instruction set that the kernels are compiled for: avx512, avx2 or neon */
  readonly instructions: string
  /** instruction sets that the library has kernels for and the processor supports */
  readonly available: ReadonlyArray<string>
  readonly kernels: ReadonlyMap<string, NativeKernel>
  readonly bfloat16: () => ReadonlyArray<Bfloat16>
  readonly pointerTo: Foreign["pointerTo"]
  readonly addressOf: Foreign["addressOf"]
  /** absent where this package asks the system for none */
  readonly privateMemory: PrivateMemory | undefined
  /** absent on Windows */
  readonly mapFile: WasmEngine["mapFile"]
}

/** A wasm memory, as the library's kernels address it. */
export interface Heap {
  readonly file: string
  /** what an engine has of the library instead of the module */
  readonly engine: Pick<WasmEngine, "cuts" | "mapFile" | "bfloat16" | "outside"> & Partial<Pick<WasmEngine, "output">>
  pointer: Pointer
  /** Returns the address of a buffer outside of the heap, from where the heap begins; undefined: it lies in it. */
  readonly farAddressOf: (buffer: Buffer) => number | undefined
  /** Must be called after the memory has grown, since its address may change. */
  readonly moved: () => void
  /** Returns the kernels of a wasm module, with those that the library also has replaced by the library's. */
  readonly inPlaceOf: (kernels: ReadonlyArray<WasmKernel>, names: ReadonlyArray<string>) => ReadonlyArray<WasmKernel>
}

type WasmKernel = (args: number, chunk: number, scratch: number) => void

/** Returns a wasm memory as the heap of a library's kernels. */
export const heapOf = (
  { file, kernels: nativeKernels, pointerTo, addressOf, mapFile, bfloat16 }: NativeLibrary,
  memory: WebAssembly.Memory,
  outside?: Outside
): Heap => {
  let base = 0
  const heap: Heap = {
    file,
    engine: { cuts: NATIVE_CUTS, mapFile, bfloat16, outside, ...(outside && { output: outside.output }) },
    pointer: undefined,
    farAddressOf: (buffer) => {
      const address = "address" in buffer ? undefined : outside?.addressOf(buffer)
      return address === undefined ? undefined : address - base
    },
    moved: () => {
      heap.pointer = pointerTo(new Uint8Array(memory.buffer))
      base = addressOf(heap.pointer)
    },
    inPlaceOf: (kernels, names) =>
      kernels.map((kernel, i) => {
        const native = nativeKernels.get(names[i]!)
        return native === undefined ? kernel : (args, chunk, scratch) => native(heap.pointer, args, chunk, scratch)
      })
  }
  heap.moved()
  return heap
}
