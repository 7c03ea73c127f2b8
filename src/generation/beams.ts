/**
 * Which texts go on and which is the one, for one source: by the most probable tokens after each text so far. Pure.
 *
 *   greedy        the most probable token, until it ends the text
 *   beam search   of all continuations the most probable ones go on, as many as there are beams. A text that ends is kept with the score
 *                 log p / lengthᵖ, p the length penalty; of these too there are as many as beams at most. It is over when they all are there and
 *                 what goes on, at its length now, scores no better than the worst of them.
 *
 * As transformers' `generate` does it with `early_stopping=False`.
 */

/** A token after a text. */
export interface Candidate {
  readonly token: number
  readonly logProbability: number
}

/** A text that was written for another. */
export interface WrittenTarget {
  /** the tokens that were chosen, the one that ends the text among them */
  readonly ids: ReadonlyArray<number>
  /** of all of them together: the sum of their logarithms */
  readonly logProbability: number
  /** "eos": a token that ends a text was chosen; "length": there were as many as there may be */
  readonly finish: "eos" | "length"
}

/** A text that goes on: which of the texts so far, and its new token. */
export interface Continued {
  readonly from: number
  readonly token: number
}

export interface TargetSearch {
  /** candidates that are needed after each text */
  readonly width: number
  /** Takes those after each text, in the order in which texts were last said to go on; at first there is one, which is empty. */
  readonly push: (candidates: ReadonlyArray<ReadonlyArray<Candidate>>) => ReadonlyArray<Continued> | WrittenTarget
}

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

export const targetSearch = (options: SearchOptions): TargetSearch =>
  options.beams === 1 ? greedySearch(options) : beamSearch(options)

const written = ({ ids, sum }: Text, eosId: number): WrittenTarget => ({
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
      return token === eosId || text.ids.length === maxNewTokens ? written(text, eosId) : [{ from: 0, token }]
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
      finished = [...finished, ...ended.map((one) => ({ ...textOf(one), score: score(one.sum) }))]
        .sort((a, b) => b.score - a.score)
        .slice(0, beams)
      const next = best.filter((one) => !ends(one)).slice(0, beams)
      const over = last || (finished.length === beams && score(next[0]!.sum) <= finished.at(-1)!.score)
      if (over) return written(finished[0]!, eosId)
      running = next.map(textOf)
      return next.map(({ from, token }) => ({ from, token }))
    }
  }
}
