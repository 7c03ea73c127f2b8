/**
 * The body of a chat request: OpenAI's fields, converted to a conversation, tools and an answer format.
 *
 * An answer is text, JSON of a schema, or tool calls. A required format is a constraint over the model's tokens, compiled before the first token is
 * generated; the most recent constraints of each model are cached, with their masks.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type NoToolUse, type ToolUse, toolUse } from "../calls/index.ts"
import { type Constraint, constraintOf, type Grammar } from "../constraint/index.ts"
import {
  type Conversation,
  callProblems,
  instructed,
  type Message,
  messageIn,
  type Tool,
  toolsIn
} from "../data/causal/index.ts"
import type { CausalTokenizer } from "../tensors/index.ts"
import { writingFields } from "./openai.ts"
import { type Refusal, wrongField } from "./refusal.ts"

const TextPart = Schema.Struct({ type: Schema.Literal("text"), text: Schema.String })

const Content = Schema.NullOr(
  Schema.Union([Schema.String, Schema.Array(TextPart)]).annotate({
    message: 'expected a text, or a list of parts of type "text"'
  })
)

const maybe = <S extends Schema.Constraint>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

const Call = Schema.Struct({
  id: Schema.String,
  type: Schema.Literal("function"),
  function: Schema.Struct({ name: Schema.String, arguments: Schema.String })
})

const ChatMessage = Schema.Struct({
  role: Schema.Literals(["system", "developer", "user", "assistant", "tool"]),
  content: Schema.optionalKey(Content),
  name: maybe(Schema.String),
  tool_calls: maybe(Schema.Array(Call)),
  tool_call_id: maybe(Schema.String),
  // clients send the server's own answers back
  refusal: maybe(Schema.String),
  annotations: maybe(Schema.Array(Schema.Unknown)),
  audio: maybe(Schema.Never),
  reasoning_content: maybe(Schema.String)
})

const DeclaredTool = Schema.Struct({
  type: Schema.Literal("function"),
  function: Schema.Struct({
    name: Schema.NonEmptyString,
    description: maybe(Schema.String),
    parameters: maybe(Schema.Record(Schema.String, Schema.Json)),
    strict: maybe(Schema.Boolean)
  })
})

const ToolChoice = Schema.Union([
  Schema.Literals(["none", "auto", "required"]),
  Schema.Struct({ type: Schema.Literal("function"), function: Schema.Struct({ name: Schema.String }) })
]).annotate({
  message: 'expected "none", "auto", "required" or { type: "function", function: { name } }'
})

const ResponseFormat = Schema.Union([
  Schema.Struct({ type: Schema.Literal("text") }),
  Schema.Struct({ type: Schema.Literal("json_object") }),
  Schema.Struct({
    type: Schema.Literal("json_schema"),
    json_schema: Schema.Struct({
      name: maybe(Schema.String),
      description: maybe(Schema.String),
      strict: maybe(Schema.Boolean),
      schema: Schema.Json
    })
  })
]).annotate({
  message: 'expected { type: "text" }, { type: "json_object" } or { type: "json_schema", json_schema: { schema } }'
})

/** Body of a request for a chat completion. */
export const ChatBody = Schema.Struct({
  ...writingFields,
  messages: Schema.Array(ChatMessage).check(Schema.isMinLength(1)),
  max_completion_tokens: writingFields.max_tokens,
  logprobs: Schema.optionalKey(Schema.Literal(false).annotate({ message: "must be false" })),
  tools: Schema.optionalKey(Schema.Array(DeclaredTool)),
  tool_choice: Schema.optionalKey(ToolChoice),
  parallel_tool_calls: Schema.optionalKey(Schema.Boolean),
  response_format: Schema.optionalKey(ResponseFormat),
  // what clients send that changes no text
  store: Schema.optionalKey(Schema.Boolean),
  metadata: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  service_tier: Schema.optionalKey(Schema.String),
  safety_identifier: Schema.optionalKey(Schema.String),
  prompt_cache_key: Schema.optionalKey(Schema.String)
})

/** Decoded body. */
export type ChatBody = typeof ChatBody.Type

/** Returns the conversation of a body. `system`: the run's system message, for conversations that have none. */
export const conversationOf = (
  { messages: list, tools: declared, tool_choice: choice }: ChatBody,
  system: string | undefined
): Effect.Effect<Required<Conversation>, Refusal> =>
  Effect.gen(function* () {
    const messages: Array<Message> = []
    for (const [i, { role, refusal: _, annotations: __, audio: ___, ...fields }] of list.entries()) {
      const message = messageIn({ ...fields, role: role === "developer" ? "system" : role })
      if ("broken" in message) return yield* wrongField(`messages[${i}]`, String(message.broken))
      messages.push(message)
    }
    const tools = choice === "none" ? [] : toolsIn(declared?.map(withoutNulls), "tools")
    if ("broken" in tools) return yield* wrongField("tools", tools.broken)
    const problems = callProblems({ messages }, undefined)
    if (problems !== undefined) return yield* wrongField("messages", problems.broken)
    return { messages: instructed(messages, system), tools }
  })

const withoutNulls = (tool: NonNullable<ChatBody["tools"]>[number]) => ({
  ...tool,
  function: Object.fromEntries(
    Object.entries(tool.function).filter(([key, value]) => value !== null && key !== "strict")
  )
})

/** Returns the number of characters in a conversation and its tools. */
export const charactersOf = ({ messages, tools }: Required<Conversation>): number =>
  JSON.stringify(tools).length +
  messages.reduce(
    (sum, { content, reasoning = "", calls = [] }) =>
      sum + (content?.length ?? 0) + reasoning.length + (calls.length === 0 ? 0 : JSON.stringify(calls).length),
    0
  )

/** How an answer is constrained and parsed. */
interface AnswerForm {
  /** null: the answer has no tool calls */
  readonly use: ToolUse | null
  /** null: unconstrained text */
  readonly constraint: Constraint | null
}

const isBroken = (use: ToolUse | NoToolUse): use is NoToolUse => "broken" in use

/** Returns the format of the answer that a body requests with these tools. */
export const answerForm = (
  tokenizer: CausalTokenizer,
  {
    tools: declared = [],
    tool_choice: choice = "auto",
    parallel_tool_calls: parallel = true,
    response_format: format
  }: ChatBody,
  tools: ReadonlyArray<Tool>
): Effect.Effect<AnswerForm, Refusal> =>
  Effect.gen(function* () {
    const only = typeof choice === "object" ? choice.function.name : undefined
    const required = only !== undefined || choice === "required"
    if (only !== undefined && !tools.some((tool) => tool.function.name === only)) {
      return yield* wrongField("tool_choice", `names "${only}", which is not among tools`)
    }
    if (required && tools.length === 0)
      return yield* wrongField("tool_choice", "requires a call, but the request has no tools")
    const use = tools.length === 0 ? null : toolUse(tokenizer, tools)
    if (use !== null && isBroken(use)) return yield* wrongField("tools", use.broken)
    const json = jsonGrammar(format)
    const strict = declared.some((tool) => tool.function.strict === true)
    if (use !== null && (required || json !== null)) {
      const calls = use.grammar?.({ parallel: parallel && only === undefined, ...(only === undefined ? {} : { only }) })
      if (calls === undefined) {
        const form = `the model writes calls in the format "${use.name}", whose values no grammar can describe`
        return required
          ? yield* wrongField("tool_choice", `a call cannot be required: ${form}`)
          : yield* wrongField("response_format", `cannot be combined with tools: ${form}; set tool_choice to "none"`)
      }
      const grammar: Grammar = required || json === null ? calls : { kind: "choice", options: [json, calls] }
      return { use, constraint: yield* compiled(tokenizer, grammar, required ? "tools" : "response_format") }
    }
    if (json !== null) return { use, constraint: yield* compiled(tokenizer, json, "response_format") }
    // text is free until a call begins, which is then as its schema says
    const calls = use !== null && (strict || !parallel) ? use.grammar?.({ parallel }) : undefined
    if (calls === undefined) return { use, constraint: null }
    const grammar: Grammar = { kind: "after-text", openings: use!.openings, body: calls }
    return { use, constraint: yield* compiled(tokenizer, grammar, "tools") }
  })

/** Returns the grammar of the JSON value that a response format requires; null: any text. */
const jsonGrammar = (format: ChatBody["response_format"]): Grammar | null => {
  if (format === undefined || format.type === "text") return null
  return { kind: "json", schema: format.type === "json_schema" ? format.json_schema.schema : { type: "object" } }
}

/** Maximum number of cached constraints per tokenizer. */
const MOST = 8

const constraintsOf = new WeakMap<CausalTokenizer, Map<string, Constraint>>()

const compiled = (tokenizer: CausalTokenizer, grammar: Grammar, field: string): Effect.Effect<Constraint, Refusal> =>
  Effect.suspend(() => {
    const cached = constraintsOf.get(tokenizer) ?? new Map<string, Constraint>()
    constraintsOf.set(tokenizer, cached)
    const key = JSON.stringify(grammar)
    const constraint = cached.get(key) ?? constraintOf(grammar, tokenizer)
    if ("broken" in constraint) return Effect.fail(wrongField(field, constraint.broken.join("; ")))
    cached.delete(key)
    cached.set(key, constraint)
    if (cached.size > MOST) cached.delete(cached.keys().next().value!)
    return Effect.succeed(constraint)
  })
