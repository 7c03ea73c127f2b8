/**
 * NaN in the free memory of the wasm heap, where tensors and scratch made next will lie: whoever reads beyond what is his, or adds to
 * what nobody wrote, gets it.
 */
import * as tf from "@tensorflow/tfjs"

export const poisonHeap = (): void => {
  const large = tf.fill([1 << 21], Number.NaN)
  const small = Array.from({ length: 500 }, (_, i) => tf.fill([1 + i], Number.NaN))
  tf.dispose([large, ...small])
}
