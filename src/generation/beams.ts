/**
 * Greedy decoding and beam search for one source: selects which partial texts continue, given the most probable tokens after each. Pure.
 *
 *   greedy        appends the most probable token until it ends the text
 *   beam search   keeps the most probable continuations, one per beam. A text that ends is kept with the score log p / lengthᵖ, p the length
 *                 penalty; at most as many of these are kept as there are beams. The search ends when that number is reached and the best
 *                 unfinished text, scored at its current length, scores no better than the worst of them.
 *
 * Follows transformers' `generate` with `early_stopping=False`.
 */

/** A candidate token for the next position of a text. */
export interface Candidate {
  readonly token: number
  readonly logProbability: number
}

/** The generated target of a source. */
export interface WrittenTarget {
  /** generated tokens, the one that ended the text included */
  readonly ids: ReadonlyArray<number>
  /** log-probability of the whole target: the sum over its tokens */
  readonly logProbability: number
  /** "eos": an end-of-text token was chosen; "length": the token limit was reached */
  readonly finish: "eos" | "length"
}

/** A text that continues: its index among the current texts, and its new token. */
export interface Continued {
  readonly from: number
  readonly token: number
}

/** A search for the target of a source. */
export interface TargetSearch {
  /** number of candidates needed after each text */
  readonly width: number
  /** Takes the candidates after each text, in the order that the last call returned; the first call is for a single empty text. */
  readonly push: (candidates: ReadonlyArray<ReadonlyArray<Candidate>>) => ReadonlyArray<Continued> | WrittenTarget
}

/** Options of a search. */
export interface SearchOptions {
  readonly beams: number
  readonly lengthPenalty: number
  readonly maxNewTokens: number
  readonly eosId: number
}

interface Text {
  readonly ids: ReadonlyArray<number>
  readonly sum: number
}

/** Creates a search: greedy for one beam, otherwise a beam search. */
export const targetSearch = (options: SearchOptions): TargetSearch =>
  options.beams === 1 ? greedySearch(options) : beamSearch(options)

const targetOf = ({ ids, sum }: Text, eosId: number): WrittenTarget => ({
  ids,
  logProbability: sum,
  finish: ids.at(-1) === eosId ? "eos" : "length"
})

const greedySearch = ({ maxNewTokens, eosId }: SearchOptions): TargetSearch => {
  let text: Text = { ids: [], sum: 0 }
  return {
    width: 1,
    push: ([after]) => {
      const { token, logProbability } = after![0]!
      text = { ids: [...text.ids, token], sum: text.sum + logProbability }
      return token === eosId || text.ids.length === maxNewTokens ? targetOf(text, eosId) : [{ from: 0, token }]
    }
  }
}

const beamSearch = ({ beams, lengthPenalty, maxNewTokens, eosId }: SearchOptions): TargetSearch => {
  const width = 2 * beams
  let running: ReadonlyArray<Text> = [{ ids: [], sum: 0 }]
  let finished: ReadonlyArray<Text & { readonly score: number }> = []
  return {
    width,
    push: (candidates) => {
      const length = running[0]!.ids.length + 1
      const last = length === maxNewTokens
      const score = (sum: number) => sum / length ** lengthPenalty
      // twice as many, so that enough go on where all of the beams end
      const best = candidates
        .flatMap((after, from) =>
          after.map(({ token, logProbability }) => ({ from, token, sum: running[from]!.sum + logProbability }))
        )
        .sort((a, b) => b.sum - a.sum)
        .slice(0, width)
      const ends = ({ token }: Continued) => last || token === eosId
      const textOf = ({ from, token, sum }: Continued & { readonly sum: number }): Text => ({
        ids: [...running[from]!.ids, token],
        sum
      })
      const ended = best.slice(0, beams).filter(ends)
      finished = [...finished, ...ended.map((beam) => ({ ...textOf(beam), score: score(beam.sum) }))]
        .sort((a, b) => b.score - a.score)
        .slice(0, beams)
      const next = best.filter((beam) => !ends(beam)).slice(0, beams)
      const over = last || (finished.length === beams && score(next[0]!.sum) <= finished.at(-1)!.score)
      if (over) return targetOf(finished[0]!, eosId)
      running = next.map(textOf)
      return next.map(({ from, token }) => ({ from, token }))
    }
  }
}
