/**
 * Retrieval scores: the ranks of each anchor's texts in a corpus by cosine, as in sentence-transformers' InformationRetrievalEvaluator.
 *
 *   recall@k     fraction of an anchor's texts that are among the k nearest
 *   MRR@10       1 / rank of its nearest text, 0 beyond rank 10
 *   nDCG@10      Σ 1/log₂(rank + 1) over its texts up to rank 10, divided by the largest possible value
 *
 * Each score is the mean over the anchors. An anchor of several rows has the texts of all of them; a text of several rows is in the corpus
 * once.
 */

/** Anchors of a retrieval evaluation, each with its texts in the corpus, identified by their first rows. */
export interface Questions {
  /** rows whose texts form the corpus, without duplicates */
  readonly corpus: ReadonlyArray<number>
  /** distinct anchors: a row with the anchor, and the corpus indices of its texts */
  readonly anchors: ReadonlyArray<{ readonly row: number; readonly relevant: ReadonlyArray<number> }>
}

export const questionsOf = (rows: ReadonlyArray<{ readonly text: string; readonly textPair: string }>): Questions => {
  const places = new Map<string, number>()
  const corpus: Array<number> = []
  const anchors = new Map<string, { readonly row: number; readonly relevant: Set<number> }>()
  for (const [row, { text, textPair }] of rows.entries()) {
    const knownIndex = places.get(textPair)
    const index = knownIndex ?? corpus.push(row) - 1
    if (knownIndex === undefined) places.set(textPair, index)
    const anchor = anchors.get(text) ?? { row, relevant: new Set<number>() }
    anchors.set(text, anchor)
    anchor.relevant.add(index)
  }
  return { corpus, anchors: [...anchors.values()].map(({ row, relevant }) => ({ row, relevant: [...relevant] })) }
}

export interface RankingScores {
  readonly recallAt1: number
  readonly recallAt10: number
  readonly mrrAt10: number
  readonly ndcgAt10: number
}

/** Returns the ranks of an anchor's texts, from 1, in ascending order. Ties are broken in corpus order. */
export const placesOf = (similarities: ArrayLike<number>, relevant: ReadonlyArray<number>): ReadonlyArray<number> =>
  relevant
    .map((text) => {
      const at = similarities[text]!
      let rank = 1
      for (let other = 0; other < similarities.length; other++) {
        const value = similarities[other]!
        if (value > at || (value === at && other < text)) rank++
      }
      return rank
    })
    .sort((a, b) => a - b)

const CUT = 10

/** Returns the scores of one anchor from the ranks of its texts. */
export const scoresOf = (places: ReadonlyArray<number>): RankingScores => {
  const share = (k: number) => places.filter((rank) => rank <= k).length / places.length
  const gain = (rank: number) => 1 / Math.log2(rank + 1)
  const sum = (values: ReadonlyArray<number>) => values.reduce((total, rank) => total + gain(rank), 0)
  const best = Array.from({ length: Math.min(CUT, places.length) }, (_, i) => i + 1)
  return {
    recallAt1: share(1),
    recallAt10: share(CUT),
    mrrAt10: places[0]! <= CUT ? 1 / places[0]! : 0,
    ndcgAt10: sum(places.filter((rank) => rank <= CUT)) / sum(best)
  }
}
