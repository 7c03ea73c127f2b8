/**
 * Products by tiles in workgroup memory, for matrices that give many of them: a workgroup of 2T invocations sums T × T
 * numbers of C.
 *
 * In a round of 16 of the inner dimension every invocation brings one block of four by four, half of them A's and half
 * B's, and each multiplies for T/8 × 4 numbers. While a round is multiplied, the blocks of the next one are on their
 * way.
 */
import { declarationOf, type Form, functionsOf, lines, programsOf, sums, whereOf, written } from "./product-blocks.ts"
import { program } from "./program.ts"

export interface Tiles {
  /** T */
  readonly tile: 32 | 64
}

/** of the inner dimension, a round */
const DEPTH = 16

/**
 * Fours from row to row of what was brought: one more than there are, so that the rows of a block are in different
 * banks.
 */
const pitchOf = ({ tile }: Tiles): number => tile / 4 + 1

/** Which block of a tile an invocation brings, by k and by i. Neighbours read neighbouring addresses. */
const placeOf = ({ tile }: Tiles, along: boolean): string =>
  along ? "vec2u(number % 4u, number / 4u)" : `vec2u(number / ${tile / 4}u, number % ${tile / 4}u)`

const bringing = (mark: "" | "2"): string => `
fn next${mark}(ofA: bool, k: u32, i: u32, aAt: u32, bAt: u32) -> mat4x4f {
  if (k >= words.k${mark}) { return mat4x4f(); }
  if (ofA) { return a${mark}Block(aAt, k, i); }
  return b${mark}Block(bAt, k, i);
}
`

const rounds = (own: Tiles, mark: "" | "2"): string => {
  const { tile } = own
  const pitch = pitchOf(own)
  const rows = tile / 8
  return `
  block = next${mark}(ofA, 4u * place.x, i, aAt, bAt);
  for (var k = 0u; k < words.k${mark}; k += ${DEPTH}u) {
    workgroupBarrier();
${lines(4, (r) => `    brought[to + ${r * pitch}u] = block[${r}];`)}
    workgroupBarrier();
    block = next${mark}(ofA, k + ${DEPTH}u + 4u * place.x, i, aAt, bAt);
    for (var row = 0u; row < ${DEPTH * pitch}u; row += ${pitch}u) {
      let q = brought[${DEPTH * pitch}u + row + column];
${lines(rows / 4, (four) => `      let p${four} = brought[row + ${rows / 4}u * down + ${four}u];`)}
${lines(rows, (r) => `      c${r} += p${Math.floor(r / 4)}[${r % 4}] * q;`)}
    }
  }`
}

export const tilesProgram = programsOf((own: Tiles & Form) => {
  const { kind, second, tile } = own
  const rows = tile / 8
  const pitch = pitchOf(own)
  return program({
    ...declarationOf(own),
    workgroup: 2 * tile,
    body: `${functionsOf(own)}${bringing("")}${second === null ? "" : bringing("2")}
var<workgroup> brought: array<vec4f, ${2 * DEPTH * pitch}>;
fn kernel(group: u32, local: u32) {
  let tilesAcross = (words.n + ${tile - 1}u) / ${tile}u;
  let tilesDown = (words.m + ${tile - 1}u) / ${tile}u;
${whereOf(own, "tilesAcross * tilesDown")}
  let corner = ${tile}u * vec2u(tile / tilesAcross, tile % tilesAcross);

  let ofA = local < ${tile}u;
  let number = local % ${tile}u;
  let place = select(${placeOf(own, kind[1] === "t")}, ${placeOf(own, kind[0] === "n")}, ofA);
  let i = select(corner.y, corner.x, ofA) + 4u * place.y;
  let to = select(${DEPTH * pitch}u, 0u, ofA) + ${4 * pitch}u * place.x + place.y;

  let column = local % ${tile / 4}u;
  let down = local / ${tile / 4}u;
  var block: mat4x4f;
${lines(rows, (r) => `  var c${r} = vec4f();`)}
${sums(own, rows, (mark) => rounds(own, mark))}
  let j = corner.y + 4u * column;
  let i0 = corner.x + ${rows}u * down;
${lines(rows, (r) => written(own, r, `i0 + ${r}u`))}
}`
  })
})

/** Workgroups for C [m, n]. */
export const tilesGroups = ({ tile }: Tiles, m: number, n: number): number => Math.ceil(m / tile) * Math.ceil(n / tile)
