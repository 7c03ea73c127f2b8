/**
 * LoRA-Pro's whitening matrices of all factor pairs on the GPU, in three programs whatever the number of pairs:
 *
 *   Grams          BᵀB and AAᵀ as pairs of float32 (`eigen.ts` says why), a workgroup for each tile of 16 × 16
 *   eigenvectors   T_B, s⁻² T_Bᵀ, T_Aᵀ and s⁻² T_A, a workgroup for each Gram
 *   split          S and λ_min(BᵀB), a workgroup for each pair
 *
 * Their definition is in `src/optimizers/whitening.ts`; a direction that is not in the span of a factor gets zeros, as
 * on wasm.
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { read, write } from "../declaration.ts"
import { floatBits } from "../wasm/engine.ts"
import { eigenPrograms, eigenScratchOf, gramRecords, MOST_RANK, PAIRS, rankClassOf } from "./eigen.ts"
import { layoutOf, type WebgpuEngine } from "./engine.ts"
import { LONG_SUMS, placeOf, STAGED, STAGES, shiftOf } from "./long-sums.ts"
import { program } from "./program.ts"
import { placesOf } from "./records.ts"

/** A pair's factors on the GPU. */
export interface FactorsOnWebgpu {
  readonly A: TensorInfo // [r, in]
  readonly B: TensorInfo // [out, r]
  readonly scale: number
}

const grams = program({
  name: "Whitening, Grams",
  buffers: { table: read("u32"), factors: read("f32"), grams: write("vec2f") },
  words: { records: "u32", zero: "u32" },
  workgroup: LONG_SUMS,
  body: `${PAIRS}${gramRecords.wgsl}${gramRecords.find}${STAGES}
fn kernel(group: u32, local: u32) {
  let record = recordOf(group, FIRST);
  let r = table[record + R];
  let n = table[record + N];
  let origin = table[record + FROM];
  let row = table[record + ROW];
  let column = table[record + COLUMN];
  let shift = table[record + SHIFT];
  let tiles = table[record + TILES];
  // tiles on and above the diagonal
  var tile = group - table[record + FIRST];
  var above = 0u;
  while (tile >= tiles - above) {
    tile -= tiles - above;
    above++;
  }
  let top = above << shift;
  let side = (above + tile) << shift;
  ${placeOf("shift")}
  var sum00 = vec2f(0.0);
  var sum01 = vec2f(0.0);
  var sum10 = vec2f(0.0);
  var sum11 = vec2f(0.0);
  for (var begin = 0u; begin < n; begin += columns) {
    for (var e = local; e < ${STAGED}u; e += ${LONG_SUMS}u) {
      // neighbours read neighbours
      let byColumns = column == 1u;
      let a = select(e & (edge - 1u), e >> columnShift, byColumns);
      let k = select(e >> shift, e & (columns - 1u), byColumns);
      var x = 0.0;
      var y = 0.0;
      if (begin + k < n) {
        let at = origin + (begin + k) * column;
        if (top + a < r) { x = factors[at + (top + a) * row]; }
        if (side + a < r) { y = factors[at + (side + a) * row]; }
      }
      left[a * (columns + 1u) + k] = x;
      right[a * (columns + 1u) + k] = y;
    }
    workgroupBarrier();
    for (var k = part * perPart; k < (part + 1u) * perPart; k++) {
      let x0 = left[i * (columns + 1u) + k];
      let x1 = left[(i + half) * (columns + 1u) + k];
      let y0 = right[j * (columns + 1u) + k];
      let y1 = right[(j + half) * (columns + 1u) + k];
      sum00 = plusProduct(sum00, x0, y0);
      sum01 = plusProduct(sum01, x0, y1);
      sum10 = plusProduct(sum10, x1, y0);
      sum11 = plusProduct(sum11, x1, y1);
    }
    sum00 = normal(sum00.x, sum00.y);
    sum01 = normal(sum01.x, sum01.y);
    sum10 = normal(sum10.x, sum10.y);
    sum11 = normal(sum11.x, sum11.y);
    workgroupBarrier();
  }
  let sums = array<vec2f, 4>(sum00, sum01, sum10, sum11);
  for (var q = 0u; q < 4u; q++) {
    left[q * ${LONG_SUMS}u + local] = sums[q].x;
    right[q * ${LONG_SUMS}u + local] = sums[q].y;
  }
  workgroupBarrier();
  // the parts of a sum in their order
  for (var e = local; e < edge * edge; e += ${LONG_SUMS}u) {
    let q = e >> (2u * shift - 2u);
    let own = q * ${LONG_SUMS}u + (e & (entries - 1u));
    var sum = vec2f(left[own], right[own]);
    for (var p = entries; p < ${LONG_SUMS}u; p += entries) { sum = plus(sum, vec2f(left[own + p], right[own + p])); }
    let a = top + (((e & (entries - 1u)) >> (shift - 1u)) + (q >> 1u) * half);
    let b = side + ((e & (half - 1u)) + (q & 1u) * half);
    if (a < r && b < r) {
      let to = table[record + GRAM];
      grams[to + a * r + b] = sum;
      grams[to + b * r + a] = sum;
    }
  }
}`
})

const split = program({
  name: "Whitening, split",
  buffers: {
    table: read("u32"),
    places: read("u32"),
    spectra: read("f32"),
    whitenings: write("f32"),
    smallest: write("f32")
  },
  words: { damping: "f32" },
  workgroup: 64,
  body: `${gramRecords.wgsl}
fn kernel(group: u32, local: u32) {
  let ofB = 2u * group * RECORD;
  let ofA = ofB + RECORD;
  let r = table[ofB + R];
  let lambda = table[ofB + SPECTRUM];
  let mu = table[ofA + SPECTRUM];
  let S = places[group];
  let finite = isFinite(spectra[lambda]) && isFinite(spectra[mu]);
  for (var e = local; e < r * r; e += 64u) {
    if (finite) {
      let m = spectra[mu + e % r];
      let sum = spectra[lambda + e / r] + m;
      whitenings[S + e] = select(0.0, (m + words.damping) / sum, sum > 0.0);
    } else {
      whitenings[S + e] = notANumber();
      whitenings[table[ofB + STRAIGHT] + e] = notANumber();
      whitenings[table[ofB + TRANSPOSED] + e] = notANumber();
      whitenings[table[ofA + STRAIGHT] + e] = notANumber();
      whitenings[table[ofA + TRANSPOSED] + e] = notANumber();
    }
  }
  if (local == 0u) {
    var least = spectra[lambda];
    for (var i = 1u; i < r; i++) { least = min(least, spectra[lambda + i]); }
    smallest[group] = select(notANumber(), least, finite);
  }
}`
})

interface Sizes {
  readonly r: number
  readonly inputs: number
  readonly outputs: number
  readonly scale: number
}

const sizesOf = ({ A, B, scale }: FactorsOnWebgpu): Sizes => ({
  r: A.shape[0]!,
  inputs: A.shape[1]!,
  outputs: B.shape[0]!,
  scale
})

const MATRICES = 5

/** Records of BᵀB and AAᵀ of each pair in turn. */
const recordsOf = (sizes: ReadonlyArray<Sizes>) => {
  const factors = layoutOf(sizes.flatMap(({ r, inputs, outputs }) => [r * inputs, outputs * r])).starts
  const whitenings = layoutOf(sizes.flatMap(({ r }) => Array.from({ length: MATRICES }, () => r * r))).starts
  const shapes = sizes.flatMap((pair, i) => {
    const { r, inputs, outputs, scale } = pair
    const [TB, TBgrad, TAt, TAgrad] = whitenings.slice(MATRICES * i)
    const perScale = floatBits(1 / (scale * scale))
    const one = floatBits(1)
    return [
      // B [out, r]: its columns are what are multiplied
      {
        ...{ R: r, N: outputs, FROM: factors[2 * i + 1]!, ROW: 1, COLUMN: r },
        ...{ STRAIGHT: TB!, TRANSPOSED: TBgrad!, F: one, G: perScale }
      },
      {
        ...{ R: r, N: inputs, FROM: factors[2 * i]!, ROW: inputs, COLUMN: 1 },
        ...{ STRAIGHT: TAgrad!, TRANSPOSED: TAt!, F: perScale, G: one }
      }
    ]
  })
  const tiles = shapes.map(({ R }) => {
    const shift = shiftOf(R)
    return { shift, tiles: Math.ceil(R / (1 << shift)) }
  })
  const groups = placesOf(tiles.map(({ tiles: t }) => (t * (t + 1)) / 2))
  const squares = placesOf(shapes.map(({ R }) => R * R))
  const spectra = placesOf(shapes.map(({ R }) => R))
  const scratch = placesOf(shapes.map(({ R }) => eigenScratchOf(R)))
  return {
    records: shapes.map((shape, i) => ({
      ...shape,
      FIRST: groups.starts[i]!,
      SHIFT: tiles[i]!.shift,
      TILES: tiles[i]!.tiles,
      GRAM: squares.starts[i]!,
      SPECTRUM: spectra.starts[i]!,
      SCRATCH: scratch.starts[i]!
    })),
    S: sizes.map((_, i) => whitenings[MATRICES * i + 4]!),
    groups: groups.end,
    numbers: { grams: 2 * squares.end, spectra: spectra.end, scratch: scratch.end }
  }
}

/** Returns whether these pairs can be whitened on this device. */
export const canWhitenOnWebgpu = (engine: WebgpuEngine, pairs: ReadonlyArray<FactorsOnWebgpu>): boolean => {
  const sizes = pairs.map(sizesOf)
  const factors = layoutOf(sizes.flatMap(({ r, inputs, outputs }) => [r * inputs, outputs * r])).elements
  const matrices = layoutOf(sizes.flatMap(({ r }) => Array.from({ length: MATRICES }, () => r * r))).elements
  return (
    sizes.every(({ r, inputs, outputs }) => r <= MOST_RANK && r * inputs * outputs > 0) &&
    Math.max(factors, matrices) <= engine.mostNumbers
  )
}

/** Computes T_B, s⁻² T_Bᵀ, T_Aᵀ, s⁻² T_A and S of each pair in turn, and λ_min(BᵀB) [pairs]. */
export const whitenOnWebgpu = (
  engine: WebgpuEngine,
  pairs: ReadonlyArray<FactorsOnWebgpu>,
  damping: number
): { readonly matrices: ReadonlyArray<TensorInfo>; readonly smallest: TensorInfo } => {
  const sizes = pairs.map(sizesOf)
  const { records, S, groups, numbers } = recordsOf(sizes)
  const key = `whitening ${sizes.map(({ r, inputs, outputs, scale }) => [r, inputs, outputs, scale].join()).join(" ")}`
  const table = gramRecords.table(engine, key, records)
  const places = engine.table(`${key} S`, () => Uint32Array.from(S))
  const factors = engine.together(pairs.flatMap(({ A, B }) => [A, B]))
  const products = engine.scratch(numbers.grams)
  const scratch = engine.scratch(numbers.scratch)
  const spectra = engine.scratch(numbers.spectra)
  const matrices = engine.outputs(sizes.flatMap(({ r }) => Array.from({ length: MATRICES }, () => [r, r])))
  const smallest = engine.output([pairs.length])
  engine.run(grams, { table, factors: factors.span, grams: products }, { records: records.length, zero: 0 }, groups)
  engine.run(
    eigenPrograms(rankClassOf(Math.max(...sizes.map(({ r }) => r)))),
    { table, grams: products, scratch, spectra, whitenings: matrices.span },
    { zero: 0, damping },
    records.length
  )
  engine.run(split, { table, places, spectra, whitenings: matrices.span, smallest }, { damping }, pairs.length)
  for (const span of [factors.span, products, scratch, spectra]) engine.release(span)
  return { matrices: matrices.tensors, smallest }
}
