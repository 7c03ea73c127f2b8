/** The types of GGUF tensors that are read, by their numbers in ggml. */
import { fromBfloat16, fromFloat16 } from "../../numbers/index.ts"
import { type BlockType, iq4Nl, iq4Xs, q4Sub0, q4Sub1, q5Sub0, q5Sub1, q8Sub0 } from "./blocks-of-32.ts"
import { q2K, q3K, q4K, q5K, q6K } from "./blocks-of-256.ts"

const f32: BlockType = { name: "F32", elements: 1, bytes: 4, decode: (bytes) => new Float32Array(aligned(bytes)) }
const f16: BlockType = {
  name: "F16",
  elements: 1,
  bytes: 2,
  decode: (bytes) => fromFloat16(new Uint16Array(aligned(bytes)))
}
const bf16: BlockType = {
  name: "BF16",
  elements: 1,
  bytes: 2,
  decode: (bytes) => fromBfloat16(new Uint16Array(aligned(bytes)))
}
const f64: BlockType = {
  name: "F64",
  elements: 1,
  bytes: 8,
  decode: (bytes) => new Float32Array(new Float64Array(aligned(bytes)))
}

/** The buffer of exactly these bytes. */
const aligned = (bytes: Uint8Array<ArrayBuffer>): ArrayBuffer =>
  bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer

export const blockTypes: ReadonlyMap<number, BlockType> = new Map([
  [0, f32],
  [1, f16],
  [2, q4Sub0],
  [3, q4Sub1],
  [6, q5Sub0],
  [7, q5Sub1],
  [8, q8Sub0],
  [10, q2K],
  [11, q3K],
  [12, q4K],
  [13, q5K],
  [14, q6K],
  [20, iq4Nl],
  [23, iq4Xs],
  [28, f64],
  [30, bf16]
])

/** Names of the types that are not read, for the sentence that says so. */
const otherNames: { readonly [type: number]: string | undefined } = {
  9: "Q8_1",
  15: "Q8_K",
  16: "IQ2_XXS",
  17: "IQ2_XS",
  18: "IQ3_XXS",
  19: "IQ1_S",
  21: "IQ3_S",
  22: "IQ2_S",
  24: "I8",
  25: "I16",
  26: "I32",
  27: "I64",
  29: "IQ1_M",
  34: "TQ1_0",
  35: "TQ2_0",
  39: "MXFP4",
  40: "NVFP4",
  41: "Q1_0",
  42: "Q2_0"
}

export const typeName = (type: number): string => otherNames[type] ?? `type ${type}`
