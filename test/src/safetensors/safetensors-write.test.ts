/** Writing tensors one after the other: `writeSafetensors` is tested beside the reader, in safetensors.test.ts. */
import { afterAll, describe, expect, test } from "bun:test"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { platform } from "../../../src/platform.ts"
import {
  readHeader,
  readStored,
  readStoredBytes,
  readTensors,
  streamSafetensors,
  type TensorType
} from "../../../src/safetensors/index.ts"

const folder = mkdtempSync(join(tmpdir(), "safetensors-write-"))
afterAll(() => rmSync(folder, { recursive: true }))
const file = join(folder, "file.safetensors")

const run = <A, E>(effect: Effect.Effect<A, E, Effect.Services<typeof nothing>>): Promise<A> =>
  Effect.runPromise(effect.pipe(Effect.provide(platform)))
const nothing = readHeader(file)

const types = new Map<string, TensorType>([
  ["b", { dtype: "F32", shape: [2, 2] }],
  ["ids", { dtype: "I64", shape: [1, 3] }],
  ["a", { dtype: "F32", shape: [3] }],
  ["flag", { dtype: "BOOL", shape: [] }],
  ["none", { dtype: "F32", shape: [0, 4] }],
  ["half", { dtype: "F16", shape: [1] }]
])

const contents: Readonly<Record<string, ArrayBufferView>> = {
  b: Float32Array.of(1, 2, 3, 4),
  ids: BigInt64Array.of(-1n, 0n, 2n ** 40n),
  a: Float32Array.of(-1, 0.5, 7),
  flag: Uint8Array.of(1),
  none: new Float32Array(0),
  half: Uint16Array.of(0x3c00)
}

const bytesOf = (name: string): Uint8Array<ArrayBuffer> => new Uint8Array(contents[name]!.buffer as ArrayBuffer)

describe("a stream of tensors", () => {
  test("is written wider types first, then by name, and read as it was", async () => {
    await run(streamSafetensors(file, types, (name) => Effect.succeed(bytesOf(name)), { format: "pt" }))
    const { tensors, metadata } = await run(readHeader(file))
    expect(metadata).toEqual({ format: "pt" })
    expect([...tensors.keys()]).toEqual(["ids", "a", "b", "none", "half", "flag"])
    for (const [name, { dtype, shape, begin }] of tensors) {
      expect({ dtype, shape }).toEqual(types.get(name)!)
      expect(begin % (contents[name] as Uint8Array).BYTES_PER_ELEMENT).toBe(0)
      expect(await run(readStoredBytes(tensors.get(name)!))).toEqual(bytesOf(name))
    }
    expect((await run(readStored(tensors.get("half")!))).data).toEqual(Float32Array.of(1))
    expect((await run(readStored(tensors.get("ids")!))).data).toEqual(Float32Array.of(-1, 0, 2 ** 40))
  })

  test("holds one tensor at a time: each is in the file before the next is asked for", async () => {
    const size = 1 << 16
    const many = new Map(Array.from({ length: 20 }, (_, i) => [`tensor${i}`, { dtype: "F32", shape: [size] } as const]))
    const only = new Float32Array(size)
    const fill = (name: string) => Effect.sync(() => new Uint8Array(only.fill(Number(name.slice(6))).buffer))
    await run(streamSafetensors(file, many, fill))
    for (const [name, { data }] of await run(readTensors(file))) {
      expect([name, new Set(data)]).toEqual([name, new Set([Number(name.slice(6))])])
    }
  })

  test("with bytes that are not the tensor's is refused, and the old file stands", async () => {
    writeFileSync(file, "the old one")
    const short = (name: string) => Effect.succeed(name === "b" ? bytesOf(name).subarray(1) : bytesOf(name))
    const { message } = await run(Effect.flip(streamSafetensors(file, types, short)))
    expect(message).toBe(`${file}: tensor b: F32 of shape [2,2] is 16 bytes, 15 given`)
    expect(readFileSync(file, "utf8")).toBe("the old one")
    expect(readdirSync(folder)).toEqual(["file.safetensors"])
  })

  test("fails as its source does", async () => {
    const failing = (name: string) => (name === "a" ? Effect.fail("no more" as const) : Effect.succeed(bytesOf(name)))
    expect(await run(Effect.flip(streamSafetensors(file, types, failing)))).toBe("no more")
    expect(readdirSync(folder)).toEqual(["file.safetensors"])
  })

  test("that cannot be written says so", async () => {
    const nowhere = join(folder, "no", "such", "folder.safetensors")
    const { message } = (await run(
      Effect.flip(streamSafetensors(nowhere, types, (name) => Effect.succeed(bytesOf(name))))
    )) as Error
    expect(message).toContain(`${nowhere}: cannot be written`)
  })
})
