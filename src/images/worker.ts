/** A thread that preprocesses images, in Bun, Deno and Node: responds to requests one after another until it is terminated. */
import { parentPort, workerData } from "node:worker_threads"
import * as NodeFileSystem from "@effect/platform-node-shared/NodeFileSystem"
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { setLimits } from "../boundary/index.ts"
import { prepareInto } from "./prepare.ts"
import { numbersOf } from "./process.ts"
import type { WorkerAnswer, WorkerRequest, WorkerStart } from "./threads.ts"

const { limits, progress } = workerData as WorkerStart
setLimits(limits)
const runtime = ManagedRuntime.make(NodeFileSystem.layer)

const answerTo = ({ jobs, processing, augmentation }: WorkerRequest) =>
  Effect.gen(function* () {
    const size = numbersOf(processing)
    const numbers = new Float32Array(jobs.length * size)
    for (const [index, job] of jobs.entries()) {
      Atomics.store(progress, 0, index)
      yield* prepareInto(numbers.subarray(index * size, (index + 1) * size), job, processing, augmentation)
    }
    return { numbers }
  }).pipe(Effect.catchTag("ImageError", ({ where, reason }) => Effect.succeed<WorkerAnswer>({ where, reason })))

parentPort!.on("message", (request: WorkerRequest) => {
  // any other exception ends this thread, which the pool detects
  void runtime.runPromise(answerTo(request)).then((answer) => {
    parentPort!.postMessage(answer, "numbers" in answer ? [answer.numbers.buffer] : [])
  })
})
