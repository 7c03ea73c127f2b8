/** What a run writes, token by token, with its adapter and without: what was likely at each place, and what was chosen. */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { limit } from "../../boundary/index.ts"
import { ofDevice } from "../../device/device.ts"
import { conversation, generate, type ObservedToken, type TokenObserver } from "../../generation/index.ts"
import type { WatchInput, WritingEvent } from "../protocol/index.ts"
import { AskRefused } from "./asking.ts"
import type { EngineNeeds, Handlers, Reported } from "./handlers.ts"
import { type RunInUse, useRun } from "./loaded-runs.ts"

type Asked = WatchInput<"write">
type Side = Asked["sides"][number]

/** Of each place. */
const LIKELIEST = 5

const tokenEvent = (side: Side, { id, text, probability, ends, likeliest }: ObservedToken): WritingEvent => {
  const place = likeliest.findIndex((other) => other.id === id)
  return {
    kind: "token",
    side,
    token: { text, probability, ends, place: place < 0 ? null : place },
    others: likeliest.map((other) => ({ text: other.text, probability: other.probability }))
  }
}

/** The tokens of a conversation; its oldest exchanges are left away where it has outgrown the model. */
const conversationPrompt = (
  { adapted, system }: { readonly adapted: Parameters<typeof generate>[0]; readonly system: string | undefined },
  messages: Asked["messages"],
  tokens: number
) =>
  Effect.gen(function* () {
    const { tokenizer, maxLength } = adapted.model
    const own = messages[0]?.role === "system" ? undefined : system
    let talk = yield* conversation(tokenizer, { system: own, messages })
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

/** Writes one side, and gives its end. */
const written = (
  { run, prompts, turn }: RunInUse,
  { messages, tokens, temperature, seed }: Asked,
  side: Side,
  tell: TokenObserver["tell"]
) =>
  Effect.gen(function* () {
    const { kind, plan, adapted } = run
    const observer: TokenObserver = { likeliest: LIKELIEST, tell }
    const base = side === "base"
    const text = messages.at(-1)!.content
    if (kind.generation === undefined) {
      const write = kind.writeObserved
      if (write === undefined)
        return yield* new AskRefused({ reason: "this run writes nothing; it can be asked for answers" })
      return yield* write(adapted, plan, text, { maxTokens: tokens, temperature, seed, base, observer, turn })
    }
    const writing = kind.generation.writing(run)
    const prompt = writing.chat ? yield* conversationPrompt(writing, messages, tokens) : text
    const options = { maxNewTokens: tokens, temperature, seed, base, observer, turn, promptCache: prompts }
    let finish: "eos" | "length" = "length"
    yield* generate(writing.adapted, [prompt], options).pipe(
      Stream.runForEach((event) =>
        Effect.sync(() => {
          if (event.kind === "end" && event.finish === "eos") finish = event.finish
        })
      )
    )
    return finish
  }).pipe(Effect.scoped)

const checked = ({ messages, tokens }: Asked) => {
  const most = limit("serve-new-tokens")
  if (messages.length === 0) return Effect.fail(new AskRefused({ reason: "there is no text to go on with; write one" }))
  if (tokens >= 1 && tokens <= most) return Effect.void
  return Effect.fail(new AskRefused({ reason: `tokens is ${tokens}; expected 1 to ${most}` }))
}

const write = (asked: Asked) =>
  Stream.callback<WritingEvent, Reported, EngineNeeds>((queue) =>
    Effect.gen(function* () {
      yield* checked(asked)
      const used = yield* useRun(asked.id)
      // one after the other: a device has one piece of work at a time
      for (const side of asked.sides) {
        let tokens = 0
        const finish = yield* written(used, asked, side, (token) => {
          tokens += 1
          return Queue.offer(queue, tokenEvent(side, token))
        })
        yield* Queue.offer(queue, { kind: "end", side, tokens, finish })
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
