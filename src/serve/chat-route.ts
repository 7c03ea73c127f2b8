/** POST /v1/chat/completions: OpenAI's chats with a run that continues texts, by its chat template, with tools and structured output. */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import { limit, overLimit } from "../boundary/index.ts"
import { endsThinking, type ToolUse } from "../calls/index.ts"
import type { ToolCall } from "../data/causal/index.ts"
import { conversation } from "../generation/index.ts"
import { decodedBody } from "./body.ts"
import { answerForm, ChatBody, charactersOf, conversationOf } from "./chat-body.ts"
import { type Form, generateOptions, mostTokens, replyOf } from "./openai.ts"
import { refusal } from "./refusal.ts"
import { type Route, verbsOf } from "./route.ts"

/** Returns an id of nine letters and digits, the only ids that some templates accept. Clients send it back with results. */
const newCallId = (): string => randomUUID().replaceAll("-", "").slice(0, 9)

const callOf = ({ id, name, arguments: argumentValues }: ToolCall) => ({
  id: id ?? newCallId(),
  type: "function",
  function: { name, arguments: JSON.stringify(argumentValues) }
})

/** `thinking`: the prompt begins the model's reasoning. */
const formOf = (use: ToolUse | null, thinking: boolean): Form => ({
  prefix: "chatcmpl",
  object: "chat.completion",
  chunk: "chat.completion.chunk",
  whole: (content, calls) => ({
    message: {
      role: "assistant",
      content: content === "" && calls.length > 0 ? null : content,
      ...(calls.length === 0 ? {} : { tool_calls: calls.map(callOf) }),
      refusal: null
    }
  }),
  piece: (content) => ({ delta: { content } }),
  call: (call, index) => {
    const { function: calledFunction, ...rest } = callOf(call)
    return [
      { delta: { tool_calls: [{ index, ...rest, function: { name: calledFunction.name, arguments: "" } }] } },
      { delta: { tool_calls: [{ index, function: { arguments: calledFunction.arguments } }] } }
    ]
  },
  reader: use === null ? null : () => use.reader({ thinking }),
  begin: { delta: { role: "assistant", content: "", refusal: null } },
  end: { delta: {} }
})

/** `POST /v1/chat/completions`. */
export const chatRoute: Route = {
  method: "POST",
  path: "/v1/chat/completions",
  who: "key",
  answer: ({ models, generating, bodies }, called) =>
    Effect.gen(function* () {
      const body = yield* decodedBody(called, ChatBody, bodies)
      const served = yield* models.use(body.model, ({ writing }) => writing !== null)
      called.answeredBy(served)
      if (served.writing === null)
        return yield* refusal(400, verbsOf(served, "does not support conversations"), { param: "model" })
      const { adapted, system } = served.writing.run
      const { tokenizer, maxLength } = adapted.model
      const exchange = yield* conversationOf(body, system)
      if (charactersOf(exchange) > limit("serve-characters"))
        return yield* refusal(400, `messages: are longer than ${overLimit("serve-characters")}`, {
          param: "messages",
          code: "context_length_exceeded"
        })
      const { use, constraint } = yield* answerForm(tokenizer, body, exchange.tools)
      const prompt = yield* conversation(tokenizer, exchange).pipe(
        Effect.flatMap((talk) => talk.prompt),
        Effect.mapError(({ message }) => refusal(400, `messages: ${message}`, { param: "messages" }))
      )
      if (prompt.length >= maxLength) {
        const reason = `messages: have ${prompt.length} tokens; ${served.name} has room for ${maxLength}, including the answer; shorten them`
        return yield* refusal(400, reason, { param: "messages", code: "context_length_exceeded" })
      }
      const most = yield* mostTokens(body, limit("serve-new-tokens"))
      const events = yield* generating.events(called.client, served, [prompt], {
        ...generateOptions(body, most),
        ...(constraint === null ? {} : { constraint }),
        // the marks of calls may be special tokens
        special: use !== null
      })
      const thinking = endsThinking(tokenizer, prompt)
      return yield* replyOf({
        form: formOf(use, thinking),
        model: served.name,
        events,
        texts: 1,
        stream: body.stream === true,
        withUsage: body.stream_options?.include_usage === true
      })
    })
}
