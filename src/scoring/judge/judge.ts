/**
 * A judge: another model behind an OpenAI-compatible address (`POST …/chat/completions`), such as `serve` on this machine. It is an Effect service
 * with its own retries, time limit, budget and record of answers, so a scorer that needs one says so in its type.
 *
 * The address and the key come from the command line, the environment or code, never from a plan, a suite or a folder. The key is sent to the
 * address's origin only: redirects are not followed.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { cut, messageOf, withoutSecrets } from "../../boundary/index.ts"
import { readAnswer } from "../../files/index.ts"
import { type JudgeAnswer, JudgeError, type JudgeMessage } from "./exchange.ts"
import type { Judgements } from "./judgements.ts"

/** Service that asks the judge. */
export interface JudgeShape {
  /** name of the judging model, as in results */
  readonly model: string
  /** Asks; an answer that is on record for the same model and messages costs nothing. */
  readonly ask: (messages: ReadonlyArray<JudgeMessage>) => Effect.Effect<JudgeAnswer, JudgeError>
  /** Returns what was spent so far: tokens, dollars (0 without prices), and answers taken from the record. */
  readonly spent: () => JudgeSpending
}

/** What a judge has cost. */
export interface JudgeSpending {
  /** answers so far */
  readonly answers: number
  /** answers among them that were on record */
  readonly recorded: number
  /** tokens of the questions that were asked */
  readonly promptTokens: number
  /** tokens of their answers */
  readonly completionTokens: number
  /** price of both; 0 without prices */
  readonly dollars: number
}

/** The judge of a program or command. */
export class Judge extends Context.Service<Judge, JudgeShape>()("tfjs-lora-pro/Judge") {}

/** Options for a judge. */
export interface JudgeOptions {
  /** address of the API, such as http://127.0.0.1:8080/v1 */
  readonly address: string
  /** name of the model on that server */
  readonly model: string
  /** key for the server; default: none */
  readonly key?: Redacted.Redacted | undefined
  /** dollars per million tokens; default: 0 */
  readonly prices?: {
    /** of a question's tokens */
    readonly prompt: number
    /** of an answer's tokens */
    readonly completion: number
  }
  /** dollars after which no question is asked; default: no bound. Needs `prices`. Questions in flight are still paid. */
  readonly budget?: number
  /** seconds for an answer, at least 1; default 120 */
  readonly seconds?: number
  /** attempts after the first for answers that may succeed later; default 4 */
  readonly retries?: number
  /** questions in flight; default 4 */
  readonly concurrency?: number
  /** record of answers; default: none, so every question is asked */
  readonly judgements?: Judgements
}

/** Most bytes of an answer: thousands of tokens with all that servers add. */
const ANSWER_BYTES = 2 ** 20

const Completion = Schema.Struct({
  choices: Schema.NonEmptyArray(Schema.Struct({ message: Schema.Struct({ content: Schema.String }) })),
  usage: Schema.optionalKey(
    Schema.NullOr(Schema.Struct({ prompt_tokens: Schema.Finite, completion_tokens: Schema.Finite }))
  )
})
const decodeCompletion = Schema.decodeUnknownResult(Schema.fromJsonString(Completion))

/** Opens a judge. Fails if its address is not an http address, or its budget has no prices. */
export const openJudge = ({
  address,
  model,
  key,
  prices,
  budget,
  seconds = 120,
  retries = 4,
  concurrency = 4,
  judgements
}: JudgeOptions): Effect.Effect<JudgeShape, JudgeError> =>
  Effect.gen(function* () {
    const url = endpointOf(address)
    if (Result.isFailure(url)) return yield* url.failure
    if (budget !== undefined && prices === undefined) {
      return yield* fails("a budget needs the prices of a million tokens; pass them, or leave out the budget")
    }
    const shown = withoutSecrets(url.success)
    const permits = yield* Semaphore.make(concurrency)
    const spent = { answers: 0, recorded: 0, promptTokens: 0, completionTokens: 0, dollars: 0 }
    const request = (messages: ReadonlyArray<JudgeMessage>) =>
      Effect.tryPromise({
        try: (signal) => post(url.success, { model, messages, temperature: 0 }, key, signal),
        catch: (cause) => fails(`${shown} cannot be reached (${cut(messageOf(cause), 200)}); check the address`, true)
      }).pipe(
        Effect.timeoutOrElse({
          duration: Duration.seconds(seconds),
          orElse: () =>
            Effect.fail(fails(`${shown} did not answer within ${seconds} s; allow more, or try again`, true))
        }),
        Effect.flatMap((answer) => Effect.fromResult(answerOf(shown, answer)))
      )
    // half a second, doubled with each attempt: servers that limit rates ask for about that
    const again = Schedule.exponential("500 millis").pipe(Schedule.upTo({ times: retries }))
    const ask = (messages: ReadonlyArray<JudgeMessage>) =>
      Effect.gen(function* () {
        const recorded = yield* judgements?.find(model, messages) ?? Effect.undefined
        if (recorded !== undefined) {
          spent.answers += 1
          spent.recorded += 1
          return recorded
        }
        if (budget !== undefined && spent.dollars >= budget) {
          return yield* fails(
            `the judge's budget of $${budget} is spent after ${spent.answers} answers; their record is kept, so a larger budget continues from there`
          )
        }
        const answer = yield* request(messages).pipe(
          Effect.retry({ schedule: again, while: ({ retryable }) => retryable })
        )
        spent.answers += 1
        spent.promptTokens += answer.promptTokens
        spent.completionTokens += answer.completionTokens
        spent.dollars +=
          (answer.promptTokens * (prices?.prompt ?? 0) + answer.completionTokens * (prices?.completion ?? 0)) / 1e6
        yield* judgements?.add(model, messages, answer) ?? Effect.void
        return answer
      })
    return { model, ask: (messages) => permits.withPermits(1)(ask(messages)), spent: () => ({ ...spent }) }
  })

/** Layer of a judge. */
export const judgeLayer = (options: JudgeOptions): Layer.Layer<Judge, JudgeError> =>
  Layer.effect(Judge, openJudge(options))

const fails = (reason: string, retryable = false) => new JudgeError({ reason, retryable })

/** Returns the address of chat completions below an API's address. */
const endpointOf = (address: string): Result.Result<string, JudgeError> => {
  const url = URL.parse(address)
  return url !== null && /^https?:$/.test(url.protocol)
    ? Result.succeed(`${url.href.replace(/\/+$/, "")}/chat/completions`)
    : Result.fail(
        fails(`the judge's address is ${withoutSecrets(address)}; expected one such as http://127.0.0.1:8080/v1`)
      )
}

interface HttpAnswer {
  readonly status: number
  readonly body: string | undefined
}

const post = async (
  url: string,
  body: object,
  key: Redacted.Redacted | undefined,
  signal: AbortSignal
): Promise<HttpAnswer> => {
  const response = await fetch(url, {
    method: "POST",
    signal,
    // a redirect would take the key and the texts elsewhere
    redirect: "manual",
    headers: {
      "content-type": "application/json",
      ...(key === undefined ? {} : { authorization: `Bearer ${Redacted.value(key)}` })
    },
    body: JSON.stringify(body)
  })
  const bytes = await readAnswer(response, ANSWER_BYTES)
  return { status: response.status, body: bytes === undefined ? undefined : new TextDecoder().decode(bytes) }
}

/** Returns the answer in a response, or why it has none. */
const answerOf = (shown: string, { status, body }: HttpAnswer): Result.Result<JudgeAnswer, JudgeError> => {
  if (body === undefined) return Result.fail(fails(`${shown} sent an answer of more than ${ANSWER_BYTES} bytes`))
  if (status !== 200) {
    const what = `${shown} responded with status ${status}: ${cut(body.trim(), 200)}`
    const remedy =
      status === 401 || status === 403
        ? "; set TFJS_LORA_PRO_JUDGE_KEY to a key of that server"
        : status === 404
          ? "; check the address and the model's name"
          : ""
    return Result.fail(fails(`${what}${remedy}`, status === 408 || status === 429 || status >= 500))
  }
  const decoded = decodeCompletion(body)
  if (Result.isFailure(decoded)) {
    return Result.fail(fails(`${shown} sent something other than a chat completion: ${cut(body.trim(), 200)}`))
  }
  const { choices, usage } = decoded.success
  return Result.succeed({
    text: choices[0].message.content,
    promptTokens: usage?.prompt_tokens ?? 0,
    completionTokens: usage?.completion_tokens ?? 0
  })
}
