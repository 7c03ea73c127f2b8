/**
 * Sampling a token from logits, in the order of transformers:
 *
 *   repetition penalty   z ← z·p where z < 0, else z/p, for every token of the text so far     (Keskar et al., arXiv 1909.05858)
 *   temperature          z ← z/T
 *   top-k                drops tokens below the k-th largest z; keeps ties
 *   top-p                keeps the fewest most probable tokens whose probabilities sum to p, at least one     (Holtzman et al., arXiv 1904.09751)
 *   choice               token i with probability softmax(z)ᵢ; at T = 0 the largest z, the first of equals
 *
 * Pure functions of float32 logits, computed in float64.
 */
import type { Random } from "../numbers/index.ts"

/** Sampling parameters. */
export interface Sampling {
  /** divisor of the logits, at least 0; default 0: always the most probable token, whatever `topK` and `topP` */
  readonly temperature: number
  /** number of most probable tokens to sample from, at least 1; default null: all */
  readonly topK: number | null
  /** smallest total probability of the most probable tokens to sample from, in (0, 1]; default 1: all tokens */
  readonly topP: number
  /** divisor of positive, and factor of negative, logits of tokens already in the text, greater than 0; default 1: no penalty */
  readonly repetitionPenalty: number
}

/** Greedy decoding: always the most probable token. */
export const greedy: Sampling = { temperature: 0, topK: null, topP: 1, repetitionPenalty: 1 }

/** Returns whether these parameters always choose the token with the largest logit. */
export const isGreedy = ({ temperature, repetitionPenalty }: Sampling): boolean =>
  temperature === 0 && repetitionPenalty === 1

/** Samples a token. `precedingIds`: tokens of the prompt and text so far. Draws one random number, or none at temperature 0. */
export const sample = (
  logits: Float32Array,
  precedingIds: ReadonlyArray<number>,
  sampling: Sampling,
  random: Random
): number => {
  const penalized = withPenalty(logits, precedingIds, sampling.repetitionPenalty)
  if (sampling.temperature === 0) return largest(penalized)
  const { ids, probabilities } = distribution(penalized, sampling)
  let rest = random()
  for (let i = 0; i < ids.length; i++) {
    rest -= probabilities[i]!
    if (rest < 0) return ids[i]!
  }
  // what rounding left over
  return ids[ids.length - 1]!
}

/** Samples among the tokens whose bit in `allowedIds` is set (token i: bit i & 31 of element i >> 5). Returns null if no bit is set. */
export const sampleAmong = (
  logits: Float32Array,
  allowedIds: Uint32Array,
  precedingIds: ReadonlyArray<number>,
  sampling: Sampling,
  random: Random
): number | null => {
  const ids = new Uint32Array(logits.length)
  let count = 0
  for (let i = 0; i < allowedIds.length; i++) {
    for (let bits = allowedIds[i]!; bits !== 0; bits &= bits - 1) {
      const id = 32 * i + 31 - Math.clz32(bits & -bits)
      if (id < logits.length) ids[count++] = id
    }
  }
  if (count === 0) return null
  const penalized = withPenalty(logits, precedingIds, sampling.repetitionPenalty)
  const among = new Float32Array(count)
  for (let i = 0; i < count; i++) among[i] = penalized[ids[i]!]!
  return ids[sample(among, [], { ...sampling, repetitionPenalty: 1 }, random)]!
}

/** Returns the logits with the repetition penalty applied: a new array if there is a penalty. */
export const withPenalty = (
  logits: Float32Array,
  precedingIds: ReadonlyArray<number>,
  penalty: number
): Float32Array => {
  if (penalty === 1) return logits
  const penalized = logits.slice()
  for (const id of new Set(precedingIds)) {
    const z = logits[id]!
    penalized[id] = z < 0 ? z * penalty : z / penalty
  }
  return penalized
}

/** Returns the index of the largest value, the first of equals. */
export const largest = (logits: Float32Array): number => {
  let best = 0
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i
  return best
}

/** A token with its probability at a position. */
export interface LikelyToken {
  /** token id in the vocabulary */
  readonly id: number
  /** softmax of the model's own logits, in [0, 1] */
  readonly probability: number
}

/**
 * Returns the probability of `chosen` and the `count` likeliest tokens by softmax of the model's own logits, whatever the sampling parameters.
 * Equal probabilities are in the order of the vocabulary.
 */
export const likelihoods = (
  logits: Float32Array,
  chosen: number,
  count: number
): { readonly probability: number; readonly likeliest: ReadonlyArray<LikelyToken> } => {
  const most = logits[largest(logits)]!
  let sum = 0
  for (const z of logits) sum += Math.exp(z - most)
  const probability = (id: number) => Math.exp(logits[id]! - most) / sum
  const best: Array<number> = []
  for (let id = 0; id < logits.length; id++) {
    if (best.length === count && !(logits[id]! > logits[best[count - 1]!]!)) continue
    const at = best.findIndex((candidate) => logits[id]! > logits[candidate]!)
    best.splice(at < 0 ? best.length : at, 0, id)
    if (best.length > count) best.pop()
  }
  return { probability: probability(chosen), likeliest: best.map((id) => ({ id, probability: probability(id) })) }
}

/** Distribution of the next token. */
export interface Distribution {
  /** tokens that may be chosen, in ascending order */
  readonly ids: ReadonlyArray<number>
  /** probability of each token; they sum to 1 */
  readonly probabilities: ReadonlyArray<number>
}

/** Returns the distribution to sample from at a temperature above 0. Expects logits with the repetition penalty already applied. */
export const distribution = (
  logits: Float32Array,
  { temperature, topK, topP }: Pick<Sampling, "temperature" | "topK" | "topP">
): Distribution => {
  const border = topK === null || topK >= logits.length ? Number.NEGATIVE_INFINITY : kthLargest(logits, topK)
  const ids: Array<number> = []
  for (let i = 0; i < logits.length; i++) if (logits[i]! >= border) ids.push(i)
  const probabilities = softmax(ids.map((id) => logits[id]! / temperature))
  if (topP >= 1) return { ids, probabilities }
  const nucleusIndices = nucleus(probabilities, topP)
  return {
    ids: nucleusIndices.map((i) => ids[i]!),
    probabilities: normalized(nucleusIndices.map((i) => probabilities[i]!))
  }
}

const kthLargest = (logits: Float32Array, k: number): number => {
  const sorted = logits.slice().sort()
  return sorted[sorted.length - k]!
}

const softmax = (z: ReadonlyArray<number>): ReadonlyArray<number> => {
  const most = z.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  return normalized(z.map((value) => Math.exp(value - most)))
}

const normalized = (weights: ReadonlyArray<number>): ReadonlyArray<number> => {
  const sum = weights.reduce((a, b) => a + b, 0)
  return weights.map((weight) => weight / sum)
}

/** Indices of the most probable that reach p together, ascending; of equals the first stay. */
const nucleus = (probabilities: ReadonlyArray<number>, p: number): ReadonlyArray<number> => {
  // sorted as numbers of a typed array: a comparison function would be called a million times for a large vocabulary
  const sorted = Float64Array.from(probabilities).sort()
  let sum = 0
  let count = 0
  while (count < sorted.length && sum < p) sum += sorted[sorted.length - ++count]!
  const border = sorted[sorted.length - Math.max(1, count)]!
  let equals = count - probabilities.filter((probability) => probability > border).length
  return [...probabilities.keys()].filter((i) => {
    const probability = probabilities[i]!
    return probability > border || (probability === border && equals-- > 0)
  })
}
