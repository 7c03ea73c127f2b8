/**
 * The engine behind `src/kernels/wasm/`: our own kernels on the memory of tfjs's wasm backend, on this thread and a pool of workers.
 *
 * One piece of work at a time. Chunks are claimed one by one, so that a free thread takes the next, and a thread that the machine
 * took away holds up no more than the chunk it has. What a chunk computes does not depend on the thread. Workers look for work
 * for a while before they sleep: a step is hundreds of pieces of work, microseconds apart.
 */
import { layoutOf } from "../declaration.ts"
import type { Heap } from "../native/heap.ts"
import { type ArgumentViews, writeArguments } from "./arguments.ts"
import type { WasmBackend } from "./backend.ts"
import { MOST_WORDS, provideWasmEngine, type WasmEngine } from "./engine.ts"
import { WASM_CUTS } from "./product-cuts.ts"
import * as Word from "./work.ts"

/**
 * Returns the URL of the thread script (`worker.ts`), next to this file and with its extension: .ts in the repository, .js in the package.
 * The URL is not a literal next to import.meta.url: bundlers would emit a file that pages do not need (`page-pool.ts`).
 */
export const workerScript = (): URL => new URL(import.meta.url.replace(/threads(?=\.[jt]s$)/, "worker"))

/** Rounds of looking whether the others are done, before sleeping. */
const PATIENCE = 5_000
/** Milliseconds of sleep; then it looks again. */
const NAP = 10

/** Workers that have started. */
export interface Pool {
  readonly size: number
  readonly terminate: () => void
}

/** Data that every thread receives at its start. */
export interface ThreadStart {
  readonly module: WebAssembly.Module
  readonly memory: WebAssembly.Memory
  /** address of the words of `work.ts` */
  readonly address: number
  /** file of the native library, whose kernels replace those of the module; undefined: wasm only */
  readonly native: string | undefined
}

/** Starts `size` workers. */
export type StartPool = (start: ThreadStart, size: number) => Promise<Pool>

/** A started engine, and how to end it. */
export interface StartedEngine {
  readonly engine: WasmEngine
  readonly terminate: () => void
}

/** The scratch of all threads, which grows with what is asked for. */
class Scratch {
  private bytes = 0
  private at = 0
  private readonly backend: WasmBackend
  private readonly threads: number

  constructor(backend: WasmBackend, threads: number) {
    this.backend = backend
    this.threads = threads
  }

  /** Address of the first thread's, and bytes of each. */
  ensure(bytes: number): readonly [address: number, bytes: number] {
    if (bytes > this.bytes) {
      if (this.at !== 0) this.backend.wasm._free(this.at)
      this.bytes = Math.ceil(bytes / 4096) * 4096
      this.at = this.backend.wasm._malloc(this.bytes * this.threads) >>> 0
    }
    return [this.at, this.bytes]
  }

  free(): void {
    if (this.at !== 0) this.backend.wasm._free(this.at)
  }
}

/** Waits until every chunk is done. */
const finish = (words: Int32Array, chunks: number): void => {
  for (let round = 0; round < PATIENCE; round++) if (Atomics.load(words, Word.DONE) === chunks) return
  while (true) {
    const done = Atomics.load(words, Word.DONE)
    if (done === chunks) return
    if (Atomics.load(words, Word.FAILED) !== 0) throw new Error("a kernel failed in a worker")
    Atomics.wait(words, Word.DONE, done, NAP)
  }
}

const viewsOf = ({ buffer }: WebAssembly.Memory, address: number): ArgumentViews => {
  const first = address + 4 * Word.ARGUMENTS
  return {
    i32: new Int32Array(buffer, first, MOST_WORDS),
    f32: new Float32Array(buffer, first, MOST_WORDS),
    f64: new Float64Array(buffer, first, MOST_WORDS / 2)
  }
}

/** Starts the engine for a backend; with `pool`, the backend's memory must be shared. `native`: the same memory, for a library. */
export const startEngine = async (
  backend: WasmBackend,
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  threads: number,
  startPool: StartPool,
  native?: Heap
): Promise<StartedEngine> => {
  const names = Word.kernelNames(module)
  const address = backend.wasm._malloc(Word.blockBytes(threads)) >>> 0
  const compiled = Word.kernelsOf(module, memory, Word.stackOf(address, 0))
  const kernels = native?.inPlaceOf(compiled, names) ?? compiled
  let words = new Int32Array(memory.buffer, address, Word.WORDS).fill(0)
  let views = viewsOf(memory, address)
  let first = Word.threadOf(Word.wordNumbers, { words, address, kernels }, 0)
  const pool = threads > 1 ? await startPool({ module, memory, address, native: native?.file }, threads - 1) : undefined
  const scratch = new Scratch(backend, threads)

  const addressOf: WasmEngine["address"] = (buffer) =>
    "address" in buffer ? buffer.address : backend.dataIdMap.get(buffer.dataId).memoryOffset

  const prepare = (scratchBytes: number): readonly [at: number, bytes: number] => {
    const ensured = scratch.ensure(scratchBytes)
    // memory that has grown has another buffer
    if (words.buffer !== memory.buffer) {
      words = new Int32Array(memory.buffer, address, Word.WORDS)
      views = viewsOf(memory, address)
      first = Word.threadOf(Word.wordNumbers, { words, address, kernels }, 0)
      native?.moved()
    }
    return ensured
  }

  const compute = (index: number, chunks: number, [at, bytes]: readonly [number, number]): void => {
    if (pool === undefined || chunks === 1) {
      const call = kernels[index]!
      for (let chunk = 0; chunk < chunks; chunk++) call(address + 4 * Word.ARGUMENTS, chunk, at)
      return
    }
    words[Word.KERNEL] = index
    words[Word.SCRATCH] = at
    words[Word.SCRATCH_SIZE] = bytes
    words[Word.DONE] = 0
    Atomics.store(words, Word.NEXT, chunks)
    Atomics.add(words, Word.GENERATION, 1)
    if (Atomics.load(words, Word.SLEEPERS) > 0) Atomics.notify(words, Word.GENERATION)
    first.takePart()
    finish(words, chunks)
  }

  const run: WasmEngine["run"] = (kernel, buffers, values, work = {}) => {
    const layout = layoutOf(kernel)
    const room = prepare(kernel.scratch?.(values) ?? work.scratch ?? 0)
    const chunks = writeArguments(views, addressOf, layout, kernel, buffers, values, work, native?.farAddressOf)
    // the memory has grown for a buffer that lay outside
    if (words.buffer !== memory.buffer) return run(kernel, buffers, values, work)
    const index = names.indexOf(kernel.name)
    if (index < 0) throw new Error(`no kernel ${kernel.name}: run bun run kernels`)
    compute(index, chunks, room)
    return chunks
  }

  return {
    engine: {
      cuts: WASM_CUTS,
      threads,
      run,
      address: addressOf,
      output: (shape) => backend.makeOutput(shape, "float32"),
      ...native?.engine,
      dispose: ({ dataId }) => {
        backend.disposeData(dataId)
      },
      copy: (from, to, bytes) => {
        // memory that has grown has another buffer
        new Uint8Array(memory.buffer).copyWithin(to, from, from + bytes)
      }
    },
    terminate: () => {
      pool?.terminate()
      scratch.free()
    }
  }
}

/** Registers the engine of a backend for kernels, and returns a function that ends it. */
export const installWasmEngine = (backend: WasmBackend, { engine, terminate }: StartedEngine): (() => void) => {
  provideWasmEngine(backend, engine)
  return () => {
    provideWasmEngine(backend, undefined)
    terminate()
  }
}
