/**
 * Preprocesses images on other threads, so that training steps do not wait for them: a pool of workers in Bun, Deno and Node. A page
 * uses the thread on which its images are decoded.
 *
 * Results are identical for any number of threads.
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

/** Input of a worker at its start. */
export interface WorkerStart {
  /** limits of this process, which a worker does not inherit */
  readonly limits: { readonly [Name in LimitName]?: number }
  /** one value: number of the job that the worker is processing */
  readonly progress: Int32Array<SharedArrayBuffer>
}

/** A request to a worker. */
export interface WorkerRequest {
  readonly jobs: ReadonlyArray<ImageJob>
  readonly processing: Processing
  readonly augmentation: Augmentation | undefined
}

/** A worker's response: values, whose buffer is transferred, or the error of an image. */
export type WorkerAnswer =
  | { readonly numbers: Float32Array<ArrayBuffer> }
  | { readonly where: string; readonly reason: string }

/** A pool that preprocesses images. */
export interface ImagePool {
  /** Preprocesses images, as `preparedImages`. */
  readonly prepared: (
    jobs: ReadonlyArray<ImageJob>,
    processing: Processing,
    augmentation?: Augmentation | undefined
  ) => Effect.Effect<Float32Array<ArrayBuffer>, ImageError>
  /**
   * Number of batches to prepare concurrently during training steps, for
   *
   *   Stream.mapEffect(jobsOfBatches, (jobs) => pool.prepared(jobs, processing), { concurrency: pool.ahead })
   *
   * which keeps the order of batches; at most this number of them is waiting to be used.
   */
  readonly ahead: number
}

/** A request in progress, and its callback. */
interface Task extends WorkerRequest {
  readonly done: (result: Effect.Effect<Float32Array<ArrayBuffer>, ImageError>) => void
}

/** A worker, with at most one task at a time. */
class Thread {
  task: Task | undefined
  private readonly worker: Worker
  private readonly progress: Int32Array<SharedArrayBuffer>

  /** Starts a worker. Calls `free` when a task is done, and `gone` when the worker has ended. */
  constructor(start: (data: WorkerStart) => Worker, free: (thread: Thread) => void, gone: (thread: Thread) => void) {
    this.progress = new Int32Array(new SharedArrayBuffer(4))
    const names = Object.keys(limits) as ReadonlyArray<LimitName>
    const values = Object.fromEntries(names.map((name) => [name, limit(name)]))
    this.worker = start({ limits: values, progress: this.progress })
    // an idle worker does not keep the process alive
    this.worker.unref()
    this.worker.on("message", (answer: WorkerAnswer) => {
      this.finish("numbers" in answer ? Effect.succeed(answer.numbers) : Effect.fail(new ImageError(answer)))
      free(this)
    })
    let reason = "it ended"
    const end = () => {
      const { jobs } = this.task ?? {}
      const where = jobs?.[Atomics.load(this.progress, 0)]?.where ?? "images"
      this.finish(Effect.fail(new ImageError({ where, reason: `the thread that decodes it failed: ${reason}` })))
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

/** Queue of tasks. Starts threads when there are tasks, and replaces those that have died. */
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

  /** Sends a request and returns its response. Interruption removes a request that is still queued. */
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

/** Divides jobs into consecutive non-empty parts. */
const parts = (jobs: ReadonlyArray<ImageJob>, most: number): ReadonlyArray<ReadonlyArray<ImageJob>> => {
  const size = Math.max(1, Math.ceil(jobs.length / most))
  return Array.from({ length: Math.ceil(jobs.length / size) }, (_, part) => jobs.slice(part * size, (part + 1) * size))
}

/** The script of a thread: next to this file and with its extension, .ts in the repository, .js in the package. Bundlers do not emit it. */
const workerScript = (): URL => new URL(import.meta.url.replace(/threads(?=\.[jt]s$)/, "worker"))

/** Options for a pool of threads. */
export interface ImagePoolOptions {
  /** number of threads; default: cores − 1, since training itself uses one, and at most 4; always 0 in a page */
  readonly threads?: number | undefined
  /** script that runs a thread; default: this package's */
  readonly script?: URL | undefined
}

const MOST_THREADS = 4

/** Starts a pool, which stops when the scope closes. Idle workers do not keep the process alive. */
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
