/** `generate RUN|MODEL [PROMPT…|-]`: continues prompts, or generates a text for each, from the arguments or one per line of stdin. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type CallEvent, endsThinking, type ToolUse } from "../calls/index.ts"
import type { Tool } from "../data/causal/index.ts"
import { ofDevice } from "../device/index.ts"
import {
  type ConversationError,
  conversation,
  type GenerateOptions,
  type GenerationEnd,
  type GenerationEvent,
  generate as generated,
  type Prompt
} from "../generation/index.ts"
import type { Writing } from "../kinds/index.ts"
import { readsStdin, textsGiven } from "./dialogue.ts"
import type { Given, generateFlags, samplingFlags } from "./flags.ts"
import { onDevice } from "./on-device.ts"
import { tell, userError, writeResult } from "./output.ts"
import { callLine, openWriter, optionsOf, schemaConstraint, toolsOf, type Writer } from "./writing.ts"

/** Number of prompts to continue together: reading the weights once serves all of them. */
const BATCH_SIZE = 8

const line = (
  prompt: string,
  { text, ids, finish, tokensPerSecond }: GenerationEnd,
  use: ToolUse | undefined,
  thinking: boolean
): string => {
  const read = use?.read(text, { thinking })
  const content = read === undefined ? { text } : { text: read.content, calls: read.calls }
  return `${JSON.stringify({ prompt, ...content, tokens: ids.length, finish, tokensPerSecond })}\n`
}

/** Formats a part of an answer for a terminal. */
const shownEvent = (event: CallEvent): string => (event.kind === "text" ? event.text : callLine(event.call))

/**
 * Prints events. Texts are printed in the order of their prompts: the first incomplete one while it is generated. `thinking`: prompts that
 * begin the model's reasoning.
 */
export const printed = (
  prompts: ReadonlyArray<string>,
  json: boolean,
  use?: ToolUse,
  thinking: ReadonlyArray<boolean> = prompts.map(() => false)
) => {
  const waiting = prompts.map((): Array<string> => [])
  const readers = thinking.map((isThinking) => use?.reader({ thinking: isThinking }))
  const ended = new Set<number>()
  let current = 0
  const textOf = (event: GenerationEvent): string => {
    if (json) return event.kind === "end" ? line(prompts[event.prompt]!, event, use, thinking[event.prompt]!) : ""
    const reader = readers[event.prompt]
    if (event.kind === "end") return `${(reader?.end() ?? []).map(shownEvent).join("")}\n`
    return reader === undefined ? event.text : reader.push(event.text).map(shownEvent).join("")
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

/** Returns prompts unchanged, or as user messages for a model trained on conversations. */
const promptsOf = (
  { adapted, chat, system }: Writing,
  texts: ReadonlyArray<string>,
  plain: boolean,
  tools: ReadonlyArray<Tool>
) =>
  (chat || tools.length > 0) && !plain
    ? Effect.flatMap(conversation(adapted.model.tokenizer, { system, tools }), (start) =>
        Effect.forEach(texts, (text): Effect.Effect<Prompt, ConversationError> => start.say("user", text).prompt)
      )
    : Effect.succeed<ReadonlyArray<Prompt>>(texts)

/** Rejects sampling options for continuations in models that generate a text from another, and vice versa. */
const refused = ({
  temperature,
  topK,
  topP,
  repetitionPenalty,
  stop,
  tools,
  schema
}: Given<typeof samplingFlags> & Pick<Given<typeof generateFlags>, "tools" | "schema">) =>
  [
    ...(temperature === 0 ? [] : ["--temperature"]),
    ...(Option.isNone(topK) ? [] : ["--top-k"]),
    ...(topP === 1 ? [] : ["--top-p"]),
    ...(repetitionPenalty === 1 ? [] : ["--repetition-penalty"]),
    ...(stop.length === 0 ? [] : ["--stop"]),
    ...(Option.isNone(tools) ? [] : ["--tools"]),
    ...(Option.isNone(schema) ? [] : ["--schema"])
  ].join(", ")

/** Generates a text for each, in order. */
const writtenFor = ({ write, batchSize }: Writer, flags: Given<typeof generateFlags>) =>
  Effect.gen(function* () {
    const { prompts, json, plain, beams, maxTokens, baseOnly: base } = flags
    const none = refused(flags)
    if (none !== "") {
      yield* userError(
        `found ${none}; the run's model is an encoder-decoder, which generates its most probable output: expected --beams or no flag`
      )
    }
    const { texts, size } = yield* textsOf(prompts, batchSize)
    yield* texts.pipe(
      Stream.grouped(size),
      Stream.mapEffect((some) =>
        Effect.map(write(some, { maxTokens, beams, plain, base }), (all) =>
          all.map((result, i) => ({ prompt: some[i]!, ...result }))
        )
      ),
      Stream.runForEach((all) =>
        Effect.forEach(all, (result) => writeResult(json ? `${JSON.stringify(result)}\n` : `${result.text}\n`), {
          discard: true
        })
      ),
      ofDevice
    )
  })

/** Streams prompts from the arguments, or one per line; typed ones are answered one by one. */
const textsOf = (prompts: ReadonlyArray<string>, batchSize: number) =>
  Effect.gen(function* () {
    const typed = readsStdin(prompts) && process.stdin.isTTY === true
    if (typed) yield* tell("enter one prompt per line; press Ctrl-D to quit")
    return { texts: textsGiven(prompts), size: typed ? 1 : batchSize }
  })

const continued = (
  writing: Writing,
  { prompts, json, plain, beams, tools, schema, ...writingFlags }: Given<typeof generateFlags>
) =>
  Effect.gen(function* () {
    const { adapted } = writing
    const { tokenizer } = adapted.model
    if (beams > 1) {
      yield* userError(
        `found --beams ${beams}; beam search needs an encoder-decoder: expected --temperature, --top-k, --top-p or no flag`
      )
    }
    if (plain && Option.isSome(tools)) {
      yield* userError("found --plain and --tools; expected one of the two, since tools need a conversation")
    }
    const use = yield* toolsOf(tools, tokenizer)
    const constraint = yield* schemaConstraint(schema, tokenizer)
    const options: GenerateOptions = {
      ...optionsOf(writingFlags),
      ...(constraint === undefined ? {} : { constraint }),
      special: use !== undefined
    }
    const { texts, size } = yield* textsOf(prompts, BATCH_SIZE)
    yield* texts.pipe(
      Stream.grouped(size),
      Stream.zipWithIndex,
      Stream.runForEach(([batch, i]) =>
        Effect.flatMap(promptsOf(writing, batch, plain, use?.tools ?? []), (ids) => {
          const thinking = ids.map((prompt) => typeof prompt !== "string" && endsThinking(tokenizer, prompt))
          const next = printed(batch, json, use, thinking)
          return generated(adapted, ids, { ...options, first: i * size }).pipe(
            Stream.runForEach((event) => writeResult(next(event)))
          )
        })
      ),
      ofDevice
    )
  })

export const generate = (flags: Given<typeof generateFlags>) =>
  Effect.gen(function* () {
    const writer = yield* openWriter(flags.model, flags.base)
    yield* "write" in writer ? writtenFor(writer, flags) : continued(writer, flags)
  }).pipe(onDevice(flags.device, flags.threads))
