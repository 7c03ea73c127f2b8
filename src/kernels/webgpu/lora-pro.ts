/**
 * LoRA-Pro's theorem on all factor pairs on the GPU, in three programs whatever the number of pairs (the equations
 * are in `../lora-pro-theorem.ts`):
 *
 *   bases      Q = B·T_B, b = s⁻² gB·T_A [out, r]     R = T_Aᵀ·A, a = s⁻² T_Bᵀ·gA [r, in]
 *   split      N = Qᵀ b     Y = S ⊙ (a Rᵀ)             [r, r]: long sums
 *   pull back  dA = T_B (a − Y R)     dB = (b − Q (N − Y)) T_Aᵀ
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { read, reads, write } from "../declaration.ts"
import type { XChoice } from "../lora-pro-theorem.ts"
import type { Span, WebgpuEngine } from "./engine.ts"
import { LONG_SUMS, placeOf, STAGED, STAGES } from "./long-sums.ts"
import {
  COLUMNS_THEN_ROWS,
  each,
  eightSums,
  overColumns,
  overRows,
  pairRecords,
  TILE,
  WORKGROUP
} from "./pair-tiles.ts"
import { boundedPairs, type PairOnWebgpu, type PairSizes, recordsOfPairs, sizesOf } from "./pairs.ts"
import { program } from "./program.ts"

const bases = program({
  name: "LoRA-Pro, bases",
  buffers: {
    table: read("u32"),
    ...reads("f32", "factors", "gradients", "whitenings"),
    bases: write("f32"),
    coordinates: write("f32")
  },
  words: { records: "u32" },
  workgroup: WORKGROUP,
  body: `${pairRecords.wgsl}${pairRecords.find}
fn columns(record: u32, r: u32, inputs: u32, widthShift: u32, flat: u32, tile: u32, local: u32) {
  let ofA = table[record + A];
  let ofTAt = table[record + TAT];
  let ofTBgrad = table[record + TBGRAD];
  ${overColumns(`
    ${eightSums("base", "factors[ofA + k * inputs + i]", (q) => `whitenings[ofTAt + p${q} * r + k]`)}
    ${eightSums("coordinate", "gradients[ofA + k * inputs + i]", (q) => `whitenings[ofTBgrad + p${q} * r + k]`)}
    ${each((q, sum) => `bases[flat + p${q} * inputs + i] = ${sum("base")};`)}
    ${each((q, sum) => `coordinates[flat + p${q} * inputs + i] = ${sum("coordinate")};`)}`)}
}
fn rows(record: u32, r: u32, outputs: u32, widthShift: u32, tall: u32, tile: u32, flats: u32, local: u32) {
  let ofB = table[record + B];
  let ofTB = table[record + TB];
  let ofTAgrad = table[record + TAGRAD];
  ${overRows(`
    ${eightSums("base", "whitenings[ofTB + k * r + j]", (q) => `factors[ofB + p${q} * r + k]`)}
    ${eightSums("coordinate", "whitenings[ofTAgrad + k * r + j]", (q) => `gradients[ofB + p${q} * r + k]`)}
    ${each((q, sum) => `bases[tall + p${q} * r + j] = ${sum("base")};`)}
    ${each((q, sum) => `coordinates[tall + p${q} * r + j] = ${sum("coordinate")};`)}`)}
}
${COLUMNS_THEN_ROWS}`
})

/** The choices of X, as `words.x`. */
const CHOICES = ["sylvester", "zero", "symmetric"] as const satisfies ReadonlyArray<XChoice>
const choiceOf = (x: XChoice): number => CHOICES.indexOf(x)

/** For each tile of [r, r] first N, then Y. */
const split = program({
  name: "LoRA-Pro, split",
  buffers: { table: read("u32"), ...reads("f32", "bases", "coordinates", "whitenings"), small: write("f32") },
  words: { records: "u32", x: "u32" },
  workgroup: LONG_SUMS,
  body: `${pairRecords.wgsl}${pairRecords.find}${STAGES}
fn kernel(group: u32, local: u32) {
  let record = recordOf(group, FIRST_SPLIT);
  let r = table[record + R];
  let inputs = table[record + INPUTS];
  let outputs = table[record + OUTPUTS];
  let tall = table[record + TALL];
  let flat = table[record + FLAT];
  let shift = table[record + SHIFT];
  let tiles = table[record + TILES];
  let tile = group - table[record + FIRST_SPLIT];
  // the second half of the tiles is Y's; where that is N/2, it is added up once more
  let ofY = tile >= tiles * tiles;
  let sylvester = ofY && words.x == ${choiceOf("sylvester")}u;
  let n = select(outputs, inputs, sylvester);
  let top = ((tile / tiles) % tiles) << shift;
  let side = (tile % tiles) << shift;
  ${placeOf("shift")}
  var sums = vec4f(0.0);
  if (!ofY || words.x != ${choiceOf("zero")}u) {
    for (var begin = 0u; begin < n; begin += columns) {
      for (var e = local; e < ${STAGED}u; e += ${LONG_SUMS}u) {
        // neighbours read neighbours
        let a = select(e & (edge - 1u), e >> columnShift, sylvester);
        let k = select(e >> shift, e & (columns - 1u), sylvester);
        var x = 0.0;
        var y = 0.0;
        if (begin + k < n) {
          if (sylvester) {
            if (top + a < r) { x = coordinates[flat + (top + a) * inputs + begin + k]; }
            if (side + a < r) { y = bases[flat + (side + a) * inputs + begin + k]; }
          } else {
            if (top + a < r) { x = bases[tall + (begin + k) * r + top + a]; }
            if (side + a < r) { y = coordinates[tall + (begin + k) * r + side + a]; }
          }
        }
        left[a * (columns + 1u) + k] = x;
        right[a * (columns + 1u) + k] = y;
      }
      workgroupBarrier();
      var some = vec4f(0.0);
      for (var k = part * perPart; k < (part + 1u) * perPart; k++) {
        let x = vec2f(left[i * (columns + 1u) + k], left[(i + half) * (columns + 1u) + k]);
        let y = vec2f(right[j * (columns + 1u) + k], right[(j + half) * (columns + 1u) + k]);
        some += x.xxyy * y.xyxy;
      }
      // sums of sums: less round-off than one that grows
      sums += some;
      workgroupBarrier();
    }
  }
  for (var q = 0u; q < 4u; q++) { left[q * ${LONG_SUMS}u + local] = sums[q]; }
  workgroupBarrier();
  // the parts of a sum in their order
  for (var e = local; e < edge * edge; e += ${LONG_SUMS}u) {
    let q = e >> (2u * shift - 2u);
    let own = q * ${LONG_SUMS}u + (e & (entries - 1u));
    var sum = left[own];
    for (var p = entries; p < ${LONG_SUMS}u; p += entries) { sum += left[own + p]; }
    let a = top + (((e & (entries - 1u)) >> (shift - 1u)) + (q >> 1u) * half);
    let b = side + ((e & (half - 1u)) + (q & 1u) * half);
    if (a < r && b < r) {
      var to = table[record + SMALL] + a * r + b;
      if (ofY) {
        to += r * r;
        if (sylvester) { sum *= whitenings[table[record + S] + a * r + b]; } else { sum *= 0.5; }
      }
      small[to] = sum;
    }
  }
}`
})

const pullBack = program({
  name: "LoRA-Pro, pull back",
  buffers: {
    table: read("u32"),
    ...reads("f32", "bases", "coordinates", "small", "whitenings"),
    directions: write("f32")
  },
  words: { records: "u32" },
  workgroup: WORKGROUP,
  body: `${pairRecords.wgsl}${pairRecords.find}
var<workgroup> rest: array<f32, ${TILE}>;

/** a − Y R, then dA = T_B·rest */
fn columns(record: u32, r: u32, inputs: u32, widthShift: u32, flat: u32, tile: u32, local: u32) {
  let ofY = table[record + SMALL] + r * r;
  let ofTB = table[record + TB];
  let ofA = table[record + A];
  ${overColumns(`
    ${eightSums("sum", "bases[flat + k * inputs + i]", (q) => `small[ofY + p${q} * r + k]`)}
    ${each((q, sum) => `let a${q} = coordinates[flat + p${q} * inputs + i] - ${sum("sum")};`)}
    ${each((q) => `rest[(p${q} << widthShift) + within] = a${q};`)}`)}
  workgroupBarrier();
  ${overColumns(`
    ${eightSums("sum", "rest[(k << widthShift) + within]", (q) => `whitenings[ofTB + p${q} * r + k]`)}
    ${each((q, sum) => `directions[ofA + p${q} * inputs + i] = ${sum("sum")};`)}`)}
}

/** b − Q (N − Y), then dB = rest·T_Aᵀ */
fn rows(record: u32, r: u32, outputs: u32, widthShift: u32, tall: u32, tile: u32, flats: u32, local: u32) {
  let ofN = table[record + SMALL];
  let ofY = ofN + r * r;
  let ofTAt = table[record + TAT];
  let ofB = table[record + B];
  ${overRows(`
    ${eightSums("sum", "(small[ofN + k * r + j] - small[ofY + k * r + j])", (q) => `bases[tall + p${q} * r + k]`)}
    ${each((q, sum) => `rest[(p${q} - start) * r + j] = coordinates[tall + p${q} * r + j] - ${sum("sum")};`)}`)}
  workgroupBarrier();
  ${overRows(`
    ${eightSums("sum", "whitenings[ofTAt + k * r + j]", (q) => `rest[(p${q} - start) * r + k]`)}
    ${each((q, sum) => `directions[ofB + p${q} * r + j] = ${sum("sum")};`)}`)}
}
${COLUMNS_THEN_ROWS}`
})

/** Returns pairs whose tensors can be bound at once, with the memory of intermediate results. */
export const openPairs = (engine: WebgpuEngine, pairs: ReadonlyArray<PairOnWebgpu>) => {
  const sizes = pairs.map(sizesOf)
  const { records, groups, splits, numbers } = recordsOfPairs(pairs)
  const numbersOf = ({ r, inputs, outputs }: PairSizes, i: number) => [r, inputs, outputs, pairs[i]!.scale].join()
  const key = `pairs ${sizes.map(numbersOf).join(" ")}`
  const table = pairRecords.table(engine, key, records)
  const factors = engine.together(pairs.flatMap(({ A, B }) => [A, B]))
  const gradients = engine.together(pairs.flatMap(({ gA, gB }) => [gA, gB]))
  const whitenings = engine.together(pairs.flatMap(({ whitening }) => whitening))
  const held: Array<Span> = [factors.span, gradients.span, whitenings.span]
  const scratch = (elements: number): Span => {
    const span = engine.scratch(elements)
    held.push(span)
    return span
  }
  const [basesSpan, small] = [scratch(numbers.thin), scratch(numbers.small)]
  return {
    sizes,
    key,
    records,
    table,
    groups,
    bases: basesSpan,
    small,
    /** Memory for coordinates a and b, and whatever lies as they do. */
    thin: (): Span => scratch(numbers.thin),
    runBases: (coordinates: Span): void =>
      engine.run(
        bases,
        {
          ...{ table, factors: factors.span, gradients: gradients.span, whitenings: whitenings.span },
          ...{ bases: basesSpan, coordinates }
        },
        { records: records.length },
        groups
      ),
    /** N and Y into `small`; Y = 0 with "zero". */
    runSplit: (coordinates: Span, x: XChoice): void =>
      engine.run(
        split,
        { table, bases: basesSpan, coordinates, whitenings: whitenings.span, small },
        { records: records.length, x: choiceOf(x) },
        splits
      ),
    /** dA, dB of each pair, new tensors. */
    runPullBack: (coordinates: Span): ReadonlyArray<TensorInfo> => {
      const directions = engine.outputs(
        sizes.flatMap(({ r, inputs, outputs }) => [
          [r, inputs],
          [outputs, r]
        ])
      )
      engine.run(
        pullBack,
        {
          ...{ table, bases: basesSpan, coordinates, small, whitenings: whitenings.span },
          directions: directions.span
        },
        { records: records.length },
        groups
      )
      return directions.tensors
    },
    close: (): void => {
      for (const span of held) engine.release(span)
    }
  }
}

/** Computes dA and dB of each pair in turn. */
export const directionsOnWebgpu = (
  engine: WebgpuEngine,
  pairs: ReadonlyArray<PairOnWebgpu>,
  x: XChoice
): ReadonlyArray<TensorInfo> =>
  boundedPairs(engine, pairs).flatMap((list) => {
    const opened = openPairs(engine, list)
    const coordinates = opened.thin()
    opened.runBases(coordinates)
    opened.runSplit(coordinates, x)
    const directions = opened.runPullBack(coordinates)
    opened.close()
    return directions
  })
