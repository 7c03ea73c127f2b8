import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { batch, classification, fromRows, lengthPercentiles, tokenize } from "../../../src/data/index.ts"
import { failureOf, temporaryFiles } from "./files.ts"
import { words } from "./words.ts"

const { jsonlOf } = temporaryFiles()

const rows = Array.from({ length: 1100 }, (_, row) => ({
  text: ["x".repeat(row + 1), ...new Array<string>((row * 7) % 13).fill("a")].join(" "),
  label: row % 2 === 0 ? "even" : "odd"
}))
const path = jsonlOf(rows)
const labels = ["even", "odd"]
const collect = <A, E>(stream: Stream.Stream<A, E>) => Effect.runPromise(Stream.runCollect(stream))

test("classification: the file's rows in order, and the file closed afterwards", async () => {
  const found = await collect(classification(path))
  expect(found.map(({ text, label }) => ({ text, label }))).toEqual(rows)
})

test("classification | tokenize | batch: every row once, in an order by the seed", async () => {
  const batches = (seed: number) =>
    collect(classification(path).pipe(tokenize(words, { maxLength: 32, labels }), batch({ size: 16, seed })))
  const numbers = (all: Awaited<ReturnType<typeof batches>>) =>
    all.flatMap((one) => Array.from({ length: one.size }, (_, i) => one.inputIds[i * one.length + 1]! - 3))
  const first = await batches(0)
  expect(first).toHaveLength(Math.ceil(1100 / 16))
  expect(numbers(first).toSorted((a, b) => a - b)).toEqual([...rows.keys()])
  expect(await batches(0)).toEqual(first)
  expect(numbers(await batches(1))).not.toEqual(numbers(first))
})

test("batch: rows of equal length meet in other batches with another seed", async () => {
  const examples = Array.from({ length: 64 }, (_, row) => ({ ids: [1, row, 2], typeIds: [0, 0, 0], label: 0 }))
  const members = async (seed: number) => {
    const batches = await collect(Stream.fromIterable(examples).pipe(batch({ size: 8, seed })))
    return new Set(batches.map((one) => [...one.inputIds].toSorted((a, b) => a - b).join()))
  }
  expect(await members(1)).not.toEqual(await members(0))
})

test("tokenize fails on an unknown label with its place", async () => {
  const stream = classification(path).pipe(tokenize(words, { maxLength: 32, labels: ["even", "add"] }))
  expect(await failureOf(Stream.runDrain(stream))).toBe(
    'rows.jsonl:2: the label "odd" is not among the classes "even", "add"; did you mean "add"?'
  )
})

test("lengthPercentiles: nearest ranks over evenly spaced rows", async () => {
  // lengths 3 … 102: n words and two special tokens
  const source = fromRows(
    Array.from({ length: 100 }, (_, i) => ({ text: new Array(i + 1).fill("a").join(" "), label: "a" }))
  )
  const measure = (sample?: number) => Effect.runPromise(lengthPercentiles(source, words.encode, 92, sample))
  expect(await measure()).toEqual({ sample: 100, p50: 52, p95: 97, max: 102, truncated: 0.1, mean: 51.95 })
  expect(await measure(4)).toEqual({ sample: 4, p50: 28, p95: 78, max: 78, truncated: 0, mean: 40.5 })
})
