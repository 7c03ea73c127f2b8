/** Parquet files whose numbers lie: each is refused in milliseconds, whatever it says that it holds; and honest files of the same kinds are read. */
import { describe, expect, test } from "bun:test"
import { zstdCompressSync } from "node:zlib"
import { firstRows, openLabelledFile } from "../../../../src/data/index.ts"
import {
  binary,
  type Chunk,
  codecs,
  dictionaryPage,
  element,
  encodings,
  i32,
  i64,
  list,
  page,
  pageV2,
  parquetFile,
  plainText,
  struct,
  textElement,
  varint
} from "../../../hostile-parquet.ts"
import { failureOf, run, temporaryFiles } from "../files.ts"

const { fileOf } = temporaryFiles()

const bytesOf = (...parts: ReadonlyArray<ArrayLike<number>>) =>
  Uint8Array.from(parts.flatMap((part) => Array.from(part)))
const texts = (...values: ReadonlyArray<string>) => bytesOf(...values.map(plainText))
const raw = (bytes: Uint8Array, values: number, encoding?: number) =>
  page(bytes, { size: bytes.length, values, ...(encoding === undefined ? {} : { encoding }) })

const honest: Chunk = { pages: [raw(texts("one", "two"), 2)], values: 2 }
const labels: Chunk = { pages: [raw(texts("a", "b"), 2)], values: 2 }
const schema = [textElement("text"), textElement("label")]

/** A file whose texts are those of a chunk. */
const fileWith = (text: Chunk, rows: number | bigint = 2) =>
  fileOf("parquet", parquetFile(schema, [{ rows, chunks: { text, label: labels } }]))

const columns = { text: "text", label: "label" }
const textsIn = async (text: Chunk, rows = 2) =>
  (await run(firstRows(fileWith(text, rows), rows))).map((row) => row["text"])
const refusal = async (file: string) => {
  const message = await failureOf(openLabelledFile(file, columns))
  expect(message.length).toBeLessThan(400)
  return message.replace(/^rows.parquet: (cannot be read as parquet: )?/, "")
}

/** The length of what follows, then the runs: a level or an index with how often it comes. */
const runs = (...pairs: ReadonlyArray<readonly [count: number, value: number]>) =>
  bytesOf(...pairs.map(([count, value]) => [...varint(count * 2), value]))
const dictionary = dictionaryPage(texts("one", "two"), { size: 14, values: 2 })
const indices = (...pairs: ReadonlyArray<readonly [number, number]>) => bytesOf([1], runs(...pairs))

/** Differences: blocks of 128 values in 4 parts, `first`, and each later one `step` more; no value takes a bit. */
const deltas = (count: number, first: number, step: number, [block, parts]: readonly [number, number] = [128, 4]) =>
  bytesOf(varint(block), varint(parts), varint(count), varint(2 * first), varint(2 * step), [0, 0, 0, 0])

describe("what libraries write is read", () => {
  test.each<readonly [string, Chunk]>([
    ["plain", honest],
    [
      "packed",
      { ...honest, codec: codecs.zstd, pages: [page(zstdCompressSync(texts("one", "two")), { size: 14, values: 2 })] }
    ],
    [
      "indices of a dictionary",
      { pages: [dictionary, raw(indices([1, 0], [1, 1]), 2, encodings.dictionary)], values: 2, dictionary: true }
    ],
    [
      "the second version of pages",
      { pages: [dictionary, pageV2(indices([1, 0], [1, 1]), 2, encodings.dictionary)], values: 2, dictionary: true }
    ],
    [
      "beginnings of the text before",
      {
        pages: [
          raw(
            bytesOf(deltas(2, 0, 0), deltas(2, 3, 0), new TextEncoder().encode("onetwo")),
            2,
            encodings.deltaByteArray
          )
        ],
        values: 2
      }
    ]
  ])("%s", async (_, text) => {
    expect(await textsIn(text)).toEqual(["one", "two"])
  })

  test("3,000 row groups, each decoded by itself", async () => {
    const one: Chunk = { pages: [raw(texts("a"), 1)], values: 1 }
    const groups = Array.from({ length: 3_000 }, () => ({ rows: 1, chunks: { text: one, label: one } }))
    const found = await run(openLabelledFile(fileOf("parquet", parquetFile(schema, groups)), columns))
    expect(found.rows).toBe(3_000)
  })
})

const bytes =
  "more than 536,870,912 bytes (limit parquet-group-bytes; TFJS_LORA_PRO_LIMITS=parquet-group-bytes=N raises it); write the file with smaller row groups"
const values = bytes.replace("536,870,912 bytes", "8,388,608 entries").replaceAll("group-bytes", "group-values")

describe("a row group that says too much", () => {
  const many = 50_000_000
  test.each<readonly [string, Chunk, number | bigint, string]>([
    ["bytes, in the footer", { ...honest, size: 3_200_000_000 }, 2, `it has a row group that unpacks to ${bytes}`],
    [
      "bytes, in a page",
      { ...honest, pages: [page(texts("one"), { size: 2 ** 31 - 1, values: 2 })] },
      2,
      `it has a row group that unpacks to ${bytes}`
    ],
    ["rows", honest, 2n ** 62n, `it has a row group of ${values}`],
    ["values, in the footer", { ...honest, values: many }, 2, `it has a row group of ${values}`],
    ["values, in a page", { ...honest, pages: [raw(texts("one"), many)] }, 2, `it has a row group of ${values}`],
    ["a negative number of rows", honest, -1, "it has a row group of -1 rows"],
    ["a negative number of values", { ...honest, pages: [raw(texts("one"), -1)] }, 2, "a number of values is -1"],
    [
      "more values than the footer",
      { ...honest, pages: [raw(texts("one"), 3)] },
      2,
      "a column has more values than its metadata says"
    ],
    [
      "a page that is longer than its column",
      { ...honest, pages: [honest.pages[0]!.subarray(0, -4)] },
      2,
      "a page of 14 bytes extends past the end of its column"
    ],
    [
      "a place after the file",
      { ...honest, offset: 2n ** 40n },
      2,
      'its column "text" claims to be at bytes 1099511627776 to '
    ],
    ["a place before the file", { ...honest, offset: -5 }, 2, 'its column "text" claims to be at bytes -5 to '],
    ["a negative length", { ...honest, length: -20 }, 2, 'its column "text" claims to be at bytes 4 to -16 of ']
  ])("%s", async (_, text, rows, says) => {
    expect(await refusal(fileWith(text, rows))).toStartWith(says)
  })

  test("less than there is in its pages: unpacking ends where the page should", async () => {
    const bomb = page(zstdCompressSync(new Uint8Array(50_000_000)), { size: 14, values: 2 })
    expect(await refusal(fileWith({ ...honest, codec: codecs.zstd, pages: [bomb] }))).toStartWith(
      "a page does not unpack to its 14 bytes"
    )
  })
})

describe("a page that becomes more than it says", () => {
  const coded = (body: Uint8Array, encoding: number): Chunk => ({
    pages: [dictionary, raw(body, 2, encoding)],
    values: 2,
    dictionary: true
  })
  test.each<readonly [string, Chunk, string]>([
    [
      "a run of equal values",
      coded(indices([2 ** 30, 0]), encodings.dictionary),
      "a page of 2 values has a run of 1073741824"
    ],
    [
      "a bit-packed run",
      coded(bytesOf([1], varint(2 ** 28 * 2 + 1), [0]), encodings.dictionary),
      "a page of 2 values has a run of 2147483648"
    ],
    [
      "a bit-packed run below zero",
      coded(bytesOf([1], varint(2 ** 32 - 1), [0]), encodings.dictionary),
      "a page of 2 values has a run of -8"
    ],
    [
      "a run in the second version",
      {
        pages: [dictionary, pageV2(bytesOf([0], runs([2 ** 30, 0])), 2, encodings.dictionary)],
        values: 2,
        dictionary: true
      },
      "a page of 2 values has a run of 1073741824"
    ],
    ["indices of 255 bits", coded(bytesOf([255], runs([2, 0])), encodings.dictionary), "a page has values of 255 bits"],
    [
      "blocks below zero",
      coded(bytesOf(varint(2 ** 32 - 128), varint(4), [2, 0, 0]), encodings.deltaBinary),
      "a page has blocks of -128 values in 4 parts"
    ],
    [
      "blocks in no parts",
      coded(deltas(2, 0, 0, [128, 0]), encodings.deltaBinary),
      "a page has blocks of 128 values in 0 parts"
    ],
    ["an encoding that nobody writes", coded(texts("one"), 10), "a page is in the encoding ALP, which is not supported"]
  ])("%s", async (_, text, says) => {
    expect(await refusal(fileWith(text))).toBe(says)
  })

  test("texts that begin as the one before: a kilobyte becomes 25 GB", async () => {
    const count = 50_000
    const first = "x".repeat(1_000)
    const block: readonly [number, number] = [2 ** 16, 4]
    const body = bytesOf(
      deltas(count, 0, 10, block),
      deltas(count, first.length, 0, block),
      new TextEncoder().encode(first)
    )
    const text = { pages: [raw(body, count, encodings.deltaByteArray)], values: count }
    expect(await refusal(fileWith(text, count))).toBe(`it has a row group that unpacks to ${bytes}`)
  })

  test("a long text of a dictionary in every row: a megabyte becomes a terabyte", async () => {
    const long = texts("x".repeat(1_000_000))
    const [first, body] = [dictionaryPage(long, { size: long.length, values: 1 }), indices([1_000_000, 0])]
    const text = { pages: [first, raw(body, 1_000_000, encodings.dictionary)], values: 1_000_000, dictionary: true }
    const message = await refusal(fileWith(text, 1_000_000))
    expect(message).toStartWith("its contents are larger than the file by more than 100 times (limit unpacked-ratio;")
  })

  test("the same column in a thousand row groups", async () => {
    const text: Chunk = {
      pages: [dictionary, raw(indices([4_000_000, 0]), 4_000_000, encodings.dictionary)],
      values: 4_000_000,
      dictionary: true
    }
    const again = { ...text, pages: [], offset: 4, length: text.pages.reduce((sum, { length }) => sum + length, 0) }
    const groups = Array.from({ length: 1_000 }, (_, i) => ({ rows: 1, chunks: { text: i === 0 ? text : again } }))
    const file = fileOf("parquet", parquetFile([textElement("text")], groups))
    const message = await failureOf(firstRows(file, 1_000))
    expect(message).toContain("larger than the file by more than 100 times")
  })
})

describe("a footer", () => {
  const footerOf = (footer: Uint8Array) => fileOf("parquet", parquetFile(schema, [], { footer }))
  const fields = (rows: ReturnType<typeof list>) => struct({ 1: i32(1), 2: rows, 3: i64(2), 4: list(12, []) }).bytes
  test.each<readonly [string, () => Uint8Array, string]>([
    ["of 2³¹ columns", () => fields(list(12, [], 2 ** 31 - 1)), "it holds a value of the unknown type"],
    [
      "of three million empty structures",
      () => fields({ type: 9, bytes: bytesOf([0xfc], varint(3_000_000), new Uint8Array(3_000_000)) }),
      "its footer holds more than 2,097,152 entries (limit parquet-footer-values; TFJS_LORA_PRO_LIMITS=parquet-footer-values=N raises it)"
    ],
    ["a million levels deep", () => new Uint8Array(1_000_000).fill(0x1c), "its structures are nested too deeply"],
    ["with a name of 4 GB", () => bytesOf([0x18], varint(2 ** 32 - 2), [0]), "a length in it points past its end"],
    ["without columns", () => struct({ 1: i32(1) }).bytes, "its parts are inconsistent"]
  ])("%s", async (_, footer, says) => {
    expect(await refusal(footerOf(footer()))).toStartWith(says)
  })

  test("that is longer than the file, or no footer", async () => {
    const bytes = parquetFile(schema, [])
    new DataView(bytes.buffer).setUint32(bytes.length - 8, 2 ** 31, true)
    expect(await refusal(fileOf("parquet", bytes))).toBe(
      `its footer claims to have 2147483648 of its ${bytes.length} bytes`
    )
    expect(await refusal(fileOf("parquet", "PAR1"))).toBe("it is too short")
    expect(await refusal(fileOf("parquet", "not a parquet file"))).toBe('it does not end in "PAR1"')
  })

  test("of more columns than a file may have", async () => {
    const many = Array.from({ length: 10_001 }, (_, i) => textElement(`c${i}`))
    expect(await refusal(fileOf("parquet", parquetFile(many, [{ rows: 1, chunks: {} }])))).toStartWith(
      "the file has 10,001 columns, more than 10,000 entries (limit columns;"
    )
  })

  test("of a tree of types out of a few bytes, which no text is", async () => {
    const variant = struct({ 3: i32(0), 4: binary("text"), 5: i32(2), 10: struct({ 16: struct({}) }) })
    const parts = ["metadata", "value"].map((name) => element(name, { type: 6 }))
    const chunks = { "text.metadata": honest, "text.value": honest, label: labels }
    const file = fileOf(
      "parquet",
      parquetFile([variant, ...parts, textElement("label")], [{ rows: 2, chunks }], { roots: 2 })
    )
    expect(await refusal(file)).toBe('its column "text.metadata" is of the type VARIANT, which is not supported')
  })
})

test("values count once for each level that they lie in: lists within lists are of arrays", async () => {
  const levels = 60
  const nested = Array.from({ length: levels }, (_, i) => element(`l${i}`, { repetition: 2, children: 1 }))
  const path = ["text", ...nested.map((_, i) => `l${i}`), "item"].join(".")
  const count = 200_000
  const level = (width: number) =>
    bytesOf(new Uint8Array(Uint32Array.of(varint(count * 2).length + 1).buffer), varint(count * 2), [width])
  const chunk: Chunk = { pages: [raw(bytesOf(level(0), level(60)), count)], values: count }
  const file = fileOf(
    "parquet",
    parquetFile(
      [element("text", { children: 1 }), ...nested, element("item", { type: 6, converted: 0 }), textElement("label")],
      [{ rows: count, chunks: { [path]: chunk, label: labels } }],
      { roots: 2 }
    )
  )
  expect(await refusal(file)).toBe(`it has a row group of ${values}`)
})
