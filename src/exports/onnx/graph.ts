/** Builder of an ONNX graph: nodes in order, and the tensors stored with them. */
import { bytesOf } from "../../safetensors/index.ts"
import {
  type AttributeProto,
  attributeTypes,
  encodeModel,
  type NodeProto,
  type TensorProto,
  type TypeName,
  types,
  type ValueInfoProto
} from "./proto.ts"
import type { Product, Size } from "./sizes.ts"

export type Attribute = number | ReadonlyArray<number> | { readonly float: number }

/** An input or output of the graph. Sizes that vary are names. */
export interface Port {
  readonly name: string
  readonly type: TypeName
  readonly shape: ReadonlyArray<number | string>
}

/** Opset whose LayerNormalization is one node. All current engines support it. */
const OPSET = 17
const IR_VERSION = 8
/** onnxruntime's own operators, which its web builds include. */
const CONTRIBUTED = { domain: "com.microsoft", version: 1, operators: ["MatMulNBits"] }

export class Graph {
  readonly #nodes: Array<NodeProto> = []
  readonly #tensors = new Map<string, TensorProto>()
  readonly #once = new Map<string, unknown>()
  #count = 0
  #contributed = false

  /** Adds a node with one output and returns the output's name. */
  node(op: string, inputs: ReadonlyArray<string>, attributes: Readonly<Record<string, Attribute>> = {}): string {
    return this.nodes(op, inputs, 1, attributes)[0]!
  }

  /** Adds a node with several outputs and returns their names. */
  nodes(
    op: string,
    inputs: ReadonlyArray<string>,
    outputs: number,
    attributes: Readonly<Record<string, Attribute>> = {}
  ): ReadonlyArray<string> {
    const name = `${op}_${this.#count++}`
    const names = Array.from({ length: outputs }, (_, i) => (i === 0 ? name : `${name}_${i}`))
    const contributed = CONTRIBUTED.operators.includes(op)
    if (contributed) this.#contributed = true
    this.#nodes.push({
      name,
      opType: op,
      ...(contributed ? { domain: CONTRIBUTED.domain } : {}),
      input: [...inputs],
      output: names,
      attribute: Object.entries(attributes).map(([key, value]) => attributeOf(key, value))
    })
    return names
  }

  /** Adds the node that names an output of the graph. */
  output(name: string, op: "Identity" | "Cast", input: string, attributes: Readonly<Record<string, Attribute>> = {}) {
    this.#nodes.push({
      name: `output_${name}`,
      opType: op,
      input: [input],
      output: [name],
      attribute: Object.entries(attributes).map(([key, value]) => attributeOf(key, value))
    })
  }

  /** Calls `make` once per key and returns its result. */
  once<Name>(key: string, make: () => Name): Name {
    if (!this.#once.has(key)) this.#once.set(key, make())
    return this.#once.get(key) as Name // a key is asked for in one place
  }

  /** Stores a tensor, little-endian as the format requires, and returns its name. */
  tensor(name: string, type: TypeName, dims: ReadonlyArray<number>, make: () => ArrayBufferView): string {
    if (!this.#tensors.has(name)) {
      this.#tensors.set(name, { name, dataType: types[type], dims: [...dims], rawData: bytesOf(make()) })
    }
    return name
  }

  /** Stores an int64 tensor of shape `dims`, default [n]; [] for a scalar. */
  integers(values: ReadonlyArray<number>, dims: ReadonlyArray<number> = [values.length]): string {
    return this.tensor(`integers_${dims.length}_${values.join("_")}`.replaceAll("-", "m"), "int64", dims, () =>
      BigInt64Array.from(values.map(BigInt))
    )
  }

  /** Returns the name of an int64 tensor [n] of sizes that may vary. */
  sizes(sizes: ReadonlyArray<Size>): string {
    if (sizes.every((size) => typeof size === "number")) return this.integers(sizes)
    const parts = sizes.map((size) => (typeof size === "number" ? this.integers([size]) : this.#product(size)))
    return parts.length === 1 ? parts[0]! : this.node("Concat", parts, { axis: 0 })
  }

  /** Inputs from which the sizes of axes are read, by axis: the input's name and the index of the axis. */
  readonly #axes: Readonly<Record<string, { readonly input: string; readonly place: number }>>

  constructor(axes: Readonly<Record<string, { readonly input: string; readonly place: number }>>) {
    this.#axes = axes
  }

  /** int64 [1] */
  #product({ factor, powers }: Product): string {
    const axes = Object.entries(powers).flatMap(([axis, power]) =>
      Array.from({ length: power }, () => this.#axis(axis))
    )
    const factors = factor === 1 ? axes : [...axes, this.integers([factor])]
    const [first, ...others] = factors as [string, ...ReadonlyArray<string>]
    return others.reduce((all, one) => this.once(`${all}·${one}`, () => this.node("Mul", [all, one])), first)
  }

  #axis(axis: string): string {
    const { input, place } = this.#axes[axis]!
    return this.once(`size of ${axis}`, () => {
      const shape = this.once(`shape of ${input}`, () => this.node("Shape", [input]))
      return this.node("Gather", [shape, this.integers([place])], { axis: 0 })
    })
  }

  /** Total size of the stored tensors, in bytes. */
  get bytes(): number {
    return [...this.#tensors.values()].reduce((sum, { rawData }) => sum + rawData!.length, 0)
  }

  /** Encodes the graph as the bytes of an ONNX file. */
  encode({
    inputs,
    outputs,
    version
  }: {
    readonly inputs: ReadonlyArray<Port>
    readonly outputs: ReadonlyArray<Port>
    readonly version: string
  }): Uint8Array {
    return encodeModel({
      irVersion: IR_VERSION,
      producerName: "tfjs-lora-pro",
      producerVersion: version,
      opsetImport: [
        { domain: "", version: OPSET },
        ...(this.#contributed ? [{ domain: CONTRIBUTED.domain, version: CONTRIBUTED.version }] : [])
      ],
      graph: {
        name: "model",
        node: this.#nodes,
        initializer: [...this.#tensors.values()],
        input: inputs.map(valueInfo),
        output: outputs.map(valueInfo)
      }
    })
  }
}

const attributeOf = (name: string, value: Attribute): AttributeProto => {
  if (typeof value === "number") return { name, type: attributeTypes.int, i: value }
  return "float" in value
    ? { name, type: attributeTypes.float, f: value.float }
    : { name, type: attributeTypes.ints, ints: value }
}

const valueInfo = ({ name, type, shape }: Port): ValueInfoProto => ({
  name,
  type: {
    tensorType: {
      elemType: types[type],
      shape: { dim: shape.map((size) => (typeof size === "number" ? { dimValue: size } : { dimParam: size })) }
    }
  }
})
