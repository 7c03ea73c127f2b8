/** Places and scores against sentence-transformers' InformationRetrievalEvaluator (test/golden/make/embedding.py). */
import { expect, test } from "bun:test"
import { placesOf, questionsOf, scoresOf } from "../../../../../src/kinds/encoder/embedding/ranking.ts"
import golden from "../../../../golden/embedding/embedding.json" with { type: "json" }
import { expectClose } from "../../../../setup.ts"

const { ranking } = golden
const rows = ranking.rows.map(([text, textPair]) => ({ text: text!, textPair: textPair! }))

const cosine = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): number => {
  const dot = (x: ReadonlyArray<number>, y: ReadonlyArray<number>) =>
    x.reduce((sum, value, i) => sum + value * y[i]!, 0)
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
}

test("scores are the evaluator's, where rows share anchors and texts", () => {
  const { corpus, anchors } = questionsOf(rows)
  expect(new Set(corpus.map((row) => rows[row]!.textPair)).size).toBe(corpus.length)
  const vectorOf = (name: string) => ranking.vectors[name as "a0"]
  const all = anchors.map(({ row, relevant }) => {
    const anchor = vectorOf(rows[row]!.text)
    const cosines = corpus.map((text) => cosine(anchor, vectorOf(rows[text]!.textPair)))
    return scoresOf(placesOf(cosines, relevant))
  })
  const names = ["recallAt1", "recallAt10", "mrrAt10", "ndcgAt10"] as const
  const mean = (name: (typeof names)[number]) => all.reduce((sum, scores) => sum + scores[name], 0) / all.length
  expectClose(
    names.map(mean),
    names.map((name) => ranking[name]),
    1e-12
  )
})

test("equally near texts have places of their own, the earlier one first", () => {
  expect(placesOf([0.5, 0.9, 0.5, 0.5], [0])).toEqual([2])
  expect(placesOf([0.5, 0.9, 0.5, 0.5], [3, 2])).toEqual([3, 4])
  // a model that gives all texts one vector finds no more than chance
  expect(Array.from({ length: 20 }, (_, text) => scoresOf(placesOf(new Float32Array(20), [text])).recallAt10)).toEqual(
    Array.from({ length: 20 }, (_, text) => (text < 10 ? 1 : 0))
  )
})
