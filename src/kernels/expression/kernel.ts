/**
 * A kernel of which an expression is the whole body: one declaration makes its reference, its C and its WGSL.
 *
 *   elementwise   over tensors of one shape
 *   list          over lists of tensors: one piece of work or one dispatch, however many tensors there are
 *   rows          over the rows of matrices, with sums over a row
 *   columnSums    Σ over the rows of each column, of products
 *
 * A new kernel is one file beside `../gelu.ts` and a line in `../index.ts`; then `bun run kernels`.
 * By hand remain rope, which reads each pair of columns at two places; squared norms, whose blocks are summed in float64 and then again;
 * rows put into a buffer, which computes nothing; and whatever multiplies matrices.
 *
 * @example
 * import { atMost, both, greater, where } from "./expression.ts"
 * import { elementwise } from "./kernel.ts"
 *
 * const backward = elementwise({
 *   name: "exampleBackward",
 *   reads: ["x", "dy"],
 *   words: { most: "f32" },
 *   cost: 2,
 *   body: ({ x, dy, most }) => ({ dx: where(both(greater(x, 0), atMost(x, most)), dy) })
 * })
 */
import type { Tensor, TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { declareKernel, read, write } from "../declaration.ts"
import { defineKernel, type KernelDefinition } from "../kernel.ts"
import { groupsOf, listed, named, sizeOf } from "../tensor-lists.ts"
import { runLists } from "../wasm/cuts.ts"
import { programs } from "../webgpu/loaded.ts"
import {
  type ColumnKernel,
  declaredExpressions,
  type ExpressionKernel,
  labelOf,
  type Numbers,
  type Reads,
  type Words
} from "./declared.ts"
import { evaluate } from "./evaluate.ts"
import { type Expression, type Leaf, readFrom, word } from "./expression.ts"
import { perNumber } from "./rows.ts"

type F32 = Expression<"f32">
type Tensors<T = TensorInfo> = Readonly<Record<string, T>>

interface Body<Read extends string, Write extends string, W extends Words> {
  /** Of the kernel on wasm; with a capital, on the GPU and in tfjs' table. */
  readonly name: string
  readonly words?: W
  /** What alone is computed where no tape records: the other outputs are for the backward pass. Default: all are computed. */
  readonly result?: NoInfer<Write>
  /** What is written, of what is read and the words. */
  readonly body: (
    leaves: Readonly<Record<Read, F32>> & { readonly [K in keyof W]: Expression<W[K]> }
  ) => Readonly<Record<Write, F32>>
}

const all = <T>(names: Iterable<string>, of: (name: string) => T): Readonly<Record<string, T>> =>
  Object.fromEntries([...names].map((name) => [name, of(name)]))

/** What a body reads and writes, without its kernel. */
const expressionOf = <Read extends string, Write extends string, W extends Words>(
  { words = {} as W, body }: Body<Read, Write, W>,
  reads: Readonly<Record<Read, Reads[string]>>
) => {
  const leaves: Readonly<Record<string, Leaf>> = {
    ...all(Object.keys(reads), (name) => readFrom(reads[name as Read], name)),
    ...all(Object.keys(words), (name) => word(words[name]!, name))
  }
  const outputs: Readonly<Record<string, F32>> = body(leaves as Parameters<typeof body>[0])
  const buffers = { ...all(Object.keys(reads), () => read("f32")), ...all(Object.keys(outputs), () => write("f32")) }
  return { reads, words, outputs, buffers }
}

/** Name and body of a kernel that has the result alone. */
const aloneOf = <Read extends string, W extends Words>(
  { name, body }: Pick<Body<Read, string, W>, "name" | "body">,
  result: string
): Pick<Body<Read, string, W>, "name" | "body"> => ({
  name: `${name}Alone`,
  body: (leaves) => ({ [result]: body(leaves)[result]! })
})

/** [a₀, b₀, a₁, b₁, …] by name: a₀, a₁, … and b₀, b₁, … */
const columnsOf = <T>(tensors: ReadonlyArray<T>, names: ReadonlyArray<string>) => {
  const columns = names.map((name) => [name, [] as Array<T>] as const)
  for (const [i, tensor] of tensors.entries()) columns[i % names.length]![1].push(tensor)
  return Object.fromEntries(columns) as Readonly<Record<string, ReadonlyArray<T>>>
}

type Attributes<W extends Words> = { readonly [K in keyof W]: number }

/** Returns the definition of an elementwise kernel for `defineKernel`, which may add a gradient. Attributes are the words. */
export const elementwise = <Read extends string, Write extends string, const W extends Words = Record<never, never>>(
  body: Body<Read, Write, W> & {
    readonly reads: ReadonlyArray<Read>
    /** cost of a value, in multiplications */
    readonly cost: number
  }
): KernelDefinition<NoInfer<Read>, Attributes<NoInfer<W>>> => {
  const { result, ...whole } = body
  const { name, cost, reads } = whole
  const { buffers, ...rest } = expressionOf(
    body,
    Object.fromEntries(reads.map((input) => [input, "buffer"])) as Record<Read, "buffer">
  )
  const kernel = declareKernel({
    name,
    buffers,
    words: { ...rest.words, size: "u32" },
    split: { over: "size", cost: () => cost, unit: 4 }
  })
  const expression: ExpressionKernel = { ...rest, kernel, over: "tensors" }
  declaredExpressions.kernels.push(expression)
  return {
    ...(result === undefined ? {} : { untaped: elementwise({ ...whole, ...aloneOf<Read, W>(whole, result) }) }),
    name: labelOf(expression),
    reference: (inputs, words) => evaluate(Object.values(expression.outputs), inputs, words, inputs[reads[0]!].shape),
    wasm: (inputs, words, engine) => {
      const first = inputs[reads[0]!]
      const outputs = all(Object.keys(expression.outputs), () => engine.output(first.shape))
      engine.run(kernel, { ...inputs, ...outputs }, { ...words, size: sizeOf(first) })
      return Object.values(outputs)
    },
    webgpu: (inputs, words, engine) => programs().elementwiseOnWebgpu(engine, expression, inputs, words),
    inputsToSave: []
  }
}

/** A list of tensors for each of `reads`, those at one place of one shape; and a tensor of one number for each of `scalars`. */
type Lists<Read extends string, Scalar extends string = never> = Readonly<
  Record<Read, ReadonlyArray<Tensor>> & Record<Scalar, Tensor>
>

/** Defines a kernel over lists of tensors and returns its op. */
export const list = <
  Read extends string,
  Write extends string,
  const W extends Words = Record<never, never>,
  Scalar extends string = never
>(
  body: Body<Read | Scalar, Write, W> & {
    readonly reads: ReadonlyArray<Read>
    readonly scalars?: ReadonlyArray<Scalar>
    /** outputs that replace an input, wherever that lies: state between steps */
    readonly state?: Readonly<Partial<Record<NoInfer<Write>, Read>>>
  }
): ((lists: Lists<Read, Scalar>, words: Attributes<W>) => Lists<Write>) => {
  const { name, reads, scalars = [] } = body
  const state: Readonly<Record<string, Read | undefined>> = body.state ?? {}
  const farNames = Object.entries(state).flat()
  const sources = { ...all(scalars, () => "scalar"), ...all(reads, () => "buffer") }
  const { buffers, ...rest } = expressionOf(body, sources as Record<Read | Scalar, "scalar" | "buffer">)
  const expression: ExpressionKernel = {
    ...rest,
    over: "lists",
    kernel: declareKernel({
      name,
      buffers: all(scalars, () => read("f32")),
      words: rest.words,
      entry: {
        ...all(
          Object.keys(buffers).filter((buffer) => !scalars.includes(buffer as Scalar)),
          (buffer) => ({ ...buffers[buffer]!, far: farNames.includes(buffer) })
        ),
        size: "u32"
      }
    })
  }
  declaredExpressions.kernels.push(expression)
  const writes = Object.keys(expression.outputs)
  /** Inputs are the scalars, then what is read at each place in turn. */
  const split = <T extends TensorInfo>(inputs: Tensors<T>) => {
    const tensors = listed(inputs)
    const namedBy = (names: ReadonlyArray<string>, some: ReadonlyArray<T>): Tensors<T> =>
      Object.fromEntries(names.map((name, i) => [name, some[i]!]))
    const places = groupsOf(tensors.slice(scalars.length), reads.length)
    return { whole: namedBy(scalars, tensors), places: places.map((group) => namedBy(reads, group)) }
  }
  const run = defineKernel<string, Numbers>({
    name: labelOf(expression),
    reference: (inputs, words) => {
      const { whole, places } = split(inputs)
      return places.flatMap((tensors) =>
        evaluate(Object.values(expression.outputs), { ...whole, ...tensors }, words, tensors[reads[0]!]!.shape)
      )
    },
    wasm: (inputs, words, engine) => {
      const { whole, places } = split(inputs)
      const outputs: Array<TensorInfo> = []
      const entries = places.map((tensors) => {
        const first = tensors[reads[0]!]!
        const entry: Record<string, TensorInfo> = { ...tensors }
        for (const name of writes) {
          entry[name] = engine.output(first.shape, tensors[state[name]!])
          outputs.push(entry[name])
        }
        return Object.assign(entry, { size: sizeOf(first) })
      })
      runLists(engine, expression.kernel, whole, words, entries)
      return outputs
    },
    webgpu: (inputs, words, engine) => {
      const tensors = listed(inputs)
      const whole = all(scalars, (name) => tensors[scalars.indexOf(name as Scalar)]!)
      const lists = columnsOf(tensors.slice(scalars.length), reads)
      return programs().listOnWebgpu(engine, expression, whole, lists, words)
    },
    inputsToSave: []
  })
  return (lists, words) => {
    const inputs: Array<Tensor> = scalars.map((name) => lists[name])
    for (const i of lists[reads[0]!].keys()) for (const name of reads) inputs.push(lists[name][i]!)
    const outputs = inputs.length === scalars.length ? [] : run(named(inputs), words)
    return columnsOf(outputs, writes) as Lists<Write>
  }
}

/**
 * Returns the definition of a kernel over rows for `defineKernel`. Inputs: matrices [rows, n] ("buffer"), vectors [n] ("column") and [rows, 1]
 * ("row"). Outputs: matrices, or [rows, 1] for an output that a row has once.
 */
export const rows = <const R extends Reads, Write extends string, const W extends Words = Record<never, never>>(
  body: Body<keyof R & string, Write, W> & {
    readonly reads: R
    /** cost of a value, in multiplications */
    readonly cost: number
  }
): KernelDefinition<keyof NoInfer<R> & string, Attributes<NoInfer<W>>> => {
  const { result, ...whole } = body
  const { name, cost } = whole
  const { buffers, ...rest } = expressionOf(body, body.reads)
  const kernel = declareKernel({
    name,
    buffers,
    words: { ...rest.words, rows: "u32", n: "u32" },
    split: { over: "rows", cost: ({ n }) => cost * n }
  })
  const expression: ExpressionKernel = { ...rest, kernel, over: "rows" }
  declaredExpressions.kernels.push(expression)
  const matrix = Object.keys(body.reads).find((input) => body.reads[input] === "buffer")!
  const perOutput = Object.entries(expression.outputs).map(([name, output]) => [name, perNumber(output)] as const)
  const outputsOf = <T>([count, n]: ReadonlyArray<number>, output: (shape: ReadonlyArray<number>) => T) =>
    Object.fromEntries(perOutput.map(([name, wide]) => [name, output([count!, wide ? n! : 1])]))
  return {
    ...(result === undefined ? {} : { untaped: rows({ ...whole, ...aloneOf<keyof R & string, W>(whole, result) }) }),
    name: labelOf(expression),
    reference: (inputs: Tensors<Tensor>, words) =>
      evaluate(Object.values(expression.outputs), inputs, words, inputs[matrix]!.shape),
    wasm: (inputs: Tensors, words, engine) => {
      const { shape } = inputs[matrix]!
      const outputs = outputsOf(shape, engine.output)
      engine.run(kernel, { ...inputs, ...outputs }, { ...words, rows: shape[0]!, n: shape[1]! })
      return Object.values(outputs)
    },
    webgpu: (inputs: Tensors, words, engine) => {
      const { shape } = inputs[matrix]!
      return programs().rowsOnWebgpu(engine, expression, inputs, outputsOf(shape, engine.output), words, shape)
    },
    inputsToSave: []
  }
}

/**
 * Returns the definition of a kernel for `defineKernel` that sums over rows: [n], Σ of the product of two or three factors, which are matrices
 * [rows, n] ("buffer") and [rows, 1] ("row"); on wasm in float64. The last two factors are multiplied first.
 */
export const columnSums = <const F extends ColumnKernel["factors"]>({
  name,
  factors,
  cost
}: {
  readonly name: string
  readonly factors: F
  /** cost of a value, in multiplications */
  readonly cost: number
}): KernelDefinition<keyof F & string, object> => {
  const names = Object.keys(factors)
  const kernel = declareKernel({
    name,
    buffers: { ...all(names, () => read("f32")), out: write("f32") },
    words: { rows: "u32", n: "u32" },
    // sixteen floats are a line of the cache
    split: { over: "n", cost: (words) => cost * words.rows, unit: 16 }
  })
  const expression = { kernel, factors }
  declaredExpressions.columns.push(expression)
  const matrix = names.find((factor) => factors[factor] === "buffer")!
  const product = (tensors: Tensors<Tensor>, [first, ...rest]: ReadonlyArray<string>): Tensor =>
    rest.length === 0 ? tensors[first!]! : tf.mul(tensors[first!]!, product(tensors, rest))
  return {
    name: labelOf(expression),
    reference: (inputs: Tensors<Tensor>) => [tf.sum(product(inputs, names), 0)],
    wasm: (inputs: Tensors, _, engine) => {
      const [count, n] = inputs[matrix]!.shape
      const out = engine.output([n!])
      engine.run(kernel, { ...inputs, out }, { rows: count!, n: n! })
      return [out]
    },
    webgpu: (inputs: Tensors, _, engine) => [
      programs().columnSumsOnWebgpu(engine, expression, inputs, inputs[matrix]!.shape)
    ],
    inputsToSave: []
  }
}
