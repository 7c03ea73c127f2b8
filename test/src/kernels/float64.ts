/** Float64 references for the kernels, on plain arrays: shared with nothing in src. */
import type { GeluForm } from "../../../src/kernels/index.ts"
import { gaussian, randomStream } from "../../../src/numbers/random.ts"

/** The arrays drawn last: tests of one kernel ask for the same inputs many times, and a draw takes two logarithms' time. */
const drawn = new Map<string, Float32Array>()
const MOST_DRAWN = 64

const draw = (size: number, name: string, deviation: number): Float32Array => {
  const random = randomStream(1, name)
  const values = new Float32Array(size)
  for (let i = 0; i < size; i++) values[i] = deviation * gaussian(random)
  return values
}

/** Normal numbers that a seed and a name determine, already rounded to float32 so that both sides see the same input. */
export const normals = (size: number, name: string, deviation = 1): Float32Array => {
  const key = JSON.stringify([size, name, deviation])
  const values = drawn.get(key) ?? draw(size, name, deviation)
  // at the end again: the first is the one that was not asked for the longest
  drawn.delete(key)
  drawn.set(key, values)
  if (drawn.size > MOST_DRAWN) drawn.delete(drawn.keys().next().value as string)
  return values.slice()
}

/** erf to about 1e-15: the Taylor series near 0, a continued fraction of erfc beyond. */
export const erf = (x: number): number => {
  const a = Math.abs(x)
  if (a < 2.5) {
    let term = a
    let sum = a
    for (let n = 1; Math.abs(term) > 1e-18; n++) {
      term *= (-a * a) / n
      sum += term / (2 * n + 1)
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI)
  }
  let fraction = 0
  for (let k = 60; k >= 1; k--) fraction = k / 2 / (a + fraction)
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + fraction))
}

/** GELU in each of its forms. */
export const exactGelu: { readonly [F in GeluForm]: (x: number) => number } = {
  erf: (x) => (x / 2) * (1 + erf(x / Math.SQRT2)),
  tanh: (x) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  quick: (x) => x / (1 + Math.exp(-1.702 * x))
}

/** df/dx by central differences of a float64 function. */
export const derivative = (f: (x: number) => number, x: number, h = 1e-5): number => (f(x + h) - f(x - h)) / (2 * h)

/** Gradient of Σ f(xs)·w with respect to xs[which], by central differences in float64. */
export const numericalGradient = (
  f: (xs: ReadonlyArray<Float64Array>) => Float64Array,
  xs: ReadonlyArray<ArrayLike<number>>,
  which: number,
  w: ArrayLike<number>,
  h = 1e-5
): Float64Array => {
  const inputs = xs.map((x) => Float64Array.from(x))
  const varied = inputs[which]!
  const total = () => f(inputs).reduce((sum, y, i) => sum + y * w[i]!, 0)
  return varied.map((value, i) => {
    varied[i] = value + h
    const above = total()
    varied[i] = value - h
    const below = total()
    varied[i] = value
    return (above - below) / (2 * h)
  })
}
