/**
 * Products whose inner dimension is long and whose C is small, of which there are few workgroups otherwise: the inner dimension is cut
 * into parts, each has a C of its own, and those are added, part by part in their order. Two dispatches, and no number has two writers.
 *
 *   Pₚ = op(A)·op(B) over part p          C = scale · (((P₀ + P₁) + P₂) + …) + bias
 *
 * A number of C is a sum of k products of a·b in a row of additions for each part and then another of the parts: its error is at most
 * (⌈k / parts⌉ + parts) · 2⁻²⁴ · Σ|a·b|, to first order, below the k · 2⁻²⁴ · Σ|a·b| of one row of additions. How many parts there are
 * is a function of the sizes alone, so the bits are too.
 */
import { read, write } from "../declaration.ts"
import { groupsFor } from "./engine.ts"
import { PART_MULTIPLE } from "./product-tiles.ts"
import { program, variants } from "./program.ts"

/** Workgroups that keep a GPU busy. */
const BUSY = 512
/** Of the inner dimension at least, for each of a workgroup's slices: what a second dispatch costs is little beside it. */
const LEAST_OF_PART = { direct: 64, tiles: 1024 }
const MOST_PARTS = 16

/** How a product would be computed in one: workgroups, and slices of the inner dimension in each; no slices by tiles. */
interface Whole {
  readonly groups: number
  readonly slices: number | undefined
}

/** Returns the number of parts of an inner dimension k, from the sizes only; 1 if parts would not be faster. */
export const partsOf = ({ groups, slices }: Whole, k: number): number => {
  const least = slices === undefined ? LEAST_OF_PART.tiles : slices * LEAST_OF_PART.direct
  const parts = Math.floor(Math.min(BUSY / groups, k / least, MOST_PARTS))
  if (parts < 2) return 1
  // lengths are rounded up, and none is empty
  return Math.ceil(k / partLengthOf(k, parts))
}

/** Returns the length of a part of the inner dimension. */
export const partLengthOf = (k: number, parts: number): number => Math.ceil(k / parts / PART_MULTIPLE) * PART_MULTIPLE

const WORKGROUP = 64

/** `one`: numbers of a C */
const WORDS = {
  size: "u32",
  parts: "u32",
  one: "u32",
  n: "u32",
  cBatch: "u32",
  biasBatch: "u32",
  scale: "f32"
} as const

/**
 * Creates the program that computes C from the parts [parts, size]: a sum, a scale and a bias for each value. For a batch, `cBatch` is the
 * distance between its Cs.
 */
export const partSumProgram = variants((biased: "biased" | "plain") =>
  program<string, keyof typeof WORDS>({
    name: "Product parts",
    buffers: { found: read("f32"), ...(biased === "biased" ? { bias: read("f32") } : {}), c: write("f32") },
    words: WORDS,
    workgroup: WORKGROUP,
    body: `fn kernel(group: u32, local: u32) {
  let i = group * ${WORKGROUP}u + local;
  if (i >= words.size) { return; }
  let matrix = i / words.one;
  let place = i % words.one;
  var sum = found[i];
  for (var part = 1u; part < words.parts; part++) { sum += found[part * words.size + i]; }
  c[matrix * words.cBatch + place] = sum * words.scale${biased === "biased" ? " + bias[matrix * words.biasBatch + place % words.n]" : ""};
}`
  })
)

/** Returns the number of workgroups for `size` values. */
export const partSumGroups = (size: number): number => groupsFor(size, WORKGROUP)
