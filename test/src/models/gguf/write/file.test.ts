/** A written file against this package's reader and against @huggingface/gguf's. */
import { expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gguf } from "@huggingface/gguf"
import * as Effect from "effect/Effect"
import { readGgufHeader } from "../../../../../src/models/gguf/header.ts"
import { encoded, writableTypes, writeGguf } from "../../../../../src/models/gguf/write/index.ts"
import { platform } from "../../../../../src/platform.ts"

const metadata = {
  "general.architecture": ["llama", encoded.string("llama")],
  "llama.block_count": [4_000_000_000, encoded.u32(4_000_000_000)],
  "llama.rope.freq_base": [0.5, encoded.f32(0.5)],
  "tokenizer.ggml.add_bos_token": [true, encoded.bool(true)],
  // keys that an object would reorder, a byte order mark, characters of four bytes
  "10": ["\ufeffz", encoded.string("\ufeffz")],
  "9": ["", encoded.string("")],
  "tokenizer.ggml.tokens": [["a", "\u{1F680}", "", "é"], encoded.strings(["a", "\u{1F680}", "", "é"])],
  "tokenizer.ggml.token_type": [[1, -3, 6], encoded.integers([1, -3, 6])],
  "tokenizer.ggml.scores": [[-1.5, 0, 2], encoded.floats([-1.5, 0, 2])]
} as const

const matrix = Float32Array.from({ length: 3 * 64 }, (_, i) => Math.sin(i))
const row = Float32Array.of(1, -2, 3)
const tensors = new Map([
  ["norm.weight", { shape: [3], type: writableTypes.F32, values: Effect.succeed(row) }],
  ["w.weight", { shape: [3, 64], type: writableTypes.Q8_0, values: Effect.succeed(matrix) }],
  ["v.weight", { shape: [3, 64], type: writableTypes.F16, values: Effect.succeed(matrix) }]
])

test("metadata and tensors are read as they were written", async () => {
  const folder = mkdtempSync(join(tmpdir(), "gguf-"))
  const file = join(folder, "own.gguf")
  try {
    const values = new Map(Object.entries(metadata).map(([key, [, bytes]]) => [key, bytes]))
    await Effect.runPromise(
      writeGguf(file, values, tensors, (_, { type, values }) => Effect.map(values, type.encode)).pipe(
        Effect.provide(platform)
      )
    )
    const header = await Effect.runPromise(readGgufHeader(file).pipe(Effect.provide(platform)))
    expect(Object.fromEntries(header.metadata)).toEqual(
      Object.fromEntries(Object.entries(metadata).map(([key, [value]]) => [key, value]))
    )
    const bytes = new Uint8Array(await Bun.file(file).arrayBuffer())
    const read = (name: string) => {
      const { begin, end, type } = header.tensors.get(name)!
      return [...type.decode(bytes.slice(begin, end))]
    }
    expect(
      [...header.tensors.values()].map(({ name, shape, type, begin }) => [name, shape, type.name, begin % 32])
    ).toEqual([
      ["norm.weight", [3], "F32", 0],
      ["w.weight", [3, 64], "Q8_0", 0],
      ["v.weight", [3, 64], "F16", 0]
    ])
    expect(read("norm.weight")).toEqual([...row])
    expect(read("w.weight")).toEqual([...writableTypes.Q8_0.decode(writableTypes.Q8_0.encode(matrix))])
    // the last tensor too is padded
    expect(bytes.length % 32).toBe(0)

    const theirs = await gguf(file, { allowLocalFile: true })
    const found = Object.fromEntries(Object.entries(theirs.metadata))
    expect(found["llama.block_count"]).toBe(4_000_000_000)
    expect(found["tokenizer.ggml.tokens"]).toEqual(["a", "\u{1F680}", "", "é"])
    expect(found["tokenizer.ggml.token_type"]).toEqual([1, -3, 6])
    expect(theirs.tensorInfos.map(({ name, shape, dtype }) => [name, shape.map(Number), dtype as number])).toEqual([
      ["norm.weight", [3], 0],
      ["w.weight", [64, 3], 8],
      ["v.weight", [64, 3], 1]
    ])
  } finally {
    rmSync(folder, { recursive: true })
  }
})
