/** `generate RUN|MODEL [PROMPT…|-]`: texts behind prompts, from the arguments or one a line from stdin. */
import { Argument, Command } from "effect/cli"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Device, ofDevice } from "../device/index.ts"
import { type GenerationEnd, type GenerationEvent, generate } from "../generation/index.ts"
import { jsonFlag, threadsOr } from "./device-flags.ts"
import { generationFlags, modelArgument, openWriting, optionsOf } from "./generation-flags.ts"
import { stdinLines } from "./stdin-lines.ts"
import { told } from "./told.ts"

/** Prompts that are continued together: reading the weights once serves all of them. */
const TOGETHER = 8

const write = (text: string) => Effect.sync(() => void process.stdout.write(text))

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

export const generateCommand = Command.make(
  "generate",
  {
    model: modelArgument,
    prompts: Argument.String("prompt").pipe(
      Argument.withDescription("Beginnings of texts; none or - reads one a line from stdin"),
      Argument.atLeast(0)
    ),
    ...generationFlags,
    json: jsonFlag
  },
  ({ model, prompts, base, device, threads, json, ...given }) =>
    Effect.gen(function* () {
      const adapted = yield* openWriting(model, base)
      const options = optionsOf(given)
      const source = prompts.length === 0 || (prompts.length === 1 && prompts[0] === "-")
      yield* (source ? stdinLines : Stream.fromIterable(prompts)).pipe(
        Stream.grouped(TOGETHER),
        Stream.zipWithIndex,
        Stream.runForEach(([batch, i]) => {
          const next = printed(batch, json)
          return generate(adapted, batch, { ...options, first: i * TOGETHER }).pipe(
            Stream.runForEach((event) => write(next(event)))
          )
        }),
        ofDevice
      )
    }).pipe(Effect.scoped, Effect.provide(Device.layer(device, { threads: threadsOr(threads, "auto") })), told)
).pipe(Command.withDescription("Continue texts with a trained run or a causal language model"))
