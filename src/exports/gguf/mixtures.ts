/**
 * The type of each tensor of a merged model, given the requested type, by the rules of llama.cpp's llama-quantize.
 *
 *   norms, biases, positions, rotary factors     F32
 *   f16             matrices F16
 *   q8_0            matrices Q8_0
 *   q4_0            matrices Q4_0; the output layer, or the embedding where it is that too, Q6_K
 *   q4_k            Q4_K_M: matrices Q4_K; the output layer Q6_K; values of attention and the MLP's second layer Q6_K in the blocks of
 *                   the first and the last eighth and in every third between
 *
 * A matrix whose rows are not whole blocks of 256 gets a type with blocks of 32 and more bits: Q5_0 for Q4_K, Q8_0 for Q6_K. A matrix whose rows
 * are not whole blocks of 32 either is F16.
 *
 * @see llama.cpp `src/llama-quant.cpp`
 */
import { type WritableName, type WritableType, writableTypes } from "../../models/gguf/write/index.ts"

interface Mixture {
  /** llama.cpp's number of the type, for `general.file_type` */
  readonly fileType: number
  /** llama.cpp's name of the type */
  readonly label: string
  /** type of matrices */
  readonly type: WritableName
  /** whether the output layer has more bits */
  readonly better: boolean
  /** whether some of the matrices in blocks have more bits, too */
  readonly mixed: boolean
  /**
   * Largest ratio of |Δlogit| to the largest |logit| that rounding explains: with types of 16 bits, swapped tensors show at 1e-1 and more. Types of
   * 4 bits change as much by themselves and are only checked for finite values.
   */
  readonly bound: number
}

export const mixtures = {
  f32: { fileType: 0, label: "F32", type: "F32", better: false, mixed: false, bound: 1e-4 },
  f16: { fileType: 1, label: "F16", type: "F16", better: false, mixed: false, bound: 2e-2 },
  q8_0: { fileType: 7, label: "Q8_0", type: "Q8_0", better: false, mixed: false, bound: 0.2 },
  q4_0: { fileType: 2, label: "Q4_0", type: "Q4_0", better: true, mixed: false, bound: Number.MAX_VALUE },
  q4_k: { fileType: 15, label: "Q4_K_M", type: "Q4_K", better: true, mixed: true, bound: Number.MAX_VALUE }
} as const satisfies Record<string, Mixture>

export type MixtureName = keyof typeof mixtures

/** Returns the type of a tensor. `blocks`: number of blocks of the model; `tied`: whether the embedding is also the output layer. */
export const typeOf = (
  mixture: MixtureName,
  name: string,
  shape: ReadonlyArray<number>,
  { blocks, tied }: { readonly blocks: number; readonly tied: boolean }
): WritableType => {
  const { type, better, mixed }: Mixture = mixtures[mixture]
  const columns = shape.at(-1)!
  const isMatrix = shape.length === 2 && name.endsWith(".weight") && !/norm\.weight$|^position_embd\./.test(name)
  if (!isMatrix) return writableTypes.F32
  if (better && name === (tied ? "token_embd.weight" : "output.weight")) {
    // llama-quantize asks whether the rows are whole blocks of the type that was asked for
    return fitting(columns % writableTypes[type].elements === 0 ? "Q6_K" : "Q8_0", columns)
  }
  const block = /^blk\.(\d+)\.(attn_v|attn_qkv|ffn_down)\.weight$/.exec(name)?.[1]
  if (mixed && block !== undefined && hasMoreBits(Number(block), blocks)) return fitting("Q6_K", columns)
  return fitting(type, columns)
}

const hasMoreBits = (block: number, blocks: number): boolean => {
  const eighth = Math.floor(blocks / 8)
  return block < eighth || block >= Math.floor((7 * blocks) / 8) || (block - eighth) % 3 === 2
}

/** What rows get that are no whole blocks of a type. */
const instead = { Q4_K: "Q5_0", Q6_K: "Q8_0" } as const satisfies Partial<Record<WritableName, WritableName>>

const fitting = (type: WritableName, columns: number): WritableType => {
  const divides = (name: WritableName) => columns % writableTypes[name].elements === 0
  if (divides(type)) return writableTypes[type]
  const other = (instead as Partial<Record<WritableName, WritableName>>)[type]
  return other !== undefined && divides(other) ? writableTypes[other] : writableTypes.F16
}
