/** Parquet files: pages behind a footer in Thrift's compact protocol, written by hand, so that it can say what is not so. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { deflateRawSync, gzipSync, zstdCompressSync } from "node:zlib"
import * as Effect from "effect/Effect"
import { openClassification } from "../../../src/data/index.ts"
import { among, Bytes, list, type Made, seldom, text } from "../grammar.ts"
import { below } from "../mutate.ts"
import type { Target } from "../target.ts"

type Random = Parameters<Made<unknown>>[0]

const varint = (value: number): ReadonlyArray<number> => {
  let rest = BigInt.asUintN(64, BigInt(Math.trunc(Number.isFinite(value) ? value : 0)))
  const bytes: Array<number> = []
  while (rest >= 128n) {
    bytes.push(Number(rest & 127n) | 128)
    rest >>= 7n
  }
  return [...bytes, Number(rest)]
}
const zigzag = (value: number) => varint(value < 0 ? -2 * value - 1 : 2 * value)

/** A value of Thrift: its type and its bytes. */
interface Thrift {
  readonly type: number
  readonly bytes: Uint8Array
}

const i32 = (value: number): Thrift => ({ type: 5, bytes: Uint8Array.from(zigzag(value)) })
const i64 = (value: number): Thrift => ({ type: 6, bytes: Uint8Array.from(zigzag(value)) })
const binary = (value: string): Thrift => {
  const bytes = new TextEncoder().encode(value)
  return { type: 8, bytes: new Bytes().add(varint(bytes.length), bytes).whole() }
}
const listOf = (items: ReadonlyArray<Thrift>, type: number, stated = items.length): Thrift => {
  const bytes = new Bytes().add(stated < 15 ? [(stated << 4) | type] : [0xf0 | type, ...varint(stated)])
  return { type: 9, bytes: bytes.add(...items.map((item) => item.bytes)).whole() }
}
const struct = (fields: Readonly<Record<number, Thrift | undefined>>): Thrift => {
  const bytes = new Bytes()
  let last = 0
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue
    bytes.add([((Number(key) - last) << 4) | value.type], value.bytes)
    last = Number(key)
  }
  return { type: 12, bytes: bytes.add([0]).whole() }
}

/** Now and then another number than the true one. */
const around = (value: number, random: Random): number =>
  seldom(250, among(0, -1, 1, 2 ** 31 - 1, 5e7, 2 ** 40, value + 1), () => value)(random)

const codecs: ReadonlyArray<readonly [number, (bytes: Uint8Array) => Uint8Array]> = [
  [0, (bytes) => bytes],
  [2, (bytes) => new Uint8Array(gzipSync(bytes))],
  [6, (bytes) => new Uint8Array(zstdCompressSync(bytes))],
  [1, (bytes) => bytes], // said to be Snappy
  [5, (bytes) => new Uint8Array(deflateRawSync(bytes))] // said to be LZ4
]

const plain = (values: ReadonlyArray<string>): Uint8Array => {
  const bytes = new Bytes()
  for (const value of values) {
    const own = new TextEncoder().encode(value)
    bytes.u32(own.length).add(own)
  }
  return bytes.whole()
}

const [PLAIN, RLE_DICTIONARY, RLE] = [0, 8, 3]

/** A page behind its header. */
const page = (type: number, values: Uint8Array, count: number, encoding: number, codec: number, random: Random) => {
  const [, compress] = codecs.find(([id]) => id === codec)!
  const body = compress(values)
  const header = struct({
    1: i32(around(type, random)),
    2: i32(around(values.length, random)),
    3: i32(around(body.length, random)),
    5:
      type === 0
        ? struct({ 1: i32(around(count, random)), 2: i32(around(encoding, random)), 3: i32(RLE), 4: i32(RLE) })
        : undefined,
    7: type === 2 ? struct({ 1: i32(around(count, random)), 2: i32(PLAIN) }) : undefined
  })
  return new Bytes().add(header.bytes, body).whole()
}

const column = (name: string, values: ReadonlyArray<string>, start: number, random: Random) => {
  // the first three are what they say
  const [codec] = seldom(20, among(...codecs), among(...codecs.slice(0, 3)))(random)
  const bytes = new Bytes()
  const dictionary = random() < 0.4
  let dataStart = start
  if (dictionary) {
    const entry = seldom(
      20,
      () => "x".repeat(100_000),
      () => "film"
    )(random)
    bytes.add(page(2, plain([entry, "b"]), 2, PLAIN, codec, random))
    dataStart += bytes.length
    // a run of one entry: few bytes for as many rows as its header says
    const run = Uint8Array.from([1, ...varint(around(values.length, random) * 2), below(3, random)])
    bytes.add(page(0, run, values.length, RLE_DICTIONARY, codec, random))
  } else bytes.add(page(0, plain(values), values.length, PLAIN, codec, random))
  const chunk = struct({
    2: i64(start),
    3: struct({
      1: i32(around(6, random)),
      2: listOf([i32(PLAIN)], 5),
      3: listOf([binary(seldom(40, text, () => name)(random))], 8),
      4: i32(around(codec, random)),
      5: i64(around(values.length, random)),
      6: i64(around(bytes.length, random)),
      7: i64(around(bytes.length, random)),
      9: i64(around(dataStart, random)),
      11: dictionary ? i64(around(start, random)) : undefined
    })
  })
  return { bytes: bytes.whole(), chunk }
}

const parquetBytes = (random: Random): Uint8Array => {
  const file = new Bytes().text("PAR1")
  const names = seldom(20, list(text, 5, 1), () => ["text", "label"])(random)
  const groups: Array<Thrift> = []
  const rows = 1 + below(6, random)
  const count = seldom(
    40,
    () => 3_000,
    () => 1 + below(2, random)
  )(random)
  for (let group = 0; group < count; group++) {
    const columns = names.map((name, i) => {
      const own = column(
        name,
        Array.from({ length: rows }, (_, row) => (i === 1 ? `${row % 2}` : `${text(random)} film`)),
        file.length,
        random
      )
      file.add(own.bytes)
      return own.chunk
    })
    groups.push(struct({ 1: listOf(columns, 12), 2: i64(around(100, random)), 3: i64(around(rows, random)) }))
  }
  const leaves = names.map((name) =>
    struct({ 1: i32(6), 3: i32(seldom(20, among(1, 2), () => 0)(random)), 4: binary(name), 6: i32(0) })
  )
  const root = struct({ 4: binary("schema"), 5: i32(around(names.length, random)) })
  const footer = struct({
    1: i32(1),
    2: listOf([root, ...leaves], 12, around(names.length + 1, random)),
    3: i64(around(rows * count, random)),
    4: listOf(groups, 12, around(groups.length, random))
  }).bytes
  file
    .add(footer)
    .u32(around(footer.length, random))
    .text(seldom(60, text, () => "PAR1")(random))
  return file.whole()
}

export const parquetFiles: Target = (folder) => (random) => {
  const file = join(folder, "rows.parquet")
  writeFileSync(file, parquetBytes(random))
  const section = { format: "classification", text: "text", label: "label", maxLength: 32, bucketPool: 8 } as const
  return Effect.gen(function* () {
    const { splits } = yield* openClassification({ ...section, train: file }, 0)
    const { read, rows } = splits.train
    yield* read(Array.from({ length: rows }, (_, i) => i))
  })
}
