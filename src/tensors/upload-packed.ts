/**
 * Brings packed matrices to the device, and with them what makes W of one in ops of tfjs, for devices without kernels of ours.
 *
 *   half = ±(lead + fraction)·2^p          lead 1024 and p = exponent − 25, or for an exponent of 0 lead 0 and p = −24
 *   int8 = a byte in two's complement
 *   block = d·q + m, d and m the halves of its first word       (q4; q8 without m)
 *
 * 32-bit words are taken apart by division and remainder. That is exact where tfjs computes int32 in more than float32, as cpu does; its
 * webgpu programs compute it in float32.
 */
import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { BLOCK, type PackedHostMatrix, type Packing, PER_WORD, wordsOfRow } from "../numbers/index.ts"
import { type PackedMatrix, provideUnpack, type Unpack } from "./packed-matrix.ts"

/** Digits of 32-bit words, from the lowest. */
const digits = (words: Tensor, base: number, count: number): ReadonlyArray<Tensor> => {
  const uploads: Array<Tensor> = []
  for (let rest = words; uploads.length < count; rest = tf.floorDiv(rest, tf.scalar(base, "int32"))) {
    uploads.push(tf.mod(rest, tf.scalar(base, "int32")))
  }
  return uploads
}

// of a half's upper six bits: sign and exponent
const LEADS = Float32Array.from({ length: 64 }, (_, bits) => (bits % 32 === 0 ? 0 : 1024))
const POWERS = Float32Array.from({ length: 64 }, (_, bits) => {
  const power = 2 ** (Math.max(1, bits % 32) - 25)
  return bits < 32 ? power : -power
})

const fromHalf = (half: Tensor): Tensor => {
  const upper = tf.floorDiv(half, tf.scalar(1024, "int32"))
  const fraction = tf.cast(tf.mod(half, tf.scalar(1024, "int32")), "float32")
  return tf.mul(tf.add(fraction, tf.gather(LEADS, upper)), tf.gather(POWERS, upper))
}

const fromByte = (byte: Tensor): Tensor =>
  tf.sub(tf.cast(byte, "float32"), tf.mul(tf.cast(tf.greaterEqual(byte, 128), "float32"), 256))

const scaledRows = (words: Tensor, scales: Tensor, packing: "f16" | "int8", columns: number): Tensor => {
  const perWord = PER_WORD[packing]
  const [out, length] = words.shape as [number, number]
  const numbers = digits(words, 2 ** (32 / perWord), perWord).map(packing === "f16" ? fromHalf : fromByte)
  const stored = tf.slice(tf.reshape(tf.stack(numbers, 2), [out, length * perWord]), [0, 0], [out, columns])
  return tf.mul(stored, tf.reshape(scales, [out, 1]))
}

const inBlocks = (words: Tensor, packing: "q4" | "q8", columns: number): Tensor => {
  const out = words.shape[0]!
  const perBlock = wordsOfRow(packing, BLOCK[packing])
  const blocks = words.shape[1]! / perBlock
  const [head, rest] = tf.split(tf.reshape(words, [out, blocks, perBlock]), [1, perBlock - 1], 2)
  const [d, m] = digits(head!, 2 ** 16, 2).map(fromHalf)
  // [out, blocks, words, of a word]; of q4 the lower digits of all bytes, then the upper ones
  const numbers =
    packing === "q8"
      ? tf.stack(digits(rest!, 256, 4).map(fromByte), 3)
      : tf.stack(
          [0, 1].map((half) =>
            tf.stack(
              digits(rest!, 16, 8).filter((_, i) => i % 2 === half),
              3
            )
          ),
          2
        )
  const q = tf.cast(tf.reshape(numbers, [out, blocks, BLOCK[packing]]), "float32")
  const scaled = tf.mul(q, d!)
  const whole = packing === "q8" ? scaled : tf.add(scaled, m!)
  return tf.slice(tf.reshape(whole, [out, blocks * BLOCK[packing]]), [0, 0], [out, columns])
}

const unpack = (words: Tensor, scales: Tensor, packing: Packing, columns: number): Tensor =>
  packing === "q4" || packing === "q8" ? inBlocks(words, packing, columns) : scaledRows(words, scales, packing, columns)

/** Uploads a packed matrix. The caller owns its tensors. */
export const uploadPacked = ({ packing, words, scales, shape }: PackedHostMatrix): PackedMatrix => {
  // devices that map files have kernels of ours
  provideUnpack(unpack as Unpack)
  return {
    packing,
    words: tf.tensor2d(words, [shape[0], words.length / shape[0]], "int32"),
    scales: scales === null ? null : tf.tensor1d(scales),
    shape
  }
}
