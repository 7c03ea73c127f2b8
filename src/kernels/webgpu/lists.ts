/**
 * Kernels over lists of tensors on the GPU: Adam, combinations, norms. A list is one arena, and a step over it one dispatch, however many
 * tensors there are; only where an arena would be larger than what the device binds, there are several.
 *
 * The padding between the tensors of an arena is computed along with them, and means nothing.
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { read, write } from "../declaration.ts"
import { bounded, sizeOf } from "../tensor-lists.ts"
import { type Arena, groupsFor, layoutOf, mostNumbers, type Span, type WebgpuEngine } from "./engine.ts"
import { type Program, program } from "./program.ts"

const WORKGROUP = 256

/** Places of tensors of these sizes in lists whose arenas can be bound. */
const bindable = (engine: WebgpuEngine, sizes: ReadonlyArray<number>): ReadonlyArray<ReadonlyArray<number>> =>
  bounded([...sizes.keys()], (i) => layoutOf([sizes[i]!]).elements, mostNumbers(engine))

interface Elementwise {
  readonly program: Program
  /** lists of tensors of equal shapes, by buffer */
  readonly reads: Readonly<Record<string, ReadonlyArray<TensorInfo>>>
  readonly writes: ReadonlyArray<string>
  /** all but `size` */
  readonly words: Readonly<Record<string, number>>
  /** buffers that are the same for all elements */
  readonly whole?: Readonly<Record<string, TensorInfo>>
}

/** Runs a program over all elements of some lists. Outputs: a list for each of `writes`. */
const elementwise = (
  engine: WebgpuEngine,
  { program, reads, writes, words, whole = {} }: Elementwise
): ReadonlyArray<ReadonlyArray<TensorInfo>> => {
  const lists = Object.entries(reads)
  const first = lists[0]![1]
  const outputs: ReadonlyArray<Array<TensorInfo>> = writes.map(() => [])
  for (const places of bindable(engine, first.map(sizeOf))) {
    const inputs = lists.map(([name, list]) => [name, engine.together(places.map((i) => list[i]!))] as const)
    const shapes = places.map((i) => first[i]!.shape)
    const arenas = writes.map((name) => [name, engine.outputs(shapes)] as const)
    const size = inputs[0]![1].span.size / 4
    const spans = [...inputs, ...arenas].map(([name, { span }]) => [name, span] as const)
    engine.run(program, { ...whole, ...Object.fromEntries(spans) }, { ...words, size }, groupsFor(size, WORKGROUP))
    for (const [, { span }] of inputs) engine.release(span)
    for (const [i, [, { tensors }]] of arenas.entries()) outputs[i]!.push(...tensors)
  }
  return outputs
}

const perElement = (lines: string): string => `fn kernel(group: u32, local: u32) {
  let i = group * ${WORKGROUP}u + local;
  if (i >= words.size) { return; }
  ${lines}
}`

const ADAM = program({
  name: "Adam",
  buffers: {
    g: read("f32"),
    M: read("f32"),
    V: read("f32"),
    u: write("f32"),
    first: write("f32"),
    second: write("f32")
  },
  words: { size: "u32", b1: "f32", b2: "f32", c: "f32", e: "f32" },
  workgroup: WORKGROUP,
  body: perElement(`let m = M[i] * words.b1 + g[i];
  let v = V[i] * words.b2 + g[i] * g[i];
  first[i] = m;
  second[i] = v;
  u[i] = m / (sqrt(v) * words.c + words.e);`)
})

/** u, M' and V' of every tensor. */
export const adamOnWebgpu = (
  engine: WebgpuEngine,
  reads: Readonly<Record<"g" | "M" | "V", ReadonlyArray<TensorInfo>>>,
  { b1, b2, c, e }: Readonly<Record<"b1" | "b2" | "c" | "e", number>>
): ReadonlyArray<ReadonlyArray<TensorInfo>> =>
  elementwise(engine, { program: ADAM, reads, writes: ["u", "first", "second"], words: { b1, b2, c, e } })

const COMBINATION = program({
  name: "Combination",
  buffers: { x: read("f32"), y: read("f32"), sum: write("f32") },
  words: { size: "u32", f: "f32", h: "f32" },
  workgroup: WORKGROUP,
  body: perElement("sum[i] = words.f * x[i] + words.h * y[i];")
})

/** f·xᵢ + h·yᵢ */
export const combinationOnWebgpu = (
  engine: WebgpuEngine,
  reads: Readonly<Record<"x" | "y", ReadonlyArray<TensorInfo>>>,
  words: { readonly f: number; readonly h: number }
): ReadonlyArray<TensorInfo> =>
  elementwise(engine, { program: COMBINATION, reads, writes: ["sum"], words: { ...words } })[0]!

const SCALED = program({
  name: "Scaled",
  buffers: { factor: read("f32"), x: read("f32"), scaled: write("f32") },
  words: { size: "u32" },
  workgroup: WORKGROUP,
  body: perElement("scaled[i] = factor[0] * x[i];")
})

/** f·xᵢ, f on the device */
export const scaledOnWebgpu = (
  engine: WebgpuEngine,
  factor: TensorInfo,
  x: ReadonlyArray<TensorInfo>
): ReadonlyArray<TensorInfo> =>
  elementwise(engine, { program: SCALED, reads: { x }, writes: ["scaled"], words: {}, whole: { factor } })[0]!

const MULTIPLE = program({
  name: "Multiple",
  buffers: { x: read("f32"), multiple: write("f32") },
  words: { size: "u32", f: "f32" },
  workgroup: WORKGROUP,
  body: perElement("multiple[i] = words.f * x[i];")
})

/** f·xᵢ, f a number */
export const multiplesOnWebgpu = (
  engine: WebgpuEngine,
  f: number,
  x: ReadonlyArray<TensorInfo>
): ReadonlyArray<TensorInfo> =>
  elementwise(engine, { program: MULTIPLE, reads: { x }, writes: ["multiple"], words: { f } })[0]!

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

/** Σ x² of every tensor: [tensors]. Where one element is NaN, so is its tensor's sum. */
export const squaredNormsOnWebgpu = (engine: WebgpuEngine, tensors: ReadonlyArray<TensorInfo>): TensorInfo => {
  const sizes = tensors.map(sizeOf)
  const norms = engine.output([tensors.length])
  const blocks = sizes.reduce((sum, size) => sum + blocksOf(size), 0)
  const parts: TensorInfo | Span = blocks === tensors.length ? norms : engine.scratch(blocks)
  let at = 0
  for (const places of bindable(engine, sizes)) {
    const own = places.map((i) => sizes[i]!)
    const arena = engine.together(places.map((i) => tensors[i]!))
    const table = engine.table(`blocks ${own}`, () => blockTable(arena, own))
    const groups = own.reduce((sum, size) => sum + blocksOf(size), 0)
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
