/**
 * Rows written into a buffer of rows where it lies. tfjs has no operation that writes into a tensor, so a list that grows by a row would
 * be copied for each.
 *
 *   into[rows[b] + i] = fresh[b, i]
 *
 * Shapes: into [places, width], fresh [batch·count, width]; the groups of `count` rows do not overlap.
 */
import type { Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { defineKernel } from "./kernel.ts"
import { programs } from "./webgpu/loaded.ts"

interface Place {
  /** number of groups of rows; they have equal shares of `into` */
  readonly batch: number
  /** first row of each group within its share */
  readonly at: number
}

interface Rows {
  /** first row in `into` of each group */
  readonly rows: ReadonlyArray<number>
}

/** No output: it is written in place. The reference cannot, and gives what `into` becomes. */
const kernel = defineKernel<"into" | "fresh", Rows>({
  name: "PutRows",
  reference: ({ into, fresh }, { rows }) => {
    const [table, added] = [into as Tensor2D, fresh as Tensor2D]
    const count = added.shape[0] / rows.length
    let end = 0
    const parts: Array<Tensor2D> = []
    for (const [group, row] of [...rows.entries()].sort(([, a], [, b]) => a - b)) {
      parts.push(tf.slice(table, [end, 0], [row - end, -1]), tf.slice(added, [group * count, 0], [count, -1]))
      end = row + count
    }
    return [tf.concat([...parts, tf.slice(table, [end, 0])], 0)]
  },
  wasm: ({ into, fresh }, { rows }, engine) => {
    const rowBytes = 4 * into.shape[1]!
    const count = fresh.shape[0]! / rows.length
    const [to, from] = [engine.address(into), engine.address(fresh)]
    for (const [group, row] of rows.entries())
      engine.copy(from + group * count * rowBytes, to + row * rowBytes, count * rowBytes)
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
export const putRows = (into: Tensor2D, fresh: Tensor2D, place: Place | Rows): Tensor2D => {
  const rows =
    "rows" in place
      ? place.rows
      : Array.from({ length: place.batch }, (_, b) => (b * into.shape[0]) / place.batch + place.at)
  const [replaced] = kernel({ into, fresh }, { rows })
  if (replaced === undefined) return into
  into.dispose()
  return replaced as Tensor2D
}
