import { afterAll, describe, expect, test } from "bun:test"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node-shared/NodeFileSystem"
import * as NodePath from "@effect/platform-node-shared/NodePath"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import {
  type HostTensor,
  readFolderHeaders,
  readHeader,
  readTensors,
  type SafetensorsError,
  writeSafetensors
} from "../../../src/safetensors/index.ts"

const platform = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer)
type Services = FileSystem.FileSystem | Path.Path
const run = <A, E>(effect: Effect.Effect<A, E, Services>): Promise<A> =>
  Effect.runPromise(effect.pipe(Effect.provide(platform)))
const problemsOf = <A>(effect: Effect.Effect<A, SafetensorsError, Services>): Promise<ReadonlyArray<string>> =>
  run(Effect.map(Effect.flip(effect), (error) => error.problems))

const folder = mkdtempSync(join(tmpdir(), "safetensors-"))
afterAll(() => rmSync(folder, { recursive: true }))
const golden = join(import.meta.dir, "../../golden/models/bert")

let files = 0
const fileOf = (bytes: Uint8Array | string): string => {
  const file = join(folder, `file-${files++}.safetensors`)
  writeFileSync(file, bytes)
  return file
}

/** A file with this header and so many bytes of data. */
const fileWith = (header: unknown, data: number | Uint8Array): string => {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header))
  const content = typeof data === "number" ? new Uint8Array(data) : data
  const bytes = new Uint8Array(8 + json.length + content.length)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true)
  bytes.set(json, 8)
  bytes.set(content, 8 + json.length)
  return fileOf(bytes)
}

const f32 = (shape: ReadonlyArray<number>, begin: number, end: number) => ({
  dtype: "F32",
  shape,
  data_offsets: [begin, end]
})

describe("reading", () => {
  test("a file that Python wrote", async () => {
    const header = await run(readHeader(join(golden, "model.safetensors")))
    expect(header.metadata).toEqual({ format: "pt" })
    expect(header.tensors.size).toBe(41)
    expect(header.tensors.get("classifier.weight")).toMatchObject({ dtype: "F32", shape: [3, 32] })
    const io = await run(readTensors(join(golden, "io.safetensors"), ["loss", "labels"]))
    expect([...io.keys()].sort()).toEqual(["labels", "loss"])
    expect(io.get("loss")!.data[0]).toBeCloseTo(1.2838735, 6) // meta.json of the golden
    expect(Array.from(io.get("labels")!.data).every(Number.isInteger)).toBe(true)
  })

  test("every dtype", async () => {
    const views: ReadonlyArray<readonly [string, ArrayBufferView, ReadonlyArray<number>]> = [
      ["F64", Float64Array.of(0.1, -2), [Math.fround(0.1), -2]],
      ["F32", Float32Array.of(1.5, -0.1), [1.5, Math.fround(-0.1)]],
      ["F16", Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff), [1, -2, 2 ** -24, 65504]],
      ["BF16", Uint16Array.of(0x3f80, 0xc000, 0x7f80), [1, -2, Number.POSITIVE_INFINITY]],
      ["I64", BigInt64Array.of(-3n, 2n ** 40n), [-3, 2 ** 40]],
      ["U64", BigUint64Array.of(7n), [7]],
      ["I32", Int32Array.of(-70_000), [-70_000]],
      ["U32", Uint32Array.of(4_000_000_000), [4_000_000_000]],
      ["I16", Int16Array.of(-300), [-300]],
      ["U16", Uint16Array.of(60_000), [60_000]],
      ["I8", Int8Array.of(-5), [-5]],
      ["U8", Uint8Array.of(200), [200]],
      ["BOOL", Uint8Array.of(1, 0), [1, 0]]
    ]
    let offset = 0
    const header: Record<string, unknown> = {}
    const bytes: Array<number> = []
    for (const [dtype, view, values] of views) {
      header[dtype] = { dtype, shape: [values.length], data_offsets: [offset, offset + view.byteLength] }
      bytes.push(...new Uint8Array(view.buffer))
      offset += view.byteLength
    }
    // an odd offset, so that no view can be made in place
    const tensors = await run(readTensors(fileWith(header, Uint8Array.from(bytes))))
    expect(tensors.size).toBe(views.length)
    for (const [dtype, , values] of views) expect(Array.from(tensors.get(dtype)!.data)).toEqual([...values])
  })

  test("scalars, empty tensors and names that are integers", async () => {
    const tensors = await run(
      readTensors(fileWith({ scalar: f32([], 0, 4), empty: f32([0, 5], 4, 4), "7": f32([1], 4, 8) }, 8))
    )
    expect(tensors.get("scalar")!.shape).toEqual([])
    expect(tensors.get("empty")!.data.length).toBe(0)
    expect(tensors.get("7")!.data.length).toBe(1)
  })

  test("a name that is not there", async () => {
    expect(await problemsOf(readTensors(fileWith({ a: f32([1], 0, 4) }, 4), ["a", "b", "c"]))).toEqual([
      "has no tensor b; it has a … (1)",
      "has no tensor c; it has a … (1)"
    ])
  })
})

describe("refuses", () => {
  const refused = async (file: string) => problemsOf(readHeader(file))

  test("a missing file", async () => {
    const error = await run(Effect.flip(readHeader(join(folder, "none.safetensors"))))
    expect(error.message).toBe(`${join(folder, "none.safetensors")}: no such file`)
  })

  test("a truncated file, with both sizes and what is lost", async () => {
    const whole = readFileSync(join(golden, "model.safetensors"))
    expect(await refused(fileOf(whole.subarray(0, 50_000)))).toEqual([
      expect.stringMatching(
        /^truncated: 98276 bytes expected, 50000 found \(\d+ of 41 tensors are cut, the first is bert\./
      )
    ])
    expect(await refused(fileOf(whole.subarray(0, 1000)))).toEqual([
      expect.stringMatching(/^truncated: the header ends at byte \d+, the file has 1000 bytes$/)
    ])
    expect(await refused(fileOf(whole.subarray(0, 3)))).toEqual([
      "truncated: 3 bytes found, a safetensors file has at least 8"
    ])
  })

  test("what is not a safetensors file at all", async () => {
    const [problem] = await refused(fileOf("PK\x03\x04 a zip file, or anything else"))
    expect(problem).toMatch(/^a header of \d+ bytes is announced, .* at most 33,554,432 bytes/)
    expect(await refused(fileWith("{ not json", 0))).toEqual([expect.stringContaining("not JSON")])
    expect(await refused(fileWith("[1]", 0))).toEqual(["the header is not a JSON object"])
  })

  test("a header that does not describe its file, all problems at once", async () => {
    const header = {
      __metadata__: { a: 1 },
      dtype: { dtype: "F31", shape: [1], data_offsets: [0, 4] },
      shape: { dtype: "F32", shape: [-1], data_offsets: [0, 4] },
      size: f32([2, 2], 0, 12),
      order: f32([1], 4, 0),
      huge: f32([2 ** 40, 2 ** 40], 0, 4)
    }
    const problems = await refused(fileWith(header, 12))
    expect(problems.length).toBe(6)
    expect(problems).toContain("__metadata__ is not a map of strings")
    expect(problems).toContain("tensor size: F32 of shape [2,2] is 16 bytes, data_offsets span 12")
  })

  test("overlaps, holes and bytes at the end", async () => {
    expect(await refused(fileWith({ a: f32([2], 0, 8), b: f32([2], 4, 12) }, 12))).toEqual([
      "tensor b overlaps tensor a by 4 bytes"
    ])
    expect(await refused(fileWith({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12))).toEqual([
      "4 bytes between tensor a and tensor b do not belong to a tensor"
    ])
    expect(await refused(fileWith({ a: f32([1], 0, 4) }, 7))).toEqual([
      "3 bytes after the last tensor do not belong to a tensor"
    ])
  })
})

describe("writing", () => {
  const tensors: Record<string, HostTensor> = {
    "b.weight": { shape: [2, 3], data: Float32Array.of(1, -2, 3.5, 0, -0, 1e-40) },
    "a.bias": { shape: [1], data: Float32Array.of(Number.NaN) },
    "10": { shape: [], data: Float32Array.of(7) }
  }

  test("reads back what was written, and leaves no temporary file", async () => {
    const file = join(folder, "written.safetensors")
    await run(writeSafetensors(file, tensors, { format: "pt" }))
    const read = await run(readTensors(file))
    expect([...read.keys()]).toEqual(["10", "a.bias", "b.weight"])
    for (const [name, { data, shape }] of read) {
      expect(shape).toEqual(tensors[name]!.shape)
      expect(new Uint8Array(data.buffer)).toEqual(new Uint8Array(tensors[name]!.data.buffer as ArrayBuffer))
    }
    expect(readdirSync(folder).filter((name) => name.includes("tmp"))).toEqual([])
  })

  test("is byte for byte what Python writes", async () => {
    for (const name of ["model.safetensors", "adapter/adapter_model.safetensors"]) {
      const file = join(golden, name)
      const { metadata } = await run(readHeader(file))
      const copy = join(folder, "copy.safetensors")
      await run(writeSafetensors(copy, Object.fromEntries(await run(readTensors(file))), metadata))
      expect(Buffer.compare(readFileSync(copy), readFileSync(file))).toBe(0)
    }
  })

  test("does not depend on the order of the keys", async () => {
    const [a, b] = [join(folder, "a.safetensors"), join(folder, "b.safetensors")]
    await run(writeSafetensors(a, tensors, { x: "1", y: "2" }))
    await run(writeSafetensors(b, Object.fromEntries(Object.entries(tensors).reverse()), { y: "2", x: "1" }))
    expect(Buffer.compare(readFileSync(a), readFileSync(b))).toBe(0)
  })

  test("refuses a shape that its data does not fill, and writes nothing", async () => {
    const file = join(folder, "refused.safetensors")
    const wrong = { a: { shape: [2, 2], data: new Float32Array(3) } }
    expect(await problemsOf(writeSafetensors(file, wrong))).toEqual(["tensor a: shape [2,2] needs 4 numbers, 3 given"])
    expect(readdirSync(folder)).not.toContain("refused.safetensors")
  })

  test("a folder that is not there is an error, not a crash", async () => {
    const file = join(folder, "none", "x.safetensors")
    expect(await problemsOf(writeSafetensors(file, tensors))).toEqual([expect.stringContaining("cannot be written")])
  })
})

describe("shards", () => {
  const folderWith = (index: unknown, shards: Record<string, Record<string, HostTensor>>) =>
    Effect.gen(function* () {
      const shardFolder = mkdtempSync(join(folder, "shards-"))
      writeFileSync(join(shardFolder, "model.safetensors.index.json"), JSON.stringify(index))
      for (const [name, tensors] of Object.entries(shards)) yield* writeSafetensors(join(shardFolder, name), tensors)
      return shardFolder
    })
  const one = { shape: [1], data: Float32Array.of(1) }

  test("are found through their index", async () => {
    const index = { weight_map: { a: "m-1.safetensors", b: "m-2.safetensors" } }
    const shardFolder = await run(folderWith(index, { "m-1.safetensors": { a: one }, "m-2.safetensors": { b: one } }))
    const tensors = await run(readFolderHeaders(shardFolder))
    expect([...tensors].map(([name, { file }]) => [name, file])).toEqual([
      ["a", join(shardFolder, "m-1.safetensors")],
      ["b", join(shardFolder, "m-2.safetensors")]
    ])
  })

  test("that are missing, or lack a tensor, are listed together", async () => {
    const index = { weight_map: { a: "m-1.safetensors", b: "m-1.safetensors", c: "m-2.safetensors" } }
    const shardFolder = await run(folderWith(index, { "m-1.safetensors": { a: one } }))
    expect(await problemsOf(readFolderHeaders(shardFolder))).toEqual([
      "shard m-2.safetensors: no such file",
      "tensor b should be in m-1.safetensors, but is not"
    ])
  })

  test("outside the folder are refused", async () => {
    const outside = ["../secret.safetensors", "/etc/x.safetensors", "a\\b.safetensors", "x.bin", 7]
    const index = { weight_map: Object.fromEntries(outside.map((shard, i) => [`t${i}`, shard])) }
    const problems = await problemsOf(readFolderHeaders(await run(folderWith(index, {}))))
    expect(problems.length).toBe(outside.length)
    expect(problems[0]).toBe(
      'tensor t0 is listed in "../secret.safetensors"; expected a .safetensors file of the same folder'
    )
  })

  test("no weights at all", async () => {
    const empty = mkdtempSync(join(folder, "empty-"))
    expect(await problemsOf(readFolderHeaders(empty))).toEqual([
      "no such file, and no model.safetensors.index.json either"
    ])
  })
})
