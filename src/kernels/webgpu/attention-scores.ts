/**
 * What the programs of attention share (`attention-rows.ts`, `attention-blocks.ts`, `attention-few.ts`): buffers and words, where a head's
 * numbers lie, which keys a query attends, and P of a score.
 */
import { type BufferType, type ElementType, read, reads, write } from "../declaration.ts"
import type { VectorType } from "./elementwise.ts"
import type { Program } from "./program.ts"
import { softcapOf } from "./softcap.ts"

/** Components of a vector. */
export const PLACES = ["x", "y", "z", "w"] as const

/** Smallest float32, in place of −∞: the maximum of an empty set. */
export const LOWEST = "-3.4028234e38"

/**
 * Words of attention programs. `group`: heads that share keys; `blocks`: workgroups per head; `d`: size of a head, in elements of the buffers;
 * `softcap`: 0 for none.
 */
export const WORDS = {
  queries: "u32",
  keys: "u32",
  keyHeads: "u32",
  group: "u32",
  blocks: "u32",
  d: "u32",
  back: "i32",
  ahead: "i32",
  scale: "f32",
  softcap: "f32"
} as const
type Words = keyof typeof WORDS

/** Length of a query's row, in elements of the buffers. */
export const QUERY_WIDTH = "(words.keyHeads * words.group * words.d)"
/** Length of a key's row, in elements of the buffers. */
export const KEY_WIDTH = "(words.keyHeads * words.d)"

/** Programs whose q, k and v are read in units of `unit` values. Programs with a bias of the scores bind it too. */
export interface ForwardProgram {
  readonly forward: Program<string, Words>
  /** queries per workgroup */
  readonly rows: number
  readonly unit: 1 | 4
}

/** Programs of a forward and a backward pass. */
export interface AttentionPrograms extends ForwardProgram {
  readonly queryGradient: Program<string, Words>
  readonly keyGradient: Program<string, Words>
}

/**
 * Returns the declaration of a program that reads q, k and v as `element`. `statistics`: m and 1/Z of each row of P. `rows`: the bits of these,
 * of D = dO·O, and the query's segment; then a row for each key, with its segment.
 */
export const declarations = (element: ElementType, biased: boolean) => {
  const bias: Readonly<Record<string, BufferType>> = biased ? { bias: read("f32") } : {}
  return {
    forward: {
      name: "Attention",
      buffers: {
        ...reads(element, "q", "k", "v"),
        ...reads("i32", "querySegments", "keySegments"),
        ...bias,
        o: write(element),
        statistics: write("vec2f")
      },
      words: WORDS
    },
    queryGradient: {
      name: "AttentionGradient q",
      buffers: {
        ...reads(element, "q", "k", "v", "go"),
        rows: read("vec4u"),
        keySegments: read("i32"),
        ...bias,
        dq: write(element)
      },
      words: WORDS
    },
    keyGradient: {
      name: "AttentionGradient k v",
      buffers: {
        ...reads(element, "q", "k", "v", "go"),
        rows: read("vec4u"),
        ...bias,
        dk: write(element),
        dv: write(element)
      },
      words: WORDS
    }
  } as const
}

/** WGSL that finds a workgroup's head and sequence, and where its rows begin in q, in k and v, and in `statistics` and `rows`. */
export const OF_QUERIES = `let matrix = group / words.blocks;
  let batch = matrix / (words.keyHeads * words.group);
  let head = matrix % (words.keyHeads * words.group);
  let queryStart = batch * words.queries * ${QUERY_WIDTH} + head * words.d;
  let keyStart = batch * words.keys * ${KEY_WIDTH} + head / words.group * words.d;
  let rowStart = matrix * words.queries;
  let biasStart = head * words.queries;
  // of the first query, among the keys
  let shift = i32(words.keys) - i32(words.queries);`

/** WGSL that does the same for a workgroup of keys. */
export const OF_KEYS = `let matrix = group / words.blocks;
  let batch = matrix / words.keyHeads;
  let keyHead = matrix % words.keyHeads;
  let keyStart = batch * words.keys * ${KEY_WIDTH} + keyHead * words.d;
  let shift = i32(words.keys) - i32(words.queries);
  // of the keys' segments, in \`rows\`
  let batches = words.groups / (words.blocks * words.keyHeads);
  let segmentStart = batches * words.keyHeads * words.group * words.queries + batch * words.keys;`

/** WGSL inside the loop over `member`, the heads that share keys. */
export const OF_MEMBER = `let head = keyHead * words.group + member;
    let queryStart = batch * words.queries * ${QUERY_WIDTH} + head * words.d;
    let rowStart = (batch * words.keyHeads * words.group + head) * words.queries;
    let biasStart = head * words.queries;`

/** Returns the first of the keys that queries of [row, last] may attend. */
export const firstKey = (row: string): string => `u32(max(i32(${row}) + shift - words.back, 0))`
/** Returns the end, exclusive, of the keys that queries of [row, last] may attend. */
export const endOfKeys = (last: string): string =>
  `u32(clamp(i32(${last}) + shift + words.ahead + 1, 0, i32(words.keys)))`

/** Returns the first of the queries that may attend a key of [key, last]. */
export const firstQuery = (key: string): string => `u32(max(i32(${key}) - shift - words.ahead, 0))`
/** Returns the end, exclusive, of the queries that may attend a key of [key, last]. */
export const endOfQueries = (last: string): string =>
  `u32(clamp(i32(${last}) - shift + words.back + 1, 0, i32(words.queries)))`

/** Returns the bias of a query and a key, which is added to their score. */
export const biasOf = (biased: boolean, row: string, key: string): string =>
  biased ? ` + bias[(biasStart + ${row}) * words.keys + ${key}]` : ""

const ALIASES = {
  f32: "alias V = f32;\nalias U = u32;\nalias I = i32;\nalias B = bool;",
  vec4f: "alias V = vec4f;\nalias U = vec4u;\nalias I = vec4i;\nalias B = vec4<bool>;"
} as const satisfies Record<VectorType, string>

/**
 * Returns WGSL functions on scores, one or four at a time: V. `attends`: queries at t and keys, with their segments. `capped`, `slope`:
 * `softcap.ts`. `usable`: whether c is finite. `spoils`: whether it is NaN or ∞. `probability`: at most that of the forward pass, where no score
 * exceeds `most`.
 */
export const scoresOf = (type: VectorType): string => `${ALIASES[type]}
${softcapOf(type)}
fn attends(t: I, own: I, keys: I, others: I) -> B {
  return (keys - t <= I(words.ahead)) & (t - keys <= I(words.back)) & (own == others) & (own >= I(0));
}
fn usable(c: V) -> B { return (bitcast<U>(c) & U(0x7f800000u)) != U(0x7f800000u); }
fn spoils(c: V) -> B { return !usable(c) & (bitcast<U>(c) != U(0xff800000u)); }
fn probability(c: V, most: V, inverse: V) -> V { return exp(min(c - most, V(0.0))) * inverse; }
`

/** Returns WGSL for 1/Z of a row: 0 if no key is attended, NaN if the softmax is undefined. */
export const inverseOf = (total: string, spoilt: string, attended: string): string =>
  `select(select(1.0 / ${total}, notANumber(), ${spoilt} || ${total} == 0.0), 0.0, !${attended})`
