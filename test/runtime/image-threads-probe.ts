/** Makes images ready on a number of threads and prints what became of them. Ends by itself: nothing here ends it. */
import { createHash } from "node:crypto"
import * as NodeFileSystem from "@effect/platform-node-shared/NodeFileSystem"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { imagePool, processingOf } from "../../src/images/index.ts"

const [threads = "0", ...files] = process.argv.slice(2)
const parsed = processingOf({ size: { height: 24, width: 32 } }, "ViTImageProcessor")
if ("problems" in parsed) throw new Error(parsed.problems.join("; "))
const augmentation = { flip: true, crop: 0.2 }
const batches = [0, 1, 2].map((epoch) =>
  files.map((image, row) => ({ image, where: image, random: { seed: 7, epoch, row } }))
)

const program = Effect.gen(function* () {
  const pool = yield* imagePool({ threads: Number(threads) })
  const made = yield* Stream.fromIterable(batches).pipe(
    Stream.mapEffect((jobs) => pool.prepared(jobs, parsed.processing, augmentation), { concurrency: pool.ahead }),
    Stream.runCollect
  )
  const digest = createHash("sha256")
  for (const numbers of made) digest.update(new Uint8Array(numbers.buffer))
  const missing = yield* Effect.flip(
    pool.prepared(
      [
        { image: files[0]!, where: "first" },
        { image: "no-such.png", where: "row 2" }
      ],
      parsed.processing
    )
  )
  return { digest: digest.digest("hex"), batches: made.length, missing: missing.message }
})
console.log(JSON.stringify(await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer)))))
