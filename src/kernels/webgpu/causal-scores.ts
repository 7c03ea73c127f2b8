/**
 * What the programs of causal attention share (`causal-attention-rows.ts`, `causal-attention-blocks.ts`,
 * `causal-attention-few.ts`): buffers and words, where a head's numbers lie, which keys a query attends, and P of a
 * score.
 */
import { type ElementType, read, reads, write } from "../declaration.ts"
import type { VectorType } from "./elementwise.ts"
import type { Program } from "./program.ts"
import { softcapOf } from "./softcap.ts"

/**
 * `group`: heads that share keys. blocks: workgroups of a head. d: of a head, in elements of the buffers. softcap: 0
 * for none
 */
export const WORDS = {
  queries: "u32",
  keys: "u32",
  keyValueHeads: "u32",
  group: "u32",
  blocks: "u32",
  d: "u32",
  window: "u32",
  scale: "f32",
  softcap: "f32"
} as const
type Words = keyof typeof WORDS

/** Rows of a query's numbers, and of a key's, in elements of the buffers. */
export const QUERY_WIDTH = "(words.keyValueHeads * words.group * words.d)"
export const KEY_WIDTH = "(words.keyValueHeads * words.d)"

type Forward = Program<"q" | "k" | "v" | "querySegments" | "keySegments" | "o" | "statistics", Words>

/** Programs whose q, k and v are read by `unit` numbers. */
export interface ForwardProgram {
  readonly forward: Forward
  /** queries of a workgroup */
  readonly rows: number
  readonly unit: 1 | 4
}

export interface CausalPrograms extends ForwardProgram {
  readonly queryGradient: Program<"q" | "k" | "v" | "go" | "rows" | "keySegments" | "dq", Words>
  readonly keyGradient: Program<"q" | "k" | "v" | "go" | "rows" | "keySegments" | "dk" | "dv", Words>
}

/**
 * Names, buffers and words, where q, k and v are read as `element`. `statistics`: m and 1/Z of each row of P. `rows`:
 * the bits of these, of D = dO·O, and the query's segment
 */
export const declarations = (element: ElementType) =>
  ({
    forward: {
      name: "CausalAttention",
      buffers: {
        ...reads(element, "q", "k", "v"),
        querySegments: read("i32"),
        keySegments: read("i32"),
        o: write(element),
        statistics: write("vec2f")
      },
      words: WORDS
    },
    queryGradient: {
      name: "CausalAttentionGradient q",
      buffers: {
        ...reads(element, "q", "k", "v", "go"),
        rows: read("vec4u"),
        keySegments: read("i32"),
        dq: write(element)
      },
      words: WORDS
    },
    keyGradient: {
      name: "CausalAttentionGradient k v",
      buffers: {
        ...reads(element, "q", "k", "v", "go"),
        rows: read("vec4u"),
        keySegments: read("i32"),
        dk: write(element),
        dv: write(element)
      },
      words: WORDS
    }
  }) as const

/** Which head of which sequence a workgroup has, where its rows begin in q, in k and v, and in `statistics` and `rows`. */
export const OF_QUERIES = `let matrix = group / words.blocks;
  let batch = matrix / (words.keyValueHeads * words.group);
  let head = matrix % (words.keyValueHeads * words.group);
  let queryStart = batch * words.queries * ${QUERY_WIDTH} + head * words.d;
  let keyStart = batch * words.keys * ${KEY_WIDTH} + head / words.group * words.d;
  let rowStart = matrix * words.queries;
  // of the first query, among the keys
  let shift = words.keys - words.queries;`

/** Likewise, for a workgroup of keys. */
export const OF_KEYS = `let matrix = group / words.blocks;
  let batch = matrix / words.keyValueHeads;
  let keyValueHead = matrix % words.keyValueHeads;
  let keyStart = batch * words.keys * ${KEY_WIDTH} + keyValueHead * words.d;
  let shift = words.keys - words.queries;`

/** In the loop over `member`, the heads that share keys. */
export const OF_MEMBER = `let head = keyValueHead * words.group + member;
    let queryStart = batch * words.queries * ${QUERY_WIDTH} + head * words.d;
    let rowStart = (batch * words.keyValueHeads * words.group + head) * words.queries;`

/** The first key that a query at t may attend. */
export const firstKey = (t: string): string => `(max(${t} + 1u, words.window) - words.window)`

/** The queries [first, end) that may attend a key of [key, last]. */
export const firstQuery = (key: string): string => `(max(${key}, shift) - shift)`
export const endOfQueries = (last: string): string =>
  `(min(words.keys, ${last} + words.window) - min(shift, min(words.keys, ${last} + words.window)))`

const ALIASES = {
  f32: "alias V = f32;\nalias U = u32;\nalias I = i32;\nalias B = bool;",
  vec4f: "alias V = vec4f;\nalias U = vec4u;\nalias I = vec4i;\nalias B = vec4<bool>;"
} as const satisfies Record<VectorType, string>

/**
 * Scores one at a time, or four: V. `attends`: of queries at t and keys, with their segments. `capped`, `slope`:
 * `softcap.ts`. `usable`: is c finite? `spoils`: is it NaN or ∞? `probability`: no more than in the forward pass, where
 * no score is above `most`
 */
export const scoresOf = (type: VectorType): string => `${ALIASES[type]}
${softcapOf(type)}
fn attends(t: U, own: I, keys: U, others: I) -> B {
  return (keys <= t) & (t - keys < U(words.window)) & (own == others) & (own >= I(0));
}
fn usable(c: V) -> B { return (bitcast<U>(c) & U(0x7f800000u)) != U(0x7f800000u); }
fn spoils(c: V) -> B { return !usable(c) & (bitcast<U>(c) != U(0xff800000u)); }
fn probability(c: V, most: V, inverse: V) -> V { return exp(min(c - most, V(0.0))) * inverse; }
`

/** What 1/Z is of a row: 0 where nothing is attended, NaN where there is no softmax. */
export const inverseOf = (total: string, spoilt: string, attended: string): string =>
  `select(select(1.0 / ${total}, notANumber(), ${spoilt} || ${total} == 0.0), 0.0, !${attended})`
