/** The events of a generation as OpenAI's answers: one object, or a stream of chunks. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type CallEvent, type CallReader, readWhole } from "../calls/index.ts"
import type { ToolCall } from "../data/causal/index.ts"
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
  /** a choice's part that holds a whole text, and the calls in it */
  readonly whole: (text: string, calls: ReadonlyArray<ToolCall>) => object
  /** the same of a piece of it, and of what comes before the first and after the last */
  readonly piece: (text: string) => object
  /** the parts that announce a call, the `index`th of its text */
  readonly call: (call: ToolCall, index: number) => ReadonlyArray<object>
  /** what finds calls in a text; null: all of it is text */
  readonly reader: (() => CallReader) | null
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

/** To which everything is text. */
const textReader: CallReader = { push: (text) => (text === "" ? [] : [{ kind: "text", text }]), end: () => [] }

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
      const choices = ends.map(({ prompt, text: written, finish }) => {
        const { content, calls } = readWhole(form.reader?.() ?? textReader, written)
        return {
          index: prompt,
          ...form.whole(content, calls),
          logprobs: null,
          finish_reason: finishReason(finish, calls.length > 0)
        }
      })
      return { json: { ...head, object: form.object, choices, usage: usageOf(ends) } }
    })
  }
  const ends: Array<GenerationEnd> = []
  // every chunk has the field where the last one has numbers
  const own = { ...head, object: form.chunk, ...(withUsage ? { usage: null } : {}) }
  const chunk = (index: number, part: object, finish: ReturnType<typeof finishReason> | null) =>
    JSON.stringify({ ...own, choices: [{ index, ...part, logprobs: null, finish_reason: finish }] })
  const { begin } = form
  const first = begin === null ? [] : Array.from({ length: texts }, (_, i) => chunk(i, begin, null))
  const written = Array.from({ length: texts }, () => ({ reader: form.reader?.() ?? textReader, calls: 0 }))
  const chunksOf = (prompt: number, read: ReadonlyArray<CallEvent>): ReadonlyArray<string> =>
    read.flatMap((event) => {
      const parts = event.kind === "text" ? [form.piece(event.text)] : form.call(event.call, written[prompt]!.calls++)
      return parts.map((part) => chunk(prompt, part, null))
    })
  const pieces = events.pipe(
    Stream.map((event): ReadonlyArray<string> => {
      const { reader } = written[event.prompt]!
      if (event.kind === "text") return chunksOf(event.prompt, reader.push(event.text))
      ends.push(event)
      const rest = chunksOf(event.prompt, reader.end())
      return [...rest, chunk(event.prompt, form.end, finishReason(event.finish, written[event.prompt]!.calls > 0))]
    }),
    Stream.flattenIterable
  )
  const last = Stream.suspend(() =>
    Stream.fromIterable([
      ...(withUsage ? [JSON.stringify({ ...own, choices: [], usage: usageOf(ends) })] : []),
      "[DONE]"
    ])
  )
  return Effect.succeed({ events: Stream.concat(Stream.concat(Stream.fromIterable(first), pieces), last) })
}
