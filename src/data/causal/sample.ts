/** A row as the model will see it: its tokens written out again, what is learned told from what is not. */
import * as Effect from "effect/Effect"
import type { CausalTokenizer } from "../../tensors/index.ts"
import { type DataError, dataError } from "../data-error.ts"
import { isBrokenValue } from "./fields.ts"
import { ignored } from "./row.ts"
import { type CausalSplit, cut } from "./split.ts"

export interface RenderedSample {
  /** the row's place */
  readonly where: string
  /** the text, cut at `maxLength`, in pieces that are learned and pieces that are not */
  readonly runs: ReadonlyArray<{ readonly text: string; readonly trained: boolean }>
  /** tokens, cut */
  readonly tokens: number
  /** tokens of the row before it was cut */
  readonly uncut: number
  /** tokens that are learned */
  readonly trained: number
}

/** Of one row of a split; a token is learned where it is the label of the one before. */
export const renderedSample = (
  split: CausalSplit,
  { decode }: Pick<CausalTokenizer, "decode">,
  maxLength: number,
  row = 0
): Effect.Effect<RenderedSample, DataError> =>
  Effect.gen(function* () {
    const [found] = yield* split.read([row])
    const { content, where } = found!
    const sequence = split.encode(content)
    if (isBrokenValue(sequence)) return yield* dataError(where, sequence.broken)
    const { ids, labels } = cut(sequence, maxLength, split.tooLong)[0]!
    const runs: Array<{ readonly text: string; readonly trained: boolean }> = []
    const learned = (t: number) => t > 0 && labels[t - 1] !== ignored
    for (let from = 0; from < ids.length; ) {
      let to = from + 1
      while (to < ids.length && learned(to) === learned(from)) to++
      runs.push({ text: decode([...ids.subarray(from, to)], { special: true }), trained: learned(from) })
      from = to
    }
    const trained = labels.filter((label) => label !== ignored).length
    return { where, runs, tokens: ids.length, uncut: sequence.ids.length, trained }
  })
