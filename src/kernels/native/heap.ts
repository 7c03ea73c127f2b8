/** Native kernels in the place of a wasm module's, on its memory. What opens the library is `library.ts`; a page has none. */

/** A kernel of the library: byte addresses within the heap at `heap`, which is a runtime's pointer. */
export type NativeKernel = (heap: unknown, args: number, chunk: number, scratch: number) => void

export interface NativeLibrary {
  readonly file: string
  /** that the kernels are compiled for: avx512, avx2 or neon */
  readonly instructions: string
  readonly kernels: ReadonlyMap<string, NativeKernel>
  /** A machine address as a pointer for the kernels. */
  readonly pointer: (address: number) => unknown
  /** The machine address of a buffer's first byte. It stays until the buffer is another. */
  readonly addressOf: (buffer: ArrayBufferLike) => number
}

/** A wasm memory as the kernels of a library see it. */
export interface Heap {
  readonly library: NativeLibrary
  pointer: unknown
  /** To be called when the memory has grown: it may lie elsewhere. */
  readonly moved: () => void
}

export const heapOf = (library: NativeLibrary, memory: WebAssembly.Memory): Heap => {
  const { pointer, addressOf } = library
  const heap: Heap = {
    library,
    pointer: undefined,
    moved: () => {
      heap.pointer = pointer(addressOf(memory.buffer))
    }
  }
  heap.moved()
  return heap
}

type WasmKernel = (args: number, chunk: number, scratch: number) => void

/** The kernels of a wasm module, with those of the library in the place of their namesakes. */
export const withNative = (
  kernels: ReadonlyArray<WasmKernel>,
  names: ReadonlyArray<string>,
  heap: Heap | undefined
): ReadonlyArray<WasmKernel> =>
  heap === undefined
    ? kernels
    : kernels.map((kernel, i) => {
        const native = heap.library.kernels.get(names[i]!)
        return native === undefined ? kernel : (args, chunk, scratch) => native(heap.pointer, args, chunk, scratch)
      })
