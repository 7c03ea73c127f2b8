/**
 * An evaluation's metrics as functions of the rows that they are taken over, so that a metric can be taken over rows drawn from them again
 * (`src/run/choice.ts`). Two evaluations of the same rows have them in the same order.
 */

/** A metric, and what it is a metric of. */
export interface RowScore {
  /** rows, or what else stands for itself: anchors of a ranking, batches of a contrastive loss */
  readonly size: number
  /** the metric over some of them, by their numbers, repeated numbers count again; NaN where it has no value */
  readonly over: (rows: ArrayLike<number>) => number
}

/** By the names of metrics; those that no direction is better in are left out. */
export type RowScores = Readonly<Record<string, RowScore>>

/** A metric over every row, once. */
export const overAll = ({ size, over }: RowScore): number => over(Array.from({ length: size }, (_, row) => row))

/** Σ of over Σ per: a mean over rows, tokens or decisions. `per`: 1 of each row unless given. */
export const ratioOf = (of: ArrayLike<number>, per?: ArrayLike<number>): RowScore => ({
  size: of.length,
  over: (rows) => {
    let [sum, all] = [0, 0]
    for (let i = 0; i < rows.length; i++) {
      sum += of[rows[i]!]!
      all += per === undefined ? 1 : per[rows[i]!]!
    }
    return sum / all
  }
})

/** Something of the values of one or several metrics over the same rows. */
export const combined = (
  f: (...values: ReadonlyArray<number>) => number,
  ...of: readonly [RowScore, ...ReadonlyArray<RowScore>]
): RowScore => ({
  size: of[0].size,
  over: (rows) => f(...of.map((one) => one.over(rows)))
})

/** Some rows of a row-major matrix [_, width]. */
export const rowsOf = (values: ArrayLike<number>, width: number, rows: ArrayLike<number>): Float64Array => {
  const some = new Float64Array(rows.length * width)
  for (let i = 0; i < some.length; i++) some[i] = values[rows[Math.floor(i / width)]! * width + (i % width)]!
  return some
}

/** Unweighted mean of the F1 of classes, whose numbers are in `right` and `given`; −1 stands for another class. A class that is in neither counts 0. */
export const macroF1Of = (right: ArrayLike<number>, given: ArrayLike<number>, classes: number): RowScore => ({
  size: right.length,
  over: (rows) => {
    const [both, all] = [new Float64Array(classes), new Float64Array(classes)]
    for (let i = 0; i < rows.length; i++) {
      const [own, found] = [right[rows[i]!]!, given[rows[i]!]!]
      if (own >= 0) all[own]! += 1
      if (found >= 0) all[found]! += 1
      if (own >= 0 && own === found) both[own]! += 1
    }
    return both.reduce((sum, n, i) => sum + (n === 0 ? 0 : (2 * n) / all[i]!), 0) / classes
  }
})
