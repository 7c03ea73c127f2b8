/** The next token of a text: chosen from the logits after it, and what it adds. */
import * as Effect from "effect/Effect"
import { GenerationError, type ObservedToken, type Settings } from "./options.ts"
import { likelihoods } from "./sampling.ts"
import type { Finish, Writer } from "./writer.ts"

/** A token, and what an observer is given of its place. */
export interface Choice {
  readonly id: number
  readonly place?: Pick<ObservedToken, "probability" | "likeliest">
}

/** Failure of a text that no token may continue. */
export const impossible = Effect.suspend(() => {
  const problem =
    "no token of the vocabulary can continue the text under its constraint; the vocabulary may lack a character"
  return Effect.fail(new GenerationError({ problems: [problem] }))
})

/** Chooses the next token of a text from the logits after it; null if its constraint allows no token. */
export const choiceAfter = (
  writer: Writer,
  logits: Float32Array,
  { observer }: Pick<Settings, "observer">
): Choice | null => {
  const id = writer.choose(logits)
  if (id === null || observer === null) return id === null ? null : { id }
  const { probability, likeliest } = likelihoods(logits, id, observer.likeliest)
  return { id, place: { probability, likeliest: likeliest.map(writer.shown) } }
}

/** Tokens that a text takes in one step. */
export interface Pushed {
  /** the chosen token and those that must follow it */
  readonly ids: ReadonlyArray<number>
  /** text that became certain */
  readonly text: string
  /** reason the text ended; null: it continues */
  readonly finish: Finish | null
}

/** Gives a text its next token, and those that must follow it. A text without one has begun, or waits until its tokens are read. */
export const pushedTo = (writer: Writer, token: Choice | null, { observer }: Pick<Settings, "observer">): Pushed => {
  const ids: Array<number> = []
  let [text, finish]: [string, Finish | null] = ["", null]
  const push = (id: number) => {
    const result = writer.push(id)
    ids.push(id)
    text += result.text
    finish = result.finish
  }
  const waits = token === null && writer.ids.length > 0
  if (token !== null) push(token.id)
  // an observer is shown how likely each token is, which takes a pass
  const forced = finish !== null || observer !== null || waits ? [] : writer.forced()
  for (const id of forced) if (finish === null) push(id)
  return { ids, text, finish }
}

/** Tells an observer of a chosen token and waits for it. */
export const observed = (
  writer: Writer,
  token: Choice | null,
  { text, finish }: Pushed,
  { observer }: Pick<Settings, "observer">
): Effect.Effect<void> =>
  observer === null || token?.place === undefined
    ? Effect.void
    : observer.tell({ id: token.id, prompt: writer.prompt, text, ends: finish === "eos", ...token.place })

/** Tokens per second after the first of `ids`, which was chosen `milliseconds` ago; null without a second token. */
export const tokensPerSecond = (ids: ReadonlyArray<number>, milliseconds: number | null): number | null =>
  milliseconds === null || ids.length < 2 ? null : (1000 * (ids.length - 1)) / milliseconds
