/** POST /v1/chat/completions: OpenAI's chats with a run that goes on with texts, by its chat template. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { limit, overLimit } from "../boundary/index.ts"
import { conversation } from "../generation/index.ts"
import { decodedBody } from "./body.ts"
import { generateOptions, mostTokens, writingFields } from "./openai-fields.ts"
import { refusal } from "./refusal.ts"
import type { Route } from "./route.ts"
import { verbsOf } from "./verbs.ts"
import { type Form, writtenReply } from "./written-reply.ts"

const TextPart = Schema.Struct({ type: Schema.Literal("text"), text: Schema.String })

const Message = Schema.Struct({
  role: Schema.Literals(["system", "developer", "user", "assistant"]),
  content: Schema.Union([Schema.String, Schema.Array(TextPart)]).annotate({
    message: 'expected a text, or a list of parts of type "text"'
  }),
  name: Schema.optionalKey(Schema.String)
})

const nothing = (what: string) =>
  Schema.optionalKey(Schema.Literal(what).annotate({ message: `only "${what}" is done here` }))

const ChatBody = Schema.Struct({
  ...writingFields,
  messages: Schema.Array(Message).check(Schema.isMinLength(1)),
  max_completion_tokens: writingFields.max_tokens,
  logprobs: Schema.optionalKey(Schema.Literal(false).annotate({ message: "only false is done here" })),
  tools: Schema.optionalKey(
    Schema.Array(Schema.Unknown).check(
      Schema.makeFilter((tools) => (tools.length === 0 ? undefined : "are not called here"))
    )
  ),
  tool_choice: nothing("none"),
  response_format: Schema.optionalKey(
    Schema.Struct({ type: Schema.Literal("text").annotate({ message: 'only "text" is done here' }) })
  ),
  // what clients send that changes no text
  parallel_tool_calls: Schema.optionalKey(Schema.Boolean),
  store: Schema.optionalKey(Schema.Boolean),
  metadata: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  service_tier: Schema.optionalKey(Schema.String),
  safety_identifier: Schema.optionalKey(Schema.String),
  prompt_cache_key: Schema.optionalKey(Schema.String)
})

const form: Form = {
  prefix: "chatcmpl",
  object: "chat.completion",
  chunk: "chat.completion.chunk",
  whole: (content) => ({ message: { role: "assistant", content, refusal: null } }),
  piece: (content) => ({ delta: { content } }),
  begin: { delta: { role: "assistant", content: "", refusal: null } },
  end: { delta: {} }
}

const textOf = (content: (typeof Message.Type)["content"]): string =>
  typeof content === "string" ? content : content.map(({ text }) => text).join("")

export const chatRoute: Route = {
  method: "POST",
  path: "/v1/chat/completions",
  who: "key",
  answer: ({ models, generating, held }, { request, answeredBy }) =>
    Effect.gen(function* () {
      const body = yield* decodedBody(request, ChatBody, held)
      const served = yield* models.use(body.model, ({ writing }) => writing !== null)
      answeredBy(served)
      if (served.writing === null)
        return yield* refusal(400, verbsOf(served, "holds no conversations"), { param: "model" })
      const { adapted, system } = served.writing.run
      const { tokenizer, maxLength } = adapted.model
      const messages = body.messages.map(({ role, content }) => ({
        role: role === "developer" ? "system" : role,
        content: textOf(content)
      }))
      const characters = messages.reduce((sum, { content }) => sum + content.length, 0)
      if (characters > limit("serve-characters"))
        return yield* refusal(400, `messages: are longer than ${overLimit("serve-characters")}`, {
          param: "messages",
          code: "context_length_exceeded"
        })
      const begins = messages[0]!.role === "system"
      const prompt = yield* conversation(tokenizer, { system: begins ? undefined : system, messages }).pipe(
        Effect.flatMap((talk) => talk.prompt),
        Effect.mapError(({ message }) => refusal(400, `messages: ${message}`, { param: "messages" }))
      )
      if (prompt.length >= maxLength) {
        const reason = `messages: have ${prompt.length} tokens; ${served.name} has room for ${maxLength}, its answer included; shorten them`
        return yield* refusal(400, reason, { param: "messages", code: "context_length_exceeded" })
      }
      const most = yield* mostTokens(body, limit("serve-new-tokens"))
      const events = yield* generating.events(served, [prompt], generateOptions(body, most))
      return yield* writtenReply({
        form,
        model: served.name,
        events,
        texts: 1,
        stream: body.stream === true,
        withUsage: body.stream_options?.include_usage === true
      })
    })
}
