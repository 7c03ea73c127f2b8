/**
 * Metrics of an evaluation as functions of rows, for resampling rows
 * (`src/run/choice.ts`). Two evaluations of the same rows list them in the same order.
 */

/** A metric as a function of rows. */
export interface RowScore {
  /** number of rows, or of other independent units: anchors of a ranking, batches of a contrastive loss */
  readonly size: number
  /** Computes the metric over some rows by number, with repetition; NaN if it is undefined. */
  readonly over: (rows: ArrayLike<number>) => number
}

/** Row scores by metric name, without metrics that have no better direction. */
export type RowScores = Readonly<Record<string, RowScore>>

/** Computes a metric over every row once. */
export const overAll = ({ size, over }: RowScore): number => over(Array.from({ length: size }, (_, row) => row))

/** Returns a score Σ of / Σ per: a mean over rows, tokens or decisions. `per`: default 1 per row. */
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

/** Combines the values of one or several metrics over the same rows. */
export const combined = (
  f: (...values: ReadonlyArray<number>) => number,
  ...of: readonly [RowScore, ...ReadonlyArray<RowScore>]
): RowScore => ({
  size: of[0].size,
  over: (rows) => f(...of.map((one) => one.over(rows)))
})

/** Returns some rows of a row-major matrix [_, width]. */
export const rowsOf = (values: ArrayLike<number>, width: number, rows: ArrayLike<number>): Float64Array => {
  const some = new Float64Array(rows.length * width)
  for (let i = 0; i < some.length; i++) some[i] = values[rows[Math.floor(i / width)]! * width + (i % width)]!
  return some
}

/** Returns macro-F1 over class numbers in `right` and `predicted`; −1 stands for another class. A class in neither counts as 0. */
export const macroF1Of = (right: ArrayLike<number>, predicted: ArrayLike<number>, classes: number): RowScore => ({
  size: right.length,
  over: (rows) => {
    const [both, all] = [new Float64Array(classes), new Float64Array(classes)]
    for (let i = 0; i < rows.length; i++) {
      const [rightClass, predictedClass] = [right[rows[i]!]!, predicted[rows[i]!]!]
      if (rightClass >= 0) all[rightClass]! += 1
      if (predictedClass >= 0) all[predictedClass]! += 1
      if (rightClass >= 0 && rightClass === predictedClass) both[rightClass]! += 1
    }
    return both.reduce((sum, n, i) => sum + (n === 0 ? 0 : (2 * n) / all[i]!), 0) / classes
  }
})
