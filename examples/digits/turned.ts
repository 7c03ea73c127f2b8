/**
 * What README's few lines begin with: a `tf.LayersModel` that knows upright digits, compiled, and digits turned by 90° as tensors, 2,000 to
 * learn from and 2,400 to test on. tfjs computes on wasm from the import on.
 */
import { install } from "../../src/device/bun.ts"
import { taskOf, tensorsOf } from "./images.ts"
import { openBase } from "./network.ts"

await install("wasm")
const { train, test } = taskOf("turned")

export const model = await openBase()
model.compile({ optimizer: "sgd", loss: "sparseCategoricalCrossentropy", metrics: ["acc"] })

/** Images [2000, 28, 28, 1] with grey values from 0 to 1, and their digits [2000]. */
export const { x, y } = tensorsOf(train)
/** [2400, 28, 28, 1] and [2400]. */
export const { x: xTest, y: yTest } = tensorsOf(test)
