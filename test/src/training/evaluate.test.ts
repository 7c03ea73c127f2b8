/** Evaluation of a classifier whose probabilities are known: every number by hand. */
import { afterAll, beforeAll, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type Adapted, none } from "../../../adapters/index.ts"
import type { Batch } from "../../../src/data/index.ts"
import { evaluate, logitsOf, type ScoredBatch } from "../../../src/training/index.ts"
import { toyModel } from "../../adapters/toy-model.ts"
import { expectNoLeak } from "../../setup.ts"

/** Class probabilities of five rows; their true classes are a, a, b, c, a. No row is of class d, one is taken for it; e is in nothing. */
const probabilities = [
  [0.5, 0.25, 0.125, 0.0625, 0.0625],
  [0.25, 0.5, 0.125, 0.0625, 0.0625],
  [0.25, 0.5, 0.125, 0.0625, 0.0625],
  [0.0625, 0.0625, 0.25, 0.5, 0.125],
  [0.5, 0.25, 0.125, 0.0625, 0.0625]
]
const truth = [0, 0, 1, 2, 0]
const labels = ["a", "b", "c", "d", "e"]

let toy: ReturnType<typeof toyModel>
beforeAll(async () => {
  await tf.setBackend("cpu")
  toy = toyModel()
})
afterAll(() => toy.dispose())

/** Answers every row, known by its one token, with the given logits. */
const answering = (logits: ReadonlyArray<ReadonlyArray<number>>): Adapted => ({
  model: { ...toy.model, labels: logits[0]!.map((_, i) => labels[i]!) },
  method: none as Adapted["method"],
  sites: [],
  selected: { sites: [], parameters: [] },
  trainable: { pairs: [], dense: [] },
  variables: () => [],
  parts: () => [],
  penalty: null,
  optimizer: (inner) => Effect.succeed(inner),
  forward: ({ inputIds }) =>
    tf.gather(tf.tensor2d(logits.flat(), [logits.length, logits[0]!.length]), tf.squeeze(inputIds, [1])),
  merged: () => tf.zeros([1, 1])
})

const batch = (rows: ReadonlyArray<number>, labelsOf: ReadonlyArray<number> = truth): Batch => ({
  size: rows.length,
  length: 1,
  inputIds: Int32Array.from(rows),
  tokenTypeIds: new Int32Array(rows.length),
  attentionMask: new Float32Array(rows.length).fill(1),
  labels: Int32Array.from(rows, (row) => labelsOf[row]!),
  tokens: rows.length
})

const known = () => answering(probabilities.map((row) => row.map(Math.log)))

// a logarithm as float32 holds it
const FLOAT32 = 1e-7

test("loss, accuracy, macro-F1 and confusion by hand; a class without rows counts", async () => {
  const heard: Array<number> = []
  const onBatch = (rows: number) => Effect.sync(() => void heard.push(rows))
  const result = await Effect.runPromise(evaluate(known(), onBatch)(Stream.make(batch([0, 1]), batch([2, 3, 4]))))
  expect(result.rows).toBe(5)
  expect(heard).toEqual([2, 5])
  expect(result.confusion).toEqual([
    [2, 1, 0, 0, 0],
    [0, 1, 0, 0, 0],
    [0, 0, 0, 1, 0],
    [0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0]
  ])
  expect(result.accuracy).toBe(3 / 5)
  // F1 of a: 2·2/(3 + 2), of b: 2·1/(1 + 2), of c, d and e: 0
  expect(result.macroF1).toBeCloseTo((4 / 5 + 2 / 3) / 5, 15)
  // −log p(true): log 2 three times, log 4 twice
  expect(Math.abs(result.loss - (7 * Math.log(2)) / 5)).toBeLessThan(FLOAT32)
})

test("the listener hears every row's class, with its probability", async () => {
  const heard: Array<ReadonlyArray<number>> = []
  const onBatch = (_: number, { predicted, probabilities: sure }: ScoredBatch) =>
    Effect.sync(() => heard.push(...Array.from(predicted, (predicted, i) => [predicted, sure[i]!]))).pipe(Effect.asVoid)
  await Effect.runPromise(evaluate(known(), onBatch)(Stream.make(batch([0, 1]), batch([2, 3, 4]))))
  expect(heard.map(([predicted]) => predicted)).toEqual([0, 1, 1, 3, 0])
  for (const [, probability] of heard) expect(Math.abs(probability! - 0.5)).toBeLessThan(FLOAT32)
})

test("the mean is over rows, however they are cut into batches", async () => {
  const cut = (...parts: ReadonlyArray<ReadonlyArray<number>>) =>
    Effect.runPromise(evaluate(known())(Stream.fromIterable(parts.map((rows) => batch(rows)))))
  const whole = await cut([0, 1, 2, 3, 4])
  expect(await cut([0], [1, 2, 3], [4])).toEqual(whole)
})

test("equal logits are the first class; huge ones are no overflow", async () => {
  const adapted = answering([
    [0, 0],
    [5000, -5000]
  ])
  const result = await Effect.runPromise(evaluate(adapted)(Stream.make(batch([0, 1], [1, 0]))))
  expect(result.confusion).toEqual([
    [1, 0],
    [1, 0]
  ])
  expect(result.loss).toBeCloseTo(Math.log(2) / 2, 12)
})

test("logitsOf gives the rows' logits; nothing stays on the device", async () => {
  const adapted = known()
  const program = logitsOf(adapted, batch([4, 0]))
  const expected = [probabilities[4]!, probabilities[0]!].flat().map((p) => Math.fround(Math.log(p)))
  expect([...(await Effect.runPromise(program))]).toEqual(expected)
  await expectNoLeak(() => Effect.runPromise(program))
  await expectNoLeak(() => Effect.runPromise(evaluate(adapted)(Stream.make(batch([0, 1])))))
})
