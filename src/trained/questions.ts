/** Prompts of rows and the expected answers, for evaluating generated text. */
import * as Effect from "effect/Effect"
import type { Adapted } from "../../adapters/index.ts"
import { endsThinking, type ToolUse, toolUse } from "../calls/index.ts"
import { type Constraint, constraintOf, type Grammar } from "../constraint/index.ts"
import type { CausalContent, CausalRow, ToolCall } from "../data/causal/index.ts"
import { DataError } from "../data/index.ts"
import { conversation, type Prompt } from "../generation/index.ts"
import type { CausalModel } from "../models/causal/index.ts"

/** A prompt and the expected answer. */
export interface Question {
  /** place of the row */
  readonly where: string
  /** content of the row */
  readonly content: CausalContent
  readonly prompt: Prompt
  /** expected text */
  readonly expected: string
  /** expected calls */
  readonly calls: ReadonlyArray<ToolCall>
  /** parser of calls; absent: the row has no tools */
  readonly use?: ToolUse
  /** whether the prompt opens the model's reasoning */
  readonly thinking: boolean
  /** constraint of the answer; absent: none */
  readonly constraint?: Constraint
}

/** Options for `questions`. */
export interface QuestionOptions {
  /** JSON Schema of answers without calls */
  readonly schema?: unknown
  /** whether to restrict answers to the tools and the schema */
  readonly constrained: boolean
}

type Chat = Extract<CausalContent, { readonly kind: "chat" }>
type Asked = Omit<Question, "where" | "content">

/** Returns a function from rows to questions; it fails with all rows that have no question at once. */
export const questions = ({ model }: Adapted<CausalModel>, options: QuestionOptions) => {
  const uses = new Map<string, ToolUse | { readonly broken: string }>()
  const constraints = new Map<string, Constraint | { readonly broken: ReadonlyArray<string> }>()
  const { tokenizer } = model

  const useOf = (tools: NonNullable<Chat["tools"]>) => {
    const key = JSON.stringify(tools)
    const use = uses.get(key) ?? toolUse(tokenizer, tools)
    uses.set(key, use)
    return "broken" in use ? Effect.fail(use.broken) : Effect.succeed(use)
  }
  /** Returns the constraint of an answer: a value of the schema or any text; or calls. */
  const constraintFor = (use: ToolUse | undefined) => {
    const { schema, constrained } = options
    if (!constrained || (use === undefined && schema === undefined)) return Effect.succeed(undefined)
    const calls = use === undefined ? undefined : use.grammar?.({ parallel: true })
    if (use !== undefined && calls === undefined) {
      return Effect.fail(`calls in the format "${use.name}" cannot be constrained, because their values have no quotes`)
    }
    const grammar: Grammar =
      schema === undefined
        ? { kind: "after-text", openings: use!.openings, body: calls! }
        : calls === undefined
          ? { kind: "json", schema }
          : { kind: "choice", options: [{ kind: "json", schema }, calls] }
    const key = JSON.stringify([use?.tools, schema])
    const constraint = constraints.get(key) ?? constraintOf(grammar, tokenizer)
    constraints.set(key, constraint)
    return "broken" in constraint ? Effect.fail(constraint.broken.join("; ")) : Effect.succeed(constraint)
  }

  const turn = (chat: Chat, i: number): Effect.Effect<Asked, string> =>
    Effect.gen(function* () {
      const { content, calls = [] } = chat.messages[i]!
      const { tools = [] } = chat
      const use = tools.length === 0 ? undefined : yield* useOf(tools)
      const constraint = yield* constraintFor(use)
      const prompt = yield* conversation(tokenizer, { messages: chat.messages.slice(0, i), tools }).pipe(
        Effect.flatMap((talk) => talk.prompt),
        Effect.mapError(({ message }) => message)
      )
      return {
        prompt,
        expected: content ?? "",
        calls,
        thinking: endsThinking(tokenizer, prompt),
        ...(use === undefined ? {} : { use }),
        ...(constraint === undefined ? {} : { constraint })
      }
    })

  const inputsOf = (content: CausalContent): Effect.Effect<ReadonlyArray<Asked>, string> => {
    if (content.kind === "text")
      return Effect.fail("is a plain text without a question; use completions or conversations")
    if (content.kind === "completion") {
      const { prompt, completion: expected } = content
      return Effect.map(constraintFor(undefined), (constraint) => [
        { prompt, expected, calls: [], thinking: false, ...(constraint === undefined ? {} : { constraint }) }
      ])
    }
    const { messages, tools = [] } = content
    const learned = messages.flatMap(({ role, weight }, i) =>
      i > 0 && role === "assistant" && weight !== 0 ? [i] : []
    )
    if (tools.length > 0) {
      return learned.length === 0
        ? Effect.fail(
            "the conversation has no trained answer of the assistant after a message, so there is no expected answer"
          )
        : Effect.forEach(learned, (i) => turn(content, i))
    }
    const last = messages.length - 1
    if (!learned.includes(last) || messages[last]!.content === null) {
      return Effect.fail(
        "the conversation does not end with a trained answer of the assistant, so there is no expected answer"
      )
    }
    return Effect.map(turn(content, last), (input) => [input])
  }

  return (rows: ReadonlyArray<CausalRow>) =>
    Effect.gen(function* () {
      const all: Array<Question> = []
      const problems: Array<string> = []
      for (const { where, content } of rows) {
        const inputs = yield* Effect.result(inputsOf(content))
        if (inputs._tag === "Failure") problems.push(`${where}: ${inputs.failure}`)
        else all.push(...inputs.success.map((input) => ({ where, content, ...input })))
      }
      if (problems.length === 0) return all
      return yield* new DataError({ where: rows[0]!.where, problems, total: problems.length })
    })
}
