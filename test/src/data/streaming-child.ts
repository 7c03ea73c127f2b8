/** Run by streaming.processes.ts as its own process: scans a file, draws batches from all over it, prints what it took. */
import process from "node:process"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { classificationSplit, openLabelledFile, trainingBatches } from "../../../src/data/index.ts"
import { words } from "./words.ts"

const use = (path: string, batches: number) =>
  Effect.gen(function* () {
    const source = yield* openLabelledFile(path, { text: "text", label: "label" })
    const split = classificationSplit(source, ["a", "b"])
    const options = { seed: 0, batchSize: 8, bucketPool: 8, maxLength: 32 }
    yield* Stream.runDrain(Stream.take(trainingBatches(split, words, options), batches))
    return source.rows
  }).pipe(Effect.scoped)

const [small, large] = process.argv.slice(2)
await Effect.runPromise(use(small!, 200)) // code, buffers and heap at their working size
const before = process.resourceUsage().maxRSS
const began = performance.now()
const rows = await Effect.runPromise(use(large!, 1000))
const megabytes = (process.resourceUsage().maxRSS - before) / 1024 // maxRSS is in KiB
console.log(JSON.stringify({ rows, megabytes, seconds: (performance.now() - began) / 1000 }))
