/**
 * Products by tiles in workgroup memory, for matrices that give many of them: a workgroup sums `down` × `across` numbers of C, and an
 * invocation `rows` × 4 of them.
 *
 * In a round of `depth` of the inner dimension an invocation brings one block of four by four or none, the first of them A's, those after
 * them B's, and each multiplies for its own numbers. While a round is multiplied, the blocks of the next one are on their way.
 *
 * Whichever the tile, a number of C is the sum of its products one by one, from the first of the inner dimension to the last: the same
 * bits. Which of them is taken may therefore be decided by time (`tile-choice.ts`).
 */
import {
  declarationOf,
  type Form,
  functionsOf,
  lines,
  programsOf,
  rangeOf,
  sums,
  whereOf,
  writeRow
} from "./product-blocks.ts"
import { program } from "./program.ts"

interface Tile {
  /** rows of C, of a workgroup: a multiple of 4 and of `rows` */
  readonly down: number
  /** columns of C: a multiple of 4 */
  readonly across: number
  /** of an invocation: a multiple of 4 */
  readonly rows: number
  /**
   * of the inner dimension, a round: a multiple of 4 that divides PART_MULTIPLE, with no more blocks of four by four in it than there are
   * invocations
   */
  readonly depth: number
}

/**
 * Every tile by its name, the smallest first. The fastest depends on the GPU and the product: larger tiles read less memory per value, but leave
 * fewer workgroups.
 */
export const tiles = {
  "32x32": { down: 32, across: 32, rows: 4, depth: 16 },
  "32x64": { down: 32, across: 64, rows: 4, depth: 16 },
  "64x64": { down: 64, across: 64, rows: 8, depth: 16 },
  "128x128": { down: 128, across: 128, rows: 16, depth: 8 }
} as const satisfies Readonly<Record<string, Tile>>

/** Name of a tile. */
export type TileName = keyof typeof tiles

/** Names of all tiles, the smallest first. */
export const tileNames = Object.keys(tiles) as ReadonlyArray<TileName>

/** Length of which parts of the inner dimension are a multiple; a round of every tile ends there too. */
export const PART_MULTIPLE = 16

/** Variant of the program that stages tiles. */
export interface Tiles {
  readonly tile: TileName
}

/** Returns the invocations per workgroup. */
export const tileWorkgroup = (name: TileName): number => {
  const { down, across, rows } = tiles[name]
  return (down / rows) * (across / 4)
}

/**
 * Fours from row to row of what was brought: one more than there are, so that the rows of a block are in different
 * banks.
 */
const pitchOf = (edge: number): number => edge / 4 + 1

/** Returns the bytes of workgroup memory. */
export const tileBytes = (name: TileName): number => {
  const { down, across, depth } = tiles[name]
  return 16 * depth * (pitchOf(down) + pitchOf(across))
}

/** Returns the number of values in the tiles that cover `matrices` matrices C [m, n]: at least as many as C has. */
export const tiledArea = (name: TileName, m: number, n: number, matrices: number): number => {
  const { down, across } = tiles[name]
  return matrices * Math.ceil(m / down) * down * Math.ceil(n / across) * across
}

/** Which block of a tile an invocation brings, by k and by i. Neighbours read neighbouring addresses. */
const placeOf = (edge: number, depth: number, along: boolean): string =>
  along
    ? `vec2u(number % ${depth / 4}u, number / ${depth / 4}u)`
    : `vec2u(number / ${edge / 4}u, number % ${edge / 4}u)`

const bringing = (mark: "" | "2"): string => `
fn next${mark}(ofA: bool, k: u32, end: u32, i: u32, aAt: u32, bAt: u32) -> mat4x4f {
  if (k >= end) { return mat4x4f(); }
  if (ofA) { return a${mark}Block(aAt, k, i); }
  return b${mark}Block(bAt, k, i);
}
`

/** What is brought to where A's and B's blocks are. */
const storing = ({ down, across }: Tile): string => {
  const [ofA, ofB] = [pitchOf(down), pitchOf(across)]
  if (ofA === ofB) return lines(4, (r) => `    brought[to + ${r * ofA}u] = block[${r}];`)
  return lines(4, (r) => `    brought[to + select(${r * ofB}u, ${r * ofA}u, ofA)] = block[${r}];`)
}

const rounds = (form: Tiles & Form, mark: "" | "2"): string => {
  const tile: Tile = tiles[form.tile]
  const { down, across, rows, depth } = tile
  const [first, end] = rangeOf(form, mark)
  const [ofA, ofB] = [pitchOf(down), pitchOf(across)]
  const brings = ((down + across) / 4) * (depth / 4)
  const idle = brings < tileWorkgroup(form.tile)
  // an invocation that brings nothing reads nothing either: as if it were beyond the end
  const blockAt = (k: string) => `next${mark}(ofA, ${idle ? `select(${end}, ${k}, brings)` : k}, ${end}, i, aAt, bAt)`
  return `
  block = ${blockAt(`${first} + 4u * place.x`)};
  for (var k = ${first}; k < ${end}; k += ${depth}u) {
    workgroupBarrier();
${idle ? `    if (brings) {\n${storing(tile)}\n    }` : storing(tile)}
    workgroupBarrier();
    block = ${blockAt(`k + ${depth}u + 4u * place.x`)};
    var ofRow = ${rows / 4}u * down;
    for (var at = ${depth * ofA}u + column; at < ${depth * (ofA + ofB)}u; at += ${ofB}u) {
      let q = brought[at];
${lines(rows / 4, (four) => `      let p${four} = brought[ofRow + ${four}u];`)}
${lines(rows, (r) => `      c${r} += p${Math.floor(r / 4)}[${r % 4}] * q;`)}
      ofRow += ${ofA}u;
    }
  }`
}

/** Creates the program of a variant. */
export const tilesProgram = programsOf((form: Tiles & Form) => {
  const { kind, second, tile } = form
  const { down, across, rows, depth }: Tile = tiles[tile]
  const [ofA, ofB] = [pitchOf(down), pitchOf(across)]
  const aBlocks = (down / 4) * (depth / 4)
  const bBlocks = (across / 4) * (depth / 4)
  return program({
    ...declarationOf(form),
    workgroup: tileWorkgroup(tile),
    body: `${functionsOf(form)}${bringing("")}${second === null ? "" : bringing("2")}
var<workgroup> brought: array<vec4f, ${depth * (ofA + ofB)}>;
fn kernel(group: u32, local: u32) {
  let tilesAcross = (words.n + ${across - 1}u) / ${across}u;
  let tilesDown = (words.m + ${down - 1}u) / ${down}u;
${whereOf(form, "tilesAcross * tilesDown")}
  let corner = vec2u(${down}u, ${across}u) * vec2u(tile / tilesAcross, tile % tilesAcross);

  let ofA = local < ${aBlocks}u;
  let brings = local < ${aBlocks + bBlocks}u;
  let number = select(local - ${aBlocks}u, local, ofA);
  let place = select(${placeOf(across, depth, kind[1] === "t")}, ${placeOf(down, depth, kind[0] === "n")}, ofA);
  let i = select(corner.y, corner.x, ofA) + 4u * place.y;
  let to = select(${depth * ofA}u + ${4 * ofB}u * place.x, ${4 * ofA}u * place.x, ofA) + place.y;

  let column = local % ${across / 4}u;
  let down = local / ${across / 4}u;
  var block: mat4x4f;
${lines(rows, (r) => `  var c${r} = vec4f();`)}
${sums(form, rows, (mark) => rounds(form, mark))}
  let j = corner.y + 4u * column;
  let i0 = corner.x + ${rows}u * down;
${lines(rows, (r) => writeRow(form, r, `i0 + ${r}u`))}
}`
  })
})

/** Returns the number of workgroups for C [m, n]. */
export const tilesGroups = ({ tile }: Tiles, m: number, n: number): number =>
  Math.ceil(m / tiles[tile].down) * Math.ceil(n / tiles[tile].across)
