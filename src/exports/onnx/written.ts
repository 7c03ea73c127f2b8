/** Encodes a trace and the values of its parameters as the bytes of an ONNX file. */
import { Graph, type Port } from "./graph.ts"
import { constantFloats, type Precision, type Stored, storedFloats } from "./precisions.ts"
import { type TypeName, types } from "./proto.ts"
import { type Named, ruleOf, type Writing } from "./rules.ts"
import type { Product, Size } from "./sizes.ts"
import type { Call, Trace } from "./trace.ts"

export interface Model {
  readonly trace: Trace<Size>
  /** inputs in file order; sizes that vary are names of axes */
  readonly inputs: ReadonlyArray<Port>
  /** returns the values of a parameter by its name */
  readonly parameter: (name: string) => Stored
  /** values of the tensors that the model keeps in addition to its parameters */
  readonly constants: ReadonlyArray<ReadonlyArray<number>>
  /** version of tfjs-lora-pro */
  readonly version: string
}

/** Returns the calls on which outputs depend. */
const needed = ({ calls, outputs }: Trace<Size>): ReadonlyArray<Call> => {
  const wanted = new Set(Object.values(outputs))
  return calls
    .toReversed()
    .filter(({ outputs, inputs }) => {
      if (!outputs.some((place) => wanted.has(place))) return false
      for (const place of Object.values(inputs).flat()) wanted.add(place)
      return true
    })
    .reverse()
}

/** Returns the parameter whose rows a call looks up. */
const tableOf = ({ kernel, inputs, attributes }: Call, { values }: Trace<Size>): ReadonlyArray<string> => {
  if (kernel !== "GatherV2" || attributes["axis"] !== 0) return []
  const origin = values[inputs["x"] as number]!.origin
  return origin?.kind === "parameter" ? [origin.name] : []
}

const axisNamed = (size: Size): number | string => (typeof size === "number" ? size : nameOf(size))

/** batch_size, or 2·batch_size·sequence_length */
const nameOf = ({ factor, powers }: Product): string =>
  [
    ...(factor === 1 ? [] : [`${factor}`]),
    ...Object.entries(powers).flatMap(([axis, power]) => Array.from({ length: power }, () => axis))
  ].join("*")

/** Maximum number of integers that form the name of their tensor. */
const NAMED = 8

/** Encodes the model in one precision as the bytes of an ONNX file. */
export const writtenModel = (
  { trace, inputs, parameter, constants, version }: Model,
  precision: Precision
): Uint8Array => {
  const { floats } = precision
  const graph = new Graph(axesOf(inputs))
  const typeOf = (dtype: string): TypeName => (dtype === "float32" ? floats : dtype === "bool" ? "bool" : "int64")
  const names = new Map<number, string>()
  const float = (value: number) => graph.tensor(`float_${value}`, floats, [], () => constantFloats(floats, [value]))
  const stored = (dtype: string, values: ReadonlyArray<number>, dims: ReadonlyArray<number>, place: number): string => {
    if (dtype === "float32" && dims.length === 0) return float(values[0]!)
    if (dtype === "int32" && values.length < NAMED) return graph.integers(values, dims)
    return graph.tensor(`constant_${place}`, typeOf(dtype), dims, () => {
      if (dtype === "int32") return BigInt64Array.from(values, BigInt)
      return dtype === "bool" ? Uint8Array.from(values) : constantFloats(floats, values)
    })
  }
  const nameOfValue = (place: number): string => {
    const known = names.get(place)
    if (known !== undefined) return known
    const { origin, dtype, shape } = trace.values[place]!
    const name = (() => {
      switch (origin!.kind) {
        case "input": {
          const { name, type } = inputs.find((input) => input.name === origin!.name)!
          const wanted = typeOf(dtype)
          return type === wanted ? name : graph.node("Cast", [name], { to: types[wanted] })
        }
        case "parameter": {
          const { name, data, shape } = parameter(origin!.name)
          return graph.tensor(name, floats, shape, () => storedFloats(floats, data))
        }
        case "kept":
          return stored(dtype, constants[origin!.place]!, shape as ReadonlyArray<number>, place)
        case "constant": {
          const { values } = origin!
          if (values.length === 1 && shape.length > 0) {
            return graph.node("Expand", [stored(dtype, values, [], place), graph.sizes(shape)])
          }
          return stored(dtype, values, shape as ReadonlyArray<number>, place) // sizes that vary have one number everywhere
        }
      }
    })()
    names.set(place, name)
    return name
  }
  /** Returns a value whose name is created on first use: a weight may be stored in another form. */
  const named = (place: number): Named & { readonly place: number } => {
    const value = trace.values[place]!
    return {
      ...value,
      place,
      get name() {
        return nameOfValue(place)
      }
    }
  }
  const storedOf = ({ origin }: Named): Stored | undefined =>
    origin?.kind === "parameter" ? parameter(origin.name) : undefined
  const calls = needed(trace)
  const tables = new Set(calls.flatMap((call) => tableOf(call, trace)))
  const writing: Writing = {
    node: (op, inputs, attributes) => graph.node(op, inputs, attributes),
    widely: (x, act) => {
      const number = (value: number) => graph.tensor(`wide_${value}`, "float", [], () => Float32Array.of(value))
      if (floats === "float") return act(x, number)
      return graph.node("Cast", [act(graph.node("Cast", [x], { to: types.float }), number)], { to: types[floats] })
    },
    integers: (values, dims) => graph.integers(values, dims),
    sizes: (sizes) => graph.sizes(sizes),
    float,
    typeOf: (dtype) => types[typeOf(dtype)],
    product: (x, W) => {
      const stored = storedOf(W)
      return stored === undefined
        ? graph.node("MatMul", [x.name, graph.node("Transpose", [W.name], { perm: [1, 0] })])
        : precision[tables.has(stored.name) ? "tied" : "product"](graph, x.name, stored)
    },
    lookup: (table, indices) => {
      const stored = storedOf(table)
      return stored?.shape.length === 2
        ? precision.lookup(graph, stored, indices.name)
        : graph.node("Gather", [table.name, indices.name], { axis: 0 })
    }
  }
  for (const { kernel, inputs: places, attributes, outputs } of calls) {
    const operands = Object.entries(places).flatMap(([name, place]) =>
      typeof place === "number"
        ? [[name, named(place)] as const]
        : place.map((one, i) => [`${name}${i}`, named(one)] as const)
    )
    const made = outputs.map((place) => trace.values[place]!)
    const results = [ruleOf(kernel).write(writing, Object.fromEntries(operands), attributes, made[0]!, made)].flat()
    for (const [i, name] of results.entries()) names.set(outputs[i]!, name)
  }
  const outputs = Object.entries(trace.outputs).map(([name, place]): Port => {
    const { dtype, shape } = trace.values[place]!
    const from = nameOfValue(place)
    if (dtype === "float32" && floats !== "float") graph.output(name, "Cast", from, { to: types.float })
    else graph.output(name, "Identity", from)
    return { name, type: dtype === "float32" ? "float" : typeOf(dtype), shape: shape.map(axisNamed) }
  })
  return graph.encode({ inputs, outputs, version })
}

/** Returns, for each axis, the first input that has it. */
const axesOf = (inputs: ReadonlyArray<Port>) => {
  const axes: Record<string, { readonly input: string; readonly place: number }> = {}
  for (const { name, shape } of inputs) {
    for (const [place, size] of shape.entries()) if (typeof size === "string") axes[size] ??= { input: name, place }
  }
  return axes
}
