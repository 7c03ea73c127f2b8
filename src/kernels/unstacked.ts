/**
 * The matrices of a stack [n, rows, columns] one by one, as `tf.unstack` has them. tfjs' own on wasm copies the whole stack out of its heap
 * for each of them: half of what an optimizer over stacks of pairs took. Here each is copied once, within the heap.
 */
import type { Tensor2D, Tensor3D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { wasmEngineOf } from "./wasm/engine.ts"

/** Not for what is differentiated. The tensors belong to the caller. */
export const unstacked = (stack: Tensor3D): ReadonlyArray<Tensor2D> => {
  const engine = wasmEngineOf(tf.backend())
  if (engine === undefined) return tf.unstack(stack) as Array<Tensor2D>
  const [n, rows, columns] = stack.shape
  const bytes = 4 * rows * columns
  const from = engine.address(stack)
  return Array.from({ length: n }, (_, i) => {
    const own = engine.output([rows, columns])
    engine.copy(from + i * bytes, engine.address(own), bytes)
    return tf.engine().makeTensorFromTensorInfo(own) as Tensor2D
  })
}
