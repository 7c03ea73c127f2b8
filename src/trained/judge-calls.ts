/** Compares the tool calls of an answer with the expected ones, ignoring the order of keys and of parallel calls. */
import type { ToolUse } from "../calls/index.ts"
import type { ToolCall } from "../data/causal/index.ts"
import { canonical } from "../scoring/index.ts"

/** Outcome of a row's tool calls. */
export type CallOutcome =
  /** the expected calls, or no calls if none are expected */
  | "right"
  /** other tools, or another number of calls */
  | "wrong names"
  /** the expected tools with other arguments */
  | "wrong arguments"
  /** the start of a call that cannot be parsed */
  | "malformed"
  /** no call, but one is expected */
  | "missing"
  /** a call, but none is expected */
  | "uninvited"

/** Number of answers with each outcome. */
export interface CallCounts {
  /** answers that should contain calls */
  readonly expected: number
  /** answers that should contain no call */
  readonly others: number
  /** answers with the correct calls, among those that should contain calls */
  readonly right: number
  readonly wrongNames: number
  readonly wrongArguments: number
  /** answers with a call that cannot be parsed, whether one is expected or not */
  readonly malformed: number
  readonly missing: number
  readonly uninvited: number
}

const sorted = (calls: ReadonlyArray<ToolCall>, of: (call: ToolCall) => unknown): string =>
  canonical(calls.map((call) => canonical(of(call))).sort())

/** Judges an answer. `thinking`: whether its prompt opens the reasoning. */
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
  const canonicalCalls = (all: ReadonlyArray<ToolCall>) =>
    sorted(all, ({ name, arguments: callArguments }) => [name, callArguments])
  return canonicalCalls(calls) === canonicalCalls(expected) ? "right" : "wrong arguments"
}

/** Counts outcomes. */
export const callCounts = (
  outcomes: ReadonlyArray<{ readonly outcome: CallOutcome; readonly expected: boolean }>
): CallCounts => {
  const count = (outcome: CallOutcome, expected?: boolean) =>
    outcomes.filter((call) => call.outcome === outcome && (expected === undefined || call.expected === expected)).length
  const expected = outcomes.filter((call) => call.expected).length
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
