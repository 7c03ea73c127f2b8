/** Written texts against those that were to be written: by hand, and what always the same text reaches. */
import { describe, expect, test } from "bun:test"
import { alwaysF1, writtenScores } from "../../../../../src/kinds/language/seq2seq/scores.ts"

const scoresOf = (targets: ReadonlyArray<string>, rows: ReadonlyArray<readonly [target: string, text: string]>) => {
  const scores = writtenScores(targets)
  for (const [target, text] of rows) scores.add(target, text)
  return scores.read()
}

describe("a closed set", () => {
  test("a text that is none of it is wrong, whatever it says; F1 is the mean over the targets", () => {
    // yes: 2 right of 3, written 3 times; no: 1 right of 2, written once; sklearn's f1_score(average="macro", labels=["yes", "no"])
    const rows = [
      ["yes", "yes"],
      ["yes", "yes"],
      ["yes", "perhaps"],
      ["no", "yes"],
      ["no", "no"]
    ] as const
    expect(scoresOf(["yes", "no"], rows)).toEqual({ exactMatch: 3 / 5, macroF1: (4 / 6 + 2 / 3) / 2 })
  })

  test("a target with neither rows nor texts counts 0, as of classes", () => {
    expect(scoresOf(["yes", "no"], [["yes", "yes"]])).toEqual({ exactMatch: 1, macroF1: 0.5 })
  })

  test("one row outside of it, and there is no macro-F1; it can still be right", () => {
    expect(
      scoresOf(
        ["yes", "no"],
        [
          ["yes", "yes"],
          ["other", "other"]
        ]
      )
    ).toEqual({ exactMatch: 1 })
  })

  test("always the same text", () => {
    const rows = [..."yyyn"].map((own) => [own, "y"] as const)
    expect(scoresOf(["n", "y"], rows)).toEqual({ exactMatch: 0.75, macroF1: alwaysF1(0.75, 2) })
  })
})

test("white space alone makes no text another; case and everything else does", () => {
  const scores = writtenScores([])
  const same = [" a  b\n", "a b", "A b", "a b.", "ab"].map((text) => scores.add("a b", text))
  expect(same).toEqual([true, true, false, false, false])
  expect(scores.read()).toEqual({ exactMatch: 0.4 })
})
