/** A program with tfjs's own wasm backend, opened by itself, that adapts a model; prints what came of it as JSON. */
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import * as tf from "@tensorflow/tfjs"
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm"
import { adapt } from "../../../src/layers-model/index.ts"
import { convnet, numbers, uniform } from "./networks.ts"

setWasmPaths(`${dirname(fileURLToPath(import.meta.resolve("@tensorflow/tfjs-backend-wasm")))}/`)
await tf.setBackend("wasm")

const far = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): number =>
  Math.max(...a.map((value, i) => Math.abs(value - b[i]!))) / Math.max(...b.map(Math.abs))

const model = convnet()
const adapted = await adapt(model, { rank: 2 })
const x = uniform([6, 8, 8, 3], 2)
const y = tf.oneHot(tf.tensor1d([0, 1, 2, 3, 0, 1], "int32"), 4)
const start = far(await numbers(adapted.predict(x)), await numbers(model.predict(x) as tf.Tensor))
const { history } = await adapted.fit(x, y, { loss: "categoricalCrossentropy", epochs: 4 })
const losses = history["loss"] as ReadonlyArray<number>
const merged = await adapted.model()
console.log(
  JSON.stringify({
    backend: tf.getBackend(),
    start,
    learned: losses.at(-1)! < losses[0]!,
    merged: far(await numbers(merged.predict(x) as tf.Tensor), await numbers(adapted.predict(x)))
  })
)
