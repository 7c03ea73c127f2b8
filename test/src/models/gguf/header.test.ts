/** Strings that the package alone would lose: see src/models/gguf/exact-strings.ts. */
import { expect, test } from "bun:test"
import { gguf } from "@huggingface/gguf"
import { readGgufHeader } from "../../../../src/models/gguf/header.ts"
import { run } from "../golden.ts"
import { writtenGguf } from "./written-gguf.ts"

const packaged = async (file: string, key: string): Promise<unknown> =>
  ((await gguf(file, { allowLocalFile: true })).metadata as unknown as Readonly<Record<string, unknown>>)[key]

test("a byte order mark at a token's beginning stays", async () => {
  const tokens = ["a", "\uFEFF", "\uFEFFusing", "b\uFEFF", "\uFFFD", "né€😀"]
  const file = writtenGguf({ "general.architecture": "llama", "tokenizer.ggml.tokens": tokens })
  expect(await packaged(file, "tokenizer.ggml.tokens")).not.toEqual(tokens)
  const { metadata } = await run(readGgufHeader(file))
  expect(metadata.get("tokenizer.ggml.tokens")).toEqual(tokens)
})

test("the last string of a list stays whole where the package reads it in two parts", async () => {
  // the list begins near the file's start and its last string reaches over byte 2,000,000
  const list = ["x".repeat(1_999_000), "y".repeat(5_000)]
  const file = writtenGguf({ list, after: "z" })
  expect(await packaged(file, "list")).not.toEqual(list)
  const { metadata } = await run(readGgufHeader(file))
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
  const { metadata, tensors } = await run(readGgufHeader(writtenGguf(stored)))
  expect(Object.fromEntries(metadata)).toEqual(stored)
  expect(tensors.size).toBe(0)
})
