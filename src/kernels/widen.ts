/**
 * W [out, in] in float32 from a packed one (`tensors/packed-matrix.ts`): for what reads a frozen weight itself, an adapter's start or
 * its merge. Products widen as they go and need no whole W, save on backends without kernels of ours for them.
 *
 *   half = ±(lead + fraction)·2^p          lead 1024 and p = exponent − 25, or for an exponent of 0 lead 0 and p = −24
 *   int8 = a byte in two's complement
 *
 * The reference takes 32-bit words apart by division and remainder. That is exact where tfjs computes int32 in more than float32, as
 * cpu does; its webgpu programs compute it in float32, hence a program of our own there. On wasm a half costs four instructions for
 * four numbers.
 */
import type { Tensor, Tensor2D, TensorInfo } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { type FrozenMatrix, isPacked, type Packing, PER_WORD } from "../tensors/packed-matrix.ts"
import { defineKernel, type WebgpuPrograms } from "./kernel.ts"
import { chunksOf } from "./wasm/chunks.ts"
import { PACKING_WORDS } from "./wasm/product.ts"

interface Attributes {
  readonly packing: Packing
  /** of W: the last word of a row may hold fewer numbers than others */
  readonly columns: number
}

/** Digits of 32-bit words, from the lowest. */
const digits = (words: Tensor, base: number, count: number): ReadonlyArray<Tensor> => {
  const found: Array<Tensor> = []
  for (let rest = words; found.length < count; rest = tf.floorDiv(rest, tf.scalar(base, "int32"))) {
    found.push(tf.mod(rest, tf.scalar(base, "int32")))
  }
  return found
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

const widen = defineKernel<"words" | "scales", Attributes>({
  name: "Widen",
  reference: ({ words, scales }, { packing, columns }) => {
    const perWord = PER_WORD[packing]
    const [out, length] = words.shape as [number, number]
    const numbers = digits(words, 2 ** (32 / perWord), perWord).map(packing === "f16" ? fromHalf : fromByte)
    const stored = tf.slice(tf.reshape(tf.stack(numbers, 2), [out, length * perWord]), [0, 0], [out, columns])
    return [tf.mul(stored, tf.reshape(scales, [out, 1]))]
  },
  wasm: ({ words, scales }, { packing, columns }, engine) => {
    const [out, length] = words.shape as [number, number]
    const whole = engine.output([out, columns])
    const [rows, chunks] = chunksOf(out, columns)
    const values = [engine.address(words), length, engine.address(scales), PACKING_WORDS[packing]]
    engine.run("widen", [...values, engine.address(whole), out, columns, rows], chunks)
    return [whole]
  },
  webgpu: ({ words, scales }, attributes, backend) => [onWebgpu(words, scales, attributes, backend)],
  inputsToSave: []
})

// A half's float without a subnormal or an infinity on the way: a GPU may flush the one and assume away the other.
const WGSL = {
  f16: `let half = (bitcast<u32>(words[at]) >> (16u * u32(column % 2))) & 0xffffu;
    let small = f32(half & 0x3ffu) * 5.9604644775390625e-8;
    let large = bitcast<f32>(((half & 0x7fffu) << 13u) + 0x38000000u);
    let size = select(large, small, (half & 0x7c00u) == 0u);
    let value = select(size, -size, half >= 0x8000u);`,
  int8: `let value = f32((words[at] << (24u - 8u * u32(column % 4))) >> 24u);`
} as const satisfies Record<Packing, string>

const WORKGROUP = 64

const onWebgpu = (
  words: TensorInfo,
  scales: TensorInfo,
  { packing, columns }: Attributes,
  backend: WebgpuPrograms
): TensorInfo => {
  const [out] = words.shape as [number]
  const program = {
    outputShape: [out, columns],
    shaderKey: `widen_${packing}`,
    dispatchLayout: { x: [0, 1] },
    dispatch: [Math.ceil((out * columns) / WORKGROUP), 1, 1] as [number, number, number],
    variableNames: ["words", "scales"],
    workgroupSize: [WORKGROUP, 1, 1] as [number, number, number],
    size: true,
    getUserCode: () => `fn main(index : i32) {
  if (index < uniforms.size) {
    let row = index / uniforms.outShape[1];
    let column = index % uniforms.outShape[1];
    let at = row * uniforms.wordsShape[1] + column / ${PER_WORD[packing]};
    ${WGSL[packing]}
    setOutputAtIndex(index, value * scales[row]);
  }
}`
  }
  return backend.runWebGPUProgram(program, [words, scales], "float32")
}

/** W in float32: itself, or a new tensor from a packed one. Tensor code: the caller's tidy owns what is new. */
export const widened = (W: FrozenMatrix): Tensor2D =>
  isPacked(W)
    ? (widen({ words: W.words, scales: W.scales }, { packing: W.packing, columns: W.shape[1] })[0] as Tensor2D)
    : W
