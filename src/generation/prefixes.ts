/**
 * Prefixes of prompts: what was computed of the latest prompts, for later ones that begin alike. A prompt that continues another one replaces
 * it; of several, the ones that were used the longest time ago are forgotten.
 */
import { commonLength, sameParts } from "./prompt-cache.ts"

/** What was computed of a prompt's tokens. */
interface Prefix<Held> {
  /** what the values depend on besides the tokens: equal if each part is the same object or number */
  readonly under: ReadonlyArray<unknown>
  readonly ids: ReadonlyArray<number>
  readonly held: Held
}

/** What was computed of the latest prompts, up to a number of tokens in all. */
export interface Prefixes<Held> {
  /** Returns what begins like `ids` for the most tokens, and how many these are; null: nothing does. It remains here. */
  readonly longest: (
    under: ReadonlyArray<unknown>,
    ids: ReadonlyArray<number>
  ) => { readonly held: Held; readonly common: number } | null
  /** Adds what `compute` returns for `ids`, unless it is here or has too many tokens. */
  readonly add: (under: ReadonlyArray<unknown>, ids: ReadonlyArray<number>, compute: () => Held) => void
  /** Forgets everything. */
  readonly dispose: () => void
}

/** Creates prefixes of at most `tokens` tokens. `forget` frees what is not needed any more. */
export const prefixes = <Held>(tokens: number, forget: (held: Held) => void): Prefixes<Held> => {
  // the one that was used the longest time ago first
  let all: ReadonlyArray<Prefix<Held>> = []
  const keepOnly = (kept: ReadonlyArray<Prefix<Held>>) => {
    for (const prefix of all) if (!kept.includes(prefix)) forget(prefix.held)
    all = kept
  }
  const longest = (under: ReadonlyArray<unknown>, ids: ReadonlyArray<number>) => {
    const [best] = all
      .filter((prefix) => sameParts(prefix.under, under))
      .map((prefix) => ({ prefix, common: commonLength(prefix.ids, ids) }))
      .filter(({ common }) => common > 0)
      .sort((a, b) => b.common - a.common)
    if (best === undefined) return null
    all = [...all.filter((prefix) => prefix !== best.prefix), best.prefix]
    return { held: best.prefix.held, common: best.common }
  }
  return {
    longest,
    add: (under, ids, compute) => {
      if (ids.length === 0 || ids.length > tokens || longest(under, ids)?.common === ids.length) return
      const isContinued = (prefix: Prefix<Held>) =>
        sameParts(prefix.under, under) && commonLength(prefix.ids, ids) === prefix.ids.length
      let kept = all.filter((prefix) => !isContinued(prefix))
      while (kept.reduce((sum, prefix) => sum + prefix.ids.length, ids.length) > tokens) kept = kept.slice(1)
      keepOnly(kept)
      all = [...all, { under, ids, held: compute() }]
    },
    dispose: () => keepOnly([])
  }
}
