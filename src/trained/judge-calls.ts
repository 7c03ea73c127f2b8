/** Judges the calls of an answer: which tools were called with which arguments, whatever the order of keys and of parallel calls. */
import type { ToolUse } from "../calls/index.ts"
import type { ToolCall } from "../data/causal/index.ts"

/** What became of the calls that a row expects of an answer. */
export type CallOutcome =
  /** the calls that are expected, or none where none are */
  | "right"
  /** other tools, or not as many calls */
  | "wrong names"
  /** the tools that are expected, with other arguments */
  | "wrong arguments"
  /** the beginning of a call that cannot be read */
  | "malformed"
  /** no call where one is expected */
  | "missing"
  /** a call where none is expected */
  | "uninvited"

/** How many answers had each outcome. */
export interface CallCounts {
  /** answers of which calls are expected */
  readonly expected: number
  /** answers of which no call is expected */
  readonly others: number
  /** of those that expect calls: the right ones */
  readonly right: number
  readonly wrongNames: number
  readonly wrongArguments: number
  /** answers with a call that cannot be read, whether one is expected or not */
  readonly malformed: number
  readonly missing: number
  readonly uninvited: number
}

/** JSON with keys in order. */
export const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, own: unknown) =>
    typeof own === "object" && own !== null && !Array.isArray(own)
      ? Object.fromEntries(Object.entries(own).sort(([a], [b]) => (a < b ? -1 : 1)))
      : own
  )

const sorted = (calls: ReadonlyArray<ToolCall>, of: (call: ToolCall) => unknown): string =>
  canonical(calls.map((call) => canonical(of(call))).sort())

/** Judges an answer. `thinking`: its prompt begins the reasoning. */
export const judgeCalls = (
  use: ToolUse,
  expected: ReadonlyArray<ToolCall>,
  text: string,
  thinking: boolean
): CallOutcome => {
  const { calls, content } = use.read(text, { thinking })
  if (calls.length === 0 && use.begins(content)) return "malformed"
  if (expected.length === 0) return calls.length === 0 ? "right" : "uninvited"
  if (calls.length === 0) return "missing"
  const names = (all: ReadonlyArray<ToolCall>) => sorted(all, ({ name }) => name)
  if (names(calls) !== names(expected)) return "wrong names"
  const whole = (all: ReadonlyArray<ToolCall>) => sorted(all, ({ name, arguments: own }) => [name, own])
  return whole(calls) === whole(expected) ? "right" : "wrong arguments"
}

/** Counts outcomes. */
export const callCounts = (
  outcomes: ReadonlyArray<{ readonly outcome: CallOutcome; readonly expected: boolean }>
): CallCounts => {
  const count = (outcome: CallOutcome, expected?: boolean) =>
    outcomes.filter((own) => own.outcome === outcome && (expected === undefined || own.expected === expected)).length
  const expected = outcomes.filter((own) => own.expected).length
  return {
    expected,
    others: outcomes.length - expected,
    right: count("right", true),
    wrongNames: count("wrong names"),
    wrongArguments: count("wrong arguments"),
    malformed: count("malformed"),
    missing: count("missing"),
    uninvited: count("uninvited")
  }
}
