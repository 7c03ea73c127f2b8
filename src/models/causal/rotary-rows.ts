/**
 * Rotary position embedding (Su et al., arXiv 2104.09864), the host's part: cos and sin of every angle, made once for each position.
 *
 *   ωⱼ = θ^(−2j/d), j < d/2        angle of position p: p·ωⱼ, in columns j and j + d/2
 *
 *   linear   ωⱼ / factor
 *   llama3   ωⱼ / factor where the wavelength 2π/ωⱼ > original/low; ωⱼ where it is < original/high; between them
 *            (1 − t)·ωⱼ/factor + t·ωⱼ with t = (original·ωⱼ/2π − low)/(high − low)                  (Llama 3.1)
 *
 * Frequencies and angles are rounded to float32, as transformers rounds them and models were trained: beyond a thousand positions the
 * rounding of p·ω₀ is in the fifth digit. Cosines are made on the host, since GPUs promise none of angles of many turns.
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
      /** positions before the context was extended */
      readonly original: number
    }

export interface Rope {
  readonly theta: number
  readonly scaling: RopeScaling | null
}

/** ω [d/2] */
export const frequenciesOf = ({ theta, scaling }: Rope, headDim: number): Float32Array =>
  Float32Array.from({ length: headDim / 2 }, (_, j) => scaled(theta ** ((-2 * j) / headDim), scaling))

const scaled = (frequency: number, scaling: RopeScaling | null): number => {
  if (scaling === null) return frequency
  if (scaling.kind === "linear") return frequency / scaling.factor
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, original } = scaling
  const turns = (original * frequency) / (2 * Math.PI)
  if (turns < low) return frequency / factor
  if (turns > high) return frequency
  const t = (turns - low) / (high - low)
  return (1 - t) * (frequency / factor) + t * frequency
}

/** cos and sin [tokens, d] of positions [tokens], row-major. */
export type RotaryRows = (positions: Int32Array) => { readonly cos: Float32Array; readonly sin: Float32Array }

/** Rows are looked up in tables that grow to the largest position that was asked for. */
export const rotaryRows = (frequencies: Float32Array): RotaryRows => {
  const d = 2 * frequencies.length
  let tables = { cos: new Float32Array(0), sin: new Float32Array(0) }
  return (positions) => {
    const rows = positions.reduce((largest, position) => Math.max(largest, position), 0) + 1
    const known = tables.cos.length / d
    // doubled, so that a text that grows by a token does not make a table for each
    if (rows > known) tables = grown(tables, frequencies, Math.max(rows, 2 * known))
    const { cos, sin } = tables
    const chosen = { cos: new Float32Array(positions.length * d), sin: new Float32Array(positions.length * d) }
    positions.forEach((position, i) => {
      chosen.cos.set(cos.subarray(position * d, (position + 1) * d), i * d)
      chosen.sin.set(sin.subarray(position * d, (position + 1) * d), i * d)
    })
    return chosen
  }
}

const grown = (
  before: { readonly cos: Float32Array; readonly sin: Float32Array },
  frequencies: Float32Array,
  rows: number
) => {
  const half = frequencies.length
  const [cos, sin] = [new Float32Array(rows * 2 * half), new Float32Array(rows * 2 * half)]
  cos.set(before.cos)
  sin.set(before.sin)
  for (let position = before.cos.length / (2 * half); position < rows; position++) {
    const row = position * 2 * half
    for (let j = 0; j < half; j++) {
      const angle = Math.fround(position * frequencies[j]!)
      cos[row + j] = cos[row + half + j] = Math.cos(angle)
      sin[row + j] = sin[row + half + j] = Math.sin(angle)
    }
  }
  return { cos, sin }
}
