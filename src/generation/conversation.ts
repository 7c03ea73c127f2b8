/**
 * A conversation as a prompt: a checkpoint's chat template renders the messages and begins the assistant's turn, which `generate`
 * continues. The template writes the BOS token itself, so the tokenizer adds nothing, as in transformers.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type ChatTemplate, type Message, type Tool, templateOf, tokenized } from "../data/causal/index.ts"
import type { CausalTokenizer } from "../tensors/index.ts"

/** Error of a conversation that cannot be rendered as a prompt. */
export class ConversationError extends Schema.TaggedError<ConversationError>()("ConversationError", {
  /** a sentence with the remedy */
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

/** Messages of a user, an assistant and its tools. Immutable: adding a message returns a new conversation. */
export interface Conversation {
  /** messages in chronological order, a system message first */
  readonly messages: ReadonlyArray<Message>
  /** Returns the conversation with a text message appended. */
  readonly say: (role: "user" | "assistant", content: string) => Conversation
  /** Returns the conversation with messages appended that hold more than text: tool calls and their results. */
  readonly add: (...messages: ReadonlyArray<Message>) => Conversation
  /** Returns the conversation without its oldest exchange, or null if none precedes the last message. System messages are kept. */
  readonly withoutOldest: () => Conversation | null
  /** Prompt tokens that the assistant's reply continues. */
  readonly prompt: Effect.Effect<ReadonlyArray<number>, ConversationError>
}

/** Creates a conversation, empty or with `messages`. */
export const conversation = (
  tokenizer: CausalTokenizer,
  {
    system,
    messages = [],
    tools = []
  }: {
    /** content of a system message before all others; default: no system message */
    readonly system?: string | undefined
    /** earlier messages; default: none */
    readonly messages?: ReadonlyArray<Message>
    /** tools that the assistant may call; default: none */
    readonly tools?: ReadonlyArray<Tool>
  } = {}
): Effect.Effect<Conversation, ConversationError> => {
  const template = templateOf(tokenizer)
  if (template === undefined) {
    const reason = "the model has no chat template (chat_template in tokenizer_config.json, or chat_template.jinja)"
    return Effect.fail(new ConversationError({ reason: `${reason}; use generate, or a chat model` }))
  }
  if ("broken" in template) return Effect.fail(new ConversationError({ reason: template.broken }))
  const first = system === undefined ? [] : [{ role: "system", content: system }]
  return Effect.succeed(withMessages({ tokenizer, template, tools }, [...first, ...messages]))
}

interface Writing {
  readonly tokenizer: CausalTokenizer
  readonly template: ChatTemplate
  readonly tools: ReadonlyArray<Tool>
}

const withMessages = (writing: Writing, messages: ReadonlyArray<Message>): Conversation => ({
  messages,
  say: (role, content) => withMessages(writing, [...messages, { role, content }]),
  add: (...more) => withMessages(writing, [...messages, ...more]),
  withoutOldest: () => {
    const from = messages[0]?.role === "system" ? 1 : 0
    // an exchange begins with what the user says
    const next = messages.findIndex(({ role }, i) => i > from && role === "user")
    if (next < 0) return null
    return withMessages(writing, [...messages.slice(0, from), ...messages.slice(next)])
  },
  prompt: Effect.suspend(() => {
    const { tokenizer, template, tools } = writing
    const rendered = template.render({ messages, tools }, { prompt: true })
    if ("broken" in rendered) return Effect.fail(new ConversationError({ reason: rendered.broken }))
    const ids = tokenized(tokenizer, rendered.text)
    return "broken" in ids
      ? Effect.fail(new ConversationError({ reason: `the conversation ${ids.broken}` }))
      : Effect.succeed(ids)
  })
})
