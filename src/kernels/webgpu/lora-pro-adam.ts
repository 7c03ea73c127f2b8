/**
 * LoRA-Pro's full form with Adam inside on the GPU, all factor pairs together (`../lora-pro-adam.ts` has the
 * equations):
 *
 *   bases, split    as in `lora-pro.ts`, of the factors' own gradients; of the split only N
 *   rest            P = s·(b − Q N) [out, r]
 *   moments         g̃ = s·Q·a + P·R     M' = β₁M + g̃     V' = β₂V + g̃²        a workgroup for each 64 × 64
 *   pull            u = M' / (√V'·c + e)     a ← s⁻¹ Qᵀu     b ← s⁻¹ u Rᵀ      a workgroup for each 128 columns or rows
 *   split, pull back
 *
 * Neither g̃ nor u is ever in memory: u is made from the moments where it is used. `moments` and `pull` bind the
 * moments of all pairs, and run once for each list of pairs whose moments can be bound at once.
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { read, reads, write } from "../declaration.ts"
import type { XChoice } from "../lora-pro-theorem.ts"
import { bounded } from "../tensor-lists.ts"
import { layoutOf, type Span, type WebgpuEngine } from "./engine.ts"
import { openPairs } from "./lora-pro.ts"
import { each, eightSums, OPENED, overRows, pairRecords, WORKGROUP } from "./pair-tiles.ts"
import { boundedPairs, type PairOnWebgpu } from "./pairs.ts"
import { program } from "./program.ts"
import { placesOf, recordsOf } from "./records.ts"

type AdamRates = Readonly<Record<"b1" | "b2" | "c" | "e", number>>

const rest = program({
  name: "LoRA-Pro with Adam, rest",
  buffers: { table: read("u32"), bases: read("f32"), coordinates: read("f32"), small: read("f32"), rest: write("f32") },
  words: { records: "u32" },
  workgroup: WORKGROUP,
  body: `${pairRecords.wgsl}${pairRecords.find}
fn kernel(group: u32, local: u32) {${OPENED}
  if (tile < flats) { return; }
  let N = table[record + SMALL];
  let s = bitcast<f32>(table[record + SCALE]);
  ${overRows(`
    ${eightSums("sum", "small[N + k * r + j]", (q) => `bases[tall + p${q} * r + k]`)}
    ${each((q, sum) => `rest[tall + p${q} * r + j] = s * (coordinates[tall + p${q} * r + j] - ${sum("sum")});`)}`)}
}`
})

/** Rows and columns of a tile of [out, in]. */
const TILE = 64
/** Of the inner dimension 2r at a time. */
const DEPTH = 16

/**
 * Of a pair: sizes, the bits of s, where Q and R (and what lies like them) and its moments begin. The first group of
 * `moments` and how many tiles there are in a row; the first of `pull`, those of them that are columns', and how many
 * share a tile.
 */
const momentRecords = recordsOf([
  "R",
  "INPUTS",
  "OUTPUTS",
  "SCALE",
  "TALL",
  "FLAT",
  "MOMENTS",
  "FIRST",
  "ACROSS",
  "FIRST_PULL",
  "FLATS",
  "BLOCKS"
])

const moments = program({
  name: "LoRA-Pro with Adam, moments",
  buffers: {
    table: read("u32"),
    ...reads("f32", "bases", "coordinates", "rest", "first", "second"),
    nextFirst: write("f32"),
    nextSecond: write("f32")
  },
  words: { records: "u32", b1: "f32", b2: "f32" },
  workgroup: WORKGROUP,
  body: `${momentRecords.wgsl}${momentRecords.find}
// [DEPTH, TILE], a number more in a row: rows begin in different banks
var<workgroup> left: array<f32, ${DEPTH * (TILE + 1)}>;
var<workgroup> right: array<f32, ${DEPTH * TILE}>;

fn advance(at: u32, g: f32) {
  nextFirst[at] = first[at] * words.b1 + g;
  nextSecond[at] = second[at] * words.b2 + g * g;
}

fn kernel(group: u32, local: u32) {
  let record = recordOf(group, FIRST);
  let r = table[record + R];
  let inputs = table[record + INPUTS];
  let outputs = table[record + OUTPUTS];
  let s = bitcast<f32>(table[record + SCALE]);
  let tall = table[record + TALL];
  let flat = table[record + FLAT];
  let tile = group - table[record + FIRST];
  let across = table[record + ACROSS];
  let top = (tile / across) * ${TILE}u;
  let side = (tile % across) * ${TILE}u;
  // four rows and four columns of each invocation; neighbours have neighbouring columns
  let x = local % 16u;
  let y = (local / 16u) * 4u;
  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  var sum2 = vec4f(0.0);
  var sum3 = vec4f(0.0);
  for (var begin = 0u; begin < 2u * r; begin += ${DEPTH}u) {
    for (var e = local; e < ${DEPTH * TILE}u; e += ${WORKGROUP}u) {
      var k = begin + e % ${DEPTH}u;
      let o = top + e / ${DEPTH}u;
      var value = 0.0;
      if (o < outputs && k < r) {
        value = s * bases[tall + o * r + k];
      } else if (o < outputs && k < 2u * r) {
        value = rest[tall + o * r + k - r];
      }
      left[(e % ${DEPTH}u) * ${TILE + 1}u + e / ${DEPTH}u] = value;
      k = begin + e / ${TILE}u;
      let i = side + e % ${TILE}u;
      value = 0.0;
      if (i < inputs && k < r) {
        value = coordinates[flat + k * inputs + i];
      } else if (i < inputs && k < 2u * r) {
        value = bases[flat + (k - r) * inputs + i];
      }
      right[e] = value;
    }
    workgroupBarrier();
    for (var k = 0u; k < ${DEPTH}u; k++) {
      let l = k * ${TILE + 1}u + y;
      let four = vec4f(left[l], left[l + 1u], left[l + 2u], left[l + 3u]);
      let at = k * ${TILE}u + x;
      sum0 += four * right[at];
      sum1 += four * right[at + 16u];
      sum2 += four * right[at + 32u];
      sum3 += four * right[at + 48u];
    }
    workgroupBarrier();
  }
  for (var q = 0u; q < 4u; q++) {
    let o = top + y + q;
    if (o >= outputs) { break; }
    let i = side + x;
    let at = table[record + MOMENTS] + o * inputs + i;
    if (i < inputs) { advance(at, sum0[q]); }
    if (i + 16u < inputs) { advance(at + 16u, sum1[q]); }
    if (i + 32u < inputs) { advance(at + 32u, sum2[q]); }
    if (i + 48u < inputs) { advance(at + 48u, sum3[q]); }
  }
}`
})

/** Columns of u, or rows, of a workgroup of `pull`; two of each invocation. */
const WIDE = 128
/** Columns of Q, or rows of R. */
const BLOCK = 32
/** Terms of the long sums at a time. */
const STEP = 16

const pull = program({
  name: "LoRA-Pro with Adam, pull",
  buffers: { table: read("u32"), bases: read("f32"), first: read("f32"), second: read("f32"), pulled: write("f32") },
  words: { records: "u32", c: "f32", e: "f32" },
  workgroup: WORKGROUP,
  body: `${momentRecords.wgsl}${momentRecords.find}
// [STEP, WIDE] of u or uᵀ, and [STEP, BLOCK] of Q or Rᵀ; a number more in a row
var<workgroup> moves: array<f32, ${STEP * (WIDE + 1)}>;
var<workgroup> thin: array<f32, ${STEP * (BLOCK + 1)}>;

/** The sums of four entries, one after the other: those of the parts, in their order. */
fn total(four: vec4f, local: u32, stride: u32) -> vec4f {
  workgroupBarrier();
  for (var q = 0u; q < 4u; q++) { moves[q * ${WORKGROUP}u + local] = four[q]; }
  workgroupBarrier();
  var sums = vec4f(0.0);
  for (var other = local % stride; other < ${WORKGROUP}u; other += stride) {
    let own = vec2f(moves[other], moves[${WORKGROUP}u + other]);
    sums += vec4f(own, moves[${2 * WORKGROUP}u + other], moves[${3 * WORKGROUP}u + other]);
  }
  return sums;
}

fn kernel(group: u32, local: u32) {
  let record = recordOf(group, FIRST_PULL);
  let r = table[record + R];
  let inputs = table[record + INPUTS];
  let outputs = table[record + OUTPUTS];
  let tall = table[record + TALL];
  let flat = table[record + FLAT];
  let origin = table[record + MOMENTS];
  let flats = table[record + FLATS];
  let blocks = table[record + BLOCKS];
  let own = group - table[record + FIRST_PULL];
  let isFlat = own < flats;
  let tile = select(own - flats, own, isFlat);
  let side = (tile / blocks) * ${WIDE}u;
  let block = (tile % blocks) * ${BLOCK}u;
  let n = select(inputs, outputs, isFlat);
  let across = select(outputs, inputs, isFlat);
  // eight rows of an invocation's two columns; where there are fewer than 32, several parts of the long sums
  let eights = (min(r - block, ${BLOCK}u) + 7u) / 8u;
  let teams = select(select(4u, 2u, eights == 2u), 1u, eights == 1u);
  let lane = local % ${WIDE / 2}u;
  let team = (local / ${WIDE / 2}u) % teams;
  let part = local / (${WIDE / 2}u * teams);
  let perPart = ${STEP / 4}u * teams;
  // of the first column, and of the second
  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  var sum2 = vec4f(0.0);
  var sum3 = vec4f(0.0);
  for (var begin = 0u; begin < n; begin += ${STEP}u) {
    for (var e = local; e < ${STEP * WIDE}u; e += ${WORKGROUP}u) {
      // neighbours read neighbours
      let k = select(e % ${STEP}u, e / ${WIDE}u, isFlat);
      let l = select(e / ${STEP}u, e % ${WIDE}u, isFlat);
      var u = 0.0;
      if (begin + k < n && side + l < across) {
        let at = origin + select((side + l) * inputs + begin + k, (begin + k) * inputs + side + l, isFlat);
        u = first[at] / (sqrt(second[at]) * words.c + words.e);
      }
      moves[k * ${WIDE + 1}u + l] = u;
    }
    for (var e = local; e < ${STEP * BLOCK}u; e += ${WORKGROUP}u) {
      let k = select(e % ${STEP}u, e / ${BLOCK}u, isFlat);
      let j = select(e / ${STEP}u, e % ${BLOCK}u, isFlat);
      var value = 0.0;
      if (begin + k < n && block + j < r) {
        if (isFlat) {
          value = bases[tall + (begin + k) * r + block + j];
        } else {
          value = bases[flat + (block + j) * inputs + begin + k];
        }
      }
      thin[k * ${BLOCK + 1}u + j] = value;
    }
    workgroupBarrier();
    for (var k = part * perPart; k < (part + 1u) * perPart; k++) {
      let u0 = moves[k * ${WIDE + 1}u + lane];
      let u1 = moves[k * ${WIDE + 1}u + lane + ${WIDE / 2}u];
      let at = k * ${BLOCK + 1}u + team * 8u;
      let v0 = vec4f(thin[at], thin[at + 1u], thin[at + 2u], thin[at + 3u]);
      let v1 = vec4f(thin[at + 4u], thin[at + 5u], thin[at + 6u], thin[at + 7u]);
      sum0 += u0 * v0;
      sum1 += u0 * v1;
      sum2 += u1 * v0;
      sum3 += u1 * v1;
    }
    workgroupBarrier();
  }
  let stride = ${WIDE / 2}u * teams;
  sum0 = total(sum0, local, stride);
  sum1 = total(sum1, local, stride);
  sum2 = total(sum2, local, stride);
  sum3 = total(sum3, local, stride);
  if (part > 0u) { return; }
  let perScale = 1.0 / bitcast<f32>(table[record + SCALE]);
  for (var q = 0u; q < 8u; q++) {
    let j = block + team * 8u + q;
    if (j >= r) { break; }
    for (var h = 0u; h < 2u; h++) {
      let l = side + lane + h * ${WIDE / 2}u;
      if (l >= across) { continue; }
      let sums = select(select(sum3, sum2, q < 4u), select(sum1, sum0, q < 4u), h == 0u);
      pulled[select(tall + l * r + j, flat + j * inputs + l, isFlat)] = perScale * sums[q & 3u];
    }
  }
}`
})

/** Inputs of a pair's step on WebGPU. */
export interface AdamPairOnWebgpu extends PairOnWebgpu {
  /** moments M and V [out, in] */
  readonly first: TensorInfo
  readonly second: TensorInfo
}

/** Results of a pair's step. */
export interface MovedOnWebgpu {
  readonly dA: TensorInfo
  readonly dB: TensorInfo
  readonly first: TensorInfo
  readonly second: TensorInfo
}

type Opened = ReturnType<typeof openPairs>

interface NextMoments {
  readonly first: TensorInfo
  readonly second: TensorInfo
}

/** `moments` and `pull` of pairs whose moments can be bound at once: those from `offset` on in `opened`. */
const moveMoments = (
  engine: WebgpuEngine,
  opened: Opened,
  pairs: ReadonlyArray<AdamPairOnWebgpu>,
  offset: number,
  { b1, b2, c, e }: AdamRates,
  { coordinates, rest: restSpan, pulled }: { readonly coordinates: Span; readonly rest: Span; readonly pulled: Span }
): ReadonlyArray<NextMoments> => {
  const sizes = opened.sizes.slice(offset, offset + pairs.length)
  const starts = layoutOf(sizes.map(({ inputs, outputs }) => inputs * outputs)).starts
  const shapes = sizes.map(({ r, inputs, outputs }) => {
    const [ACROSS, BLOCKS] = [Math.ceil(inputs / TILE), Math.ceil(r / BLOCK)]
    const FLATS = Math.ceil(inputs / WIDE) * BLOCKS
    const pulls = FLATS + Math.ceil(outputs / WIDE) * BLOCKS
    return { ACROSS, BLOCKS, FLATS, tiles: ACROSS * Math.ceil(outputs / TILE), pulls }
  })
  const tiles = placesOf(shapes.map((shape) => shape.tiles))
  const pulls = placesOf(shapes.map((shape) => shape.pulls))
  const records = shapes.map(({ ACROSS, BLOCKS, FLATS }, i) => {
    const { R, INPUTS, OUTPUTS, SCALE, TALL, FLAT } = opened.records[offset + i]!
    return {
      ...{ R, INPUTS, OUTPUTS, SCALE, TALL, FLAT, MOMENTS: starts[i]! },
      ...{ FIRST: tiles.starts[i]!, ACROSS, FIRST_PULL: pulls.starts[i]!, FLATS, BLOCKS }
    }
  })
  const table = momentRecords.table(engine, `moments ${offset} ${pairs.length} of ${opened.key}`, records)
  const [first, second] = [
    engine.together(pairs.map((pair) => pair.first)),
    engine.together(pairs.map((pair) => pair.second))
  ]
  const matrices = sizes.map(({ inputs, outputs }) => [outputs, inputs])
  const [nextFirst, nextSecond] = [engine.outputs(matrices), engine.outputs(matrices)]
  engine.run(
    moments,
    {
      ...{ table, bases: opened.bases, coordinates, rest: restSpan, first: first.span, second: second.span },
      ...{ nextFirst: nextFirst.span, nextSecond: nextSecond.span }
    },
    { records: records.length, b1, b2 },
    tiles.end
  )
  engine.run(
    pull,
    { table, bases: opened.bases, first: nextFirst.span, second: nextSecond.span, pulled },
    { records: records.length, c, e },
    pulls.end
  )
  engine.release(first.span)
  engine.release(second.span)
  return pairs.map((_, i) => ({ first: nextFirst.tensors[i]!, second: nextSecond.tensors[i]! }))
}

const sizeOf = ({ shape }: TensorInfo): number => layoutOf([shape[0]! * shape[1]!]).elements

/** Computes the step of each pair. */
export const adamMovesOnWebgpu = (
  engine: WebgpuEngine,
  pairs: ReadonlyArray<AdamPairOnWebgpu>,
  x: XChoice,
  rates: AdamRates
): ReadonlyArray<MovedOnWebgpu> =>
  boundedPairs(engine, pairs).flatMap((list) => {
    const opened = openPairs(engine, list)
    const spans = { coordinates: opened.thin(), rest: opened.thin(), pulled: opened.thin() }
    opened.runBases(spans.coordinates)
    opened.runSplit(spans.coordinates, "zero")
    engine.run(
      rest,
      {
        ...{ table: opened.table, bases: opened.bases, coordinates: spans.coordinates, small: opened.small },
        rest: spans.rest
      },
      { records: list.length },
      opened.groups
    )
    const lists = bounded(list, ({ first }) => sizeOf(first), engine.mostNumbers)
    const next = lists.flatMap((part) => moveMoments(engine, opened, part, list.indexOf(part[0]!), rates, spans))
    opened.runSplit(spans.pulled, x)
    const directions = opened.runPullBack(spans.pulled)
    opened.close()
    return next.map((moved, i) => ({ ...moved, dA: directions[2 * i]!, dB: directions[2 * i + 1]! }))
  })
