/** Run by streaming.processes.ts as its own process: opens a file of conversations, draws batches from all over it, prints what it took. */
import process from "node:process"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { causalTrainingBatches, openCausal } from "../../../../src/data/causal/index.ts"
import { section } from "./sections.ts"
import { smollm2 } from "./smollm2.ts"

const use = (train: string, batches: number) =>
  Effect.gen(function* () {
    const began = performance.now()
    const { splits } = yield* openCausal(section({ format: "chat", train }), 0, smollm2)
    const opened = performance.now()
    const options = { seed: 0, batchSize: 4, bucketPool: 8, maxLength: 512, packing: true }
    const stream = Stream.take(causalTrainingBatches(splits.train, smollm2, options), batches)
    const tokens = yield* Stream.runFold(
      stream,
      () => 0,
      (total, batch) => total + batch.tokens
    )
    const drawn = performance.now()
    return { rows: splits.train.rows, tokens, opening: (opened - began) / 1000, drawing: (drawn - opened) / 1000 }
  }).pipe(Effect.scoped)

const [small, large] = process.argv.slice(2)
await Effect.runPromise(use(small!, 20)) // code, buffers and heap at their working size
const before = process.resourceUsage().maxRSS
const result = await Effect.runPromise(use(large!, 40))
const megabytes = (process.resourceUsage().maxRSS - before) / 1024 // maxRSS is in KiB
console.log(JSON.stringify({ ...result, megabytes, before: before / 1024 }))
