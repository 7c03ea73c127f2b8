/** The list of mistakes, on rows whose predictions are given. */
import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { classificationSplit, type EvaluationBatch, fromRows } from "../../../src/data/index.ts"
import { keepMistakes, type ScoredBatch, wrongRows } from "../../../src/training/index.ts"

const labels = ["no", "yes"]

/** A batch of rows, each [row, true class, predicted class, probability]. */
const scored = (...rows: ReadonlyArray<readonly [number, number, number, number]>): ScoredBatch<EvaluationBatch> => ({
  batch: {
    size: rows.length,
    length: 1,
    tokens: rows.length,
    inputIds: new Int32Array(rows.length),
    tokenTypeIds: new Int32Array(rows.length),
    attentionMask: new Float32Array(rows.length),
    labels: Int32Array.from(rows, ([, label]) => label),
    rows: Uint32Array.from(rows, ([row]) => row)
  },
  predicted: Int32Array.from(rows, ([, , predicted]) => predicted),
  probabilities: Float64Array.from(rows, ([, , , probability]) => probability)
})

const source = (texts: ReadonlyArray<readonly [string, string]>) =>
  classificationSplit(
    fromRows(
      texts.map(([text, label]) => ({ text, label })),
      "rows"
    ),
    labels
  )

test("the most confident mistakes over all batches, equal ones in the order of the rows", async () => {
  const split = source([
    ["a", "no"],
    ["b", "yes"],
    ["c", "no"],
    ["d", "yes"],
    ["e", "no"]
  ])
  const kept = keepMistakes(split, 3)
  kept.add(wrongRows(scored([4, 0, 1, 0.75], [1, 1, 1, 0.99], [3, 1, 0, 0.625]), labels))
  kept.add(wrongRows(scored([2, 0, 1, 0.75], [0, 0, 1, 0.875]), labels))
  const found = await Effect.runPromise(kept.read)
  expect(found).toEqual([
    { where: "rows[0]", text: "a", label: "no", predicted: "yes", probability: 0.875 },
    { where: "rows[2]", text: "c", label: "no", predicted: "yes", probability: 0.75 },
    { where: "rows[4]", text: "e", label: "no", predicted: "yes", probability: 0.75 }
  ])
})

test("no mistakes, no rows read", async () => {
  const split = { ...source([["a", "no"]]), read: () => Effect.succeed([]) }
  const kept = keepMistakes(split, 3)
  kept.add(wrongRows(scored([0, 0, 0, 0.5]), labels))
  expect(await Effect.runPromise(kept.read)).toEqual([])
})

test("a long text is shortened to 500 characters, never within one", async () => {
  const short = "😀".repeat(500)
  const kept = keepMistakes(
    source([
      [short, "no"],
      [`${short}b`, "no"]
    ]),
    3
  )
  kept.add(wrongRows(scored([0, 0, 1, 0.75], [1, 0, 1, 0.5]), labels))
  const texts = (await Effect.runPromise(kept.read)).map(({ text }) => text)
  expect(texts).toEqual([short, `${short}…`])
})
