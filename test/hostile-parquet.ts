/**
 * Parquet files as no library writes them: every number in them can be a lie. The bytes are those of the format's own description
 * (github.com/apache/parquet-format), in its compact form of Thrift.
 */

/** A field of a Thrift struct as bytes, with its type. */
export interface Field {
  readonly type: number
  readonly bytes: Uint8Array
}

const joined = (parts: ReadonlyArray<Uint8Array | ReadonlyArray<number>>): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(parts.reduce((total, { length }) => total + length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

export const varint = (value: number | bigint): ReadonlyArray<number> => {
  const bytes: Array<number> = []
  let rest = BigInt(value)
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  return [...bytes, Number(rest)]
}

const zigzag = (value: number | bigint) => (BigInt(value) < 0n ? -2n * BigInt(value) - 1n : 2n * BigInt(value))

export const i32 = (value: number): Field => ({ type: 5, bytes: Uint8Array.from(varint(zigzag(value))) })
export const i64 = (value: number | bigint): Field => ({ type: 6, bytes: Uint8Array.from(varint(zigzag(value))) })
const no: Field = { type: 2, bytes: new Uint8Array() }
export const binary = (value: string | Uint8Array): Field => {
  const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value
  return { type: 8, bytes: joined([varint(bytes.length), bytes]) }
}
/** `size`: how many entries it says it has. */
export const list = (type: number, entries: ReadonlyArray<Field>, size: number = entries.length): Field => ({
  type: 9,
  bytes: joined([[(15 << 4) | type], varint(size), ...entries.map(({ bytes }) => bytes)])
})
/** Fields by their numbers. */
export const struct = (fields: Readonly<Record<number, Field>>): Field => {
  let before = 0
  const parts = Object.entries(fields).map(([id, { type, bytes }]) => {
    const number = Number(id)
    const head = number - before <= 15 ? [((number - before) << 4) | type] : [type, ...varint(zigzag(number))]
    before = number
    return joined([head, bytes])
  })
  return { type: 12, bytes: joined([...parts, [0]]) }
}

export const codecs = { none: 0, snappy: 1, gzip: 2, brotli: 4, zstd: 6 }
export const encodings = { plain: 0, rle: 3, deltaBinary: 5, deltaByteArray: 7, dictionary: 8 }

/** A data page, packed already. `size`: its bytes before it was packed, as its header says. */
export const page = (
  packed: Uint8Array,
  { size, values, encoding = encodings.plain }: { size: number; values: number; encoding?: number }
): Uint8Array<ArrayBuffer> =>
  joined([
    struct({
      1: i32(0),
      2: i32(size),
      3: i32(packed.length),
      5: struct({ 1: i32(values), 2: i32(encoding), 3: i32(encodings.rle), 4: i32(encodings.rle) })
    }).bytes,
    packed
  ])

/** A data page of the second version, of a column without levels, that is not packed. */
export const pageV2 = (body: Uint8Array, values: number, encoding: number): Uint8Array<ArrayBuffer> =>
  joined([
    struct({
      1: i32(3),
      2: i32(body.length),
      3: i32(body.length),
      8: struct({ 1: i32(values), 2: i32(0), 3: i32(values), 4: i32(encoding), 5: i32(0), 6: i32(0), 7: no })
    }).bytes,
    body
  ])

export const dictionaryPage = (packed: Uint8Array, { size, values }: { size: number; values: number }) =>
  joined([
    struct({
      1: i32(2),
      2: i32(size),
      3: i32(packed.length),
      7: struct({ 1: i32(values), 2: i32(encodings.plain) })
    }).bytes,
    packed
  ])

/** A value of a PLAIN page. */
export const plainText = (text: string | Uint8Array): Uint8Array<ArrayBuffer> => {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text
  return joined([new Uint8Array(Uint32Array.of(bytes.length).buffer), bytes])
}

export interface Chunk {
  readonly pages: ReadonlyArray<Uint8Array>
  readonly values: number | bigint
  /** physical type; BYTE_ARRAY unless given */
  readonly type?: number
  readonly codec?: number
  /** bytes before packing, as its metadata says */
  readonly size?: number | bigint
  /** where it is, instead of where it is written */
  readonly offset?: number | bigint
  /** bytes that it takes in the file, as its metadata says */
  readonly length?: number | bigint
  /** its first page is a dictionary */
  readonly dictionary?: boolean
}

/** An element of the schema: below the root, in the order of a walk through the tree. */
export const element = (
  name: string,
  {
    type,
    repetition = 0,
    children,
    converted
  }: { type?: number; repetition?: number; children?: number; converted?: number } = {}
): Field =>
  struct({
    ...(type === undefined ? {} : { 1: i32(type) }),
    3: i32(repetition),
    4: binary(name),
    ...(children === undefined ? {} : { 5: i32(children) }),
    ...(converted === undefined ? {} : { 6: i32(converted) })
  })

/** A column of texts: physical type BYTE_ARRAY, converted type UTF8, every row has a value. */
export const textElement = (name: string): Field => element(name, { type: 6, converted: 0 })

const pathOf = (path: string) => list(8, path.split(".").map(binary))

/** The whole file. `groups`: for each row group its rows, and a chunk for each path of a column. */
export const parquetFile = (
  schema: ReadonlyArray<Field>,
  groups: ReadonlyArray<{ readonly rows: number | bigint; readonly chunks: Readonly<Record<string, Chunk>> }>,
  { roots = schema.length, footer }: { roots?: number; footer?: Uint8Array } = {}
): Uint8Array<ArrayBuffer> => {
  const parts: Array<Uint8Array> = [new TextEncoder().encode("PAR1")]
  let at = 4
  const written = groups.map(({ rows, chunks }) => {
    const columns = Object.entries(chunks).map(([path, chunk]) => {
      const start = at
      for (const bytes of chunk.pages) {
        parts.push(bytes)
        at += bytes.length
      }
      const offset = chunk.offset ?? start
      const first = chunk.dictionary === true ? (chunk.pages[0]?.length ?? 0) : 0
      const metadata = struct({
        1: i32(chunk.type ?? 6),
        2: list(5, [i32(0)]),
        3: pathOf(path),
        4: i32(chunk.codec ?? codecs.none),
        5: i64(chunk.values),
        6: i64(chunk.size ?? at - start),
        7: i64(chunk.length ?? at - start),
        9: i64(BigInt(offset) + BigInt(first)),
        ...(chunk.dictionary === true ? { 11: i64(offset) } : {})
      })
      return struct({ 2: i64(offset), 3: metadata })
    })
    return struct({ 1: list(12, columns), 2: i64(0), 3: i64(rows) })
  })
  const total = groups.reduce((sum, { rows }) => sum + BigInt(rows), 0n)
  const metadata =
    footer ??
    struct({
      1: i32(1),
      2: list(12, [element("schema", { children: roots }), ...schema]),
      3: i64(total),
      4: list(12, written)
    }).bytes
  return joined([
    ...parts,
    metadata,
    new Uint8Array(Uint32Array.of(metadata.length).buffer),
    new TextEncoder().encode("PAR1")
  ])
}
