/**
 * Images made ready on other threads, so that a training step does not wait for them: a pool of workers in Bun, Deno and Node. A page has
 * the one thread that its images are decoded on.
 *
 * Which thread decodes an image does not change it: numbers are the same for any number of threads.
 */
import type { Worker } from "node:worker_threads"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Scope from "effect/Scope"
import { type LimitName, limit, limits, messageOf } from "../boundary/index.ts"
import { builtin } from "./builtin.ts"
import { type Augmentation, ImageError, type ImageJob, type Processing } from "./image.ts"
import { preparedImages } from "./prepare.ts"
import { numbersOf } from "./process.ts"

/** What a worker is started with. */
export interface WorkerStart {
  /** the limits of this process, which a worker would not know */
  readonly limits: { readonly [Name in LimitName]?: number }
  /** one number: which of its jobs the worker has come to */
  readonly progress: Int32Array<SharedArrayBuffer>
}

/** What a worker is asked for. */
export interface WorkerRequest {
  readonly jobs: ReadonlyArray<ImageJob>
  readonly processing: Processing
  readonly augmentation: Augmentation | undefined
}

/** What it answers: numbers, whose buffer is handed over, or what keeps an image from being read. */
export type WorkerAnswer =
  | { readonly numbers: Float32Array<ArrayBuffer> }
  | { readonly where: string; readonly reason: string }

/** Makes images ready. */
export interface ImagePool {
  /** As `preparedImages`. */
  readonly prepared: (
    jobs: ReadonlyArray<ImageJob>,
    processing: Processing,
    augmentation?: Augmentation | undefined
  ) => Effect.Effect<Float32Array<ArrayBuffer>, ImageError>
  /**
   * How many batches are in the making at once while steps go on, for
   *
   *   Stream.mapEffect(jobsOfBatches, (jobs) => pool.prepared(jobs, processing), { concurrency: pool.ahead })
   *
   * whose batches keep their order, and of which no more than these wait to be taken.
   */
  readonly ahead: number
}

/** A request on its way, and what waits for its answer. */
interface Task extends WorkerRequest {
  readonly done: (result: Effect.Effect<Float32Array<ArrayBuffer>, ImageError>) => void
}

/** One worker, with at most one task. */
class Thread {
  task: Task | undefined
  private readonly worker: Worker
  private readonly progress: Int32Array<SharedArrayBuffer>

  /** `free`: called when a task is done; `gone`: when the worker is. */
  constructor(start: (data: WorkerStart) => Worker, free: (thread: Thread) => void, gone: (thread: Thread) => void) {
    this.progress = new Int32Array(new SharedArrayBuffer(4))
    const names = Object.keys(limits) as ReadonlyArray<LimitName>
    const own = Object.fromEntries(names.map((name) => [name, limit(name)]))
    this.worker = start({ limits: own, progress: this.progress })
    // a process does not wait for a worker that has nothing to do
    this.worker.unref()
    this.worker.on("message", (answer: WorkerAnswer) => {
      this.finish("numbers" in answer ? Effect.succeed(answer.numbers) : Effect.fail(new ImageError(answer)))
      free(this)
    })
    let reason = "it ended"
    const end = () => {
      const { jobs } = this.task ?? {}
      const where = jobs?.[Atomics.load(this.progress, 0)]?.where ?? "images"
      this.finish(Effect.fail(new ImageError({ where, reason: `the thread that was to decode it failed: ${reason}` })))
      gone(this)
    }
    this.worker.on("error", (error) => {
      reason = messageOf(error)
      end()
    })
    this.worker.on("exit", end)
  }

  private finish(result: Effect.Effect<Float32Array<ArrayBuffer>, ImageError>): void {
    const { task } = this
    this.task = undefined
    this.worker.unref()
    task?.done(result)
  }

  give(task: Task): void {
    const { jobs, processing, augmentation } = task
    this.task = task
    Atomics.store(this.progress, 0, 0)
    this.worker.ref()
    this.worker.postMessage({ jobs, processing, augmentation } satisfies WorkerRequest)
  }

  end(): void {
    this.worker.removeAllListeners()
    void this.worker.terminate()
  }
}

/** Tasks wait here until a thread is free. Threads are started when there is something to do for them, and again when one has died. */
class Threads {
  private readonly waiting: Array<Task> = []
  private readonly idle: Array<Thread> = []
  private readonly all = new Set<Thread>()
  private readonly most: number
  private readonly start: (data: WorkerStart) => Worker

  constructor(most: number, start: (data: WorkerStart) => Worker) {
    this.most = most
    this.start = start
  }

  private readonly free = (thread: Thread): void => {
    this.idle.push(thread)
    this.next()
  }

  private readonly gone = (thread: Thread): void => {
    if (!this.all.delete(thread)) return
    const at = this.idle.indexOf(thread)
    if (at >= 0) this.idle.splice(at, 1)
    this.next()
  }

  private next(): void {
    while (this.waiting.length > 0) {
      const thread = this.idle.pop() ?? this.another()
      if (thread === undefined) return
      thread.give(this.waiting.shift()!)
    }
  }

  private another(): Thread | undefined {
    if (this.all.size === this.most) return undefined
    const thread = new Thread(this.start, this.free, this.gone)
    this.all.add(thread)
    return thread
  }

  /** The answer to a request. Interrupted, a request that waits is taken back. */
  ask(request: WorkerRequest): Effect.Effect<Float32Array<ArrayBuffer>, ImageError> {
    return Effect.callback<Float32Array<ArrayBuffer>, ImageError>((done) => {
      const task: Task = { ...request, done }
      this.waiting.push(task)
      this.next()
      return Effect.sync(() => {
        const at = this.waiting.indexOf(task)
        if (at >= 0) this.waiting.splice(at, 1)
      })
    })
  }

  end(): void {
    for (const thread of this.all) thread.end()
    this.all.clear()
    this.waiting.length = 0
  }
}

/** Some of the jobs each, in order; no part is empty. */
const parts = (jobs: ReadonlyArray<ImageJob>, most: number): ReadonlyArray<ReadonlyArray<ImageJob>> => {
  const size = Math.max(1, Math.ceil(jobs.length / most))
  return Array.from({ length: Math.ceil(jobs.length / size) }, (_, part) => jobs.slice(part * size, (part + 1) * size))
}

/** The script of a thread: beside this file and with its ending, .ts in the repository, .js in the package. No bundler makes a file of it. */
const workerScript = (): URL => new URL(import.meta.url.replace(/threads(?=\.[jt]s$)/, "worker"))

/** How many threads make images ready. */
export interface ImagePoolOptions {
  /** default: one fewer than there are cores, of which the training itself needs one, and at most 4; in a page always none */
  readonly threads?: number | undefined
  /** the script that runs a thread; default: this package's */
  readonly script?: URL | undefined
}

const MOST_THREADS = 4

/** Starts a pool, which ends with the scope. A worker that has nothing to do keeps no process alive. */
export const imagePool = ({
  threads,
  script
}: ImagePoolOptions = {}): Effect.Effect<ImagePool, never, FileSystem.FileSystem | Scope.Scope> =>
  Effect.gen(function* () {
    const system = builtin()
    const count = threads ?? Math.max(1, Math.min(MOST_THREADS, (system?.os.availableParallelism() ?? 0) - 1))
    if (system === undefined || count === 0) {
      const files = yield* Effect.context<FileSystem.FileSystem>()
      return {
        prepared: (...images) => Effect.provideContext(preparedImages(...images), files),
        ahead: 1
      }
    }
    const start = (workerData: WorkerStart) => new system.threads.Worker(script ?? workerScript(), { workerData })
    const pool = yield* Effect.acquireRelease(
      Effect.sync(() => new Threads(count, start)),
      (pool) => Effect.sync(() => pool.end())
    )
    return {
      prepared: (jobs, processing, augmentation) =>
        Effect.gen(function* () {
          const out = new Float32Array(jobs.length * numbersOf(processing))
          let at = 0
          const made = yield* Effect.forEach(
            parts(jobs, count),
            (part) => pool.ask({ jobs: part, processing, augmentation }),
            { concurrency: "unbounded" }
          )
          for (const numbers of made) {
            out.set(numbers, at)
            at += numbers.length
          }
          return out
        }),
      ahead: count + 1
    }
  })
