/** Σ x² of each tensor of a list on the GPU: a list is one arena, unless that would be larger than what the device binds. */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { read, write } from "../declaration.ts"
import { sizeOf } from "../tensor-lists.ts"
import type { Arena, Span, WebgpuEngine } from "./engine.ts"
import { bindable } from "./expression.ts"
import { program } from "./program.ts"

const WORKGROUP = 256

/** Elements that one workgroup adds up. */
const BLOCK = 64 * WORKGROUP

const SUM_OF_GROUP = `var<workgroup> sums: array<f32, ${WORKGROUP}>;
fn sumOfGroup(own: f32, local: u32) -> f32 {
  sums[local] = own;
  workgroupBarrier();
  for (var half = ${WORKGROUP / 2}u; half > 0u; half /= 2u) {
    if (local < half) { sums[local] += sums[local + half]; }
    workgroupBarrier();
  }
  return sums[0];
}`

/** A NaN in a sum is made by hand: a compiler may reckon without it. */
const SQUARES = program({
  name: "SquaredNorms",
  buffers: { x: read("f32"), blocks: read("vec2u"), parts: write("f32") },
  words: { at: "u32" },
  workgroup: WORKGROUP,
  body: `${SUM_OF_GROUP}
fn kernel(group: u32, local: u32) {
  let start = blocks[group].x;
  let size = blocks[group].y;
  var sum = 0.0;
  for (var i = local; i < size; i += ${WORKGROUP}u) {
    let v = x[start + i];
    sum += select(v * v, notANumber(), isNaN(v));
  }
  let total = sumOfGroup(sum, local);
  if (local == 0u) { parts[words.at + group] = total; }
}`
})

const SUMS_OF_PARTS = program({
  name: "SquaredNorms of blocks",
  buffers: { parts: read("f32"), ranges: read("vec2u"), norms: write("f32") },
  words: {},
  workgroup: WORKGROUP,
  body: `${SUM_OF_GROUP}
fn kernel(group: u32, local: u32) {
  let start = ranges[group].x;
  let size = ranges[group].y;
  var sum = 0.0;
  for (var i = local; i < size; i += ${WORKGROUP}u) { sum += parts[start + i]; }
  let total = sumOfGroup(sum, local);
  if (local == 0u) { norms[group] = total; }
}`
})

const blocksOf = (size: number): number => Math.max(1, Math.ceil(size / BLOCK))

/** (start, size) of each block of each tensor of an arena. */
const blockTable = ({ starts }: Arena, sizes: ReadonlyArray<number>): Uint32Array<ArrayBuffer> =>
  Uint32Array.from(
    sizes
      .flatMap((size, i) =>
        Array.from({ length: blocksOf(size) }, (_, j) => [starts[i]! + j * BLOCK, Math.min(BLOCK, size - j * BLOCK)])
      )
      .flat()
  )

/** (first part, parts) of each tensor. */
const rangeTable = (sizes: ReadonlyArray<number>): Uint32Array<ArrayBuffer> => {
  let at = 0
  return Uint32Array.from(
    sizes.flatMap((size) => {
      at += blocksOf(size)
      return [at - blocksOf(size), blocksOf(size)]
    })
  )
}

/** Computes Σ x² of every tensor: [tensors]. NaN if one of a tensor's values is NaN. */
export const squaredNormsOnWebgpu = (engine: WebgpuEngine, tensors: ReadonlyArray<TensorInfo>): TensorInfo => {
  const sizes = tensors.map(sizeOf)
  const norms = engine.output([tensors.length])
  const blocks = sizes.reduce((sum, size) => sum + blocksOf(size), 0)
  const parts: TensorInfo | Span = blocks === tensors.length ? norms : engine.scratch(blocks)
  let at = 0
  for (const places of bindable(engine, sizes)) {
    const sizesHere = places.map((i) => sizes[i]!)
    const arena = engine.together(places.map((i) => tensors[i]!))
    const table = engine.table(`blocks ${sizesHere}`, () => blockTable(arena, sizesHere))
    const groups = sizesHere.reduce((sum, size) => sum + blocksOf(size), 0)
    engine.run(SQUARES, { x: arena.span, blocks: table, parts }, { at }, groups)
    engine.release(arena.span)
    at += groups
  }
  if (parts === norms) return norms
  const ranges = engine.table(`ranges ${sizes}`, () => rangeTable(sizes))
  engine.run(SUMS_OF_PARTS, { parts, ranges, norms }, {}, tensors.length)
  engine.release(parts as Span)
  return norms
}
