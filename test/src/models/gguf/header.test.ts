/** Headers as they are written by the package `@huggingface/gguf`, and headers that lie. */
import { expect, test } from "bun:test"
import { readGgufHeader } from "../../../../src/models/gguf/header.ts"
import { failure, run } from "../golden.ts"
import { ggufBytes, ggufFiles } from "./written-gguf.ts"

const fileOf = ggufFiles()
const fileWith = (metadata: Parameters<typeof ggufBytes>[0]) => fileOf(ggufBytes(metadata))

test("a byte order mark at a token's beginning stays", async () => {
  const tokens = ["a", "\uFEFF", "\uFEFFusing", "b\uFEFF", "\uFFFD", "né€😀"]
  const file = fileWith({ "general.architecture": "llama", "tokenizer.ggml.tokens": tokens })
  const { metadata } = await run(readGgufHeader(file))
  expect(metadata.get("tokenizer.ggml.tokens")).toEqual(tokens)
})

test("a header longer than what is read first is read whole", async () => {
  // the last string reaches over byte 2²², where the first read ends
  const list = ["x".repeat(2 ** 22 - 1_000), "y".repeat(5_000)]
  const { metadata } = await run(readGgufHeader(fileWith({ list, after: "z" })))
  expect(metadata.get("list")).toEqual(list)
  expect(metadata.get("after")).toBe("z")
})

test("values of every kind arrive as they are", async () => {
  const stored = {
    text: "a\nb",
    flag: true,
    count: 7,
    real: 0.5,
    texts: ["p", ""],
    numbers: [3, -1],
    reals: [0.25, -2]
  }
  const { metadata, tensors } = await run(readGgufHeader(fileWith(stored)))
  expect(Object.fromEntries(metadata)).toEqual(stored)
  expect(tensors.size).toBe(0)
})

test("metadata keeps its names, numbers and a prototype's among them", async () => {
  const stored = { b: 1, "12": 2, a: 3, "7": 4, constructor: 5 }
  const bytes = Buffer.from(ggufBytes({ ...stored, abcdefghi: 6 }))
  bytes.write("__proto__", bytes.indexOf("abcdefghi"))
  const { metadata } = await run(readGgufHeader(fileOf(bytes)))
  expect([...metadata]).toEqual([...Object.entries(stored), ["__proto__", 6]])
})

const u32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
const u64 = (value: bigint) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return bytes
}
const text = (value: string) => [u64(BigInt(value.length)), Buffer.from(value)]
const header = (tensors: bigint, keys: bigint, ...rest: ReadonlyArray<Uint8Array>) =>
  Buffer.concat([Buffer.from("GGUF"), u32(3), u64(tensors), u64(keys), ...rest])

const [STRING, LIST, BYTE] = [8, 9, 0]
const tensor = (name: string, dimensions: ReadonlyArray<bigint>, offset: bigint) => [
  ...text(name),
  u32(dimensions.length),
  ...dimensions.map(u64),
  u32(0),
  u64(offset)
]

/** Each with what the sentence about it has to say. Files are padded, so that no lie is found only because the file ends. */
const lies: Readonly<Record<string, readonly [Uint8Array, RegExp]>> = {
  "2^60 keys": [
    header(0n, 2n ** 60n),
    /announces 1152921504606847000 keys, more than 100,000 entries \(limit gguf-entries;/
  ],
  "2^60 tensors": [header(2n ** 60n, 0n), /announces 1152921504606847000 tensors, more than 100,000 entries/],
  "a string of 2^40 bytes": [
    header(0n, 1n, ...text("k"), u32(STRING), u64(2n ** 40n)),
    /truncated: its header extends to byte 10995116278\d+, the file has 4\d{3} bytes/
  ],
  "a key of 2^63 bytes": [header(0n, 1n, u64(2n ** 63n)), /truncated: its header extends to byte 9223372036854776000/],
  "a list of 2^60 strings": [
    header(0n, 1n, ...text("k"), u32(LIST), u32(STRING), u64(2n ** 60n)),
    /truncated: a list of 1152921504606847000 values extends to byte/
  ],
  "lists in lists": [
    header(0n, 1n, ...text("k"), u32(LIST), ...Array.from({ length: 50 }, () => [u32(LIST), u64(1n)]).flat()),
    /lists in lists, more than 4 deep/
  ],
  "a value of an unknown type": [header(0n, 1n, ...text("k"), u32(99)), /a value of type 99 .*expected 0 to 12/],
  "a key twice": [
    header(0n, 2n, ...text("k"), u32(BYTE), Buffer.of(1), ...text("k"), u32(BYTE), Buffer.of(2)),
    /metadata "k" occurs twice/
  ],
  "a tensor twice": [header(2n, 0n, ...tensor("t", [1n], 0n), ...tensor("t", [1n], 32n)), /tensor "t" occurs twice/],
  "2^32 - 1 dimensions": [header(1n, 0n, ...text("t"), u32(2 ** 32 - 1)), /"t" has 4294967295 dimensions/],
  "dimensions whose product is no number": [
    header(1n, 0n, ...tensor("t", [2n ** 40n, 2n ** 40n], 0n)),
    /tensor t has dimensions \[1099511627776, 1099511627776\]/
  ],
  "a tensor behind the end": [header(1n, 0n, ...tensor("t", [4n], 2n ** 50n)), /tensor t ends at byte 11258999068\d+/],
  "an alignment of 0": [header(0n, 1n, ...text("general.alignment"), u32(4), u32(0)), /general.alignment is 0/],
  "a big-endian file": [Buffer.from("GGUF\0\0\0\u0003", "latin1"), /is big-endian/],
  "version 1": [Buffer.concat([Buffer.from("GGUF"), u32(1)]), /is of version 1 of the format; expected 2 or 3/]
}

for (const [lie, [bytes, sentence]] of Object.entries(lies)) {
  test(`${lie}: one sentence, and nothing is allocated for it`, async () => {
    const file = fileOf(Buffer.concat([bytes, Buffer.alloc(4_096)]))
    const before = process.memoryUsage().rss
    const { message } = await failure(readGgufHeader(file))
    expect(message).toMatch(sentence)
    expect(message.split("\n").length).toBe(1)
    // a list of a million values takes 8 MB; what these files announce is at least gigabytes
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 2 ** 20)
  })
}

test("a list of more values than any vocabulary has is refused where the file is long enough for it", async () => {
  const count = 2 ** 22 + 1
  const bytes = header(0n, 1n, ...text("k"), u32(LIST), u32(BYTE), u64(BigInt(count)), Buffer.alloc(count))
  expect((await failure(readGgufHeader(fileOf(bytes)))).message).toContain(
    "a list of 4194305 values, more than 4,194,304 entries (limit gguf-list"
  )
})
