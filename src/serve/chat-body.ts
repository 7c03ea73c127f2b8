/** The body of a chat: OpenAI's fields, and the conversation, tools and form of answer that they ask for. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type Conversation, callProblems, instructed, type Message, messageIn, toolsIn } from "../data/causal/index.ts"
import { writingFields } from "./openai-fields.ts"
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

const Tool = Schema.Struct({
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

export const ChatBody = Schema.Struct({
  ...writingFields,
  messages: Schema.Array(ChatMessage).check(Schema.isMinLength(1)),
  max_completion_tokens: writingFields.max_tokens,
  logprobs: Schema.optionalKey(Schema.Literal(false).annotate({ message: "must be false" })),
  tools: Schema.optionalKey(Schema.Array(Tool)),
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
export type ChatBody = typeof ChatBody.Type

/** The conversation of a body. `system`: what the run was trained with, for conversations that have no system message. */
export const conversationOf = (
  { messages: list, tools: declared, tool_choice: choice }: ChatBody,
  system: string | undefined
): Effect.Effect<Required<Conversation>, Refusal> =>
  Effect.gen(function* () {
    const messages: Array<Message> = []
    for (const [i, { role, refusal: _, annotations: __, audio: ___, ...own }] of list.entries()) {
      const message = messageIn({ ...own, role: role === "developer" ? "system" : role })
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

/** Characters of what a body says. */
export const charactersOf = ({ messages, tools }: Required<Conversation>): number =>
  JSON.stringify(tools).length +
  messages.reduce(
    (sum, { content, reasoning = "", calls = [] }) =>
      sum + (content?.length ?? 0) + reasoning.length + (calls.length === 0 ? 0 : JSON.stringify(calls).length),
    0
  )
