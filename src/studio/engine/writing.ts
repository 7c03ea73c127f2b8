/** What a run writes, token by token, with its adapter and without: what was likely at each place, and what was chosen. */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { limit } from "../../boundary/index.ts"
import { answerMessage, endsThinking, readWhole, said, type ToolUse, toolUse, waitingCalls } from "../../calls/index.ts"
import { type Message, toolsIn } from "../../data/causal/index.ts"
import { ofDevice } from "../../device/device.ts"
import { conversation, generate, type ObservedToken, type TokenObserver } from "../../generation/index.ts"
import type { LoadedRun } from "../../trained/index.ts"
import type { WatchInput, WritingEvent } from "../protocol/index.ts"
import { AskRefused } from "./asking.ts"
import type { EngineNeeds, Handlers, Reported } from "./handlers.ts"
import { type RunInUse, useRun } from "./loaded-runs.ts"

type Asked = WatchInput<"write">
type Side = Asked["sides"][number]

/** Of each place. */
const LIKELIEST = 5

const tokenEvent = (side: Side, { id, text, probability, ends, likeliest }: ObservedToken): WritingEvent => {
  const rank = likeliest.findIndex((token) => token.id === id)
  return {
    kind: "token",
    side,
    token: { text, probability, ends, rank: rank < 0 ? null : rank },
    likeliest: likeliest.map((token) => ({ text: token.text, probability: token.probability }))
  }
}

/** The tools as a run uses them; null: no tools are given. */
const useOf = (run: LoadedRun, typed: string) =>
  Effect.gen(function* () {
    const tools = toolsIn(typed.trim(), "tools")
    if ("broken" in tools) return yield* new AskRefused({ message: tools.broken })
    if (tools.length === 0) return null
    const writing = run.kind.generation?.writing(run)
    if (writing?.chat !== true)
      return yield* new AskRefused({ message: "this run does not hold conversations, so it cannot call tools" })
    const use = toolUse(writing.adapted.model.tokenizer, tools)
    return "broken" in use ? yield* new AskRefused({ message: use.broken }) : use
  })

/** Messages as chat templates take them: calls in the assistant's texts become calls, and what the user says next their results. */
const messagesOf = (use: ToolUse | null, messages: Asked["messages"]): ReadonlyArray<Message> => {
  if (use === null) return messages
  const all: Array<Message> = []
  for (const [i, message] of messages.entries()) {
    // a text with </think> in it began with reasoning, whichever of the two wrote <think>
    if (message.role === "assistant") all.push(answerMessage(use.read(message.content, { thinking: true }), i))
    else all.push(...(message.role === "user" ? said(all, message.content) : [message]))
  }
  return all
}

/** What is left of a text without its calls, and the calls. */
const readText = (use: ToolUse | null, text: string, thinking: boolean) => {
  if (use === null) return { content: text, calls: [] }
  const { content, calls } = readWhole(use.reader({ thinking }), text)
  return { content, calls: calls.map(({ name, arguments: callArguments }) => ({ name, arguments: callArguments })) }
}

/** The tokens of a conversation; its oldest exchanges are left away where it has outgrown the model. */
const conversationPrompt = (
  { adapted, system }: { readonly adapted: Parameters<typeof generate>[0]; readonly system: string | undefined },
  messages: ReadonlyArray<Message>,
  { tokens, use }: { readonly tokens: number; readonly use: ToolUse | null }
) =>
  Effect.gen(function* () {
    const { tokenizer, maxLength } = adapted.model
    const waiting = waitingCalls(messages).map(({ name }) => name)
    if (waiting.length > 0)
      return yield* new AskRefused({
        message: `the result of ${waiting.join(", ")} is missing; write one result per line`
      })
    const systemMessage = messages[0]?.role === "system" ? undefined : system
    let talk = yield* conversation(tokenizer, { system: systemMessage, messages, tools: use?.tools ?? [] })
    let prompt = yield* talk.prompt
    const room = Math.min(tokens, Math.floor(maxLength / 2))
    for (
      let next = talk.withoutOldest();
      next !== null && prompt.length + room > maxLength;
      next = talk.withoutOldest()
    ) {
      talk = next
      prompt = yield* talk.prompt
    }
    return prompt
  })

/** Writes one side, and gives its end; `thinking`: its prompt begins the model's reasoning. */
const streamReply = (
  { run, prompts, turn }: RunInUse,
  { messages, tokens, temperature, seed }: Asked,
  { side, use, tell }: Pick<TokenObserver, "tell"> & { readonly side: Side; readonly use: ToolUse | null }
) =>
  Effect.gen(function* () {
    const { kind, plan, adapted } = run
    const observer: TokenObserver = { likeliest: LIKELIEST, tell }
    const base = side === "base"
    const text = messages.at(-1)!.content
    if (kind.generation === undefined) {
      const write = kind.writeObserved
      if (write === undefined)
        return yield* new AskRefused({ message: "this run does not generate text; it predicts labels for rows" })
      const finish = yield* write(adapted, plan, text, { maxTokens: tokens, temperature, seed, base, observer, turn })
      return { finish, thinking: false }
    }
    const writing = kind.generation.writing(run)
    const prompt = writing.chat ? yield* conversationPrompt(writing, messagesOf(use, messages), { tokens, use }) : text
    // the marks of calls may be special tokens
    const special = use !== null
    const options = { maxNewTokens: tokens, temperature, seed, base, observer, turn, promptCache: prompts, special }
    let finish: "eos" | "length" = "length"
    yield* generate(writing.adapted, [prompt], options).pipe(
      Stream.runForEach((event) =>
        Effect.sync(() => {
          if (event.kind === "end" && event.finish === "eos") finish = event.finish
        })
      )
    )
    const thinking = typeof prompt !== "string" && endsThinking(writing.adapted.model.tokenizer, prompt)
    return { finish, thinking }
  }).pipe(Effect.scoped)

const checked = ({ messages, tokens }: Asked) => {
  const most = limit("serve-new-tokens")
  if (messages.length === 0) return Effect.fail(new AskRefused({ message: "the prompt is empty; enter a text" }))
  if (tokens >= 1 && tokens <= most) return Effect.void
  return Effect.fail(new AskRefused({ message: `tokens is ${tokens}; expected 1 to ${most}` }))
}

const write = (request: Asked) =>
  Stream.callback<WritingEvent, Reported, EngineNeeds>((queue) =>
    Effect.gen(function* () {
      yield* checked(request)
      const inUse = yield* useRun(request.id)
      const use = yield* useOf(inUse.run, request.tools ?? "")
      // one after the other: a device has one piece of work at a time
      for (const side of request.sides) {
        let [tokens, text] = [0, ""]
        const tell = (token: ObservedToken) => {
          tokens += 1
          text += token.text
          return Queue.offer(queue, tokenEvent(side, token))
        }
        const { finish, thinking } = yield* streamReply(inUse, request, { side, use, tell })
        yield* Queue.offer(queue, { kind: "end", side, tokens, finish, ...readText(use, text, thinking) })
      }
    }).pipe(
      ofDevice,
      Effect.matchCauseEffect({
        onSuccess: () => Queue.end(queue),
        onFailure: (cause) => Queue.failCause(queue, cause)
      })
    )
  )

export const writingHandlers: Partial<Handlers<EngineNeeds>> = { watches: { write } }
