/** `generate RUN|MODEL [PROMPT…|-]`: continues prompts, or generates a text for each, from the arguments or one per line of stdin. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type CallEvent, endsThinking, type ToolUse } from "../calls/index.ts"
import type { Tool } from "../data/causal/index.ts"
import { ofDevice } from "../device/index.ts"
import {
  batchScheduler,
  type ConversationError,
  conversation,
  type GenerationEnd,
  GenerationError,
  type GenerationEvent,
  type Prompt,
  type TextOptions
} from "../generation/index.ts"
import type { Writing } from "../kinds/index.ts"
import { readsStdin, textsGiven } from "./dialogue.ts"
import type { Given, generateFlags, samplingFlags } from "./flags.ts"
import { onDevice } from "./on-device.ts"
import { tell, userError, writeResult } from "./output.ts"
import { callLine, openWriter, optionsOf, schemaConstraint, toolsOf, type Writer } from "./writing.ts"

/** Number of prompts to continue together: reading the weights once serves all of them. */
const TOGETHER = 32

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

/** A text to continue; `thinking`: its prompt begins the model's reasoning. */
export interface PrintedPrompt {
  readonly text: string
  readonly thinking: boolean
}

/**
 * Prints events. Texts are printed in the order of their prompts, to which more may be added: the first incomplete one while it is generated.
 */
export const printed = (prompts: ReadonlyArray<PrintedPrompt>, json: boolean, use?: ToolUse) => {
  const waiting = new Map<number, Array<string>>()
  const readers = new Map<number, ReturnType<ToolUse["reader"]>>()
  const ended = new Set<number>()
  let current = 0
  const readerOf = (prompt: number) => {
    if (use !== undefined && !readers.has(prompt)) readers.set(prompt, use.reader(prompts[prompt]!))
    return readers.get(prompt)
  }
  const textOf = (event: GenerationEvent): string => {
    const { text, thinking } = prompts[event.prompt]!
    if (json) return event.kind === "end" ? line(text, event, use, thinking) : ""
    const reader = readerOf(event.prompt)
    if (event.kind === "end") return `${(reader?.end() ?? []).map(shownEvent).join("")}\n`
    return reader === undefined ? event.text : reader.push(event.text).map(shownEvent).join("")
  }
  return (event: GenerationEvent): string => {
    waiting.set(event.prompt, [...(waiting.get(event.prompt) ?? []), textOf(event)])
    if (event.kind === "end") ended.add(event.prompt)
    let text = ""
    while (current < prompts.length) {
      text += (waiting.get(current) ?? []).join("")
      waiting.delete(current)
      if (!ended.delete(current)) break
      readers.delete(current)
      current += 1
    }
    return text
  }
}

/** Returns a prompt unchanged, or as a user message for a model trained on conversations. */
const promptOf = (
  { adapted, chat, system }: Writing,
  text: string,
  plain: boolean,
  tools: ReadonlyArray<Tool>
): Effect.Effect<Prompt, ConversationError> =>
  (chat || tools.length > 0) && !plain
    ? Effect.flatMap(
        conversation(adapted.model.tokenizer, { system, tools }),
        (start) => start.say("user", text).prompt
      )
    : Effect.succeed(text)

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
    const { base, ...settings } = optionsOf(writingFlags)
    const options: TextOptions = {
      ...settings,
      ...(constraint === undefined ? {} : { constraint }),
      special: use !== undefined
    }
    const { texts, size } = yield* textsOf(prompts, TOGETHER)
    const batch = yield* batchScheduler(adapted, { texts: size, base: base === true })
    const joined: Array<PrintedPrompt> = []
    const next = printed(joined, json, use)
    yield* texts.pipe(
      Stream.zipWithIndex,
      Stream.mapEffect(([text, first]) =>
        Effect.map(promptOf(writing, text, plain, use?.tools ?? []), (prompt) => {
          joined.push({ text, thinking: typeof prompt !== "string" && endsThinking(tokenizer, prompt) })
          return { prompt, first }
        })
      ),
      Stream.flatMap(
        ({ prompt, first }) =>
          batch.submit(prompt, { ...options, first }).pipe(
            Stream.map((event) => ({ ...event, prompt: first })),
            Stream.mapError((error) =>
              error._tag !== "GenerationError" || (first === 0 && prompts.length === 1)
                ? error
                : new GenerationError({ problems: error.problems.map((problem) => `prompt ${first + 1}: ${problem}`) })
            )
          ),
        { concurrency: size }
      ),
      Stream.runForEach((event) => writeResult(next(event))),
      ofDevice
    )
  }).pipe(Effect.scoped)

export const generate = (flags: Given<typeof generateFlags>) =>
  Effect.gen(function* () {
    const writer = yield* openWriter(flags.model, flags.base)
    yield* "write" in writer ? writtenFor(writer, flags) : continued(writer, flags)
  }).pipe(onDevice(flags.device, flags.threads))
