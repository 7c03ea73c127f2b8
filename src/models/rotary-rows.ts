/**
 * Rotary position embedding (Su et al., arXiv 2104.09864), the host's part: cos and sin of every angle.
 *
 *   ωⱼ = θ^(−2j/r), j < r/2        angle of position p: p·ωⱼ, in columns j and j + r/2 of a head's first r columns
 *
 *   linear    ωⱼ/factor
 *   llama3    ωⱼ/factor where the wavelength 2π/ωⱼ > original/low; ωⱼ where it is < original/high; between them
 *             (1 − t)·ωⱼ/factor + t·ωⱼ with t = (original·ωⱼ/2π − low)/(high − low)                  (Llama 3.1)
 *   dynamic   ωⱼ of the base θ·(factor·n/original − factor + 1)^(r/(r − 2)) for a text of n > original tokens; ωⱼ for others
 *   yarn      t·ωⱼ/factor + (1 − t)·ωⱼ, t = (j − a)/(b − a) within 0 and 1, a and b the places whose pairs turn `fast` and `slow` times
 *             in the original context; cos and sin times `attention`                                  (Peng et al., arXiv 2309.00071)
 *   longrope  ωⱼ/longⱼ for a text of more than `original` tokens, ωⱼ/shortⱼ for others; cos and sin times `attention`
 *                                                                                                    (Ding et al., arXiv 2402.13753)
 *
 * What depends on n is decided for each text by itself, as transformers decides it for a batch of that text alone. In its batches the
 * longest text decides for all, so that a text's loss depends on its neighbours.
 *
 * Frequencies and angles are rounded to float32, as transformers rounds them and models were trained: beyond a thousand positions the
 * rounding of p·ω₀ is in the fifth digit. Cosines are computed on the host, since GPUs promise no accuracy for large angles.
 *
 * @see transformers `modeling_rope_utils.py`
 */

export type RopeScaling =
  | { readonly kind: "linear"; readonly factor: number }
  | {
      readonly kind: "llama3"
      readonly factor: number
      readonly lowFrequencyFactor: number
      readonly highFrequencyFactor: number
      /** positions before the context was extended, here and below */
      readonly original: number
    }
  | { readonly kind: "dynamic"; readonly factor: number; readonly original: number }
  | {
      readonly kind: "yarn"
      readonly factor: number
      readonly original: number
      readonly fast: number
      readonly slow: number
      /** whether a is rounded down and b up */
      readonly truncate: boolean
      readonly attention: number
    }
  | {
      readonly kind: "longrope"
      readonly original: number
      /** `[r/2]`, as `long` */
      readonly short: ReadonlyArray<number>
      readonly long: ReadonlyArray<number>
      readonly attention: number
    }

/** Rotary positions of a model. */
export interface Rope {
  readonly theta: number
  /** r, even: the first r columns of a head are rotated */
  readonly dimensions: number
  readonly scaling: RopeScaling | null
}

/** Returns ω [r/2] for a text of `length` tokens. */
export const frequenciesOf = (rope: Rope, length: number): Float32Array => {
  const { theta, dimensions, scaling } = rope
  const base = scaling?.kind === "dynamic" ? theta * stretch(scaling, dimensions, length) : theta
  const plain = Array.from({ length: dimensions / 2 }, (_, j) => base ** ((-2 * j) / dimensions))
  if (scaling?.kind === "yarn") {
    const ramp = yarnRamp(rope, scaling)
    return Float32Array.from(plain, (frequency, j) => mixed(frequency, scaling.factor, 1 - ramp(j)))
  }
  if (scaling?.kind === "longrope") {
    const factors = length > scaling.original ? scaling.long : scaling.short
    return Float32Array.from(plain, (frequency, j) => frequency / factors[j]!)
  }
  return Float32Array.from(plain, (frequency) => scaled(frequency, scaling))
}

/** `share` of a frequency as it is, the rest divided. */
const mixed = (frequency: number, factor: number, share: number): number =>
  (1 - share) * (frequency / factor) + share * frequency

const scaled = (frequency: number, scaling: RopeScaling | null): number => {
  if (scaling?.kind === "linear") return frequency / scaling.factor
  if (scaling?.kind !== "llama3") return frequency
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, original } = scaling
  const turns = (original * frequency) / (2 * Math.PI)
  if (turns < low) return frequency / factor
  if (turns > high) return frequency
  return mixed(frequency, factor, (turns - low) / (high - low))
}

type Scaling<Kind extends RopeScaling["kind"]> = Extract<RopeScaling, { readonly kind: Kind }>

const stretch = ({ factor, original }: Scaling<"dynamic">, r: number, length: number): number =>
  length <= original ? 1 : ((factor * length) / original - factor + 1) ** (r / (r - 2))

const yarnRamp = (
  { theta, dimensions: r }: Rope,
  { original, fast, slow, truncate }: Scaling<"yarn">
): ((j: number) => number) => {
  const placeOf = (turns: number) => (r * Math.log(original / (2 * Math.PI * turns))) / (2 * Math.log(theta))
  const [down, up] = truncate ? [Math.floor, Math.ceil] : [(x: number) => x, (x: number) => x]
  const a = Math.max(0, down(placeOf(fast)))
  const b = Math.min(r - 1, up(placeOf(slow)))
  // as transformers avoids a division by zero
  const width = a === b ? 0.001 : b - a
  return (j) => Math.min(1, Math.max(0, (j - a) / width))
}

/** Rows of cos and sin for positions. */
export interface RotaryRows {
  /** r: columns of a row */
  readonly dimensions: number
  /** Returns cos and sin [tokens, r], row-major, of positions [tokens] in texts of `lengths` tokens, one length per position. */
  readonly at: (positions: Int32Array, lengths: Int32Array) => Angles
  /** Returns a number that is equal for lengths whose texts have the same frequencies: cached keys cannot be used for queries of another class. */
  readonly classOf: (length: number) => number
  /** whether frequencies depend on the length: a text that is generated then keeps its earlier keys, as in transformers */
  readonly dynamic: boolean
}

interface Angles {
  readonly cos: Float32Array
  readonly sin: Float32Array
}

const rowsOf = (rows: number, r: number): Angles => ({
  cos: new Float32Array(rows * r),
  sin: new Float32Array(rows * r)
})

/** Creates rows, which are looked up in tables that grow to the largest requested position. */
export const rotaryRows = (rope: Rope): RotaryRows => {
  const { dimensions: r, scaling } = rope
  const dynamic = scaling?.kind === "dynamic"
  const classOf = (length: number): number => {
    if (scaling?.kind === "longrope") return length > scaling.original ? 1 : 0
    return dynamic ? Math.max(0, length - scaling.original) : 0
  }
  const tables: Array<Angles> = []
  const tableOf = (position: number, length: number): Angles => {
    const before = tables[classOf(length)] ?? rowsOf(0, r)
    const known = before.cos.length / r
    if (position < known) return before
    // doubled, so that a text that grows token by token does not make a table for each
    const table = rowsOf(Math.max(position + 1, 2 * known), r)
    table.cos.set(before.cos)
    table.sin.set(before.sin)
    const frequencies = frequenciesOf(rope, length)
    for (let row = known; row < table.cos.length / r; row++) writeRow(table, row, row, frequencies, amplitudeOf(rope))
    tables[classOf(length)] = table
    return table
  }
  return {
    dimensions: r,
    classOf,
    dynamic,
    at: (positions, lengths) => {
      const chosen = rowsOf(positions.length, r)
      let latest: { readonly length: number; readonly frequencies: Float32Array } = {
        length: 0,
        frequencies: new Float32Array()
      }
      positions.forEach((position, i) => {
        const length = lengths[i]!
        if (dynamic && classOf(length) > 0) {
          // without a table, since there would be one for each length; tokens of a text are adjacent
          if (length !== latest.length) latest = { length, frequencies: frequenciesOf(rope, length) }
          writeRow(chosen, i, position, latest.frequencies, 1)
          return
        }
        const { cos, sin } = tableOf(position, length)
        chosen.cos.set(cos.subarray(position * r, (position + 1) * r), i * r)
        chosen.sin.set(sin.subarray(position * r, (position + 1) * r), i * r)
      })
      return chosen
    }
  }
}

const amplitudeOf = ({ scaling }: Rope): number =>
  scaling?.kind === "yarn" || scaling?.kind === "longrope" ? scaling.attention : 1

const writeRow = (
  { cos, sin }: Angles,
  row: number,
  position: number,
  frequencies: Float32Array,
  amplitude: number
): void => {
  const half = frequencies.length
  const at = row * 2 * half
  for (let j = 0; j < half; j++) {
    const angle = Math.fround(position * frequencies[j]!)
    cos[at + j] = cos[at + half + j] = amplitude * Math.cos(angle)
    sin[at + j] = sin[at + half + j] = amplitude * Math.sin(angle)
  }
}
