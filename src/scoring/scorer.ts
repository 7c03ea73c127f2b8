/** The contract of scorers: what they get, what they return, and the scorers' error. */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Suite } from "../../schemas/index.ts"
import type { Fields } from "../data/index.ts"

/** Error of a scorer that cannot score an answer. */
export class ScorerError extends Schema.TaggedError<ScorerError>()("ScorerError", {
  /** place of the row: `test.jsonl:12`, or the scorer's name */
  where: Schema.String,
  /** what is wrong and what to do, as the end of a sentence */
  reason: Schema.String
}) {
  override get message() {
    return `${this.where}: ${this.reason}`
  }
}

/** An answer to score. */
export interface ScoringInput {
  /** place of the row, for messages: `test.jsonl:12` */
  readonly where: string
  /** the row, with all its columns */
  readonly row: Fields
  /** form of the question: `text` for a completion, `chat` for an answer */
  readonly form: Suite["form"]
  /** the generated text */
  readonly text: string
  /** the expected answer */
  readonly expected: string
}

/**
 * A scorer: returns numbers from 0 to 1 for an answer, by the names of its metrics. Higher is better. What it needs (another model, a sandbox)
 * is in its type.
 */
export interface Scorer<R = never> {
  /** names of its metrics, the most important first, with what each measures */
  readonly metrics: { readonly [name: string]: string }
  /** Checks, before anything is generated, that the machine has what the scorer needs; absent: it needs nothing. */
  readonly prepare?: Effect.Effect<void, ScorerError, R>
  /** Scores an answer: a number from 0 to 1 for each metric. */
  readonly score: (input: ScoringInput) => Effect.Effect<{ readonly [name: string]: number }, ScorerError, R>
  /** most answers to score at a time; default 1 */
  readonly concurrency?: number
  /** Returns the part of an answer that samples of a row agree or disagree in, for majority votes; absent: no vote is taken. */
  readonly vote?: (text: string) => string
}
