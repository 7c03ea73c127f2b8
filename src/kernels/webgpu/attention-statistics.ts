/**
 * What the programs of attention share (`attention-rows.ts`, `attention-blocks.ts`): buffers and words, where the
 * numbers kept of P's rows lie, and P from them.
 */
import { type ElementType, read, reads, write } from "../declaration.ts"
import type { Program } from "./program.ts"

/** blocks: workgroups of a head. width, of q, and d, of a head: in elements of the buffers */
export const WORDS = { length: "u32", heads: "u32", blocks: "u32", width: "u32", d: "u32", scale: "f32" } as const
type Words = keyof typeof WORDS

export interface AttentionPrograms {
  readonly forward: Program<"q" | "k" | "v" | "mask" | "o" | "statistics", Words>
  readonly queryGradient: Program<"q" | "k" | "v" | "o" | "go" | "statistics" | "dq" | "along", Words>
  readonly keyGradient: Program<"q" | "k" | "v" | "go" | "statistics" | "along" | "dk" | "dv", Words>
  /** rows of a workgroup */
  readonly rows: number
  /** numbers in an element of q, k and v */
  readonly unit: 1 | 4
}

/** Names, buffers and words of the programs, whose q, k and v are read as `element`. */
export const declarations = (element: ElementType) =>
  ({
    forward: {
      name: "Attention",
      buffers: { ...reads(element, "q", "k", "v"), mask: read("f32"), o: write(element), statistics: write("f32") },
      words: WORDS
    },
    queryGradient: {
      name: "AttentionGradient q",
      buffers: {
        ...reads(element, "q", "k", "v", "o", "go"),
        statistics: read("f32"),
        dq: write(element),
        along: write("f32")
      },
      words: WORDS
    },
    keyGradient: {
      name: "AttentionGradient k v",
      buffers: {
        ...reads(element, "q", "k", "v", "go"),
        statistics: read("f32"),
        along: read("f32"),
        dk: write(element),
        dv: write(element)
      },
      words: WORDS
    }
  }) as const

/** Which head a workgroup has, and where its numbers are in `statistics`: [batch, 2·heads + 1, length]. */
export const WHERE = `let matrix = group / words.blocks;
  let batch = matrix / words.heads;
  let head = matrix % words.heads;
  let maxima = (batch * (2u * words.heads + 1u) + 2u * head) * words.length;
  let inverses = maxima + words.length;
  let masks = (batch * (2u * words.heads + 1u) + 2u * words.heads) * words.length;`

/** Represents −∞, the maximum of nothing. */
export const LOWEST = "-3.4028234e38"

/**
 * P of a score: no more than in the forward pass. A score's rounding is 64 beside −10⁹, and e⁶⁴ would be the gradient.
 */
export const PROBABILITY = `fn probability(scores: vec4f, most: vec4f, inverse: vec4f) -> vec4f {
  return exp(min(scores - most, vec4f(0.0))) * inverse;
}`

export const PLACES = ["x", "y", "z", "w"] as const
