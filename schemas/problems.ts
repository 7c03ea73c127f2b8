/** Problems of plans and options and their sentences, rules about whole documents, and the name that was probably meant. */
import { cut } from "../src/boundary/index.ts"

/** A problem and its place: `path` is dotted ("adapter.overrides.0"), empty for the whole document. */
export interface PlanProblem {
  /** dotted path of the field: `adapter.rank` */
  readonly path: string
  /** invalid value, and expected values */
  readonly message: string
}

/** A rule between fields of a document. `check` returns all violations. */
export interface Rule<Document> {
  /** name of the rule, hyphenated */
  readonly name: string
  /** Returns all violations, or an empty list. */
  readonly check: (document: Document) => ReadonlyArray<PlanProblem>
}

/** Returns a rule with at most one violation, reported at `path`. */
export const rule = <Document>(
  name: string,
  path: string,
  check: (document: Document) => string | undefined
): Rule<Document> => ({
  name,
  check: (document) => {
    const message = check(document)
    return message === undefined ? [] : [{ path, message }]
  }
})

/** Returns a name without case and separators. */
export const normalized = (name: string): string => name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "")

const shortestBeginning = 3 // shorter ones begin too many names
const longestName = 200 // no name that someone types is longer

/** Returns the number of edits that turn `a` into `b`. */
export const editDistance = (a: string, b: string): number => {
  let beforeLast: Array<number> = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let edits = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        edits = Math.min(edits, beforeLast[j - 2]! + 1)
      row.push(edits)
    }
    beforeLast = last
    last = row
  }
  return last[b.length]!
}

/**
 * Returns the candidate most similar to `name`, or undefined if none is similar enough. The first wins among equals.
 *
 * Distance: insertions, deletions, replacements and swaps of neighbours (optimal string alignment, the restricted form of Damerau
 * and Levenshtein), on names without case and separators, since `learning_rate` and `learningRate` are the same word.
 * Near enough: at most a third of the longer name, one at least; or, if nothing is, the beginning of a name (`lin` of `linear`).
 */
export const closest = (name: string, candidates: ReadonlyArray<string>): string | undefined => {
  const wanted = normalized(name)
  let best: string | undefined
  let fewest = Number.POSITIVE_INFINITY
  // the time that a comparison takes is the product of both lengths
  if (name.length > longestName) return undefined
  for (const candidate of candidates) {
    if (candidate.length > longestName) continue
    const word = normalized(candidate)
    const longest = Math.max(wanted.length, word.length)
    const allowed = Math.max(1, Math.floor(longest / 3))
    // as many edits are needed at least; names of a megabyte are not compared
    if (Math.abs(wanted.length - word.length) > allowed) continue
    const edits = editDistance(wanted, word)
    // all letters replaced is no resemblance, however short the names
    if (edits > allowed || edits >= longest || edits >= fewest) continue
    best = candidate
    fewest = edits
  }
  return (
    best ??
    (wanted.length >= shortestBeginning ? candidates.find((one) => normalized(one).startsWith(wanted)) : undefined)
  )
}

const longestValue = 60 // characters of a found value; the rest of the line belongs to the path and the expectation

/** Formats an invalid value on one line, as JSON if possible. */
export const showValue = (value: unknown): string => {
  if (Object.is(value, -0)) return "-0"
  if (typeof value === "number" || typeof value === "bigint" || value === undefined) return String(value)
  if (typeof value === "function" || typeof value === "symbol") return `a ${typeof value}`
  const text = JSON.stringify(value) ?? String(value)
  return text.length > longestValue ? cut(text, longestValue - 1) : text
}

/** Returns a choice in words: `one of "a", "b"`. */
export const oneOf = (values: ReadonlyArray<unknown>): string => {
  const words = values.map((value) => JSON.stringify(value)).join(", ")
  return values.length > 1 ? `one of ${words}` : words
}

const suggestion = (value: unknown, words: ReadonlyArray<unknown>): string => {
  const near =
    typeof value === "string"
      ? closest(
          value,
          words.filter((word) => typeof word === "string")
        )
      : undefined
  return near === undefined ? "" : `; did you mean ${JSON.stringify(near)}?`
}

/** Returns the message about an invalid value. `words`: the values of a choice. */
export const mismatchProblem = (value: unknown, expected: string, words: ReadonlyArray<unknown> = []): string =>
  `found ${showValue(value)}; expected ${expected}${suggestion(value, words)}`

/** Beginning of the message about a key that is not in the schema. */
export const unknownKey = "unknown key"

/** Returns the message about a key that is not in the schema. */
export const unknownKeyProblem = (key: string, allowed: ReadonlyArray<string>): string =>
  `${unknownKey}${suggestion(key, allowed)} (allowed: ${allowed.join(", ")})`
