/**
 * Small products: an invocation for each number of C, and the form in words. One program does for all shapes and
 * transpositions, as making one for each would take longer than all of their products.
 */
import type { Packing } from "../../numbers/index.ts"
import { read, reads, write } from "../declaration.ts"
import { dequantizing } from "./dequantize.ts"
import { groupsFor } from "./engine.ts"
import { STRIDE_WORDS } from "./product-blocks.ts"
import { program, variants } from "./program.ts"

const WORKGROUP = 64

/** Where B's number (k, j) is. */
const PLACE = "select(k * words.n + j, j * words.k + k, words.bAlong == 1u)"

const readB = (packing: Packing | "f32"): string => {
  if (packing === "f32") return `fn readB(at: u32, k: u32, j: u32) -> f32 { return b[at + ${PLACE}]; }`
  return `${dequantizing(packing, "fourOf", "b", "select(words.n, words.k, words.bAlong == 1u)")}
fn readB(at: u32, k: u32, j: u32) -> f32 {
  let row = select(k, j, words.bAlong == 1u);
  let column = select(j, k, words.bAlong == 1u);
  var four = fourOf(row, column - column % 4u);
  return four[column % 4u];
}`
}

/**
 * Creates the program for small products: C = scale · op(A)·op(B) + scale2 · op(A₂)·op(B₂) + bias, without the second pair if k2 is 0, and
 * without the bias unless `biased`. `aAlong`, `bAlong`: whether the rows of A, of B, run along the inner dimension. Absent operands may be bound
 * to any buffer.
 */
export const smallProgram = variants((packing: Packing | "f32") =>
  program({
    name: packing === "f32" ? "Small product" : `Small product ${packing}`,
    buffers: {
      a: read("f32"),
      b: read(packing === "f32" ? "f32" : "u32"),
      ...reads("f32", "scales", "a2", "b2", "bias"),
      c: write("f32")
    },
    words: {
      ...{ size: "u32", m: "u32", n: "u32", k: "u32", k2: "u32" },
      ...{ aAlong: "u32", bAlong: "u32", biased: "u32", scale: "f32", scale2: "f32" },
      ...STRIDE_WORDS
    },
    workgroup: WORKGROUP,
    body: `${readB(packing)}
fn kernel(group: u32, local: u32) {
  let index = group * ${WORKGROUP}u + local;
  if (index >= words.size) { return; }
  let matrix = index / (words.m * words.n);
  let i = index / words.n % words.m;
  let j = index % words.n;
  var sum = 0.0;
  for (var k = 0u; k < words.k; k++) {
    let left = a[matrix * words.aBatch + select(k * words.m + i, i * words.k + k, words.aAlong == 1u)];
    sum += left * readB(matrix * words.bBatch, k, j);
  }
  sum *= words.scale;
  if (words.k2 > 0u) {
    var second = 0.0;
    for (var k = 0u; k < words.k2; k++) {
      let left = a2[matrix * words.a2Batch + select(k * words.m + i, i * words.k2 + k, words.aAlong == 1u)];
      second += left * b2[matrix * words.b2Batch + select(k * words.n + j, j * words.k2 + k, words.bAlong == 1u)];
    }
    sum += words.scale2 * second;
  }
  if (words.biased == 1u) { sum += bias[matrix * words.biasBatch + j]; }
  c[matrix * words.cBatch + i * words.n + j] = sum;
}`
  })
)

/** Returns the number of workgroups for `size` values. */
export const smallGroups = (size: number): number => groupsFor(size, WORKGROUP)
