/** What passes between a scorer and its judge. */
import * as Schema from "effect/Schema"

/** Error of a judge that gives no usable answer. */
export class JudgeError extends Schema.TaggedError<JudgeError>()("JudgeError", {
  /** a sentence with the remedy */
  reason: Schema.String,
  /** whether the same question may be answered later: a busy server, a lost connection */
  retryable: Schema.Boolean
}) {
  override get message() {
    return this.reason
  }
}

/** A message to the judge. */
export interface JudgeMessage {
  /** who speaks; "assistant" is the judge */
  readonly role: "system" | "user" | "assistant"
  /** text of the message */
  readonly content: string
}

/** An answer of the judge. */
export interface JudgeAnswer {
  /** text of the answer */
  readonly text: string
  /** tokens of the question, as the server counts them; 0 if it does not */
  readonly promptTokens: number
  /** tokens of the answer, in the same way */
  readonly completionTokens: number
}
