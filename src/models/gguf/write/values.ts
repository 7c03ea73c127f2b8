/** Values of metadata as the bytes that a GGUF file has for them. */

/** A metadata value as stored: the number of its type, then the value. */
export type EncodedValue = Uint8Array

const U32 = 4
const I32 = 5
const F32 = 6
const BOOL = 7
const STRING = 8
const LIST = 9

const bytes = (size: number, write: (view: DataView) => void): Uint8Array => {
  const out = new Uint8Array(size)
  write(new DataView(out.buffer))
  return out
}

/** Concatenates byte arrays. */
export const joined = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** Returns the bytes of a 32-bit unsigned integer. */
export const u32Bytes = (value: number) => bytes(4, (view) => view.setUint32(0, value, true))
/** Returns the bytes of a 64-bit unsigned integer. */
export const u64Bytes = (value: number) => bytes(8, (view) => view.setBigUint64(0, BigInt(value), true))
/** Returns the bytes of a string with its length. */
export const stringBytes = (value: string) => {
  const text = new TextEncoder().encode(value)
  return joined([u64Bytes(text.length), text])
}
const list = (type: number, count: number, values: Uint8Array): EncodedValue =>
  joined([u32Bytes(LIST), u32Bytes(type), u64Bytes(count), values])

/** Encoders of metadata values, by the types that llama.cpp expects. */
export const encoded = {
  u32: (value: number): EncodedValue => joined([u32Bytes(U32), u32Bytes(value)]),
  f32: (value: number): EncodedValue =>
    bytes(8, (view) => {
      view.setUint32(0, F32, true)
      view.setFloat32(4, value, true)
    }),
  bool: (value: boolean): EncodedValue => joined([u32Bytes(BOOL), Uint8Array.of(value ? 1 : 0)]),
  string: (value: string): EncodedValue => joined([u32Bytes(STRING), stringBytes(value)]),
  strings: (values: ReadonlyArray<string>): EncodedValue =>
    list(STRING, values.length, joined(values.map(stringBytes))),
  integers: (values: ReadonlyArray<number>): EncodedValue =>
    list(I32, values.length, new Uint8Array(Int32Array.from(values).buffer)),
  floats: (values: ReadonlyArray<number>): EncodedValue =>
    list(F32, values.length, new Uint8Array(Float32Array.from(values).buffer))
} as const
