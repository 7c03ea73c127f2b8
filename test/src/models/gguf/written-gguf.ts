/** A GGUF file without tensors, its metadata written by the package's own serializer. */
import { afterAll } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type GGUFTypedMetadata, serializeGgufMetadata, GGUFValueType as Type } from "@huggingface/gguf"

type Value = string | number | boolean | ReadonlyArray<string> | ReadonlyArray<number>

const typed = (value: Value) => {
  if (typeof value === "string") return { value, type: Type.STRING }
  if (typeof value === "boolean") return { value, type: Type.BOOL }
  if (typeof value === "number") return { value, type: Number.isInteger(value) ? Type.UINT32 : Type.FLOAT32 }
  const subType = typeof value[0] === "string" ? Type.STRING : Number.isInteger(value[0]) ? Type.INT32 : Type.FLOAT32
  return { value: [...value], type: Type.ARRAY, subType }
}

export const ggufBytes = (metadata: Readonly<Record<string, Value>>): Uint8Array<ArrayBuffer> => {
  const fields = {
    version: { value: 3, type: Type.UINT32 },
    tensor_count: { value: 0n, type: Type.UINT64 },
    kv_count: { value: BigInt(Object.keys(metadata).length), type: Type.UINT64 },
    ...Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key, typed(value)]))
  }
  return Uint8Array.from(serializeGgufMetadata(fields as unknown as GGUFTypedMetadata))
}

/** Writes bytes as a file of its own, which is there until the last test of the test file that asks for this. */
export const ggufFiles = (): ((bytes: Uint8Array) => string) => {
  const folder = mkdtempSync(join(tmpdir(), "gguf-"))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  let count = 0
  return (bytes) => {
    const file = join(folder, `model-${count++}.gguf`)
    writeFileSync(file, bytes)
    return file
  }
}
