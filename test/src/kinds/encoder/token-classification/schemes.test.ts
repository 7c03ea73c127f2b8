/** Labels of words and their entities: seqeval's scores, the schemes' rules, and the most probable possible labels against all there are. */
import { expect, describe as suite, test } from "bun:test"
import {
  bestLabels,
  bioOfIob1,
  entitiesOf,
  firstImpossible,
  isIob1,
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

/** Entities of two types over `length` words, as IOB1: B only between neighbours of one type. */
const iob1 = (row: ReadonlyArray<string>) =>
  row.map((label, i) =>
    label.startsWith("B-") && (i === 0 || row[i - 1]!.slice(2) !== label.slice(2)) ? `I${label.slice(1)}` : label
  )
const pairsOf = (row: ReadonlyArray<string>) => row.map((label, i) => [row[i - 1] ?? null, label] as const)

test("labels of IOB1 have the entities of their BIO", () => {
  const labels = schemeLabels(["a", "b-c"], "BIO")
  const rows = labels.flatMap((x) =>
    labels.flatMap((y) => labels.flatMap((z) => labels.map((last) => [x, y, z, last])))
  )
  const possible = rows.filter((row) => firstImpossible(row, "BIO") === undefined)
  for (const row of possible) {
    expect(pairsOf(iob1(row)).map(([before, label]) => bioOfIob1(before, label))).toEqual(row)
    // BIO itself is taken for IOB1 only where both are the same
    expect(isIob1(pairsOf(row))).toBe(false)
    const begins = row.some((label, i) => label !== iob1(row)[i])
    expect(isIob1(pairsOf(iob1(row)))).toBe(begins)
  }
  // a wrong row of BIO is not IOB1
  expect(isIob1([...pairsOf(["B-a", "O"]), ...pairsOf(["O", "I-a"])])).toBe(false)
})

test("impossible labels have a place", () => {
  expect(firstImpossible(["O", "I-a"], "BIO")).toBe(1)
  expect(firstImpossible(["B-a", "I-b"], "BIO")).toBe(1)
  expect(firstImpossible(["S-a", "B-a"], "BIOES")).toBe(2)
})

test("types may have hyphens", () => {
  expect(entitiesOf(["B-work-of-art", "I-work-of-art"])).toEqual([{ type: "work-of-art", start: 0, end: 2 }])
})
