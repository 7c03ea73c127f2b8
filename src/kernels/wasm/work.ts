/**
 * The words by which the threads of a wasm engine agree, and the claiming of chunks. 32-bit words in the shared heap, by their
 * number from the start of the block.
 *
 * A piece of work is published by writing what it is, and then its number of chunks into `NEXT`, from which threads count down. A
 * claim that succeeds therefore always belongs to the work that is written there, and the work stays until its last chunk is
 * counted in `DONE`: a worker that wakes late finds nothing to claim.
 */

/** index of the counter of pieces of work, on which workers sleep */
export const GENERATION = 0
/** index of the number of chunks that no thread has claimed */
export const NEXT = 1
/** index of the number of finished chunks */
export const DONE = 2
/** index of the number of sleeping workers */
export const SLEEPERS = 3
/** index of the kernel's number among the module's functions */
export const KERNEL = 4
/** index of the failure flag: not 0 if a worker could not finish a chunk */
export const FAILED = 5
/** index of the address of the first thread's scratch */
export const SCRATCH = 6
/** index of the bytes of scratch per thread */
export const SCRATCH_SIZE = 7
/** index of the kernel's first argument */
export const ARGUMENTS = 8
/** words of the block: the arguments are at most `MOST_WORDS` (src/kernels/wasm/engine.ts) */
export const WORDS = 1024

/** Bytes of a thread's stack: more than any kernel has arrays. The stacks lie behind the words. */
const STACK = 1 << 16
/** Returns the bytes of the block for this number of threads. */
export const blockBytes = (threads: number): number => 4 * WORDS + threads * STACK
/** Returns the address at which a thread's stack begins and from which it grows down: a multiple of 16. */
export const stackOf = (address: number, thread: number): number => ((address + blockBytes(thread + 1)) & ~15) >>> 0

/** A kernel of the module. */
export type Kernel = (args: number, chunk: number, scratch: number) => void

/** Returns the kernel names of a module, in the same order in every thread. */
export const kernelNames = (module: WebAssembly.Module): ReadonlyArray<string> =>
  WebAssembly.Module.exports(module)
    .filter(({ kind }) => kind === "function")
    .map(({ name }) => name)

/** Instantiates the kernels in this thread, whose stack begins at `stack`: the module's own memory is tfjs's, which has no other space for it. */
export const kernelsOf = (
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  stack: number
): ReadonlyArray<Kernel> => {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } })
  ;(exports["__stack_pointer"] as WebAssembly.Global).value = stack
  return kernelNames(module).map((name) => exports[name] as Kernel)
}

/** Shared state of an engine's threads. */
export interface Work {
  /** the shared words */
  readonly words: Int32Array
  /** their address in bytes */
  readonly address: number
  readonly kernels: ReadonlyArray<Kernel>
}

/** The word indices above, for a thread that receives its code as text. */
export const wordNumbers = {
  GENERATION,
  NEXT,
  DONE,
  SLEEPERS,
  KERNEL,
  FAILED,
  SCRATCH,
  SCRATCH_SIZE,
  ARGUMENTS
} as const

/** A thread of an engine. */
export interface Thread {
  /** Claims and computes chunks until none are left; returns their number. */
  readonly takePart: () => number
  /** Computes chunks of every piece of work; never returns. */
  readonly work: () => never
}

/**
 * Creates a thread of an engine; the thread that publishes work has number 0. The function refers only to its arguments, since a page's worker
 * receives it as text (`page-pool.ts`): bundles contain no file of it.
 */
export const threadOf = (word: typeof wordNumbers, { words, address, kernels }: Work, thread: number): Thread => {
  const { GENERATION, NEXT, DONE, SLEEPERS, KERNEL, FAILED, SCRATCH, SCRATCH_SIZE, ARGUMENTS } = word
  // rounds of looking for work before sleeping: some hundred microseconds, more than lies between two kernels of a step
  const patience = 20_000

  const takePart = (): number => {
    let count = 0
    while (Atomics.load(words, NEXT) > 0) {
      const chunk = Atomics.sub(words, NEXT, 1) - 1
      if (chunk < 0) break
      kernels[words[KERNEL]!]!(address + 4 * ARGUMENTS, chunk, (words[SCRATCH]! + thread * words[SCRATCH_SIZE]!) >>> 0)
      Atomics.add(words, DONE, 1)
      count++
    }
    return count
  }

  /** Waits until there is something to claim. */
  const waitForWork = (): void => {
    for (let round = 0; round < patience; round++) if (Atomics.load(words, NEXT) > 0) return
    const seen = Atomics.load(words, GENERATION)
    Atomics.add(words, SLEEPERS, 1)
    if (Atomics.load(words, NEXT) <= 0) Atomics.wait(words, GENERATION, seen)
    Atomics.sub(words, SLEEPERS, 1)
  }

  const work = (): never => {
    while (true) {
      waitForWork()
      try {
        if (takePart() > 0) Atomics.notify(words, DONE)
      } catch {
        // a trap: a bug in a kernel. The chunk will never be counted, so the main thread must hear of it.
        Atomics.store(words, FAILED, 1)
        Atomics.notify(words, DONE)
      }
    }
  }
  return { takePart, work }
}
