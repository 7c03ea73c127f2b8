import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { DataError } from "../../../src/data/data-error.ts"
import { batchesPerEpoch, type TrainingBatch, trainingBatches } from "../../../src/data/index.ts"
import { classificationSplit, fromRows } from "../../../src/data/source.ts"
import { randomStream } from "../../../src/numbers/random.ts"
import { failureOf } from "./files.ts"
import { words } from "./words.ts"

/** Rows of 1 to 20 words; the first word's length (1…) numbers the row, so that a batch tells which rows it holds. */
const splitOf = (rows: number) => {
  const random = randomStream(0, "texts")
  const texts = Array.from({ length: rows }, (_, row) => ({
    text: ["x".repeat(row + 1), ...new Array<string>(Math.floor(random() * 20)).fill("a")].join(" "),
    label: row % 2 === 0 ? "even" : "odd"
  }))
  return classificationSplit(fromRows(texts), ["even", "odd"])
}

const rowsOf = (batch: TrainingBatch) =>
  Array.from({ length: batch.size }, (_, i) => batch.inputIds[i * batch.length + 1]! - 3)

const options = { seed: 3, batchSize: 4, bucketPool: 3, maxLength: 64 }
const take = (n: number, stream: Stream.Stream<TrainingBatch, DataError>) =>
  Effect.runPromise(Stream.runCollect(Stream.take(stream, n)))

describe("trainingBatches", () => {
  test.each([1, 3, 4, 5, 11, 12, 13, 40, 41])("%i rows: every row once an epoch, batches numbered", async (rows) => {
    const perEpoch = batchesPerEpoch(rows, 4)
    const batches = await take(2 * perEpoch, trainingBatches(splitOf(rows), words, options))
    for (const epoch of [0, 1]) {
      const own = batches.slice(epoch * perEpoch, (epoch + 1) * perEpoch)
      expect(own.map((batch) => [batch.epoch, batch.index])).toEqual(own.map((_, i) => [epoch, i]))
      expect(own.flatMap(rowsOf).sort((a, b) => a - b)).toEqual(Array.from({ length: rows }, (_, i) => i))
      for (const batch of own) expect([...batch.labels]).toEqual(rowsOf(batch).map((row) => row % 2))
    }
  })

  test("resumes at any batch with the same batches", async () => {
    const split = splitOf(41) // 11 batches an epoch: pools of 3, 3, 3 and 2
    const all = await take(33, trainingBatches(split, words, options))
    for (let from = 0; from < 22; from++) {
      const start = { epoch: Math.floor(from / 11), batch: from % 11 }
      expect(await take(11, trainingBatches(split, words, { ...options, start }))).toEqual(all.slice(from, from + 11))
    }
    const end = { epoch: 0, batch: 11 } // as a run that stopped after an epoch's last batch may say it
    expect(await take(5, trainingBatches(split, words, { ...options, start: end }))).toEqual(all.slice(11, 16))
  })

  test("depends on the seed and differs from epoch to epoch", async () => {
    const split = splitOf(40)
    const first = (await take(20, trainingBatches(split, words, options))).map(rowsOf)
    const other = (await take(20, trainingBatches(split, words, { ...options, seed: 4 }))).map(rowsOf)
    expect(other).not.toEqual(first)
    expect(first.slice(10)).not.toEqual(first.slice(0, 10))
  })

  test("the same batches of a pool come in another order in another epoch", async () => {
    const texts = Array.from({ length: 12 }, (_, row) => ({
      text: new Array(row + 1).fill("a").join(" "),
      label: "odd"
    }))
    const split = classificationSplit(fromRows(texts), ["even", "odd"]) // one pool of three batches, whatever the epoch
    const batches = await take(60, trainingBatches(split, words, options))
    const orders = Array.from({ length: 20 }, (_, i) =>
      batches
        .slice(3 * i, 3 * i + 3)
        .map((batch) => batch.length)
        .join()
    )
    expect(new Set(orders).size).toBe(6) // 20 draws miss one of six orders with a probability of 15 %: fixed by the seed
  })

  test("buckets: within a pool no batch's lengths overlap another's, and the batches are shuffled", async () => {
    const split = splitOf(120)
    const pools = (await take(30, trainingBatches(split, words, options))).reduce<Array<Array<TrainingBatch>>>(
      (pools, batch) => {
        if (batch.index % 3 === 0) pools.push([])
        pools.at(-1)!.push(batch)
        return pools
      },
      []
    )
    const lengths = (batch: TrainingBatch) =>
      Array.from({ length: batch.size }, (_, i) =>
        batch.attentionMask.subarray(i * batch.length, (i + 1) * batch.length).reduce((sum, one) => sum + one, 0)
      )
    for (const pool of pools) {
      const sorted = pool.toSorted((a, b) => Math.max(...lengths(a)) - Math.max(...lengths(b)))
      for (const [i, batch] of sorted.slice(1).entries()) {
        expect(Math.min(...lengths(batch))).toBeGreaterThanOrEqual(Math.max(...lengths(sorted[i]!)))
      }
    }
    // Ten pools of three batches: all ten sorted by length would have a probability of 6⁻¹⁰.
    expect(pools.some((pool) => pool[0]!.length > pool[2]!.length)).toBe(true)
    expect(pools.some((pool) => pool[0]!.length < pool[2]!.length)).toBe(true)
  })

  test("batches come out padded to the multiple, cut at maxLength", async () => {
    const batches = await take(10, trainingBatches(splitOf(40), words, { ...options, maxLength: 12, padMultiple: 8 }))
    expect(new Set(batches.map((batch) => batch.length))).toEqual(new Set([8, 12]))
  })

  test("a label that is no class fails with its place", async () => {
    const split = classificationSplit(fromRows([{ text: "a", label: "evn" }]), ["even", "odd"])
    expect(await failureOf(Stream.runDrain(trainingBatches(split, words, options)))).toBe(
      'rows[0]: the label "evn" is not among the classes "even", "odd"; did you mean "even"?'
    )
  })
})
