/** Prints how many arrays the heap has at most, over 40,000 small operations beside a tensor of as many bytes as are given. */
import { heapStats } from "bun:jsc"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { openWasm } from "../../src/device/wasm.ts"

const bytes = Number(process.argv[2])

const most = Effect.gen(function* () {
  yield* openWasm({ threads: 1 })
  const large = tf.zeros([bytes / 4])
  const x = tf.zeros([8])
  let arrays = 0
  for (let i = 0; i < 40; i++) {
    for (let k = 0; k < 1000; k++) tf.tidy(() => void tf.add(x, 1))
    arrays = Math.max(arrays, heapStats().objectTypeCounts["Array"] ?? 0)
  }
  tf.dispose([large, x])
  return arrays
})

console.log(await Effect.runPromise(Effect.scoped(most)))
process.exit(0)
