/**
 * tfjs' arithmetic of float32 tensors, number by number: a step has few of these, and a walk over a tape adds gradients up with them. tfjs'
 * own looks each program up by a text, makes a buffer and a bind group each time, and takes four times as long to record.
 *
 * Where shapes differ, a tensor's numbers are repeated: number i of the result is of its number (i / each) % count. Broadcasts that are not
 * of that form, other types, and small tensors that never left the host still go to tfjs' own.
 */
import { getKernel, type SliceAttrs, slice_util, type Tensor, type TensorInfo, util } from "@tensorflow/tfjs-core"
import { reads, write } from "../declaration.ts"
import type { KernelTable } from "../replaced-kernels.ts"
import { sizeOf } from "../tensor-lists.ts"
import type { Kernel, WebgpuBackend } from "./backend.ts"
import { LANES, overVectors, type VectorType, vectorFor } from "./elementwise.ts"
import { groupsFor, webgpuEngineOf } from "./engine.ts"
import { program, variants } from "./program.ts"

const WORKGROUP = 64

/** What is computed of the inputs that are named. */
const OPERATIONS = {
  Add: { inputs: ["a", "b"], of: "a + b" },
  RealDiv: { inputs: ["a", "b"], of: "a / b" },
  Sqrt: { inputs: ["x"], of: "sqrt(x)" },
  OnesLike: { inputs: [], of: "V(1.0)" }
} as const

type Operation = keyof typeof OPERATIONS

const programFor = variants((key: `${Operation} ${VectorType | "repeated"}`) => {
  const [name, form] = key.split(" ") as [Operation, VectorType | "repeated"]
  const { inputs, of } = OPERATIONS[name]
  const type = form === "repeated" ? "f32" : form
  const repeats = inputs.flatMap((input) => [`${input}Each`, `${input}Count`])
  const at = (input: string) => (form === "repeated" ? `(i / words.${input}Each) % words.${input}Count` : "i")
  return program<string, string>({
    name,
    buffers: { ...reads(type, ...inputs), out: write(type) },
    words: { size: "u32", ...(form === "repeated" ? Object.fromEntries(repeats.map((word) => [word, "u32"])) : {}) },
    workgroup: WORKGROUP,
    body: `${overVectors(type)}
fn kernel(group: u32, local: u32) {
  let i = group * ${WORKGROUP}u + local;
  if (i >= words.size) { return; }
${inputs.map((input) => `  let own_${input} = ${input}[${at(input)}];`).join("\n")}
  out[i] = ${of.replace(/\b[abx]\b/g, (input) => `own_${input}`)};
}`
  })
})

interface Repeats {
  readonly each: number
  readonly count: number
}

/** How a tensor's numbers are repeated in a shape; undefined: not in this way. */
const repeatsIn = (inputShape: ReadonlyArray<number>, shape: ReadonlyArray<number>): Repeats | undefined => {
  // axes are aligned at the last one
  const lengthAt = (axis: number) => inputShape[axis - shape.length + inputShape.length] ?? 1
  let [first, end] = [0, shape.length]
  while (first < end && lengthAt(first) === 1) first++
  while (end > first && lengthAt(end - 1) === 1) end--
  for (let axis = first; axis < end; axis++) if (lengthAt(axis) !== shape[axis]) return undefined
  const product = (lengths: ReadonlyArray<number>) => lengths.reduce((size, n) => size * n, 1)
  return { each: product(shape.slice(end)), count: product(shape.slice(first, end)) }
}

/** The shape of the result, as numpy broadcasts; undefined where all have one shape. */
const broadcast = (tensors: ReadonlyArray<TensorInfo>): ReadonlyArray<number> | undefined => {
  const [a, b] = tensors
  if (b === undefined || util.arraysEqual([...a!.shape], [...b.shape])) return undefined
  const rank = Math.max(a!.shape.length, b.shape.length)
  const lengthOf = ({ shape }: TensorInfo, i: number) => shape[shape.length - rank + i] ?? 1
  return Array.from({ length: rank }, (_, i) => (lengthOf(a!, i) === 1 ? lengthOf(b, i) : lengthOf(a!, i)))
}

const isOnHost = (backend: WebgpuBackend, { dataId }: TensorInfo): boolean =>
  (backend.tensorMap.get(dataId).resource ?? null) === null

const arithmetic =
  (name: Operation) =>
  (stock: Kernel): Kernel =>
  (call) => {
    const { backend } = call
    const engine = webgpuEngineOf(backend)
    const tensors = Object.values(call.inputs)
    const plain = tensors.every(({ dtype, shape }) => dtype === "float32" && !shape.includes(0))
    if (engine === undefined || !plain || tensors.every((tensor) => isOnHost(backend, tensor))) return stock(call)
    const { inputs } = OPERATIONS[name]
    const buffers = Object.fromEntries(inputs.map((input) => [input, call.inputs[input]!]))
    const shape = broadcast(tensors)
    if (shape === undefined) {
      const size = sizeOf(tensors[0]!)
      const out = engine.output(tensors[0]!.shape)
      const type = vectorFor(size)
      const vectors = size / LANES[type]
      engine.run(programFor(`${name} ${type}`), { ...buffers, out }, { size: vectors }, groupsFor(vectors, WORKGROUP))
      return out
    }
    const words: Record<string, number> = { size: util.sizeFromShape([...shape]) }
    for (const input of inputs) {
      const repeats = repeatsIn(call.inputs[input]!.shape, shape)
      if (repeats === undefined) return stock(call)
      words[`${input}Each`] = repeats.each
      words[`${input}Count`] = repeats.count
    }
    const out = engine.output(shape)
    engine.run(programFor(`${name} repeated`), { ...buffers, out }, words, groupsFor(words["size"]!, WORKGROUP))
    return out
  }

/** Inputs of a program: WebGPU promises eight storage buffers a shader, and one holds the sum. */
const MOST = 7

/**
 * tfjs' sum of a list, pair by pair where it is long. tfjs' own binds all of it to one shader: where that is more than a device has, nothing
 * is computed, and the result is what lay there before.
 */
const addListKernel =
  (stock: Kernel): Kernel =>
  (call) => {
    const [first, ...rest] = Object.values(call.inputs)
    if (rest.length < MOST) return stock(call)
    const { backend } = call
    const add = getKernel("Add", "webgpu")!.kernelFunc as unknown as Kernel
    return rest.reduce((before, operand) => {
      const sum = add({ inputs: { a: before, b: operand }, attrs: {}, backend })
      if (before !== first) backend.disposeData(before.dataId)
      return sum
    }, first!)
  }

const SLICE = program({
  name: "Slice",
  buffers: { ...reads("f32", "x"), out: write("f32") },
  words: { size: "u32", start: "u32" },
  workgroup: WORKGROUP,
  body: `
fn kernel(group: u32, local: u32) {
  let i = group * ${WORKGROUP}u + local;
  if (i < words.size) { out[i] = x[words.start + i]; }
}`
})

/** Rows of a tensor, one after the other; other slices go to tfjs' own. */
const sliceKernel =
  (stock: Kernel): Kernel =>
  (call) => {
    const engine = webgpuEngineOf(call.backend)
    const x = call.inputs["x"]!
    if (engine === undefined || x.dtype !== "float32" || isOnHost(call.backend, x)) return stock(call)
    const { begin, size } = call.attrs as unknown as SliceAttrs
    const [from = [], lengths = []] = slice_util.parseSliceParams(x as Tensor, begin, size)
    const [rows, ...row] = x.shape
    const whole = row.every((n, i) => lengths[i + 1] === n && n > 0)
    const [first, count] = [from[0] ?? 0, lengths[0] ?? 0]
    if (!whole || first < 0 || count <= 0 || first + count > rows!) return stock(call)
    const out = engine.output(lengths)
    const width = row.reduce((product, n) => product * n, 1)
    engine.run(SLICE, { x, out }, { size: count * width, start: first * width }, groupsFor(count * width, WORKGROUP))
    return out
  }

/** Replacements of tfjs's arithmetic kernels, by their names in its table. */
export const arithmeticKernels: KernelTable<WebgpuBackend>["replaced"] = {
  ...Object.fromEntries(
    (Object.keys(OPERATIONS) as ReadonlyArray<Operation>).map((operation) => [operation, arithmetic(operation)])
  ),
  AddN: addListKernel,
  Slice: sliceKernel
}
