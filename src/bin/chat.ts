/**
 * `chat RUN|MODEL`: a conversation, one message per line of stdin or per paste on a terminal; prints replies to stdout, everything else to stderr.
 *
 * A turn only reads its new tokens: keys and values of earlier turns stay on the device. A conversation that exceeds the model's
 * positions loses its oldest exchanges, which is reported. On a terminal Ctrl-C stops a reply; its beginning stays in the conversation.
 */

import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { counted } from "../boundary/index.ts"
import { answerMessage, type CallEvent, endsThinking, said, waitingCalls } from "../calls/index.ts"
import { ofDevice } from "../device/index.ts"
import { type Conversation, conversation, type GenerationEnd, generate, promptCache } from "../generation/index.ts"
import { dialogue } from "./dialogue.ts"
import type { chatFlags, Given } from "./flags.ts"
import { onDevice } from "./on-device.ts"
import { tell, writeResult } from "./output.ts"
import { callLine, openWriting, optionsOf, toolsOf } from "./writing.ts"

/**
 * Returns the conversation, without its oldest exchanges if it leaves no space for a reply of `maxTokens`: then reduced to half of the positions, so that
 * the following turns need not drop exchanges again and reread the rest.
 */
const fitted = (talk: Conversation, maxTokens: number, maxLength: number) =>
  Effect.gen(function* () {
    let now = talk
    let prompt = yield* now.prompt
    const half = Math.floor(maxLength / 2)
    if (prompt.length + Math.min(maxTokens, half) <= maxLength) return { now, prompt }
    for (let next = now.withoutOldest(); next !== null && prompt.length > half; next = now.withoutOldest()) {
      now = next
      prompt = yield* now.prompt
    }
    const forgotten = talk.messages.length - now.messages.length
    if (forgotten > 0) {
      yield* tell(
        `the conversation no longer fits in the model's ${maxLength} tokens: dropped its oldest ${counted(forgotten, "message")}`
      )
    }
    return { now, prompt }
  })

export const chat = ({ model, tools, system, base, device, threads, ...writingFlags }: Given<typeof chatFlags>) =>
  Effect.gen(function* () {
    const { adapted, system: trained } = yield* openWriting(model, base)
    const { tokenizer, maxLength } = adapted.model
    const use = yield* toolsOf(tools, tokenizer)
    const start = yield* conversation(tokenizer, {
      system: Option.getOrElse(system, () => trained),
      tools: use?.tools ?? []
    })
    const { typed, messages, ask, stopped } = yield* dialogue
    const options = { ...optionsOf(writingFlags), promptCache: yield* promptCache, special: use !== undefined }
    /** Prints the reply while it is generated. Returns the conversation with the message and the reply. */
    const replied = (before: Conversation, text: string, turn: number) =>
      Effect.gen(function* () {
        const after = before.add(...said(before.messages, text))
        if (waitingCalls(after.messages).length > 0) return after
        const { now, prompt } = yield* fitted(after, writingFlags.maxTokens, maxLength)
        let reply = ""
        let end: GenerationEnd | undefined
        const thinking = endsThinking(tokenizer, prompt)
        const reader = use?.reader({ thinking })
        const show = (events: ReadonlyArray<CallEvent>) =>
          writeResult(events.map((event) => (event.kind === "text" ? event.text : callLine(event.call))).join(""))
        const writing = generate(adapted, [prompt], { ...options, first: turn }).pipe(
          Stream.runForEach((event) => {
            if (event.kind === "text") reply += event.text
            else end = event
            if (reader === undefined) return event.kind === "text" ? writeResult(event.text) : Effect.void
            return show(event.kind === "text" ? reader.push(event.text) : reader.end())
          })
        )
        yield* Effect.raceFirst(writing, stopped)
        yield* writeResult("\n")
        if (end === undefined) yield* tell("(stopped; press Ctrl-C again or Ctrl-D to end the conversation)")
        else if (typed && end.finish === "length") yield* tell(lengthReached(end, writingFlags.maxTokens))
        if (reply === "" && end === undefined) return before
        if (use === undefined) return now.say("assistant", reply)
        const answer = answerMessage(use.read(reply, { thinking }), turn)
        const functions = (answer.calls ?? []).map(({ name }) => name)
        if (functions.length > 0) yield* tell(resultsWanted(functions))
        return now.add(answer)
      })
    /** Generates a reply. On a terminal, prints an error and continues with the next message. */
    const tryReply = (before: Conversation, text: string, turn: number) =>
      typed
        ? replied(before, text, turn).pipe(
            Effect.catchTags({
              ConversationError: ({ message }) => Effect.as(tell(message), before),
              GenerationError: ({ message }) => Effect.as(tell(message), before)
            })
          )
        : replied(before, text, turn)
    yield* ask
    yield* messages.pipe(
      Stream.zipWithIndex,
      Stream.runFoldEffect(
        () => start,
        (before, [text, turn]) => Effect.tap(tryReply(before, text, turn), () => ask)
      ),
      ofDevice
    )
  }).pipe(onDevice(device, threads))

const resultsWanted = (names: ReadonlyArray<string>): string =>
  names.length === 1
    ? `(enter the result of ${names[0]} as the next message)`
    : `(enter the results of ${names.join(", ")} as the next ${names.length} messages)`

const lengthReached = ({ ids, promptTokens }: GenerationEnd, maxTokens: number): string =>
  ids.length < maxTokens
    ? `(the reply ends here: the model's limit is ${promptTokens + ids.length} tokens)`
    : `(the reply ends here, at ${maxTokens} tokens; allow more with --max-tokens N)`
