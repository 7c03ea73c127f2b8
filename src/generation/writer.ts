/** A text during generation: its tokens, its pieces, and when it ends. */
import type { Constraint } from "../constraint/index.ts"
import { randomStream } from "../numbers/index.ts"
import type { CausalTokenizer } from "../tensors/index.ts"
import type { Settings, ShownToken } from "./options.ts"
import { type LikelyToken, sample, sampleAmong } from "./sampling.ts"

/** Reason that a text ended: an end-of-text token, a stop string, or the token limit. */
export type Finish = "eos" | "stop" | "length"

/** Generation of one text, token by token. */
export interface Writer {
  /** index of the prompt */
  readonly prompt: number
  /** tokens chosen so far */
  readonly ids: ReadonlyArray<number>
  /** Chooses the next token from the logits; returns null if the constraint allows no token of the vocabulary. */
  readonly choose: (logits: Float32Array) => number | null
  /** Returns the tokens that must come next, before any is chosen. */
  readonly forced: () => ReadonlyArray<number>
  /** Returns a candidate token with its text. */
  readonly shown: (token: LikelyToken) => ShownToken
  /** Appends a token; returns the text that became certain, and the reason if the text ended. */
  readonly push: (id: number) => { readonly text: string; readonly finish: Finish | null }
  /** Returns the text handed out so far. */
  readonly text: () => string
}

/** Creates the writer of one text. `room`: number of positions that the model has left after the prompt. */
export const writer = (
  { decode }: Pick<CausalTokenizer, "decode">,
  prompt: number,
  promptIds: ReadonlyArray<number>,
  room: number,
  { sampling, seed, first, stop, eosIds, maxNewTokens, constraint, special }: Settings
): Writer => {
  const ids: Array<number> = []
  const pieces = textPieces(special ? (all) => decode(all, { special }) : decode, promptIds)
  const grammar = constraint === null ? null : grammarOf(constraint, eosIds)
  const stops = stopStrings(stop)
  const random = randomStream(seed, "generate", first + prompt)
  const most = Math.min(maxNewTokens, room)
  let wholeText = ""
  const handedOut = (text: string, finish: Finish | null) => {
    wholeText += text
    return { text, finish }
  }
  /** Held-back text is handed out at the end, unless a stop string is in it. */
  const ended = (piece: string, finish: Finish) => {
    const { text, stopped } = stops.push(piece + pieces.end())
    return stopped ? handedOut(text, "stop") : handedOut(text + stops.end(), finish)
  }
  return {
    prompt,
    ids,
    choose: (logits) =>
      grammar === null
        ? sample(logits, [...promptIds, ...ids], sampling, random)
        : sampleAmong(logits, grammar.allowed(), [...promptIds, ...ids], sampling, random),
    forced: () => grammar?.forced() ?? [],
    shown: tokenTextBy(decode, pieces),
    push: (id) => {
      ids.push(id)
      if (eosIds.has(id)) return ended("", "eos")
      const piece = pieces.push(id)
      if (grammar?.push(id) === true) return ended(piece, "eos")
      if (ids.length >= most) return ended(piece, "length")
      const { text, stopped } = stops.push(piece)
      return handedOut(text, stopped ? "stop" : null)
    },
    text: () => wholeText
  }
}

/** Where a text is in its grammar, with the tokens that may end it. */
const grammarOf = (constraint: Constraint, eosIds: ReadonlySet<number>) => {
  let state = constraint.start
  return {
    /** Bits of the tokens that may come next. */
    allowed: (): Uint32Array => {
      const ids = [...eosIds]
      const words = Math.max(0, ...ids.map((id) => (id >> 5) + 1))
      const mask = constraint.mask(state)
      const allowedIds = new Uint32Array(Math.max(mask.length, words))
      allowedIds.set(mask)
      for (const id of ids) {
        if (constraint.mayEnd(state)) allowedIds[id >> 5]! |= 1 << (id & 31)
        else allowedIds[id >> 5]! &= ~(1 << (id & 31))
      }
      return allowedIds
    },
    forced: () => constraint.forced(state).tokens,
    /** Takes a token that may come; returns whether nothing can follow. */
    push: (id: number): boolean => {
      // a token that was chosen or forced may come
      state = constraint.advance(state, id)!
      return constraint.mustEnd(state)
    }
  }
}

/** No more tokens before it than these can change the text of a token. */
const CONTEXT = 8

interface TextPieces {
  /** What a token adds to the text, "" while a character is open. */
  readonly push: (id: number) => string
  /** What a token would add, whole characters or not. */
  readonly with: (id: number) => string
  /** What is open at the end. */
  readonly end: () => string
}

/** Returns a candidate token with its text: the text that it adds, else its name, else its id. */
export const tokenTextBy =
  (decode: CausalTokenizer["decode"], pieces: Pick<TextPieces, "with">) =>
  (token: LikelyToken): ShownToken => {
    const text = pieces.with(token.id)
    return { ...token, text: text || decode([token.id], { special: true }) || `#${token.id}` }
  }

/**
 * Decodes tokens piece by piece after `prompt`. Special tokens produce no text. A piece ends where the text is certain:
 * a token may end inside a UTF-8 character, which decodes to U+FFFD until its last byte arrives.
 *
 * A token's text depends on the tokens before it (a decoder drops the space that begins a text), so each piece is the difference between two
 * decodings: of the last tokens written, and of these followed by the new ones.
 */
export const textPieces = (decode: CausalTokenizer["decode"], prompt: ReadonlyArray<number>): TextPieces => {
  let context = prompt.slice(-CONTEXT)
  let waiting: Array<number> = []
  const added = (more: ReadonlyArray<number> = []) =>
    decode([...context, ...waiting, ...more]).slice(decode(context).length)
  const take = (text: string): string => {
    context = [...context, ...waiting].slice(-CONTEXT)
    waiting = []
    return text
  }
  return {
    push: (id) => {
      waiting.push(id)
      const text = added()
      return text.endsWith("\uFFFD") ? "" : take(text)
    },
    with: (id) => added([id]),
    end: () => take(added())
  }
}

interface StopStrings {
  /** Returns the text that is certain to precede any stop string; `stopped`: whether one was found. */
  readonly push: (piece: string) => { readonly text: string; readonly stopped: boolean }
  /** Returns the held-back text at the end of a text without a stop string. */
  readonly end: () => string
}

/** Ends a text before the first stop string, even if it spans several pieces. */
export const stopStrings = (stops: ReadonlyArray<string>): StopStrings => {
  let pending = ""
  return {
    push: (piece) => {
      pending += piece
      const places = stops.map((stop) => pending.indexOf(stop)).filter((index) => index >= 0)
      if (places.length > 0) {
        const text = pending.slice(0, Math.min(...places))
        pending = ""
        return { text, stopped: true }
      }
      const certain = pending.length - openEnd(pending, stops)
      const text = pending.slice(0, certain)
      pending = pending.slice(certain)
      return { text, stopped: false }
    },
    end: () => {
      const text = pending
      pending = ""
      return text
    }
  }
}

/** The longest end of a text that begins one of the strings, in characters. */
const openEnd = (text: string, stops: ReadonlyArray<string>): number => {
  const most = Math.min(text.length, Math.max(0, ...stops.map((stop) => stop.length - 1)))
  for (let length = most; length > 0; length--) {
    const end = text.slice(-length)
    if (stops.some((stop) => stop.startsWith(end))) return length
  }
  return 0
}
