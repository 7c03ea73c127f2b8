/** Kernels made of expressions (`../expression/`) on the GPU: an invocation for each number, or for each four. */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { read, write } from "../declaration.ts"
import {
  type ColumnKernel,
  declaredExpressions,
  type ExpressionKernel,
  labelOf,
  type Numbers
} from "../expression/declared.ts"
import { type Expression, filled, type Leaf, type Operation, ordered } from "../expression/expression.ts"
import { passesOf, perNumber } from "../expression/rows.ts"
import { bounded, sizeOf } from "../tensor-lists.ts"
import { LANES, overVectors, type VectorType, vectorFor } from "./elementwise.ts"
import { groupsFor, layoutOf, type Span, type WebgpuEngine } from "./engine.ts"
import { type Program, program } from "./program.ts"
import { COLUMN_WORKGROUP, columnGroups, columnSums, overRow, ROW_SUMS, ROW_WORKGROUP, sumOverRow } from "./row-sums.ts"

const ELEMENTWISE_WORKGROUP = 64

const CONSTRUCTORS = { f32: "V", f64: "V", u32: "U", bool: "B" } as const satisfies Record<Leaf["type"], string>

/** Of a constant; the u32 has its suffix, the others a point or an exponent. */
const numeral = ({ type, value }: Leaf): string =>
  type === "u32" ? `${value! >>> 0}u` : Number.isInteger(value) ? `${value}.0` : `${value}`

const LEAVES = {
  constant: (leaf) => `${CONSTRUCTORS[leaf.type]}(${numeral(leaf)})`,
  word: ({ type, name }) => `${CONSTRUCTORS[type]}(words.${name})`,
  scalar: ({ name }) => `V(${name}[0])`,
  buffer: ({ name }) => `${name}[i]`,
  place: () => "placesOf(i)",
  column: ({ name }) => `${name}[column]`,
  row: ({ name }) => `${name}[group]`,
  count: () => "V(f32(words.n))"
} as const satisfies Record<Leaf["leaf"], (leaf: Leaf) => string>

/** The names of what an expression computes. */
class Names {
  private readonly names = new Map<Expression, string>()

  of(expression: Expression): string {
    if ("leaf" in expression && !perNumber(expression)) return LEAVES[expression.leaf](expression)
    const name = this.names.get(expression) ?? `value${this.names.size}`
    this.names.set(expression, name)
    return name
  }

  form({ forms, operands }: Operation): string {
    return filled(
      forms.wgsl,
      operands.map((operand) => this.of(operand))
    )
  }

  lines(operations: ReadonlyArray<Operation>): ReadonlyArray<string> {
    return operations.map((operation) => `let ${this.of(operation)} = ${this.form(operation)};`)
  }
}

const stored = (
  names: Names,
  outputs: ReadonlyArray<readonly [string, Expression]>,
  at: string
): ReadonlyArray<string> => outputs.map(([name, output]) => `${name}[${at}] = ${names.of(output)};`)

/** Returns the lines that store every output at `i`. */
export const eachPlace = ({ outputs }: ExpressionKernel): string => {
  const names = new Names()
  const { leaves, operations } = ordered(Object.values(outputs))
  const loads = leaves.filter(perNumber).map((leaf) => `let ${names.of(leaf)} = ${LEAVES[leaf.leaf](leaf)};`)
  return [...loads, ...names.lines(operations), ...stored(names, Object.entries(outputs), "i")].join("\n  ")
}

/** Returns a WGSL function `name` that computes a kernel's outputs, as an array, from four values of each input. */
export const functionOfFours = (kernel: string, name: string): string => {
  const { outputs, reads } = declaredExpressions.kernels.find((expression) => labelOf(expression) === kernel)!
  const names = new Names()
  const { leaves, operations } = ordered(Object.values(outputs))
  const loads = leaves.filter(perNumber).map((leaf) => `let ${names.of(leaf)} = ${leaf.name};`)
  const results = Object.values(outputs).map((output) => names.of(output))
  return `${overVectors("vec4f")}
fn ${name}(${Object.keys(reads).map((input) => `${input}: V`)}) -> array<V, ${results.length}> {
  ${[...loads, ...names.lines(operations)].join("\n  ")}
  return array<V, ${results.length}>(${results});
}
`
}

/** Returns `fn kernel` over a row: passes with at most two sums each, and a last one that stores. */
export const eachRow = ({ outputs }: ExpressionKernel): string => {
  const names = new Names()
  const passes = passesOf(outputs).map(({ before, loads, each, stores, sums }, i) => {
    if (sums.length > 2) throw new Error(`${sums.length} sums in one pass over a row: the maximum is 2`)
    const lines = [
      ...loads.map(
        ([buffer, operation]) =>
          `let ${names.of(operation)} = ${"leaf" in operation ? LEAVES[operation.leaf](operation) : `${buffer}[i]`};`
      ),
      ...names.lines(each),
      ...stored(names, stores, "i")
    ].join("\n      ")
    const [first, second] = sums.map((sum) => names.form(sum))
    const pass =
      first === undefined
        ? [overRow(lines)]
        : [
            sumOverRow(`sums${i}`, lines, `vec2f(${first}, ${second ?? "0.0"})`),
            `let total${i} = rowSums(sums${i}, local);`,
            ...sums.map((sum, j) => `let ${names.of(sum)} = total${i}.${"xy"[j]};`)
          ]
    return [...names.lines(before), ...pass].join("\n  ")
  })
  const once = Object.entries(outputs).filter(([, output]) => !perNumber(output))
  return `${overVectors("f32")}
${ROW_SUMS}
fn kernel(group: u32, local: u32) {
  let start = group * words.n;
  ${passes.join("\n  ")}
  if (local == 0u) { ${stored(names, once, "group").join(" ")} }
}`
}

/** WGSL has no f64. */
const wordsOf = ({ words }: ExpressionKernel) =>
  Object.fromEntries(Object.entries(words).map(([name, type]) => [name, type === "f64" ? "f32" : type]))

const made = new Map<string, Program>()

/** A program, made once for each key. */
const once = (key: string, make: () => Program): Program => {
  const known = made.get(key) ?? make()
  made.set(key, known)
  return known
}

/** Of a kernel over each number. */
const programFor = (expression: ExpressionKernel, type: VectorType): Program =>
  once(`${expression.kernel.name} ${type}`, () =>
    program<string, string>({
      name: labelOf(expression),
      buffers: Object.fromEntries([
        ...Object.entries(expression.reads).map(
          ([name, from]) => [name, read(from === "scalar" ? "f32" : type)] as const
        ),
        ...Object.keys(expression.outputs).map((name) => [name, write(type)] as const)
      ]),
      words: { ...wordsOf(expression), size: "u32" },
      workgroup: ELEMENTWISE_WORKGROUP,
      body: `${overVectors(type)}
fn kernel(group: u32, local: u32) {
  let i = group * ${ELEMENTWISE_WORKGROUP}u + local;
  if (i >= words.size) { return; }
  ${eachPlace(expression)}
}`
    })
  )

/** `size` counts numbers. */
const run = (
  engine: WebgpuEngine,
  expression: ExpressionKernel,
  buffers: Readonly<Record<string, TensorInfo | Span>>,
  words: Numbers,
  size: number
): void => {
  const type = vectorFor(size)
  const vectors = size / LANES[type]
  const groups = groupsFor(vectors, ELEMENTWISE_WORKGROUP)
  engine.run(programFor(expression, type), buffers, { ...words, size: vectors }, groups)
}

/** Runs an elementwise kernel over tensors of one shape. */
export const elementwiseOnWebgpu = (
  engine: WebgpuEngine,
  expression: ExpressionKernel,
  inputs: Readonly<Record<string, TensorInfo>>,
  words: Numbers
): ReadonlyArray<TensorInfo> => {
  const first = Object.values(inputs)[0]!
  const outputs = Object.keys(expression.outputs).map((name) => [name, engine.output(first.shape)] as const)
  run(engine, expression, { ...inputs, ...Object.fromEntries(outputs) }, words, sizeOf(first))
  return outputs.map(([, tensor]) => tensor)
}

/** Groups the indices of tensors of these sizes into lists whose arenas can be bound. */
export const bindable = (engine: WebgpuEngine, sizes: ReadonlyArray<number>): ReadonlyArray<ReadonlyArray<number>> =>
  bounded([...sizes.keys()], (i) => layoutOf([sizes[i]!]).elements, engine.mostNumbers)

/**
 * Runs a kernel over lists of tensors; those at one index have one shape, and each list is an arena: one dispatch, or several if an arena would
 * exceed the binding limit. The padding between tensors is computed too, and has no meaning. Returns all outputs of each index in turn.
 */
export const listOnWebgpu = (
  engine: WebgpuEngine,
  expression: ExpressionKernel,
  scalars: Readonly<Record<string, TensorInfo>>,
  lists: Readonly<Record<string, ReadonlyArray<TensorInfo>>>,
  words: Numbers
): ReadonlyArray<TensorInfo> => {
  const [first] = Object.values(lists)
  const outputs: Array<TensorInfo> = []
  for (const places of bindable(engine, first!.map(sizeOf))) {
    const inputs = Object.entries(lists).map(
      ([name, tensors]) => [name, engine.together(places.map((i) => tensors[i]!)).span] as const
    )
    const shapes = places.map((i) => first![i]!.shape)
    const arenas = Object.keys(expression.outputs).map((name) => [name, engine.outputs(shapes)] as const)
    const buffers = [...inputs, ...arenas.map(([name, { span }]) => [name, span] as const)]
    run(engine, expression, { ...scalars, ...Object.fromEntries(buffers) }, words, inputs[0]![1].size / 4)
    for (const [, span] of inputs) engine.release(span)
    for (const i of places.keys()) for (const [, { tensors }] of arenas) outputs.push(tensors[i]!)
  }
  return outputs
}

/** Runs a kernel over the rows of matrices of this shape, one workgroup per row. */
export const rowsOnWebgpu = (
  engine: WebgpuEngine,
  expression: ExpressionKernel,
  inputs: Readonly<Record<string, TensorInfo>>,
  outputs: Readonly<Record<string, TensorInfo>>,
  words: Numbers,
  [rows, n]: ReadonlyArray<number>
): ReadonlyArray<TensorInfo> => {
  const it = once(expression.kernel.name, () =>
    program<string, string>({
      name: labelOf(expression),
      buffers: expression.kernel.buffers,
      words: { ...wordsOf(expression), n: "u32" },
      workgroup: ROW_WORKGROUP,
      body: eachRow(expression)
    })
  )
  engine.run(it, { ...inputs, ...outputs }, { ...words, n: n! }, rows!)
  return Object.values(outputs)
}

/** Computes the sum of each column over the rows: [n]. */
export const columnSumsOnWebgpu = (
  engine: WebgpuEngine,
  expression: ColumnKernel,
  inputs: Readonly<Record<string, TensorInfo>>,
  [rows, n]: ReadonlyArray<number>
): TensorInfo => {
  const factors = Object.entries(expression.factors).map(([name, from]) => `${name}[${from === "row" ? "row" : "i"}]`)
  const it = once(expression.kernel.name, () =>
    program<string, string>({
      name: labelOf(expression),
      buffers: expression.kernel.buffers,
      words: { n: "u32", rows: "u32" },
      workgroup: COLUMN_WORKGROUP,
      body: columnSums(
        factors.reduceRight((product, factor) => `${factor} * (${product})`),
        "out"
      )
    })
  )
  const out = engine.output([n!])
  engine.run(it, { ...inputs, out }, { n: n!, rows: rows! }, columnGroups(n!))
  return out
}
