/**
 * The record of a judge's answers: a JSONL file, a line each, under the hash of the judging model and the messages. A question that was answered
 * once is not asked again, whatever stopped the program. A last line that a killed process left half-written is dropped.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type FileError, fileError, sha256 } from "../../files/index.ts"
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

const Line = Schema.Struct({
  key: Schema.String,
  text: Schema.String,
  promptTokens: Schema.Finite,
  completionTokens: Schema.Finite
})
const decodeLine = Schema.decodeUnknownResult(Schema.fromJsonString(Line))

const keyOf = (model: string, messages: ReadonlyArray<JudgeMessage>): string =>
  sha256()
    .update(JSON.stringify([model, messages.map(({ role, content }) => [role, content])]))
    .digest("hex")

/** Opens the record in `file`, which need not exist. */
export const openJudgements = (file: string): Effect.Effect<Judgements, FileError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const text = yield* fs.exists(file).pipe(
      Effect.flatMap((exists) => (exists ? fs.readFileString(file) : Effect.succeed(""))),
      Effect.mapError(fileError("read", file))
    )
    const answers = new Map<string, JudgeAnswer>()
    for (const line of text.split("\n")) {
      const decoded = decodeLine(line)
      if (Result.isSuccess(decoded)) answers.set(decoded.success.key, decoded.success)
    }
    // a half-written line must not swallow the next one
    let torn = text !== "" && !text.endsWith("\n")
    return {
      find: (model, messages) => Effect.sync(() => answers.get(keyOf(model, messages))),
      add: (model, messages, { text, promptTokens, completionTokens }) => {
        const key = keyOf(model, messages)
        const answer = { text, promptTokens, completionTokens }
        const line = `${torn ? "\n" : ""}${JSON.stringify({ key, ...answer })}\n`
        return fs.writeFileString(file, line, { flag: "a" }).pipe(
          Effect.map(() => {
            torn = false
            answers.set(key, answer)
          }),
          Effect.mapError(
            (error) => new JudgeError({ reason: fileError("write", file)(error).message, retryable: false })
          )
        )
      }
    }
  })
