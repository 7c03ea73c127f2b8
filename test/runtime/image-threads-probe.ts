/**
 * Makes images ready on a number of threads and prints what became of them: THREADS SCRIPT FILE… (SCRIPT: of a thread, "own" for the
 * package's). Ends by itself: nothing here ends it.
 */
import { createHash } from "node:crypto"
import { pathToFileURL } from "node:url"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { imagePool, processingOf } from "../../src/images/index.ts"
import { platform } from "../../src/platform.ts"

const [threads = "0", script = "own", ...files] = process.argv.slice(2)
const parsed = processingOf({ size: { height: 24, width: 32 } }, "ViTImageProcessor")
if ("problems" in parsed) throw new Error(parsed.problems.join("; "))
const { processing } = parsed
const jobsOf = (epoch: number) => files.map((image, row) => ({ image, where: image, random: { seed: 7, epoch, row } }))

const program = Effect.gen(function* () {
  const pool = yield* imagePool({
    threads: Number(threads),
    script: script === "own" ? undefined : pathToFileURL(script)
  })
  const batches = yield* Stream.fromIterable([0, 1, 2].map(jobsOf)).pipe(
    Stream.mapEffect((jobs) => Effect.result(pool.prepared(jobs, processing, { flip: true, crop: 0.2 })), {
      concurrency: pool.ahead
    }),
    Stream.runCollect
  )
  const digest = createHash("sha256")
  for (const batch of batches) if (Result.isSuccess(batch)) digest.update(new Uint8Array(batch.success.buffer))
  const failures = batches.map((batch) => (Result.isFailure(batch) ? batch.failure.message : null))
  const missing = { image: "no-such.png", where: "row 2" }
  const failed = yield* Effect.flip(pool.prepared([...jobsOf(0).slice(0, 1), missing], processing))
  return { digest: digest.digest("hex"), failures, missing: failed.message }
})

console.log(JSON.stringify(await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(platform)))))
