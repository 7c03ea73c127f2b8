/** Scores of generated texts: exact match, and the F1 of each target for a closed set of targets. */
import {
  crossEntropyMetric,
  type Metrics,
  macroF1Of,
  overAll,
  ratioOf,
  type Scored,
  share
} from "../../../training/index.ts"

export const seq2seqMetrics = {
  exactMatch: { label: "exact match", ...share, hub: { type: "exact_match", name: "Exact Match" } },
  macroF1: { label: "macro-F1", ...share, hub: { type: "f1", name: "Macro F1" } },
  tokenAccuracy: { label: "tokens right", ...share, inWords: (value) => `${value} of the tokens right` },
  loss: crossEntropyMetric
} satisfies Metrics

export interface Seq2SeqEvaluation extends Scored {
  /** fraction of the rows whose output equals the target */
  readonly exactMatch: number
  /** unweighted mean of the targets' F1; present if the targets are a closed set that contains every row's */
  readonly macroF1?: number
  /** fraction of the target tokens that are the most probable after the preceding target tokens */
  readonly tokenAccuracy: number
  /** number of target tokens */
  readonly tokens: number
}

/** Normalizes a text for comparison: collapses white space and trims it. */
export const plain = (text: string): string => text.trim().replace(/\s+/g, " ")

/** Returns the F1 of a target that `right` of `rows` rows have, if it is generated for all rows. */
export const alwaysF1 = (right: number, targets: number): number => (2 * right) / (1 + right) / targets

/** Returns an accumulator of scores over rows. `targets`: the closed set of targets; empty without one. */
export const writtenScores = (targets: ReadonlyArray<string>) => {
  const numberOf = new Map(targets.map((target, i) => [plain(target), i]))
  // index in the closed set; −1: not in it
  const [right, expected, predicted]: ReadonlyArray<Array<number>> = [[], [], []]
  /** Returns each metric as a function of the rows. */
  const ofRows = () => ({
    exactMatch: ratioOf(right!),
    ...(targets.length === 0 || expected!.includes(-1)
      ? {}
      : { macroF1: macroF1Of(expected!, predicted!, targets.length) })
  })
  return {
    /** adds a row; returns whether the text equals the target. With a closed set, a text outside of it is always wrong. */
    add: (target: string, text: string): boolean => {
      const same = plain(text) === plain(target)
      right!.push(same ? 1 : 0)
      expected!.push(numberOf.get(plain(target)) ?? -1)
      predicted!.push(numberOf.get(plain(text)) ?? -1)
      return same
    },
    ofRows,
    read: (): Pick<Seq2SeqEvaluation, "exactMatch" | "macroF1"> => {
      const { exactMatch, macroF1 } = ofRows()
      return { exactMatch: overAll(exactMatch), ...(macroF1 === undefined ? {} : { macroF1: overAll(macroF1) }) }
    }
  }
}
