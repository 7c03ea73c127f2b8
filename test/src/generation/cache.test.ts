/**
 * Attention through the cache against attention over all tokens at once, in numbers: greedy tokens alone would not show a key that a window
 * forgets too early.
 */
import { expect, test } from "bun:test"
import type { Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { keyValueCache } from "../../../src/generation/index.ts"
import { type CausalShape, causalAttention } from "../../../src/kernels/causal-attention.ts"
import { gaussian, randomStream } from "../../../src/tensors/random.ts"
import { describeOnBoth } from "../../backends.ts"
import { expectClose, expectNoLeak, tolerance } from "../../setup.ts"

const [rows, length, heads, keyValueHeads, d] = [3, 30, 4, 2, 6]
const padding = [0, 4, 9]
/** Tokens of the passes: parts of prompts, some shorter than the padding, then one at a time. */
const passes = [5, 3, 7, ...new Array(15).fill(1)]

const random = randomStream(11, "cache")
const numbers = (width: number) => Float32Array.from({ length: rows * length * width }, () => gaussian(random))
const values = { q: numbers(heads * d), k: numbers(keyValueHeads * d), v: numbers(keyValueHeads * d) }

/** Tokens [from, to) of some rows: [rows·(to − from), width] */
const part = (data: Float32Array, from: number, to: number, chosen: ReadonlyArray<number>): Tensor2D => {
  const width = data.length / (rows * length)
  const parts = chosen.map((row) => [...data.subarray((row * length + from) * width, (row * length + to) * width)])
  return tf.tensor2d(parts.flat(), [chosen.length * (to - from), width])
}

const all = [...new Array(rows).keys()]
const shapeOf = (batch: number, window: number | null): CausalShape => ({
  batch,
  heads,
  keyValueHeads,
  scale: 0.4,
  window,
  softcap: null
})

/** Attention [tokens, heads·d] of the row by itself, without its padding. */
const alone = (row: number, window: number | null): ReadonlyArray<number> =>
  tf.tidy(() => {
    const [q, k, v] = [values.q, values.k, values.v].map((x) => part(x, padding[row]!, length, [row]))
    const segments = tf.zeros<tf.Rank.R1>([length - padding[row]!], "int32")
    return [...causalAttention(q!, k!, v!, segments, segments, shapeOf(1, window)).dataSync()]
  })

/** The same through one cache of two layers, of which the second has no window; rows leave as `leaves` says. */
const through = (window: number | null, multiple: number, leaves: Readonly<Record<number, ReadonlyArray<number>>>) => {
  const cache = keyValueCache({ padding, multiple })
  const found = all.map((): [Array<number>, Array<number>] => [[], []])
  let chosen: ReadonlyArray<number> = all
  let at = 0
  for (const count of passes) {
    const stay = leaves[at]
    if (stay !== undefined) {
      cache.choose(stay.map((row) => chosen.indexOf(row)))
      chosen = stay
    }
    tf.tidy(() => {
      const attend = cache.pass(count)
      const [q, k, v] = [values.q, values.k, values.v].map((x) => part(x, at, at + count, chosen))
      for (const [layer, own] of [window, null].entries()) {
        const out = attend(layer, q!, k!, v!, shapeOf(chosen.length, own)).dataSync()
        const each = out.length / chosen.length
        chosen.forEach((row, i) => found[row]![layer]!.push(...out.subarray(i * each, (i + 1) * each)))
      }
    })
    at += count
  }
  expect(cache.length()).toBe(length)
  cache.dispose()
  const width = heads * d
  return found.map((layers, row) => layers.map((own) => own.slice(padding[row]! * width)))
}

describeOnBoth(() => {
  for (const window of [null, 1, 2, 5, 8, 40]) {
    for (const multiple of [1, 4, 16]) {
      test(`window ${window}, sizes of ${multiple}: what all tokens at once give`, () => {
        for (const [row, layers] of through(window, multiple, {}).entries()) {
          expectClose(layers[0]!, alone(row, window), tolerance.forward)
          expectClose(layers[1]!, alone(row, null), tolerance.forward)
        }
      })
    }
  }

  test("rows that leave take nothing with them, and may change places", () => {
    for (const multiple of [1, 8]) {
      const found = through(6, multiple, { 18: [2, 1], 24: [1] })
      for (const [row, until] of [
        [0, 18],
        [2, 24],
        [1, length]
      ] as const) {
        const count = (until - padding[row]!) * heads * d
        for (const [layer, window] of [6, null].entries()) {
          expectClose(found[row]![layer]!, alone(row, window).slice(0, count), tolerance.forward)
        }
      }
    }
  })

  test("what is disposed is gone, after any number of passes", () =>
    expectNoLeak(() => {
      through(5, 4, { 20: [0, 2] })
      keyValueCache({ padding }).dispose()
    }))
})

test("a layer with a window keeps less than twice of what it needs", () => {
  const before = tf.memory().numBytes
  const sizes = [100, 400].map((tokens) => {
    const cache = keyValueCache({ padding: [0] })
    for (let i = 0; i < tokens; i++) {
      tf.tidy(() => {
        const [q, k] = [tf.ones<tf.Rank.R2>([1, 8]), tf.ones<tf.Rank.R2>([1, 4])]
        cache.pass(1)(0, q, k, k, { ...shapeOf(1, 16), heads: 2, keyValueHeads: 1 })
      })
    }
    const bytes = tf.memory().numBytes - before
    cache.dispose()
    return bytes
  })
  // K and V of 30 places at most
  for (const bytes of sizes) expect(bytes).toBeLessThanOrEqual(2 * 30 * 4 * 4)
})
