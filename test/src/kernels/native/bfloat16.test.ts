/**
 * Products in bfloat16, by each set of instructions that this processor has for them, compared with float64's of the rounded operands, whatever
 * holds the weight, forward and backward; the same bits for any number of threads, and for a row alone or among others.
 */
import { describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as tf from "@tensorflow/tfjs"
import { denseLinear, frozenLinear } from "../../../../src/kernels/dense-linear.ts"
import { dequantized } from "../../../../src/kernels/dequantize.ts"
import { linearCrossEntropy } from "../../../../src/kernels/linear-cross-entropy.ts"
import { loraLinear } from "../../../../src/kernels/lora-linear.ts"
import { bytesOfFileRow, FILE_TYPES, fileMapper, mappedMatrix } from "../../../../src/kernels/mapped-matrix.ts"
import { libraryFile, openLibrary } from "../../../../src/kernels/native/library.ts"
import { type Bfloat16, wasmEngineOf } from "../../../../src/kernels/wasm/engine.ts"
import { type PackedHostMatrix, type Packing, PER_WORD, packMatrix } from "../../../../src/numbers/index.ts"
import { valueAndGradients } from "../../../../src/tensors/gradients.ts"
import { type FrozenMatrix, isPacked, uploadPacked } from "../../../../src/tensors/index.ts"
import { onWasm, random, tensorOf } from "../../device/on-wasm.ts"
import { weighted } from "../oracle.ts"
import { bytesOf } from "./file-bytes.ts"

const file = fileURLToPath(libraryFile())

type Shape = readonly [tokens: number, inputs: number, out: number, rank: number]

/** Of block types rows are whole blocks. Tokens are more than a tile and than a chunk has, terms more than a block has. */
const shapes: ReadonlyArray<Shape> = [
  [1, 256, 70, 4],
  [13, 512, 33, 8],
  [40, 256, 133, 3],
  [530, 256, 40, 8],
  [17, 1280, 64, 2]
]
/** Sizes that nothing divides, of types without blocks. */
const oddShapes: ReadonlyArray<Shape> = [
  [1, 1, 1, 1],
  [2, 31, 12, 2],
  [19, 77, 45, 3],
  [50, 397, 301, 16]
]

/** The nearest bfloat16, of two the even one, written out. */
const rounded = (x: number): number => {
  const bits = new Uint32Array(new Float32Array([x]).buffer)[0]!
  const up = bits + 0x7fff + ((bits >>> 16) & 1)
  return new Float32Array(new Uint32Array([up & 0xffff0000]).buffer)[0]!
}

/** Computes with these instructions. */
const by = async <A>(instructions: Bfloat16 | undefined, f: () => A | Promise<A>): Promise<A> => {
  const engine = wasmEngineOf(tf.backend())!
  engine.products = instructions
  try {
    return await f()
  } finally {
    engine.products = undefined
  }
}

interface Layer {
  readonly W: FrozenMatrix
  readonly x: tf.Tensor2D
  readonly bias: tf.Tensor1D
  readonly A: tf.Tensor2D
  readonly B: tf.Tensor2D
  readonly dy: tf.Tensor2D
}

/** Makes a layer whose weight is held so; `use` has it as long as its file is mapped. */
const withLayer = async <T>(
  form: string,
  [tokens, inputs, out, rank]: Shape,
  use: (layer: Layer) => Promise<T>
): Promise<T> => {
  const next = random(tokens + inputs)
  const others = {
    x: tensorOf([tokens, inputs], next) as tf.Tensor2D,
    bias: tensorOf([out], next) as tf.Tensor1D,
    A: tensorOf([rank, inputs], next) as tf.Tensor2D,
    B: tensorOf([out, rank], next) as tf.Tensor2D,
    dy: tensorOf([tokens, out], next) as tf.Tensor2D
  }
  const values = () => Float32Array.from({ length: out * inputs }, () => 2 * next() - 1)
  if (form === "f32") return use({ ...others, W: tf.tensor2d(values(), [out, inputs]) })
  if (form in PER_WORD)
    return use({ ...others, W: uploadPacked(packMatrix(form as Packing, values(), [out, inputs]) as PackedHostMatrix) })
  const folder = mkdtempSync(join(tmpdir(), "bfloat16-"))
  const bytes = bytesOf(form, out * bytesOfFileRow(form, inputs, 0)!, next)
  writeFileSync(join(folder, "weight"), bytes)
  const mapping = fileMapper()!(join(folder, "weight"), bytes.length)
  try {
    return await use({ ...others, W: mappedMatrix(form, mapping.address, [out, inputs]) })
  } finally {
    mapping.unmap()
    rmSync(folder, { recursive: true })
  }
}

/** y and dx of the frozen layer, y, dx and the factors' gradients of the adapted one. */
const results = ({ W, x, bias, A, B, dy }: Layer): Promise<ReadonlyArray<Float32Array>> => {
  const of = (f: () => tf.Tensor2D, wanted: ReadonlyArray<tf.Tensor>) =>
    tf.tidy(() => [f(), ...valueAndGradients(() => weighted(f(), dy), wanted).gradients])
  const tensors = [
    ...of(() => frozenLinear(x, W, bias), [x]),
    ...of(() => loraLinear(x, W, bias, A, B, 0.5), [x, A, B])
  ]
  return Promise.all(tensors.map(async (tensor) => (await tensor.data()).slice() as Float32Array))
}

/**
 * The largest error of C = start + A·Bᵀ, in units of what is allowed. A product of two numbers of 8 bits is exact in float32, and each of at
 * most k + 2 sums is off by 2⁻²⁴ of what was summed before, 2⁻²³ where an instruction rounds twice: (k + 2)·2⁻²³·(|start| + Σ|a·b|).
 */
const worst = (
  found: Float32Array,
  [m, n, k]: readonly [number, number, number],
  start: (j: number) => number,
  term: (i: number, j: number, p: number) => number
): number => {
  let most = 0
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      let [sum, size] = [start(j), Math.abs(start(j))]
      for (let p = 0; p < k; p++) {
        const product = term(i, j, p)
        sum += product
        size += Math.abs(product)
      }
      most = Math.max(most, Math.abs(found[i * n + j]! - sum) / ((k + 2) * 2 ** -23 * size))
    }
  return most
}

const shapesOf = (form: string) =>
  form in FILE_TYPES && FILE_TYPES[form]!.values > 1 ? shapes : [...shapes, ...oddShapes]
const forms = ["f32", ...Object.keys(PER_WORD), ...Object.keys(FILE_TYPES)]

for (const instructions of openLibrary(file).bfloat16())
  describe(`with ${instructions.name}`, () => {
    test.each(forms)("%s: the products of rounded operands", (form) =>
      onWasm(
        async () => {
          for (const shape of shapesOf(form))
            await withLayer(form, shape, async (layer) => {
              const [tokens, inputs, out] = shape
              const whole = isPacked(layer.W) ? dequantized(layer.W) : layer.W
              const [W, x, dy, bias] = await Promise.all([
                ...[whole, layer.x, layer.dy].map(async (tensor) => Float32Array.from(await tensor.data(), rounded)),
                layer.bias.data()
              ])
              const [y, dx] = await by(instructions, () => results(layer))
              const forward = (i: number, j: number, p: number) => x![i * inputs + p]! * W![j * inputs + p]!
              const backward = (i: number, j: number, p: number) => dy![i * out + p]! * W![p * inputs + j]!
              const error = [
                worst(y!, [tokens, out, inputs], (j) => bias![j]!, forward),
                worst(dx!, [tokens, inputs, out], () => 0, backward)
              ]
              expect({ shape, error: error.map((one) => (one <= 1 ? 0 : one)) }).toEqual({ shape, error: [0, 0] })
            })
        },
        { threads: 1, native: file }
      )
    )

    test.each(["f32", "q4", "BF16", "Q4_K"])("%s: the adapter's part is float32", (form) =>
      onWasm(
        () =>
          withLayer(form, [40, 256, 70, 8], async (layer) => {
            const [y, dx, ...adapted] = await by(instructions, () => results(layer))
            const [exactY, exactDx, ...exact] = await results(layer)
            for (const [i, [own, part]] of [
              [adapted[0]!, y!],
              [adapted[1]!, dx!]
            ].entries()) {
              const [whole, frozen] = [exact[i]!, [exactY!, exactDx!][i]!]
              const error = Math.max(
                ...own!.map((value, at) => value - part![at]! - (whole[at]! - frozen[at]!)).map(Math.abs)
              )
              expect(error).toBeLessThan(1e-4)
            }
            // neither reads W
            expect(adapted.slice(2)).toEqual(exact.slice(2))
          }),
        { threads: 1, native: file }
      )
    )

    test("the same bits for any number of threads, and for a row alone", async () => {
      for (const form of ["f32", "int8", "BF16", "Q4_0"]) {
        const shape: Shape = [530, 1280, 301, 8]
        const on = (threads: number) =>
          onWasm(() => withLayer(form, shape, (layer) => by(instructions, () => results(layer))), {
            threads,
            native: file
          })
        const [first, ...others] = [await on(1), await on(2), await on(3)]
        for (const other of others) expect(other).toEqual(first!)
        await onWasm(
          () =>
            withLayer(form, shape, async ({ x, dy, ...layer }) => {
              const row = (tensor: tf.Tensor2D) => tf.slice(tensor, [17, 0], [1, -1])
              const alone = await by(instructions, () => results({ ...layer, x: row(x), dy: row(dy) }))
              for (const [i, width] of [
                [0, shape[2]],
                [1, shape[1]]
              ] as const)
                expect(alone[i]!).toEqual(first![i]!.slice(17 * width, 18 * width))
            }),
          { threads: 1, native: file }
        )
      }
    })

    test("the loss over a vocabulary: near float32's, and not its bits; a trained weight stays float32", () =>
      onWasm(
        () =>
          withLayer("BF16", [70, 256, 3000, 1], async ({ x, W }) => {
            const labels = tf.range(0, 70, 1, "int32") as tf.Tensor1D
            const of = (weight: FrozenMatrix) => async () => {
              const loss = () => linearCrossEntropy(x, weight, labels, { softcap: null })
              const { value, gradients } = valueAndGradients(loss, [x])
              return [await value.data(), await gradients[0]!.data()].map((values) => Float32Array.from(values))
            }
            const [rough, exact] = [await by(instructions, of(W)), await of(W)()]
            expect(Math.abs(rough[0]![0]! - exact[0]![0]!)).toBeLessThan(2 ** -8 * exact[0]![0]!)
            expect(rough).not.toEqual(exact)
            const float = dequantized(W as never)
            expect(await by(instructions, of(float))).toEqual(await of(float)())
            const dense = async () => Float32Array.from(await denseLinear(x, float, null).data())
            expect(await by(instructions, dense)).toEqual(await dense())
          }),
        { threads: 2, native: file }
      ))
  })

test("an instruction set without them has none", () => {
  for (const instructions of openLibrary(file).available.slice(0, -1))
    expect(openLibrary(file, instructions).bfloat16()).toEqual([])
})
