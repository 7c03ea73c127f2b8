/**
 * Rows written into a buffer of rows where it lies. tfjs has no operation that writes into a tensor, so a list that grows by a row would
 * be copied for each.
 *
 *   into[b, at + i] = fresh[b, i]
 *
 * Shapes: into [batch·places, width], fresh [batch·count, width]; at + count ≤ places.
 */
import type { Tensor2D, Tensor3D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { defineKernel } from "./kernel.ts"
import { programs } from "./webgpu/loaded.ts"

interface Place {
  readonly batch: number
  /** the first row of each batch entry that is written */
  readonly at: number
}

/** No output: it is written in place. The reference cannot, and gives what `into` becomes. */
const kernel = defineKernel<"into" | "fresh", Place>({
  name: "PutRows",
  reference: ({ into, fresh }, { batch, at }) => {
    const width = into.shape[1]!
    const [table, added] = [into, fresh].map((x) => tf.reshape<tf.Rank.R3>(x, [batch, -1, width])) as [
      Tensor3D,
      Tensor3D
    ]
    const behind = at + added.shape[1]
    const parts = [tf.slice(table, [0, 0, 0], [-1, at, -1]), added, tf.slice(table, [0, behind, 0], [-1, -1, -1])]
    return [tf.reshape(tf.concat(parts, 1), into.shape)]
  },
  wasm: ({ into, fresh }, { batch, at }, engine) => {
    const rowBytes = 4 * into.shape[1]!
    const [places, count] = [into.shape[0]! / batch, fresh.shape[0]! / batch]
    const [to, from] = [engine.address(into), engine.address(fresh)]
    for (let b = 0; b < batch; b++) {
      engine.copy(from + b * count * rowBytes, to + (b * places + at) * rowBytes, count * rowBytes)
    }
    return []
  },
  webgpu: (inputs, place, engine) => {
    programs().putRowsOnWebgpu(engine, inputs, place)
    return []
  }
})

/**
 * Writes `fresh` into rows of `into`, both float32. Takes ownership of `into`: the result may be the same tensor, changed, or a new one, so
 * nothing else may hold `into` or a clone of it.
 */
export const putRows = (into: Tensor2D, fresh: Tensor2D, place: Place): Tensor2D => {
  const [replaced] = kernel({ into, fresh }, { ...place })
  if (replaced === undefined) return into
  into.dispose()
  return replaced as Tensor2D
}
