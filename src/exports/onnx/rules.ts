/**
 * ONNX equivalents of the kernels of a forward pass: one value per kernel, with the shape of its output and the nodes that it becomes.
 *
 * Kernels of tfjs mostly correspond to one node. Our own kernels have a rule where ONNX has a node for the whole, or where a weight is multiplied,
 * which every precision does differently; all others are traced through their reference implementations.
 */
import type { NamedAttrMap, TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import type { Attribute } from "./graph.ts"
import { isSame, type Size } from "./sizes.ts"
import type { Infos, ShapeOf, Value } from "./trace.ts"

/** A value with its name in the graph. */
export interface Named extends Value<Size> {
  readonly name: string
}

/** Operations with which a rule writes nodes. */
export interface Writing {
  node(op: string, inputs: ReadonlyArray<string>, attributes?: Readonly<Record<string, Attribute>>): string
  integers(values: ReadonlyArray<number>, dims?: ReadonlyArray<number>): string
  sizes(sizes: ReadonlyArray<Size>): string
  /** stores a scalar of the floats' type */
  float(value: number): string
  /** applies `act` to float32 copies, whatever the floats' type: squares exceed the range of 16 bits */
  widely(x: string, act: (x: string, number: (value: number) => string) => string): string
  /** returns the format's type for a tfjs dtype */
  typeOf(dtype: string): number
  /** adds x·Wᵀ, x [rows, in], W [out, in] */
  product(x: Named, W: Named): string
  /** adds a lookup of rows of a table [rows, width] at the indices */
  lookup(table: Named, indices: Named): string
}

export interface Rule {
  readonly shape: ShapeOf
  /** Adds the nodes of a kernel. `inputs` have tfjs's names; attributes may contain sizes that vary. */
  readonly write: (
    graph: Writing,
    inputs: Readonly<Record<string, Named>>,
    attributes: Readonly<Record<string, unknown>>,
    output: Value<Size>,
    /** all outputs of the kernel, if there are several */
    outputs: ReadonlyArray<Value<Size>>
  ) => string | ReadonlyArray<string>
}

const shapeOf = (info: TensorInfo): number[] => [...info.shape]

/** Rule of an elementwise operator with one input. */
const each = (op: string): Rule => ({
  shape: ({ x }) => ({ shape: shapeOf(x!) }),
  write: (graph, { x }) => graph.node(op, [x!.name])
})

/** Rule of an elementwise operator with two inputs. */
const pairs = (op: string, dtype?: "bool"): Rule => ({
  shape: ({ a, b }) => ({
    shape: tf.backend_util.assertAndGetBroadcastShape(shapeOf(a!), shapeOf(b!)),
    ...(dtype === undefined ? {} : { dtype })
  }),
  write: (graph, { a, b }) => graph.node(op, [a!.name, b!.name])
})

const axesOf = (attributes: NamedAttrMap, rank: number): number[] =>
  tf.util.parseAxisParam(
    (attributes["axis"] ?? attributes["reductionIndices"]) as number | number[],
    new Array(rank).fill(1)
  )

/** Rule of a sum, mean or maximum over axes. `asInput`: the axes are an input of the node. */
const reduced = (op: string, asInput: boolean): Rule => ({
  shape: ({ x }, attributes) => {
    const { shape } = x!
    const axes = axesOf(attributes, shape.length)
    const keepsDims = attributes["keepDims"] === true
    return {
      shape: keepsDims
        ? shape.map((size, i) => (axes.includes(i) ? 1 : size))
        : shape.filter((_, i) => !axes.includes(i))
    }
  },
  write: (graph, { x }, attributes) => {
    const axes = axesOf(attributes as NamedAttrMap, x!.shape.length)
    const keepdims = attributes["keepDims"] === true ? 1 : 0
    return asInput
      ? graph.node(op, [x!.name, graph.integers(axes)], { keepdims })
      : graph.node(op, [x!.name], { axes, keepdims })
  }
})

/** Reshapes x. One size that varies is inferred as −1; several are computed. */
const reshaped = (graph: Writing, x: Named, { shape }: Value<Size>): string => {
  const varying = shape.filter((size) => typeof size !== "number").length
  const target =
    varying <= 1 ? graph.integers(shape.map((size) => (typeof size === "number" ? size : -1))) : graph.sizes(shape)
  return graph.node("Reshape", [x.name, target])
}

/** Returns a tensor filled with one value. */
const filled = (graph: Writing, value: number, { shape, dtype }: Value<Size>): string =>
  graph.node("Expand", [dtype === "float32" ? graph.float(value) : graph.integers([value], []), graph.sizes(shape)])

const swapped = (rank: number): ReadonlyArray<number> => [...Array(rank - 2).keys(), rank - 1, rank - 2]

/** A sum of sizes that vary is no size: it is computed. */
const END = -1

const normalized = (graph: Writing, x: string, { gamma, beta }: Readonly<Record<string, Named>>, epsilon: unknown) =>
  graph.node("LayerNormalization", [x, gamma!.name, beta!.name], { axis: -1, epsilon: { float: epsilon as number } })

const linear: Rule = {
  shape: ({ x, W }: Infos) => ({ shape: [x!.shape[0]!, W!.shape[0]!] }),
  write: (graph, { x, W, bias }) => {
    const y = graph.product(x!, W!)
    return bias === undefined ? y : graph.node("Add", [y, bias.name])
  }
}

/** x·σ(slope·x) */
const gated = (graph: Writing, x: string, slope: number): string =>
  graph.node("Mul", [x, graph.node("Sigmoid", [graph.node("Mul", [x, graph.float(slope)])])])

/** γ·x/√(mean x² + ε) */
const scaled = (graph: Writing, x: string, gamma: string, epsilon: number): string => {
  const normed = graph.widely(x, (wide, number) => {
    const mean = graph.node("ReduceMean", [graph.node("Mul", [wide, wide])], { axes: [-1], keepdims: 1 })
    return graph.node("Div", [wide, graph.node("Sqrt", [graph.node("Add", [mean, number(epsilon)])])])
  })
  return graph.node("Mul", [normed, gamma])
}

export const rules: Readonly<Record<string, Rule>> = {
  Add: pairs("Add"),
  Multiply: pairs("Mul"),
  Sub: pairs("Sub"),
  RealDiv: pairs("Div"),
  Maximum: pairs("Max"),
  Minimum: pairs("Min"),
  Pow: pairs("Pow"),
  Equal: pairs("Equal", "bool"),
  Greater: pairs("Greater", "bool"),
  GreaterEqual: pairs("GreaterOrEqual", "bool"),
  Less: pairs("Less", "bool"),
  LessEqual: pairs("LessOrEqual", "bool"),
  LogicalOr: pairs("Or", "bool"),
  LogicalAnd: pairs("And", "bool"),
  NotEqual: {
    ...pairs("Equal", "bool"),
    write: (graph, { a, b }) => graph.node("Not", [graph.node("Equal", [a!.name, b!.name])])
  },
  LogicalNot: each("Not"),
  Identity: each("Identity"),
  Relu: each("Relu"),
  Tanh: each("Tanh"),
  Sigmoid: each("Sigmoid"),
  Exp: each("Exp"),
  Sqrt: each("Sqrt"),
  Neg: each("Neg"),
  Abs: each("Abs"),
  Erf: each("Erf"),
  Square: { ...each("Mul"), write: (graph, { x }) => graph.node("Mul", [x!.name, x!.name]) },
  Rsqrt: { ...each("Sqrt"), write: (graph, { x }) => graph.node("Reciprocal", [graph.node("Sqrt", [x!.name])]) },
  Sum: reduced("ReduceSum", true),
  Mean: reduced("ReduceMean", false),
  Max: reduced("ReduceMax", false),
  Any: {
    ...reduced("ReduceMax", false),
    // ONNX has no such node over truth values
    write: (graph, inputs, attributes, output) => {
      const x = { ...inputs["x"]!, name: graph.node("Cast", [inputs["x"]!.name], { to: graph.typeOf("int32") }) }
      const most = reduced("ReduceMax", false).write(graph, { x }, attributes, output, [output]) as string
      return graph.node("Cast", [most], { to: graph.typeOf("bool") })
    }
  },
  Select: {
    shape: ({ condition, t, e }) => ({
      shape: [condition!, e!].reduce(
        (all, one) => tf.backend_util.assertAndGetBroadcastShape(all, shapeOf(one)),
        shapeOf(t!)
      ),
      dtype: t!.dtype
    }),
    write: (graph, { condition, t, e }) => graph.node("Where", [condition!.name, t!.name, e!.name])
  },
  Fill: {
    shape: (_, { shape, dtype }) => ({ shape: [...(shape as number[])], dtype: dtype as "float32" }),
    write: (graph, _, { value }, output) => filled(graph, value as number, output)
  },
  ZerosLike: { shape: ({ x }) => ({ shape: shapeOf(x!) }), write: (graph, _, __, output) => filled(graph, 0, output) },
  Range: {
    shape: (_, { start, stop, step, dtype }) => ({
      shape: [Math.max(0, Math.ceil(((stop as number) - (start as number)) / (step as number)))],
      dtype: dtype as "int32"
    }),
    write: (graph, _, { start, stop, step, dtype }) => {
      const scalar = (size: unknown) =>
        typeof size !== "number"
          ? graph.node("Squeeze", [graph.sizes([size as Size])])
          : dtype === "int32"
            ? graph.integers([size], [])
            : graph.float(size)
      return graph.node("Range", [scalar(start), scalar(stop), scalar(step)])
    }
  },
  Cast: {
    shape: ({ x }, { dtype }) => ({ shape: shapeOf(x!), dtype: dtype as "float32" }),
    write: (graph, { x }, { dtype }) => graph.node("Cast", [x!.name], { to: graph.typeOf(dtype as string) })
  },
  Cumsum: {
    shape: ({ x }) => ({ shape: shapeOf(x!) }),
    write: (graph, { x }, { axis, exclusive, reverse }) =>
      graph.node("CumSum", [x!.name, graph.integers([axis as number], [])], {
        exclusive: exclusive === true ? 1 : 0,
        reverse: reverse === true ? 1 : 0
      })
  },
  Reshape: {
    shape: (_, { shape }) => ({ shape: [...(shape as number[])] }),
    write: (graph, { x }, _, output) => reshaped(graph, x!, output)
  },
  ExpandDims: {
    shape: ({ input }, { dim }) => {
      const shape = shapeOf(input!)
      const place = dim as number
      shape.splice(place < 0 ? shape.length + 1 + place : place, 0, 1)
      return { shape }
    },
    write: (graph, { input }, _, output) => reshaped(graph, input!, output)
  },
  Transpose: {
    shape: ({ x }, { perm }) => ({ shape: (perm as number[]).map((axis) => x!.shape[axis]!) }),
    write: (graph, { x }, { perm }) => graph.node("Transpose", [x!.name], { perm: perm as ReadonlyArray<number> })
  },
  Slice: {
    shape: ({ x }, { begin, size }) => {
      const [, sizes] = tf.slice_util.parseSliceParams(x!, begin as number[], size as number[])
      return { shape: [...sizes!] }
    },
    write: (graph, { x }, { begin }, { shape }) => {
      // a whole axis is unchanged
      const cut = shape.flatMap((size, axis) => (isSame(size, x!.shape[axis]!) ? [] : [axis]))
      if (cut.length === 0) return graph.node("Identity", [x!.name])
      const starts = cut.map((axis) => ([begin as Size | ReadonlyArray<Size>].flat()[axis] as Size | undefined) ?? 0)
      const ends = cut.map((axis, i): Size => {
        const [start, size] = [starts[i]!, shape[axis]!]
        if (start === 0) return size
        return typeof start === "number" && typeof size === "number" ? start + size : END
      })
      const known = ends.every((end) => end !== END)
      const last = known
        ? graph.sizes(ends)
        : graph.node("Add", [graph.sizes(starts), graph.sizes(cut.map((axis) => shape[axis]!))])
      return graph.node("Slice", [x!.name, graph.sizes(starts), last, graph.integers(cut)])
    }
  },
  Concat: {
    shape: (inputs, { axis }) => {
      const shapes = Object.values(inputs).map(shapeOf)
      return { shape: tf.backend_util.computeOutShape(shapes, axis as number) }
    },
    write: (graph, inputs, { axis }) =>
      graph.node(
        "Concat",
        Object.values(inputs).map(({ name }) => name),
        { axis: axis as number }
      )
  },
  Tile: {
    shape: ({ x }, { reps }) => ({ shape: x!.shape.map((size, i) => size * (reps as number[])[i]!) }),
    write: (graph, { x }, { reps }) => graph.node("Tile", [x!.name, graph.sizes(reps as ReadonlyArray<Size>)])
  },
  GatherV2: {
    shape: ({ x, indices }, { axis }) => {
      const place = axis as number
      return { shape: [...x!.shape.slice(0, place), ...indices!.shape, ...x!.shape.slice(place + 1)], dtype: x!.dtype }
    },
    write: (graph, { x, indices }, { axis }) =>
      axis === 0 ? graph.lookup(x!, indices!) : graph.node("Gather", [x!.name, indices!.name], { axis: axis as number })
  },
  SplitV: {
    shape: ({ x }, { numOrSizeSplits, axis }) => {
      const parts = tf.backend_util.prepareSplitSize(x! as tf.Tensor, numOrSizeSplits as number[], axis as number)
      return parts.map((part) => ({ shape: x!.shape.map((size, i) => (i === axis ? part : size)) }))
    },
    write: (graph, { x }, { axis }, _, outputs) => {
      const place = axis as number
      let from = 0
      return outputs.map(({ shape }) => {
        const size = shape[place] as number // features, whose number no input varies
        const part = [graph.integers([from]), graph.integers([from + size]), graph.integers([place])]
        from += size
        return graph.node("Slice", [x!.name, ...part])
      })
    }
  },
  Softmax: {
    shape: ({ logits }) => ({ shape: shapeOf(logits!) }),
    write: (graph, { logits }) => graph.node("Softmax", [logits!.name], { axis: -1 })
  },
  BatchMatMul: {
    shape: ({ a, b }, { transposeA, transposeB }) => {
      const [left, right] = [shapeOf(a!), shapeOf(b!)]
      const rows = left[left.length - (transposeA === true ? 1 : 2)]!
      const columns = right[right.length - (transposeB === true ? 2 : 1)]!
      const outer = tf.backend_util.assertAndGetBroadcastShape(left.slice(0, -2), right.slice(0, -2))
      return { shape: [...outer, rows, columns] }
    },
    write: (graph, { a, b }, { transposeA, transposeB }) => {
      const turned = ({ name, shape }: Named, transpose: unknown) =>
        transpose === true ? graph.node("Transpose", [name], { perm: swapped(shape.length) }) : name
      return graph.node("MatMul", [turned(a!, transposeA), turned(b!, transposeB)])
    }
  },
  DenseLinear: linear,
  FrozenLinear: linear,
  LayerNorm: {
    shape: ({ x }) => ({ shape: shapeOf(x!) }),
    write: (graph, { x, ...scales }, { epsilon }) => normalized(graph, x!.name, scales, epsilon)
  },
  ResidualLayerNorm: {
    shape: ({ x }) => ({ shape: shapeOf(x!) }),
    write: (graph, { x, residual, ...scales }, { epsilon }) =>
      normalized(graph, graph.node("Add", [x!.name, residual!.name]), scales, epsilon)
  },
  // as transformers' exports have it, which engines make one kernel of
  GeluErf: {
    ...each("Gelu"),
    write: (graph, { x }) => {
      const erf = graph.node("Erf", [graph.node("Div", [x!.name, graph.float(Math.SQRT2)])])
      return graph.node("Mul", [
        graph.node("Mul", [x!.name, graph.node("Add", [erf, graph.float(1)])]),
        graph.float(0.5)
      ])
    }
  },
  GeluTanh: {
    ...each("Gelu"),
    write: (graph, { x }) => {
      const cube = graph.node("Mul", [graph.node("Mul", [x!.name, x!.name]), x!.name])
      const inner = graph.node("Add", [x!.name, graph.node("Mul", [cube, graph.float(0.044715)])])
      const tanh = graph.node("Tanh", [graph.node("Mul", [inner, graph.float(Math.sqrt(2 / Math.PI))])])
      return graph.node("Mul", [
        graph.node("Mul", [x!.name, graph.node("Add", [tanh, graph.float(1)])]),
        graph.float(0.5)
      ])
    }
  },
  RmsNorm: {
    shape: ({ x }) => ({ shape: shapeOf(x!) }),
    write: (graph, { x, gamma }, { epsilon }) => scaled(graph, x!.name, gamma!.name, epsilon as number)
  },
  ResidualRmsNorm: {
    shape: ({ x }) => ({ shape: shapeOf(x!) }),
    write: (graph, { x, residual, gamma }, { epsilon }) =>
      scaled(graph, graph.node("Add", [x!.name, residual!.name]), gamma!.name, epsilon as number)
  },
  // its third output is for a backward pass
  ResidualRmsNormAndSum: {
    shape: ({ x }) => [{ shape: shapeOf(x!) }, { shape: shapeOf(x!) }, { shape: [x!.shape[0]!, 1] }],
    write: (graph, { x, residual, gamma }, { epsilon }) => {
      const sum = graph.node("Add", [x!.name, residual!.name])
      return [scaled(graph, sum, gamma!.name, epsilon as number), sum]
    }
  },
  Swiglu: {
    shape: ({ gate }) => ({ shape: shapeOf(gate!) }),
    write: (graph, { gate, up }) => graph.node("Mul", [gated(graph, gate!.name, 1), up!.name])
  },
  GeluQuick: { ...each("Gelu"), write: (graph, { x }) => gated(graph, x!.name, 1.702) }
}

/** What is computed where no tape records has the name of the whole, and this after it. */
const ALONE = "Alone"

export const ruleOf = (kernel: string): Rule => rules[kernel] ?? rules[kernel.slice(0, -ALONE.length)]!

/** Output shapes by kernel, under both of its names. */
export const shapes: Readonly<Record<string, ShapeOf>> = Object.fromEntries(
  Object.entries(rules).flatMap(([kernel, { shape }]) => [
    [kernel, shape],
    [kernel + ALONE, shape]
  ])
)
