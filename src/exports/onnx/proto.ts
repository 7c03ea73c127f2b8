/**
 * The messages of ONNX's protobuf format that a graph here uses: a table of each message's fields by their numbers in `onnx.proto3`, in which order
 * they are written, and the encoding of a value of each type. Absent fields are not written, and lists of integers are packed.
 */

/** Values of `TensorProto.DataType`. */
export const types = { float: 1, uint8: 2, int8: 3, int64: 7, bool: 9, float16: 10 } as const
export type TypeName = keyof typeof types

/** Values of `AttributeProto.AttributeType`. */
export const attributeTypes = { float: 1, int: 2, ints: 7 } as const

/** Bytes in file order, joined only once, since a tensor may have gigabytes. */
type Pieces = ReadonlyArray<Uint8Array>

/** Encodes a field with that number. */
type Field<Value> = (number: number, value: Value) => Pieces

type Fields = Readonly<Record<string, readonly [number: number, field: Field<never>]>>

type Message<Table extends Fields> = {
  readonly [Name in keyof Table]?: Table[Name][1] extends Field<infer Value> ? Value : never
}

const [VARINT, DELIMITED, FOUR_BYTES] = [0, 2, 5]

const lengthOf = (pieces: Pieces): number => pieces.reduce((sum, { length }) => sum + length, 0)

/** Encodes seven bits per byte, the lowest first; a negative integer has 64 bits. */
const varint = (value: number): Uint8Array => {
  const bytes: Array<number> = []
  let rest = BigInt.asUintN(64, BigInt(value))
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  return Uint8Array.of(...bytes, Number(rest))
}

const tagged = (number: number, wireType: number, payload: Pieces): Pieces => [
  varint(number * 8 + wireType),
  ...(wireType === DELIMITED ? [varint(lengthOf(payload))] : []),
  ...payload
]

const integer: Field<number> = (number, value) => tagged(number, VARINT, [varint(value)])

const integers: Field<ReadonlyArray<number>> = (number, values) =>
  values.length === 0 ? [] : tagged(number, DELIMITED, values.map(varint))

const float: Field<number> = (number, value) => {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setFloat32(0, value, true)
  return tagged(number, FOUR_BYTES, [bytes])
}

const bytes: Field<Uint8Array> = (number, value) => tagged(number, DELIMITED, [value])

const string: Field<string> = (number, value) => bytes(number, new TextEncoder().encode(value))

const list =
  <Value>(field: Field<Value>): Field<ReadonlyArray<Value>> =>
  (number, values) =>
    values.flatMap((value) => field(number, value))

const piecesOf = <Table extends Fields>(table: Table, message: Message<Table>): Pieces =>
  Object.entries(table).flatMap(([name, [number, field]]) => {
    const value = message[name]
    return value === undefined ? [] : field(number, value as never) // of the field's type, as Message says
  })

const nested =
  <Table extends Fields>(table: Table): Field<Message<Table>> =>
  (number, message) =>
    tagged(number, DELIMITED, piecesOf(table, message))

const attribute = {
  name: [1, string],
  f: [2, float],
  i: [3, integer],
  ints: [8, integers],
  type: [20, integer]
} as const

const node = {
  input: [1, list(string)],
  output: [2, list(string)],
  name: [3, string],
  opType: [4, string],
  attribute: [5, list(nested(attribute))],
  domain: [7, string]
} as const

const tensor = { dims: [1, integers], dataType: [2, integer], name: [8, string], rawData: [9, bytes] } as const

const dimension = { dimValue: [1, integer], dimParam: [2, string] } as const
const shape = { dim: [1, list(nested(dimension))] } as const
const tensorType = { elemType: [1, integer], shape: [2, nested(shape)] } as const
const type = { tensorType: [1, nested(tensorType)] } as const
const valueInfo = { name: [1, string], type: [2, nested(type)] } as const

const graph = {
  node: [1, list(nested(node))],
  name: [2, string],
  initializer: [5, list(nested(tensor))],
  input: [11, list(nested(valueInfo))],
  output: [12, list(nested(valueInfo))]
} as const

const operatorSet = { domain: [1, string], version: [2, integer] } as const

const model = {
  irVersion: [1, integer],
  producerName: [2, string],
  producerVersion: [3, string],
  graph: [7, nested(graph)],
  opsetImport: [8, list(nested(operatorSet))]
} as const

export type AttributeProto = Message<typeof attribute>
export type NodeProto = Message<typeof node>
export type TensorProto = Message<typeof tensor>
export type ValueInfoProto = Message<typeof valueInfo>
export type ModelProto = Message<typeof model>

/** Encodes a model as the bytes of an ONNX file. */
export const encodeModel = (proto: ModelProto): Uint8Array<ArrayBuffer> => {
  const pieces = piecesOf(model, proto)
  const file = new Uint8Array(lengthOf(pieces))
  let at = 0
  for (const piece of pieces) {
    file.set(piece, at)
    at += piece.length
  }
  return file
}
