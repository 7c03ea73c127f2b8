/**
 * Run in a process of its own, by Bun or Deno: opens wasm with the threads of argument 1, computes products of every kind with
 * their gradients, prints a digest of all bits, closes the device and leaves the rest to the event loop: a process that ends
 * has no worker left. Argument 2: "fused" allows fused multiply-adds, "native" takes
 * the machine code of this platform. Arguments 3 and 4: another worker script, and its time to
 * start in ms.
 */
import { createHash } from "node:crypto"
import process from "node:process"
import { fileURLToPath } from "node:url"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { openWasm } from "../../src/device/wasm.ts"
import { libraryFile } from "../../src/kernels/wasm/index.ts"
import { random, tensorOf } from "../src/device/on-wasm.ts"

const [threads = "1", kernels = "plain", workerScript, startTimeout] = process.argv.slice(2)

const results = (): Array<tf.Tensor> => {
  const next = random(1)
  const [x, W, dY] = [tensorOf([515, 130], next), tensorOf([257, 130], next) as tf.Tensor2D, tensorOf([515, 257], next)]
  const [A, h] = [tensorOf([8, 130], next), tensorOf([515, 8], next)]
  const [q, k] = [tensorOf([6, 70, 33], next), tensorOf([6, 70, 33], next)]
  const products = [
    tf.matMul(x, W, false, true),
    tf.matMul(dY, W),
    tf.matMul(dY, x, true),
    tf.matMul(h, x, true),
    tf.matMul(x, A, false, true),
    tf.matMul(q, k, false, true),
    tf.matMul(q, k, true)
  ]
  const attention = (q: tf.Tensor, k: tf.Tensor) => tf.sum(tf.square(tf.softmax(tf.matMul(q, k, false, true))))
  return [...products, ...tf.grads(attention)([q, k])]
}

const program = Effect.gen(function* () {
  const opened = yield* openWasm({
    threads: Number(threads),
    deterministic: kernels !== "fused",
    ...(kernels === "native" ? { native: fileURLToPath(libraryFile()) } : {}),
    ...(workerScript === undefined ? {} : { workerScript }),
    ...(startTimeout === undefined ? {} : { startTimeout: Number(startTimeout) })
  })
  const hash = createHash("sha256")
  for (const tensor of results()) hash.update(new Uint8Array((yield* Effect.promise(() => tensor.data())).buffer))
  console.log(JSON.stringify({ threads: opened.threads, notice: opened.notice, digest: hash.digest("hex") }))
})

await Effect.runPromise(Effect.scoped(program))
