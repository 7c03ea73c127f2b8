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
import { defineKernel } from "./kernel.ts"
import { chunksOf } from "./wasm/chunks.ts"
import { floatBits } from "./wasm/engine.ts"

interface Attributes {
  readonly most: number
}

/** Cost of an element, in multiplications: it waits for memory. */
const COST = 2

const backward = defineKernel<"x" | "dy", Attributes>({
  name: "ClippedReluBackward",
  reference: ({ x, dy }, { most }) => [
    tf.where(tf.logicalAnd(tf.greater(x, 0), tf.lessEqual(x, most)), dy, tf.zerosLike(dy))
  ],
  wasm: ({ x, dy }, { most }, engine) => {
    const dx = engine.output(x.shape)
    const size = tf.util.sizeFromShape(x.shape)
    const [perChunk, chunks] = chunksOf(size, COST, 4)
    engine.runWords(
      "clippedReluBackward",
      [...[x, dy, dx].map(engine.address), size, perChunk, floatBits(most)],
      chunks
    )
    return [dx]
  },
  inputsToSave: []
})

const kernel = defineKernel<"x", Attributes>({
  name: "ClippedRelu",
  reference: ({ x }, { most }) => [tf.clipByValue(x, 0, most)],
  inputsToSave: ["x"],
  gradient: ([dy], [x], attributes) => ({ x: () => backward({ x: x!, dy: dy! }, attributes)[0]! })
})

/** x of any shape; gradient for x. */
export const clippedRelu = (x: Tensor, most: number): Tensor => kernel({ x }, { most })[0]!
