/**
 * Seeded randomness as named streams: one per use ("order" of epoch 3, "init" of site x), so that drawing more numbers
 * in one place never moves another, and a resumed run finds any stream again from the seed alone.
 *
 *   state   128 bits of cyrb128 (bryc, public domain) over the JSON text of [seed, ...names]
 *   stream  xoshiro128** 1.1 (Blackman & Vigna 2018): period 2¹²⁸ − 1
 *   number  53 bits out of two outputs a, b: ((a >>> 5)·2²⁶ + (b >>> 6)) / 2⁵³ ∈ [0, 1), as in MT19937's genrand_res53
 *
 * Uniform numbers come from integer arithmetic only, hence are the same in every engine. Not for secrets.
 */

/** Independent uniform numbers in [0, 1). */
export type Random = () => number

export type RandomState = readonly [number, number, number, number]

/** The stream that belongs to `seed` and a path of names. 1 and "1" name different streams. */
export const randomStream = (seed: number, ...names: ReadonlyArray<string | number>): Random => {
  const next = xoshiro128(stateOf(JSON.stringify([seed, ...names])))
  return () => {
    const high = next() >>> 5
    return (high * 67_108_864 + (next() >>> 6)) / 9_007_199_254_740_992
  }
}

/**
 * One draw from N(0, 1), by Box and Muller; the second value of the pair is not kept, so a draw is always two uniform
 * numbers. Engines may differ in the last bit of log and cos (float64), which rounding to float32 nearly always hides.
 */
export const gaussian = (random: Random): number => {
  const radius = Math.sqrt(-2 * Math.log(1 - random())) // 1 − u is never 0
  return radius * Math.cos(2 * Math.PI * random())
}

/** xoshiro128** from a state of four 32-bit words, not all zero: unsigned 32-bit integers. */
export const xoshiro128 = (state: RandomState): (() => number) => {
  let [a, b, c, d] = state
  return () => {
    const mixed = Math.imul(b, 5)
    const result = Math.imul((mixed << 7) | (mixed >>> 25), 9) >>> 0
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = (d << 11) | (d >>> 21)
    return result
  }
}

// cyrb128's initial words are SHA-256's, its multipliers odd 32-bit constants chosen by its author for avalanche.
const stateOf = (text: string): RandomState => {
  let [h1, h2, h3, h4] = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a]
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    h1 = h2 ^ Math.imul(h1 ^ unit, 597399067)
    h2 = h3 ^ Math.imul(h2 ^ unit, 2869860233)
    h3 = h4 ^ Math.imul(h3 ^ unit, 951274213)
    h4 = h1 ^ Math.imul(h4 ^ unit, 2716044179)
  }
  h1 = Math.imul(h3 ^ (h1 >>> 18), 597399067)
  h2 = Math.imul(h4 ^ (h2 >>> 22), 2869860233)
  h3 = Math.imul(h1 ^ (h3 >>> 17), 951274213)
  h4 = Math.imul(h2 ^ (h4 >>> 19), 2716044179)
  h1 ^= h2 ^ h3 ^ h4
  // An all-zero state would stay zero for ever; the last bit set costs one state in 2³¹ and rules it out.
  return [h1, h2 ^ h1, h3 ^ h1, (h4 ^ h1) | 1]
}
