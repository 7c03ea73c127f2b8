/** The record of a judge's answers, under the hash of the judging model and the messages: a question that was answered once is not asked again. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { type FileError, sha256 } from "../../files/index.ts"
import { openRecord } from "../record.ts"
import { type JudgeAnswer, JudgeError, type JudgeMessage } from "./exchange.ts"

/** Record of a judge's answers. */
export interface Judgements {
  /** Returns the answer on record, or undefined. */
  readonly find: (model: string, messages: ReadonlyArray<JudgeMessage>) => Effect.Effect<JudgeAnswer | undefined>
  /** Records an answer. */
  readonly add: (
    model: string,
    messages: ReadonlyArray<JudgeMessage>,
    answer: JudgeAnswer
  ) => Effect.Effect<void, JudgeError>
}

const Answer = Schema.Struct({
  text: Schema.String,
  promptTokens: Schema.Finite,
  completionTokens: Schema.Finite
})

const keyOf = (model: string, messages: ReadonlyArray<JudgeMessage>): string =>
  sha256()
    .update(JSON.stringify([model, messages.map(({ role, content }) => [role, content])]))
    .digest("hex")

/** Opens the record in `file`, which need not exist. */
export const openJudgements = (file: string): Effect.Effect<Judgements, FileError, FileSystem.FileSystem> =>
  Effect.map(openRecord(file, Answer), ({ find, add }) => ({
    find: (model, messages) => Effect.sync(() => find(keyOf(model, messages))),
    add: (model, messages, { text, promptTokens, completionTokens }) =>
      add(keyOf(model, messages), { text, promptTokens, completionTokens }).pipe(
        Effect.mapError(({ message }) => new JudgeError({ reason: message, retryable: false }))
      )
  }))
