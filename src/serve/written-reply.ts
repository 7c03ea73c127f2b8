/** The events of a generation as OpenAI's answers: one object, or a stream of chunks. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { GenerationEnd, GenerationEvent } from "../generation/index.ts"
import { finishReason, newId, nowSeconds, usageOf } from "./openai-fields.ts"
import type { Refusal } from "./refusal.ts"
import type { Reply } from "./route.ts"

/** What differs between chats and completions. */
export interface Form {
  /** of the answer's id */
  readonly prefix: string
  /** `object` of an answer, and of a chunk */
  readonly object: string
  readonly chunk: string
  /** a choice's part that holds a whole text */
  readonly whole: (text: string) => object
  /** the same of a piece of it, and of what comes before the first and after the last */
  readonly piece: (text: string) => object
  readonly begin: object | null
  readonly end: object
}

export interface Replied {
  readonly form: Form
  readonly model: string
  readonly events: Stream.Stream<GenerationEvent, Refusal>
  /** how many texts are written */
  readonly texts: number
  readonly stream: boolean
  /** whether a last chunk has the numbers of tokens */
  readonly withUsage: boolean
}

const isEnd = (event: GenerationEvent): event is GenerationEnd => event.kind === "end"

export const writtenReply = ({
  form,
  model,
  events,
  texts,
  stream,
  withUsage
}: Replied): Effect.Effect<Reply, Refusal> => {
  const head = { id: newId(form.prefix), created: nowSeconds(), model }
  if (!stream) {
    return Effect.map(Stream.runCollect(events), (all) => {
      const ends = all.filter(isEnd).sort((a, b) => a.prompt - b.prompt)
      const choices = ends.map(({ prompt, text, finish }) => ({
        index: prompt,
        ...form.whole(text),
        logprobs: null,
        finish_reason: finishReason(finish)
      }))
      return { json: { ...head, object: form.object, choices, usage: usageOf(ends) } }
    })
  }
  const ends: Array<GenerationEnd> = []
  // every chunk has the field where the last one has numbers
  const own = { ...head, object: form.chunk, ...(withUsage ? { usage: null } : {}) }
  const chunk = (index: number, part: object, finish: "stop" | "length" | null) =>
    JSON.stringify({ ...own, choices: [{ index, ...part, logprobs: null, finish_reason: finish }] })
  const { begin } = form
  const first = begin === null ? [] : Array.from({ length: texts }, (_, i) => chunk(i, begin, null))
  const pieces = Stream.map(events, (event) => {
    if (event.kind === "text") return chunk(event.prompt, form.piece(event.text), null)
    ends.push(event)
    return chunk(event.prompt, form.end, finishReason(event.finish))
  })
  const last = Stream.suspend(() =>
    Stream.fromIterable([
      ...(withUsage ? [JSON.stringify({ ...own, choices: [], usage: usageOf(ends) })] : []),
      "[DONE]"
    ])
  )
  return Effect.succeed({ events: Stream.concat(Stream.concat(Stream.fromIterable(first), pieces), last) })
}
