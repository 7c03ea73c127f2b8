/** Batches of token sequences: what is packed is what is not, every row once an epoch, the same wherever a run starts. */
import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { packed, padRows } from "../../../../src/data/causal/batching.ts"
import {
  type CausalSplit,
  type CausalTrainingBatch,
  type CausalTrainingBatchOptions,
  causalBatchesPerEpoch,
  causalEvaluationBatches,
  causalTrainingBatches
} from "../../../../src/data/causal/index.ts"
import { ignored, type Sequence } from "../../../../src/data/causal/row.ts"
import type { DataError } from "../../../../src/data/data-error.ts"
import { randomStream } from "../../../../src/numbers/random.ts"
import type { CausalRows } from "../../../../src/tensors/rows.ts"
import { failureOf } from "../files.ts"

const padId = 7

/**
 * Rows of 2 to 20 tokens: row r is 1000·(r + 1), 1000·(r + 1) + 1, …, all learned but the first `unlearned` ones. A token tells
 * its row and place, so that batches can be read back.
 */
const splitOf = (
  rows: number,
  {
    tooLong = "drop the end",
    longest = 20,
    unlearned = () => 0
  }: {
    readonly tooLong?: CausalSplit["tooLong"]
    readonly longest?: number
    readonly unlearned?: (row: number) => number
  } = {}
): CausalSplit => {
  const random = randomStream(0, "lengths")
  const lengths = Array.from({ length: rows }, () => 2 + Math.floor(random() * (longest - 1)))
  return {
    rows,
    where: "rows",
    tooLong,
    several: false,
    read: (indices) =>
      Effect.succeed(
        Array.from(indices, (row) => ({ content: { kind: "text", text: String(row) } as const, where: `rows[${row}]` }))
      ),
    encode: (content) => {
      const row = content.kind === "text" ? Number(content.text) : -1
      const ids = Int32Array.from({ length: lengths[row]! }, (_, t) => 1000 * (row + 1) + t)
      const labels = ids.map((id, t) => (t + 1 < ids.length && t >= unlearned(row) ? id + 1 : ignored))
      return [{ ids, labels }]
    }
  }
}

const options = { seed: 3, batchSize: 4, bucketPool: 3, maxLength: 24, packing: false }
const take = (n: number, split: CausalSplit, changes: Partial<CausalTrainingBatchOptions> = {}) =>
  Effect.runPromise(
    Stream.runCollect(Stream.take(causalTrainingBatches(split, { padId }, { ...options, ...changes }), n))
  )

/** The texts of a batch, each as its tokens and labels; checks everything else of the rectangle. */
const textsOf = (batch: CausalRows): ReadonlyArray<{ readonly ids: number[]; readonly labels: number[] }> => {
  const texts: Array<{ ids: number[]; labels: number[] }> = []
  let tokens = 0
  for (let row = 0; row < batch.size; row++) {
    let last = -1
    for (let at = row * batch.length; at < (row + 1) * batch.length; at++) {
      const segment = batch.segments[at]!
      if (segment === -1) {
        expect([batch.inputIds[at], batch.labels[at], batch.positions[at]]).toEqual([padId, ignored, 0])
        last = Number.POSITIVE_INFINITY // only padding may follow
        continue
      }
      if (segment !== last) {
        expect(segment).toBe(last + 1)
        texts.push({ ids: [], labels: [] })
        last = segment
      }
      expect(batch.positions[at]).toBe(texts.at(-1)!.ids.length)
      texts.at(-1)!.ids.push(batch.inputIds[at]!)
      texts.at(-1)!.labels.push(batch.labels[at]!)
      tokens++
    }
  }
  expect(batch.tokens).toBe(tokens)
  return texts
}

const sorted = (batches: ReadonlyArray<CausalRows>) => batches.flatMap(textsOf).sort((a, b) => a.ids[0]! - b.ids[0]!)

/** The batches of an epoch. */
const epochOf = async (split: CausalSplit, epoch: number, changes: Partial<CausalTrainingBatchOptions> = {}) => {
  const stream = causalTrainingBatches(split, { padId }, { ...options, ...changes, start: { epoch, batch: 0 } })
  return Effect.runPromise(Stream.runCollect(Stream.takeWhile(stream, (batch) => batch.epoch === epoch)))
}

/** What the rows say: the texts of a split, in the order of its rows. */
const wanted = (split: CausalSplit, maxLength: number) =>
  Array.from({ length: split.rows }, (_, row) => {
    const [sequence] = split.encode({ kind: "text", text: String(row) }) as ReadonlyArray<Sequence>
    const { ids, labels } = sequence!
    return { ids: [...ids].slice(0, maxLength), labels: [...labels].slice(0, maxLength) }
  })

describe.each([false, true])("packing %p", (packing) => {
  test.each([1, 3, 12, 13, 200])("%i rows: every text once an epoch, with its labels", async (rows) => {
    const split = splitOf(rows)
    for (const epoch of [0, 1]) {
      const batches = await epochOf(split, epoch, { packing })
      expect(sorted(batches)).toEqual(wanted(split, 24))
      const indices = batches.map(({ index }) => index)
      expect(indices).toEqual([...indices].sort((a, b) => a - b))
      expect(new Set(indices).size).toBe(indices.length)
      for (const batch of batches) expect(batch.size).toBeLessThanOrEqual(4)
    }
  })

  test("goes on at any batch as a run that came there", async () => {
    const split = splitOf(61)
    const all = await take(60, split, { packing })
    expect(all.at(-1)!.epoch).toBeGreaterThan(1)
    for (let from = 0; from < 40; from++) {
      const { epoch, index } = all[from]!
      const rest = all.slice(from, from + 8)
      expect(await take(8, split, { packing, start: { epoch, batch: index } })).toEqual(rest)
      // as training says it after a step: behind the batch before
      const before = all[from - 1]
      if (before === undefined) continue
      const start = { epoch: before.epoch, batch: before.index + 1 }
      expect(await take(8, split, { packing, start })).toEqual(rest)
    }
  })

  test("depends on the seed and the epoch", async () => {
    const split = splitOf(60)
    const [first, second] = [await epochOf(split, 0, { packing }), await epochOf(split, 1, { packing })]
    const ids = (batches: ReadonlyArray<CausalTrainingBatch>) => batches.map(({ inputIds }) => [...inputIds])
    expect(ids(second)).not.toEqual(ids(first))
    expect(ids(await epochOf(split, 0, { packing, seed: 4 }))).not.toEqual(ids(first))
    expect(ids(await epochOf(split, 0, { packing }))).toEqual(ids(first))
  })

  test("texts too long lose their end, or go on: then every token but a text's first is asked for once", async () => {
    const cutOff = splitOf(30)
    expect(sorted(await epochOf(cutOff, 0, { packing, maxLength: 8 }))).toEqual(wanted(cutOff, 8))
    const split = splitOf(30, { tooLong: "continue", longest: 60 })
    const texts = sorted(await epochOf(split, 0, { packing, maxLength: 8 }))
    const whole = wanted(split, 1000)
    expect(texts.flatMap(({ labels }) => labels.filter((label) => label !== ignored))).toEqual(
      whole.flatMap(({ ids }) => ids.slice(1))
    )
    expect(texts.every(({ ids }) => ids.length <= 8)).toBe(true)
  })

  test("rows of which nothing is learned are left out; none at all is an error, not a stream without end", async () => {
    const some = splitOf(40, { unlearned: (row) => (row % 3 === 0 ? 99 : 0) })
    const texts = sorted(await epochOf(some, 0, { packing }))
    expect(texts).toEqual(wanted(some, 24).filter((_, row) => row % 3 !== 0))
    const none = causalTrainingBatches(splitOf(40, { unlearned: () => 99 }), { padId }, { ...options, packing })
    expect(await failureOf(Stream.runDrain(none) as Effect.Effect<void, DataError>)).toBe(
      "rows: no row has anything to learn within its first 24 tokens; raise data.maxLength"
    )
  })

  test("an evaluation has every text once, and says which row it is", async () => {
    const split = splitOf(257) // two stretches of 128 rows, and one row
    const stream = causalEvaluationBatches(split, { padId }, { batchSize: 4, maxLength: 24, packing })
    const batches = await Effect.runPromise(Stream.runCollect(stream))
    expect(sorted(batches)).toEqual(wanted(split, 24))
    for (const batch of batches) {
      expect(textsOf(batch).map(({ ids }) => Math.floor(ids[0]! / 1000) - 1)).toEqual(batch.rows.flat())
    }
    const first = causalEvaluationBatches(split, { padId }, { batchSize: 4, maxLength: 24, packing, rows: 9 })
    expect(sorted(await Effect.runPromise(Stream.runCollect(first)))).toEqual(wanted(split, 24).slice(0, 9))
  })

  test("lengths are multiples, up to the longest allowed", async () => {
    for (const batch of await epochOf(splitOf(60), 0, { packing, padMultiple: 16 })) {
      expect([16, 24]).toContain(batch.length)
    }
  })

  test("batches of an epoch are counted over 2,048 rows: exact in a small file, near in a large one", async () => {
    for (const [rows, error] of [
      [1000, 0],
      [9000, packing ? 0.02 : 0]
    ] as const) {
      const split = splitOf(rows)
      const batches = (await epochOf(split, 0, { packing })).length
      const told = await Effect.runPromise(causalBatchesPerEpoch(split, { ...options, packing }))
      expect(Math.abs(told - batches) / batches).toBeLessThanOrEqual(error)
    }
  })
})

test("an epoch puts its rows together otherwise than the one before", async () => {
  const rowsOfFirst = async (epoch: number) => {
    const pool = (await epochOf(splitOf(60), epoch)).slice(0, 3) // the batches of its first pool
    return pool.flatMap((batch) => textsOf(batch).map(({ ids }) => ids[0]!)).sort((a, b) => a - b)
  }
  expect(await rowsOfFirst(1)).not.toEqual(await rowsOfFirst(0))
})

test("unpacked batches number as those of labelled texts do, so an epoch has rows / size of them", async () => {
  const batches = await epochOf(splitOf(41), 0)
  expect(batches.map(({ index }) => index)).toEqual(Array.from({ length: 11 }, (_, i) => i))
})

test("a pool of packed rows is about bucketPool batches, evenly filled", async () => {
  const split = splitOf(4000, { longest: 9 }) // 5.5 tokens on average: four to a row of 24
  const batches = await epochOf(split, 0, { packing: true })
  const pools = Map.groupBy(batches, ({ index }) => Math.floor(index / 2 ** 20))
  expect(pools.size).toBeGreaterThan(50)
  for (const pool of [...pools.values()].slice(0, -1)) {
    expect(pool.length).toBeGreaterThanOrEqual(3)
    expect(pool.length).toBeLessThanOrEqual(4)
    const sizes = pool.map(({ size }) => size)
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
  }
  const padding = batches.reduce((all, { size, length, tokens }) => all + size * length - tokens, 0)
  expect(padding / batches.reduce((all, { size, length }) => all + size * length, 0)).toBeLessThan(0.05)
})

describe("packed", () => {
  const lengths = (count: number, capacity: number) => {
    const random = randomStream(1, count, capacity)
    return Array.from({ length: count }, () => 1 + Math.floor(random() * capacity))
  }
  const identity = (length: number) => length

  test.each([
    [0, 10],
    [1, 10],
    [500, 10],
    [500, 1000]
  ])("%i lengths in rows of %i: all of them, none too full, 11/9 of the least that it takes", (count, capacity) => {
    const items = lengths(count, capacity)
    const rows = packed(items, identity, capacity)
    const sum = (row: ReadonlyArray<number>) => row.reduce((total, one) => total + one, 0)
    expect(rows.flat().sort((a, b) => a - b)).toEqual(items.sort((a, b) => a - b))
    for (const row of rows) expect(sum(row)).toBeLessThanOrEqual(capacity)
    expect(rows.length).toBeLessThanOrEqual(Math.ceil((11 / 9) * Math.ceil(sum(items) / capacity) + 1))
  })

  test("fills gaps exactly where it can", () => {
    expect(packed([3, 7, 5, 5, 9, 1], identity, 10).map((row) => row.toSorted((a, b) => a - b))).toEqual([
      [1, 9],
      [3, 7],
      [5, 5]
    ])
  })
})

test("a row by hand: segments count, positions begin again, padding is −1", () => {
  const part = (ids: number[], labels: number[]) => ({ ids: Int32Array.from(ids), labels: Int32Array.from(labels) })
  const rows = [[part([1, 2, 3], [2, 3, -100]), part([4, 5], [5, -100])], [part([6], [-100])]]
  expect(padRows(rows, { padId: 0, padMultiple: 4, maxLength: 6 })).toEqual({
    size: 2,
    length: 6,
    inputIds: Int32Array.from([1, 2, 3, 4, 5, 0, 6, 0, 0, 0, 0, 0]),
    labels: Int32Array.from([2, 3, -100, 5, -100, -100, -100, -100, -100, -100, -100, -100]),
    segments: Int32Array.from([0, 0, 0, 1, 1, -1, 0, -1, -1, -1, -1, -1]),
    positions: Int32Array.from([0, 1, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0]),
    tokens: 6
  })
})
