/**
 * A weight that stays in its mapped file gives the bits of the float32 matrix that its bytes mean: every type, forward and backward, one row
 * and many, thin and wide, rows in another order, rows of a table, and logits; for every instruction set that this processor has.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as tf from "@tensorflow/tfjs"
import { frozenLinear } from "../../../../src/kernels/dense-linear.ts"
import { dequantized, rowsOf } from "../../../../src/kernels/dequantize.ts"
import { linearCrossEntropy } from "../../../../src/kernels/linear-cross-entropy.ts"
import { loraLinear } from "../../../../src/kernels/lora-linear.ts"
import { bytesOfFileRow, FILE_TYPES, fileMapper, mappedMatrix } from "../../../../src/kernels/mapped-matrix.ts"
import { libraryFile, openLibrary } from "../../../../src/kernels/native/library.ts"
import { blockTypes } from "../../../../src/models/gguf/block-types.ts"
import { valueAndGradients } from "../../../../src/tensors/gradients.ts"
import type { FrozenMatrix } from "../../../../src/tensors/index.ts"
import { onWasm, random, tensorOf } from "../../device/on-wasm.ts"
import { weighted } from "../oracle.ts"
import { bytesOf } from "./file-bytes.ts"

const file = fileURLToPath(libraryFile())
const types = new Map([...blockTypes.values()].map((type) => [type.name, type]))

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "mapped-"))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Tokens, values of a row, rows, rank. Of block types rows are whole blocks. */
const shapes = [
  [1, 512, 70, 4],
  [2, 256, 5, 1],
  [13, 1024, 64, 8],
  [40, 256, 133, 8],
  [530, 512, 40, 8]
] as const
/** Rows that end within a vector, of types without blocks. */
const oddShapes = [
  [1, 77, 45, 3],
  [3, 31, 12, 2],
  [40, 397, 61, 8]
] as const

const results = ({ x, bias, A, B, dy }: Record<"x" | "bias" | "A" | "B" | "dy", tf.Tensor>, W: FrozenMatrix) => {
  const frozen = () => frozenLinear(x as tf.Tensor2D, W, bias as tf.Tensor1D)
  const adapted = () => loraLinear(x as tf.Tensor2D, W, bias as tf.Tensor1D, A as tf.Tensor2D, B as tf.Tensor2D, 2)
  const of = (f: () => tf.Tensor2D, wanted: ReadonlyArray<tf.Tensor>) =>
    tf.tidy(() => [f(), ...valueAndGradients(() => weighted(f(), dy as tf.Tensor2D), wanted).gradients])
  return [...of(frozen, [x!, bias!]), ...of(adapted, [x!, A!, B!])]
}

const bitsOf = (tensors: ReadonlyArray<tf.Tensor>) =>
  Promise.all(tensors.map(async (tensor) => new Uint32Array((await tensor.data()).slice().buffer)))

/** Rows in ggml's order: of each head of four the first half goes to the even places. */
const interleaved = (out: number) =>
  Int32Array.from({ length: out }, (_, row) =>
    row >= out - (out % 4) ? row : row - (row % 4) + (row % 2) * 2 + Math.floor((row % 4) / 2)
  )

const check = async (type: string, [tokens, inputs, out, rank]: readonly [number, number, number, number]) => {
  const next = random(tokens + inputs)
  const bytes = bytesOf(type, out * bytesOfFileRow(type, inputs, 0)!, next)
  const begin = 64
  const path = join(folder, `${type}-${tokens}-${inputs}.bin`)
  const whole = new Uint8Array(begin + bytes.length)
  whole.set(bytes, begin)
  writeFileSync(path, whole)
  const mapping = fileMapper()!(path, whole.length)
  const values = types.get(type)!.decode(bytes)
  const tensors = {
    x: tensorOf([tokens, inputs], next),
    bias: tensorOf([out], next),
    A: tensorOf([rank, inputs], next),
    B: tensorOf([out, rank], next),
    dy: tensorOf([tokens, out], next)
  }
  for (const order of [undefined, interleaved(out)]) {
    const W = mappedMatrix(type, mapping.address + begin, [out, inputs], order)
    const stored = tf.tensor2d(values, [out, inputs])
    const float = order === undefined ? stored : tf.gather(stored, tf.tensor1d(order, "int32"))
    const ids = tf.tensor1d([out - 1, 0, Math.floor(out / 2), 0], "int32")
    const labels = tf.tensor1d(
      Int32Array.from({ length: tokens }, (_, i) => (7 * i) % out),
      "int32"
    )
    const of = (matrix: FrozenMatrix) => [
      ...results(tensors, matrix),
      rowsOf(matrix, ids),
      dequantized(matrix),
      ...(() => {
        const loss = () => linearCrossEntropy(tensors.x as tf.Tensor2D, matrix, labels, { softcap: null })
        const { gradients } = valueAndGradients(loss, [tensors.x])
        return [loss(), ...gradients]
      })()
    ]
    const [found, expected] = [await bitsOf(of(W)), await bitsOf(of(float))]
    expect(found).toEqual(expected)
  }
  mapping.unmap()
}

for (const instructions of openLibrary(file).available)
  describe(`with ${instructions}`, () => {
    for (const type of Object.keys(FILE_TYPES))
      test(`${type}: the bits of float32`, async () => {
        process.env["TFJS_LORA_PRO_INSTRUCTIONS"] = instructions
        try {
          await onWasm(
            async () => {
              for (const shape of shapes) await check(type, shape)
              if (FILE_TYPES[type]!.values === 1) for (const shape of oddShapes) await check(type, shape)
            },
            { threads: 2, native: file }
          )
        } finally {
          delete process.env["TFJS_LORA_PRO_INSTRUCTIONS"]
        }
      })
  })
