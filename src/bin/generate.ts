/** `generate RUN|MODEL [PROMPT…|-]`: continues prompts, from the arguments or one a line from stdin. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Device, ofDevice } from "../device/index.ts"
import {
  type ConversationError,
  conversation,
  type GenerationEnd,
  type GenerationEvent,
  generate as generated,
  type Prompt
} from "../generation/index.ts"
import type { Writing } from "../kinds/index.ts"
import { Progress } from "../run/index.ts"
import { stdinLines } from "./dialogue.ts"
import type { Given, generateFlags } from "./flags.ts"
import { screen, tell, writeResult } from "./output.ts"
import { terminalListener } from "./terminal.ts"
import { openWriting, optionsOf } from "./writing.ts"

/** Prompts that are continued together: reading the weights once serves all of them. */
const BATCH_SIZE = 8

const line = (prompt: string, { text, ids, finish, tokensPerSecond }: GenerationEnd): string =>
  `${JSON.stringify({ prompt, text, tokens: ids.length, finish, tokensPerSecond })}\n`

/** What is printed at each event. Texts come in the order of their prompts: the first that has not ended as it is written. */
export const printed = (prompts: ReadonlyArray<string>, json: boolean) => {
  const waiting = prompts.map((): Array<string> => [])
  const ended = new Set<number>()
  let current = 0
  const textOf = (event: GenerationEvent): string => {
    if (json) return event.kind === "end" ? line(prompts[event.prompt]!, event) : ""
    return event.kind === "end" ? "\n" : event.text
  }
  return (event: GenerationEvent): string => {
    waiting[event.prompt]!.push(textOf(event))
    if (event.kind === "end") ended.add(event.prompt)
    let text = ""
    while (current < prompts.length) {
      text += waiting[current]!.splice(0).join("")
      if (!ended.has(current)) break
      current += 1
    }
    return text
  }
}

/** Prompts as they are, or as what a user says to a model that learned conversations. */
const promptsOf = ({ adapted, chat, system }: Writing, texts: ReadonlyArray<string>, plain: boolean) =>
  chat && !plain
    ? Effect.flatMap(conversation(adapted.model.tokenizer, { system }), (begun) =>
        Effect.forEach(texts, (text): Effect.Effect<Prompt, ConversationError> => begun.say("user", text).prompt)
      )
    : Effect.succeed<ReadonlyArray<Prompt>>(texts)

export const generate = ({
  model,
  prompts,
  base,
  device,
  threads,
  json,
  plain,
  ...given
}: Given<typeof generateFlags>) =>
  Effect.gen(function* () {
    const writing = yield* openWriting(model, base)
    const { adapted } = writing
    const options = optionsOf(given)
    const source = prompts.length === 0 || (prompts.length === 1 && prompts[0] === "-")
    // who types waits for each
    const typed = source && process.stdin.isTTY === true
    const batchSize = typed ? 1 : BATCH_SIZE
    if (typed) yield* tell("a prompt a line; Ctrl-D ends")
    yield* (source ? stdinLines : Stream.fromIterable(prompts)).pipe(
      Stream.grouped(batchSize),
      Stream.zipWithIndex,
      Stream.runForEach(([batch, i]) => {
        const next = printed(batch, json)
        return Effect.flatMap(promptsOf(writing, batch, plain), (ids) =>
          generated(adapted, ids, { ...options, first: i * batchSize }).pipe(
            Stream.runForEach((event) => writeResult(next(event)))
          )
        )
      }),
      ofDevice
    )
  }).pipe(
    Effect.scoped,
    Effect.provide(Device.layer(device, { threads })),
    Effect.provideService(Progress, terminalListener(screen))
  )
