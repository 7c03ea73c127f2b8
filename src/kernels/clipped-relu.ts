/**
 * ReLU up to a value, as mobile networks have it (ReLU6).
 *
 *   y = min(max(x, 0), most)      dx = dy where 0 < x ≤ most, else 0
 *
 * A kernel since tfjs takes the gradient apart into comparisons of whole tensors: nearly half of a MobileNet block's
 * step on wasm.
 */
import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { atMost, both, greater, where } from "./expression/expression.ts"
import { elementwise } from "./expression/kernel.ts"
import { defineKernel } from "./kernel.ts"

const backward = defineKernel(
  elementwise({
    name: "clippedReluBackward",
    reads: ["x", "dy"],
    words: { most: "f32" },
    cost: 2,
    body: ({ x, dy, most }) => ({ dx: where(both(greater(x, 0), atMost(x, most)), dy) })
  })
)

const kernel = defineKernel<"x", { readonly most: number }>({
  name: "ClippedRelu",
  reference: ({ x }, { most }) => [tf.clipByValue(x, 0, most)],
  inputsToSave: ["x"],
  gradient: ([dy], [x], attributes) => ({ x: () => backward({ x: x!, dy: dy! }, attributes)[0]! })
})

/** Computes min(max(x, 0), most) for x of any shape; gradient for x. */
export const clippedRelu = (x: Tensor, most: number): Tensor => kernel({ x }, { most })[0]!
