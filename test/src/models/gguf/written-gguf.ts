/** A GGUF file without tensors, its metadata written by the package's own serializer. */
import { mkdtempSync, writeFileSync } from "node:fs"
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

/** Writes it into a folder of its own, which the system clears. */
export const writtenGguf = (metadata: Readonly<Record<string, Value>>): string => {
  const file = join(mkdtempSync(join(tmpdir(), "gguf-")), "model.gguf")
  writeFileSync(file, ggufBytes(metadata))
  return file
}
