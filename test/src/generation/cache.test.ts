/**
 * Attention through the cache against attention over all tokens at once, in numbers: greedy tokens alone would not show a key that a window
 * forgets too early.
 */
import { expect, test } from "bun:test"
import type { Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { type KeyValueCache, keyValueCache } from "../../../src/generation/index.ts"
import { attention } from "../../../src/kernels/attention.ts"
import type { DecoderHeads } from "../../../src/models/causal/decoder.ts"
import { gaussian, randomStream } from "../../../src/numbers/random.ts"
import { describeOn, describeOnBoth, describeOnEach } from "../../backends.ts"
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
const shapeOf = (batch: number, window: number | null): DecoderHeads => ({
  batch,
  heads,
  keyHeads: keyValueHeads,
  scale: 0.4,
  window
})

/** Attention [tokens, heads·d] of the row by itself, without its padding. */
const alone = async (row: number, window: number | null): Promise<ReadonlyArray<number>> => {
  const out = tf.tidy(() => {
    const [q, k, v] = [values.q, values.k, values.v].map((x) => part(x, padding[row]!, length, [row]))
    return attention({ q: q!, k: k!, v: v!, ...shapeOf(1, null), mask: { causal: true, window } })
  })
  const found = [...(await out.data())]
  out.dispose()
  return found
}

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
      test(`window ${window}, sizes of ${multiple}: what all tokens at once give`, async () => {
        for (const [row, layers] of through(window, multiple, {}).entries()) {
          expectClose(layers[0]!, await alone(row, window), tolerance.forward)
          expectClose(layers[1]!, await alone(row, null), tolerance.forward)
        }
      })
    }
  }

  test("rows that leave take nothing with them, and may change places", async () => {
    for (const multiple of [1, 8]) {
      const found = through(6, multiple, { 18: [2, 1], 24: [1] })
      for (const [row, until] of [
        [0, 18],
        [2, 24],
        [1, length]
      ] as const) {
        const count = (until - padding[row]!) * heads * d
        for (const [layer, window] of [6, null].entries()) {
          expectClose(found[row]![layer]!, (await alone(row, window)).slice(0, count), tolerance.forward)
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

/** Passes over tokens [from, to) of row 0 whose values are those of the text, or others; what each layer gave. */
const feed = async (cache: KeyValueCache, sizes: ReadonlyArray<number>, window: number | null, other: boolean) => {
  const found: [Array<number>, Array<number>] = [[], []]
  for (const size of sizes) {
    const outs = tf.tidy(() => {
      const at = cache.length()
      const attend = cache.pass(size)
      const [q, k, v] = [values.q, values.k, values.v].map((x) => {
        const own = part(x, at, at + size, [0])
        return other ? tf.mul<Tensor2D>(own, -3) : own
      })
      return [window, null].map((own, layer) => attend(layer, q!, k!, v!, shapeOf(1, own)))
    })
    for (const [layer, out] of outs.entries()) found[layer]!.push(...(await out.data()))
    tf.dispose(outs)
  }
  return found
}

describeOnEach(() => {
  for (const window of [null, 1, 3, 8]) {
    for (const multiple of [1, 16]) {
      test(`window ${window}, sizes of ${multiple}: what was cut off leaves nothing behind`, async () => {
        const cache = keyValueCache({ padding: [0], multiple })
        expect(cache.cut(0)).toBe(true)
        await feed(cache, [5, 4], window, false)
        // into the middle of a pass, behind single tokens, back to the same place, and to the place where it stands
        await feed(cache, [7, 1, 1, 1], window, true)
        expect(cache.cut(9)).toBe(true)
        await feed(cache, [1, 1, 3], window, true)
        expect(cache.cut(9)).toBe(true)
        await feed(cache, [2, 1, 1], window, false)
        expect(cache.cut(13)).toBe(true)
        const rest = await feed(cache, [1, 1, 1, 9, 1, 1, 1, 1, 1], window, false)
        expect(cache.length()).toBe(length)
        cache.dispose()
        for (const [layer, own] of [window, null].entries()) {
          expectClose(rest[layer]!, (await alone(0, own)).slice(13 * heads * d), tolerance.forward)
        }
      })
    }
  }

  test("what a window has left behind cannot be gone back to, and what it still holds can", async () => {
    const cache = keyValueCache({ padding: [0] })
    await feed(cache, new Array(20).fill(1), 4, false)
    expect(cache.cut(3)).toBe(false)
    // nothing was forgotten by the question
    expect(cache.length()).toBe(20)
    const [last] = await feed(cache, [1], 4, false)
    expectClose(last!, (await alone(0, 4)).slice(20 * heads * d, 21 * heads * d), tolerance.forward)
    expect(cache.cut(21)).toBe(true)
    // from here on everything behind it can be
    await feed(cache, new Array(9).fill(1), 4, true)
    expect(cache.cut(21)).toBe(true)
    const [rest] = await feed(cache, [1, 5, 1, 1, 1], 4, false)
    expectClose(rest!, (await alone(0, 4)).slice(21 * heads * d), tolerance.forward)
    expect(cache.cut(0)).toBe(false)
    cache.dispose()
  })
})

describeOn("wasm", () => {
  test("wherever a cut is granted, what follows is right; at the end it always is, at the beginning it is not", async () => {
    const [tokens, window] = [17, 4]
    const granted: Array<number> = []
    for (let to = 0; to <= tokens; to++) {
      const cache = keyValueCache({ padding: [0] })
      await feed(cache, new Array(tokens).fill(1), window, false)
      if (cache.cut(to)) {
        granted.push(to)
        const [rest] = await feed(cache, new Array(length - to).fill(1), window, false)
        expectClose(rest!, (await alone(0, window)).slice(to * heads * d), tolerance.forward)
      }
      cache.dispose()
    }
    expect(granted.at(-1)).toBe(tokens)
    expect(granted[0]).toBeGreaterThan(0)
    expect(granted.length).toBeLessThan(2 * window)
  })
})

test("what is known to follow has its places from the beginning", () => {
  const bytes = [0, 400].map((ahead) => {
    const before = tf.memory().numBytes
    const cache = keyValueCache({ padding: [0] })
    const used = [100, 200, 200].map((queries) => {
      tf.tidy(() => {
        const [q, k] = [tf.ones<tf.Rank.R2>([queries, 8]), tf.ones<tf.Rank.R2>([queries, 4])]
        cache.pass(queries, cache.length() === 0 ? ahead : 0)(0, q, k, k, {
          ...shapeOf(1, null),
          heads: 2,
          keyHeads: 1
        })
      })
      return (tf.memory().numBytes - before) / 32
    })
    cache.dispose()
    return used
  })
  // in places of K and V; segments of the latest pass beside them, 4 bytes for each key and query
  const segments = (queries: number, keys: number) => (4 * (queries + keys)) / 32
  const passes = [
    [100, 100],
    [200, 300],
    [200, 500]
  ] as const
  const known = passes.map(([queries, keys]) => 600 + (queries === keys ? queries / 8 : segments(queries, keys)))
  expect(bytes[1]).toEqual(known)
  expect(bytes[0]![0]).toBeLessThan(300)
})

test("a layer with a window keeps at most twice of what it needs", () => {
  const before = tf.memory().numBytes
  const sizes = [100, 400].map((tokens) => {
    const cache = keyValueCache({ padding: [0] })
    for (let i = 0; i < tokens; i++) {
      tf.tidy(() => {
        const [q, k] = [tf.ones<tf.Rank.R2>([1, 8]), tf.ones<tf.Rank.R2>([1, 4])]
        cache.pass(1)(0, q, k, k, { ...shapeOf(1, 16), heads: 2, keyHeads: 1 })
      })
    }
    const bytes = tf.memory().numBytes - before
    cache.dispose()
    return bytes
  })
  // K and V of 32 places at most, and a segment of each and of the query
  for (const bytes of sizes) expect(bytes).toBeLessThanOrEqual(2 * 32 * 4 * 4 + 33 * 4)
})
