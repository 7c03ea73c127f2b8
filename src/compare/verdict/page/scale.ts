/** From numbers to places on a chart, and the round numbers beside its axes. */

export interface Scale {
  /** place of a value, in units of the drawing */
  readonly at: (value: number) => number
  readonly ticks: ReadonlyArray<number>
}

/** Round steps (1, 2 or 5 times a power of ten) over a range, about `wanted` of them. */
export const roundTicks = (low: number, high: number, wanted: number): ReadonlyArray<number> => {
  const raw = (high - low) / wanted
  const power = 10 ** Math.floor(Math.log10(raw))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= raw * (1 - 1e-9))!
  const first = Math.ceil(low / step - 1e-9)
  const last = Math.floor(high / step + 1e-9)
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)))
}

/** From the smallest to the largest of some values with a little room; room around a single one. */
export const domainOf = (values: ReadonlyArray<number>, room = 0.06): readonly [number, number] => {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const spread = high - low || Math.abs(high) * 0.1 || 1
  return [low - room * spread, high + room * spread]
}

export const linear = ([low, high]: readonly [number, number], from: number, to: number, wanted = 5): Scale => ({
  at: (value) => from + ((value - low) / (high - low)) * (to - from),
  ticks: roundTicks(low, high, wanted)
})

/** Logarithmic; `marked` are the values that stand beside the axis. */
export const logarithmic = (marked: ReadonlyArray<number>, from: number, to: number): Scale => {
  const [low, high] = domainOf(marked.map(Math.log))
  return { at: (value) => from + ((Math.log(value) - low) / (high - low)) * (to - from), ticks: marked }
}
