/** Rows are written where they belong and nowhere else, in place on wasm and webgpu, in a new tensor elsewhere. */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { putRows } from "../../../src/kernels/put-rows.ts"
import { describeOnEach } from "../../backends.ts"
import { expectNoLeak } from "../../setup.ts"
import { normals } from "./float64.ts"

const cases = [
  { batch: 1, places: 7, count: 1, at: 6, width: 12 },
  { batch: 1, places: 7, count: 7, at: 0, width: 5 },
  { batch: 3, places: 40, count: 2, at: 0, width: 8 },
  { batch: 2, places: 9, count: 3, at: 4, width: 7 },
  { batch: 4, places: 600, count: 130, at: 333, width: 64 }
]

/** Plain loops over the definition. */
const expected = (into: Float32Array, fresh: Float32Array, { batch, places, count, at, width }: (typeof cases)[0]) => {
  const out = into.slice()
  for (let b = 0; b < batch; b++)
    for (let i = 0; i < count; i++)
      for (let c = 0; c < width; c++) {
        out[(b * places + at + i) * width + c] = fresh[(b * count + i) * width + c]!
      }
  return out
}

describeOnEach((backend) => {
  for (const own of cases) {
    test(`${JSON.stringify(own)}`, async () => {
      const { batch, places, count, width } = own
      const [old, added] = [normals(batch * places * width, "into"), normals(batch * count * width, "fresh")]
      const [host, fresh] = [Float32Array.from(old), Float32Array.from(added)]
      // computed, so that it lies on the device
      const into = tf.tidy(() => tf.add<tf.Tensor2D>(tf.tensor2d(host, [batch * places, width]), 0))
      const rows = tf.tensor2d(fresh, [batch * count, width])
      const out = putRows(into, rows, own)
      expect(out === into).toBe(backend !== "cpu")
      expect(out.shape).toEqual([batch * places, width])
      expect(Float32Array.from(await out.data())).toEqual(expected(host, fresh, own))
      expect(Float32Array.from(await rows.data())).toEqual(fresh)
      tf.dispose([out, rows])
    })
  }

  for (const rows of [[4, 0, 8, 2], [3, 5, 7, 1, 9], [6]]) {
    test(`groups of two rows at ${rows.join(", ")}`, async () => {
      const [old, added] = [normals(11 * 8, "into"), normals(rows.length * 2 * 8, "fresh")].map((x) =>
        Float32Array.from(x)
      )
      const into = tf.tidy(() => tf.add<tf.Tensor2D>(tf.tensor2d(old!, [11, 8]), 0))
      const fresh = tf.tensor2d(added!, [rows.length * 2, 8])
      const out = putRows(into, fresh, { rows })
      const expected = old!.slice()
      for (const [group, row] of rows.entries()) expected.set(added!.subarray(group * 16, group * 16 + 16), row * 8)
      expect(Float32Array.from(await out.data())).toEqual(expected)
      tf.dispose([out, fresh])
    })
  }

  test("one tensor goes in and one comes out", () =>
    expectNoLeak(() => {
      const fresh = tf.ones<tf.Rank.R2>([1, 4])
      const once = putRows(tf.zeros([3, 4]), fresh, { batch: 1, at: 1 })
      putRows(once, fresh, { batch: 1, at: 2 }).dispose()
      fresh.dispose()
    }))
})
