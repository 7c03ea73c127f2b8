/** One text while it is written: its tokens, its pieces, and when it ends. */

import { randomStream } from "../numbers/index.ts"
import type { CausalTokenizer } from "../tensors/index.ts"
import type { Settings } from "./options.ts"
import { sample } from "./sampling.ts"
import { stopStrings } from "./stop-strings.ts"
import { textPieces } from "./text-pieces.ts"

/** Why a text ended: the model said so, a stop string came, or there is no room for more. */
export type Finish = "eos" | "stop" | "length"

export interface Writer {
  /** place of its prompt */
  readonly prompt: number
  /** what has been chosen */
  readonly ids: ReadonlyArray<number>
  /** A token from the logits behind the last one. */
  readonly choose: (logits: Float32Array) => number
  /** Takes a token; what of the text is certain with it, and whether it was the last. */
  readonly push: (id: number) => { readonly text: string; readonly finish: Finish | null }
  /** the text so far, as far as it was handed out */
  readonly text: () => string
}

/** `room`: tokens that the model has positions for behind the prompt. */
export const writer = (
  { decode }: CausalTokenizer,
  prompt: number,
  given: ReadonlyArray<number>,
  room: number,
  { sampling, seed, first, stop, eosIds, maxNewTokens }: Settings
): Writer => {
  const ids: Array<number> = []
  const pieces = textPieces(decode, given)
  const stops = stopStrings(stop)
  const random = randomStream(seed, "generate", first + prompt)
  const most = Math.min(maxNewTokens, room)
  let whole = ""
  const told = (text: string, finish: Finish | null) => {
    whole += text
    return { text, finish }
  }
  /** What is held back comes out at the end, unless a stop string is in it. */
  const ended = (piece: string, finish: Finish) => {
    const { text, stopped } = stops.push(piece + pieces.end())
    return stopped ? told(text, "stop") : told(text + stops.end(), finish)
  }
  return {
    prompt,
    ids,
    choose: (logits) => sample(logits, [...given, ...ids], sampling, random),
    push: (id) => {
      ids.push(id)
      if (eosIds.has(id)) return ended("", "eos")
      const piece = pieces.push(id)
      if (ids.length >= most) return ended(piece, "length")
      const { text, stopped } = stops.push(piece)
      return told(text, stopped ? "stop" : null)
    },
    text: () => whole
  }
}
