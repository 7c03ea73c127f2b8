/** Labels of words and their entities: seqeval's scores, the schemes' rules, and the most probable possible labels against all there are. */
import { expect, describe as suite, test } from "bun:test"
import {
  bestLabels,
  entitiesOf,
  firstImpossible,
  labelsOf,
  type Scheme,
  schemeLabels,
  schemeOf,
  schemes,
  strictEntitiesOf
} from "../../../../../src/kinds/encoder/token-classification/schemes.ts"
import { entityScores } from "../../../../../src/kinds/encoder/token-classification/scores.ts"
import golden from "../../../../golden/kinds/entities.json" with { type: "json" }

const rowsOf = (text: string) =>
  text.split(/ /).map((row) => row.match(/../g)!.map((label) => (label === "O." ? "O" : `${label[0]}-${label[1]}`)))
const every = Object.keys(schemes) as Array<Scheme>

test("scores are seqeval's to the last digit, by default and strictly", () => {
  expect(golden.length).toBe(300)
  for (const { scheme, right, predicted, accuracy, ...modes } of golden)
    for (const [mode, expected] of Object.entries(modes)) {
      const strict = mode === "strict" ? (scheme as Scheme) : undefined
      const scores = entityScores(rowsOf(right), rowsOf(predicted), strict)
      expect([scores.precision, scores.recall, scores.f1]).toEqual(expected.all)
      expect(scores.accuracy).toBe(accuracy)
      const types = Object.entries(scores.types).map(([type, score]) => [type, Object.values(score)])
      expect(types).toEqual(Object.entries(expected.types))
    }
})

test("nothing predicted and nothing there are scores of 0", () => {
  const scores = entityScores([["O"], []], [["O"], []])
  expect(scores).toEqual({ precision: 0, recall: 0, f1: 0, support: 0, types: {}, accuracy: 1 })
})

suite.each(every)("%s", (scheme) => {
  const labels = schemeLabels(["a", "b"], scheme)
  const sequences = (length: number): ReadonlyArray<Array<string>> =>
    length === 0 ? [[]] : sequences(length - 1).flatMap((row) => labels.map((label) => [...row, label]))
  const possible = [0, 1, 2, 3].flatMap(sequences).filter((row) => firstImpossible(row, scheme) === undefined)

  test("possible labels are those of some entities", () => {
    expect(possible.length).toBeGreaterThan(20)
    for (const row of possible) {
      expect(labelsOf(entitiesOf(row), row.length, scheme)).toEqual(row)
      expect(strictEntitiesOf(row, scheme)).toEqual(entitiesOf(row))
    }
    const impossible = sequences(3).filter((row) => firstImpossible(row, scheme) !== undefined)
    for (const row of impossible) expect(labelsOf(strictEntitiesOf(row, scheme), row.length, scheme)).not.toEqual(row)
  })

  test("the best labels are the best of all possible ones", () => {
    let seed = 7
    const random = () => {
      seed = (seed * 48271) % 2147483647
      return seed / 2147483647
    }
    for (let i = 0; i < 100; i++) {
      const scores = Array.from({ length: 3 * labels.length }, random)
      const total = (row: ReadonlyArray<string>) =>
        row.reduce((sum, label, at) => sum + scores[at * labels.length + labels.indexOf(label)]!, 0)
      const best = possible.filter(({ length }) => length === 3).reduce((a, b) => (total(b) > total(a) ? b : a))
      expect(bestLabels(scores, labels, scheme).map((at) => labels[at]!)).toEqual(best)
    }
    expect(bestLabels([], labels, scheme)).toEqual([])
  })
})

test("the scheme is inferred from prefixes", () => {
  expect(schemeOf(["O", "I-a"])).toBe("IO")
  expect(schemeOf(["B-a", "O"])).toBe("BIO")
  expect(schemeOf(["B-a", "S-b"])).toBe("BIOES")
  expect(schemeOf(["person", "O"])).toBeUndefined()
})

test("impossible labels have a place", () => {
  expect(firstImpossible(["O", "I-a"], "BIO")).toBe(1)
  expect(firstImpossible(["B-a", "I-b"], "BIO")).toBe(1)
  expect(firstImpossible(["S-a", "B-a"], "BIOES")).toBe(2)
})

test("types may have hyphens", () => {
  expect(entitiesOf(["B-work-of-art", "I-work-of-art"])).toEqual([{ type: "work-of-art", start: 0, end: 2 }])
})
