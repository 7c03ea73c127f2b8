/** Buckets of distances against transformers', and biases against a loop over them. */
import { expect, test } from "bun:test"
import { join } from "node:path"
import * as tf from "@tensorflow/tfjs"
import { type Buckets, bucketOf, relativeBias } from "../../../../src/models/seq2seq/relative-positions.ts"
import { goldens } from "../golden.ts"

const cases: ReadonlyArray<Buckets & { readonly changes: ReadonlyArray<readonly [number, number]> }> = await Bun.file(
  join(goldens, "seq2seq/buckets.json")
).json()

test("each distance is in the bucket that transformers puts it in, on the borders too", () => {
  expect(cases.length).toBeGreaterThan(0)
  for (const { changes, ...buckets } of cases) {
    const own: Array<readonly [number, number]> = []
    for (let distance = -2000; distance <= 2000; distance++) {
      const bucket = bucketOf(distance, buckets)
      if (bucket !== own.at(-1)?.[1]) own.push([distance, bucket])
    }
    expect(own).toEqual([...changes])
  }
})

test("queries that begin later have the biases of their places", async () => {
  await tf.setBackend("cpu")
  const buckets = { count: 8, maxDistance: 20, bothWays: false }
  const table = tf.tensor2d(
    Array.from({ length: 8 * 3 }, (_, i) => i),
    [8, 3]
  )
  const bias = relativeBias(table, buckets, { queries: 2, keys: 7, from: 5 })
  expect(bias.shape).toEqual([3, 2, 7])
  const expected = [0, 1, 2].flatMap((head) =>
    [5, 6].flatMap((query) => Array.from({ length: 7 }, (_, key) => 3 * bucketOf(key - query, buckets) + head))
  )
  expect([...(await bias.data())]).toEqual(expected)
})
