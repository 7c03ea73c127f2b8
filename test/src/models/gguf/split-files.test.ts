/** A model in several files is the model in one: the golden Llama, its tensors dealt out to three parts. */
import { expect, test } from "bun:test"
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { partFiles } from "../../../../src/files/index.ts"
import { ggufSource } from "../../../../src/models/gguf/gguf-source.ts"
import { baseIdentity } from "../../../../src/output/inputs.ts"
import { failure, goldens, run } from "../golden.ts"

const single = join(goldens, "gguf", "llama.gguf")

/** The parts that gguf-py's writer makes of the golden (gguf_split.py), in a folder of their own. */
const split = (): ReadonlyArray<string> => {
  const folder = mkdtempSync(join(tmpdir(), "gguf-"))
  return ["00001", "00002", "00003"].map((number) => {
    const name = `llama-${number}-of-00003.gguf`
    const file = join(folder, name)
    writeFileSync(file, readFileSync(join(goldens, "gguf", name)))
    return file
  })
}

const everything = async (file: string) => {
  const source = await run(ggufSource(file))
  const values = new Map<string, ReadonlyArray<number>>()
  await run(
    source.read([...source.tensors.keys()], (name, data) => Effect.sync(() => void values.set(name, [...data])))
  )
  return { config: source.config, values: new Map([...values].sort()) }
}

test("any of the parts opens the whole model", async () => {
  const files = split()
  const expected = await everything(single)
  expect(expected.values.size).toBeGreaterThan(20)
  for (const file of files) expect(await everything(file)).toEqual(expected)
})

test("names of parts", () => {
  expect(partFiles("/a/m-00002-of-00003.gguf")).toEqual([1, 2, 3].map((i) => `/a/m-0000${i}-of-00003.gguf`))
  expect(partFiles("m-00001-of-00001.gguf")).toEqual(["m-00001-of-00001.gguf"])
  for (const name of [
    "m.gguf",
    "m-1-of-3.gguf",
    "m-00004-of-00003.gguf",
    "m-00000-of-00003.gguf",
    "m-00001-of-00003"
  ]) {
    expect(partFiles(name)).toBeUndefined()
  }
})

const messageOf = async (files: ReadonlyArray<string>, opened = 0) =>
  (await failure(ggufSource(files[opened]!))).message.replaceAll(/\/\S+\/(?=\S+\.gguf)/g, "")

test("a missing part is named", async () => {
  const files = split()
  rmSync(files[1]!)
  expect(await messageOf(files)).toBe(
    "model llama-00002-of-00003.gguf: no such file; it is part 2 of 3 of the model of llama-00001-of-00003.gguf"
  )
})

test("parts in the wrong place, of another model, or under names that do not say so are refused", async () => {
  const swapped = split()
  const other = `${swapped[0]}.other`
  renameSync(swapped[1]!, other)
  renameSync(swapped[2]!, swapped[1]!)
  renameSync(other, swapped[2]!)
  expect(await messageOf(swapped)).toBe(
    "model llama-00002-of-00003.gguf: split.no is 2, expected 1: not a part of the same model"
  )

  const foreign = split()
  writeFileSync(foreign[2]!, readFileSync(single))
  expect(await messageOf(foreign)).toContain("llama-00003-of-00003.gguf: split.no is undefined, expected 2")

  const doubled = split()
  const bytes = readFileSync(doubled[1]!)
  // its number is the third's: the tensors of the second are there twice, those of the third not at all
  bytes.writeUInt16LE(2, bytes.indexOf("split.no") + "split.no".length + 4)
  writeFileSync(doubled[2]!, bytes)
  expect(await messageOf(doubled)).toMatch(/tensor \S+ is in two parts/)

  const renamed = split()
  renameSync(renamed[0]!, renamed[0]!.replace("llama-00001-of-00003", "llama"))
  expect(await messageOf([renamed[0]!.replace("llama-00001-of-00003", "llama")])).toBe(
    "model llama.gguf: is one of 3 parts (split.count); expected all of them in one folder, named …-00001-of-00003.gguf and so on"
  )
})

test("a part with fewer tensors than were split is noticed", async () => {
  const files = split()
  for (const file of files) {
    const bytes = readFileSync(file)
    const at = bytes.indexOf("split.tensors.count") + "split.tensors.count".length + 4
    bytes.writeInt32LE(99, at)
    writeFileSync(file, bytes)
  }
  expect(await messageOf(files)).toMatch(/has \d+ tensors in 3 parts; split.tensors.count is 99/)
})

test("the identity of a base holds the hash of every part", async () => {
  const files = split()
  const { sha256 } = await run(baseIdentity(files[1]!))
  expect(Object.keys(sha256)).toEqual([1, 2, 3].map((i) => `llama-0000${i}-of-00003.gguf`))
  expect(new Set(Object.values(sha256)).size).toBe(3)
})
