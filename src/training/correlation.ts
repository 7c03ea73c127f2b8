/** Agreement of two lists of values. Correlations follow scipy.stats; NaN if one of the lists is constant. */

const meanOf = (values: ArrayLike<number>): number => {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]!
  return sum / values.length
}

const squared = (error: number): number => error * error

/** Returns the mean of the squared errors, or of another function `of` them. */
export const meanError = (
  predicted: Float64Array,
  right: Float64Array,
  of: (error: number) => number = squared
): number => meanOf(right.map((value, i) => of(value - predicted[i]!)))

/** Returns R² = 1 − Σ(y − ŷ)²/Σ(y − ȳ)²; NaN if all values of `right` are equal. */
export const determination = (predicted: Float64Array, right: Float64Array): number => {
  const mean = meanOf(right)
  const variance = meanOf(right.map((value) => squared(value - mean)))
  return variance === 0 ? Number.NaN : 1 - meanError(predicted, right) / variance
}

/** Returns Pearson's correlation of two lists of equal length, in [−1, 1]; NaN if all values of a list are equal. */
export const pearson = (x: ArrayLike<number>, y: ArrayLike<number>): number => {
  const mean = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value, 0) / values.length
  const [meanX, meanY] = [mean(x), mean(y)]
  let [both, ofX, ofY] = [0, 0, 0]
  for (let i = 0; i < x.length; i++) {
    const [dx, dy] = [x[i]! - meanX, y[i]! - meanY]
    both += dx * dy
    ofX += dx * dx
    ofY += dy * dy
  }
  return both / Math.sqrt(ofX * ofY)
}

/** Places in ascending order, from 1; equal values share the mean of theirs. */
const placesOf = (values: ArrayLike<number>): Float64Array => {
  const order = Array.from(values, (value, i) => ({ value, i })).sort((a, b) => a.value - b.value)
  const places = new Float64Array(values.length)
  let start = 0
  while (start < order.length) {
    let end = start
    while (end < order.length && order[end]!.value === order[start]!.value) end++
    for (const { i } of order.slice(start, end)) places[i] = (start + end + 1) / 2
    start = end
  }
  return places
}

/** Returns Spearman's ρ, the correlation of ranks, in [−1, 1]; NaN if all values of a list are equal. */
export const spearman = (x: ArrayLike<number>, y: ArrayLike<number>): number => pearson(placesOf(x), placesOf(y))
