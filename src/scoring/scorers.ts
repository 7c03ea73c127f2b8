/**
 * The scorers that suites name. Each is a value of one table.
 *
 *   exact     the text equals the answer, apart from surrounding white space
 *   choice    the first letter that stands alone names the right choice: "B", "(b) because …", "The answer is B."
 *   number    the last numbers of both are equal: "… so it is 1,234." and "#### 1234"
 *   gsm8k     as lm-evaluation-harness 0.4.13 scores GSM8K: the last number anywhere, or only one after ####
 *   json      the text is JSON of the same value, whatever the order of keys
 *   python    the program passes its tests; `javascript` and `typescript` likewise
 */
import * as Effect from "effect/Effect"
import type { ScorerName } from "../../schemas/index.ts"
import { parseBoundedJson } from "../files/index.ts"
import { programScorer } from "./programs/scorer.ts"
import { type Scorer, ScorerError } from "./scorer.ts"

/** Returns the last number of a text; groups of thousands may have commas. */
export const lastNumber = (text: string): number | undefined => {
  const digits = text.match(/-?\d+(?:,\d{3})*(?:\.\d+)?/g)?.at(-1)
  return digits === undefined ? undefined : Number(digits.replaceAll(",", ""))
}

/** Returns a value as JSON with sorted keys. */
export const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, member: unknown) =>
    typeof member === "object" && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member
  )

const one = (right: boolean): number => (right ? 1 : 0)

const exact: Scorer = {
  metrics: { exact: "answers that equal the expected one" },
  score: ({ text, expected }) => Effect.succeed({ exact: one(text.trim() === expected.trim()) }),
  vote: (text) => text.trim()
}

/** Returns the letter of a choice, as a capital: the first of a text that stands alone, or is in parentheses. */
const letterIn = (text: string): string | undefined => {
  const [, after, first] =
    /\banswer\b(?:\s+is\b)?\W{0,3}([A-Za-z])\b|^\W*([A-Za-z])(?![\p{L}\p{N}'’])/iu.exec(text) ?? []
  return (after ?? first ?? /\(([A-Z])\)/.exec(text)?.[1])?.toUpperCase()
}

const choice: Scorer = {
  metrics: { choice: "answers that name the right choice" },
  score: ({ where, text, expected }) => {
    const right = /^\W*([A-Za-z])\W*$/.exec(expected)?.[1]?.toUpperCase()
    return right === undefined
      ? Effect.fail(
          new ScorerError({
            where,
            reason: `the answer is ${JSON.stringify(expected)}; expected the letter of a choice`
          })
        )
      : Effect.succeed({ choice: one(letterIn(text) === right) })
  },
  vote: (text) => letterIn(text) ?? ""
}

const number: Scorer = {
  metrics: { number: "answers whose last number is right" },
  score: ({ where, text, expected }) => {
    const right = lastNumber(expected)
    return right === undefined
      ? Effect.fail(new ScorerError({ where, reason: "the answer has no number; use another scorer" }))
      : Effect.succeed({ number: one(lastNumber(text) === right) })
  },
  vote: (text) => String(lastNumber(text) ?? "")
}

// the harness's filters `flexible-extract` and `strict-match`, and what it removes before it compares
const INVALID = "[invalid]"
const flexible = (text: string): string => text.match(/-?[$0-9.,]{2,}|-?[0-9]+/g)?.at(-1) ?? INVALID
const strict = (text: string): string => /#### (-?[0-9.,]+)/.exec(text)?.[1] ?? INVALID
const compared = (answer: string): string =>
  answer
    .replaceAll(/,|\$/g, "")
    .replace(/^[\s\S]*#### /, "")
    .replace(/\.(?=\n?$)/, "")
    .toLowerCase()

const gsm8k: Scorer = {
  metrics: {
    flexible: "answers whose last number is right",
    strict: "answers whose number after #### is right"
  },
  score: ({ text, expected }) =>
    Effect.succeed({
      flexible: one(compared(flexible(text)) === compared(expected)),
      strict: one(compared(strict(text)) === compared(expected))
    }),
  vote: (text) => compared(flexible(text))
}

const json: Scorer = {
  metrics: { equal: "answers with the expected value", valid: "answers that are JSON" },
  score: ({ where, text, expected }) => {
    const [actual, right] = [parseBoundedJson(text.trim()), parseBoundedJson(expected.trim())]
    if (!("value" in right)) {
      return Effect.fail(new ScorerError({ where, reason: "the expected answer is not JSON; use another scorer" }))
    }
    const valid = "value" in actual
    return Effect.succeed({
      equal: one(valid && canonical(actual.value) === canonical(right.value)),
      valid: one(valid)
    })
  }
}

/** The scorers, by the names that suites use. */
export const scorers: { readonly [Name in ScorerName]: Scorer } = {
  exact,
  choice,
  number,
  gsm8k,
  json,
  python: programScorer("python"),
  javascript: programScorer("javascript"),
  typescript: programScorer("typescript")
}
