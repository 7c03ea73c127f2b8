/** A head and its loss: what sparseCrossEntropy says of whole logits, without them. */
import { describe, expect, test } from "bun:test"
import type { Scalar, Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { IGNORED, sparseCrossEntropy } from "../../../src/kernels/cross-entropy.ts"
import { dequantized } from "../../../src/kernels/dequantize.ts"
import { linearCrossEntropy, tokenCrossEntropies, tokenScores } from "../../../src/kernels/linear-cross-entropy.ts"
import { wasmBackend } from "../../../src/kernels/wasm/backend.ts"
import { provideWasmEngine, type WasmEngine, wasmEngineOf } from "../../../src/kernels/wasm/engine.ts"
import { type PackedHostMatrix, packMatrix } from "../../../src/numbers/index.ts"
import { valueAndGradients } from "../../../src/tensors/gradients.ts"
import { type FrozenMatrix, uploadPacked } from "../../../src/tensors/index.ts"
import { describeOnEach, webgpu } from "../../backends.ts"
import { expectClose, expectNoLeak, tolerance } from "../../setup.ts"
import { onWasm } from "../device/on-wasm.ts"
import { onWebgpu } from "../device/on-webgpu.ts"
import { normals } from "./float64.ts"

const inputsOf = (tokens: number, width: number, vocabulary: number) => ({
  hidden: tf.tensor2d(normals(tokens * width, "hidden"), [tokens, width]),
  weight: tf.tensor2d(normals(vocabulary * width, "weight"), [vocabulary, width])
})

/** Every third row does not count. */
const labelsOf = (tokens: number, vocabulary: number): Array<number> =>
  Array.from({ length: tokens }, (_, i) => (i % 3 === 2 ? IGNORED : (i * 31) % vocabulary))

const integers = (values: ReadonlyArray<number>): Tensor1D => tf.tensor1d([...values], "int32")

type Loss = (hidden: Tensor2D, weight: Tensor2D, labels: Tensor1D, softcap: number | null) => Scalar

const ours: Loss = (hidden, weight, labels, softcap) => linearCrossEntropy(hidden, weight, labels, { softcap })

const whole: Loss = (hidden, weight, labels, softcap) => {
  const z = tf.matMul(hidden, weight, false, true)
  const capped = softcap === null ? z : tf.mul(tf.tanh(tf.div(z, softcap)), softcap)
  return sparseCrossEntropy(capped as Tensor2D, labels)
}

/** The loss and its gradients, times −3: what a loss that is one of several terms asks for. */
const outcomeOf = async (
  loss: Loss,
  { hidden, weight }: ReturnType<typeof inputsOf>,
  labels: ReadonlyArray<number>,
  softcap: number | null = null
): Promise<ReadonlyArray<Float32Array>> => {
  const { value, gradients } = valueAndGradients(
    () => tf.mul(loss(hidden, weight, integers(labels), softcap), -3) as Scalar,
    [hidden, weight]
  )
  return Promise.all([value, ...gradients].map((x: Tensor) => x.data() as Promise<Float32Array>))
}

describeOnEach(() => {
  for (const [tokens, width, vocabulary, softcap] of [
    [7, 5, 11, null],
    [1, 8, 3, 2],
    [20, 13, 130, 5],
    // rows so wide that a GPU takes them apart
    [5, 3, 9001, 4]
  ] as const) {
    test(`[${tokens}, ${width}] on ${vocabulary}, cap ${softcap}: value and gradients of whole logits`, async () => {
      const inputs = inputsOf(tokens, width, vocabulary)
      const labels = labelsOf(tokens, vocabulary)
      const expected = await outcomeOf(whole, inputs, labels, softcap)
      const actual = await outcomeOf(ours, inputs, labels, softcap)
      expectClose(actual[0]!, expected[0]!, tolerance.operation)
      // sums of `tokens` or `vocabulary` products
      for (const i of [1, 2]) expectClose(actual[i]!, expected[i]!, 1e-5)
    })
  }

  for (const [tokens, width, vocabulary, softcap] of [
    [7, 5, 11, null],
    [20, 13, 130, 5]
  ] as const) {
    test(`[${tokens}, ${width}] on ${vocabulary}, cap ${softcap}: each token by a weight of its own`, async () => {
      const inputs = inputsOf(tokens, width, vocabulary)
      const labels = labelsOf(tokens, vocabulary)
      const weights = tf.tensor1d(normals(tokens, "weights of tokens"))
      /** Row by row, each a loss of whole logits. */
      const rows: Loss = (hidden, weight, own, cap) =>
        labels
          .map((label, i) => {
            if (label === IGNORED) return tf.mul(tf.sum(hidden), 0)
            const loss = whole(tf.slice(hidden, [i, 0], [1, width]), weight, tf.slice(own, i, 1), cap)
            return tf.mul(loss, tf.squeeze(tf.slice(weights, i, 1)))
          })
          .reduce((sum, one) => tf.add(sum, one)) as Scalar
      const weighed: Loss = (hidden, weight, own, cap) =>
        tf.sum(tf.mul(tokenCrossEntropies(hidden, weight, own, { softcap: cap }), weights)) as Scalar
      const expected = await outcomeOf(rows, inputs, labels, softcap)
      const actual = await outcomeOf(weighed, inputs, labels, softcap)
      // sums of `tokens` or `vocabulary` products
      for (const [i, own] of actual.entries()) expectClose(own, expected[i]!, 1e-5)
    })
  }

  test("what a row that does not count holds is not looked at", async () => {
    const inputs = inputsOf(6, 4, 9)
    const labels = [3, IGNORED, 0, 8, IGNORED, 1]
    const kept = [0, 2, 3, 5]
    const expected = await outcomeOf(
      ours,
      { ...inputs, hidden: tf.gather(inputs.hidden, kept) },
      kept.map((i) => labels[i]!)
    )
    const spoilt = (await inputs.hidden.data()).map((x, i) => (labels[i >> 2] === IGNORED ? Number.NaN : x))
    const [loss, dh, dW] = await outcomeOf(ours, { ...inputs, hidden: tf.tensor2d(spoilt, [6, 4]) }, labels)
    expect(loss!).toEqual(expected[0]!)
    expect(dW!).toEqual(expected[2]!)
    for (const [row, label] of labels.entries()) {
      const at = kept.indexOf(row) * 4
      const own = label === IGNORED ? new Float32Array(4) : expected[1]!.slice(at, at + 4)
      expect(dh!.slice(4 * row, 4 * row + 4)).toEqual(own)
    }
  })

  test("no row that counts: 0, and gradients of 0", async () => {
    const [loss, dh, dW] = await outcomeOf(ours, inputsOf(3, 4, 5), [IGNORED, IGNORED, IGNORED])
    expect(Math.abs(loss![0]!)).toBe(0)
    expect([...dh!, ...dW!].every((x) => x === 0)).toBe(true)
    expect([dh!.length, dW!.length]).toEqual([12, 20])
  })

  for (const label of [5, -1, 1 << 30]) {
    test(`the label ${label} of five tokens is NaN, in the loss and in its row`, async () => {
      const [loss, dh] = await outcomeOf(ours, inputsOf(3, 2, 5), [1, label, 2])
      expect(loss![0]).toBeNaN()
      expect(Array.from(dh!, Number.isNaN)).toEqual([false, false, true, true, false, false])
    })
  }

  test("scores of tokens: the losses whose mean is the loss, and whether the likeliest token is right", async () => {
    const inputs = inputsOf(9, 6, 14)
    const z = tf.matMul(inputs.hidden, inputs.weight, false, true)
    const likeliest = Array.from(await tf.argMax(z, 1).data())
    // right in every other row that counts
    const labels = likeliest.map((best, i) => (i % 3 === 2 ? IGNORED : i % 2 === 0 ? best : (best + 1) % 14))
    const { losses, correct } = tokenScores(inputs.hidden, inputs.weight, integers(labels), { softcap: 3 })
    expect([losses.dtype, correct.dtype, losses.shape, correct.shape]).toEqual(["float32", "int32", [9], [9]])
    expect(Array.from(await correct.data())).toEqual(
      labels.map((label, i) => (label !== IGNORED && label === likeliest[i] ? 1 : 0))
    )
    const own = Array.from(await losses.data())
    expect(labels.every((label, i) => (label === IGNORED) === (own[i] === 0))).toBe(true)
    const mean = own.reduce((sum, x) => sum + x, 0) / labels.filter((label) => label !== IGNORED).length
    const loss = await linearCrossEntropy(inputs.hidden, inputs.weight, integers(labels), { softcap: 3 }).data()
    expectClose([mean], loss, tolerance.operation)
  })

  for (const packing of ["f16", "int8"] as const) {
    test(`a head packed as ${packing} is the dequantized one`, async () => {
      // rows of W beyond those that a product takes at a time
      const [tokens, width, vocabulary] = [5, 7, 1100]
      const { hidden, weight } = inputsOf(tokens, width, vocabulary)
      const packed = packMatrix(packing, (await weight.data()) as Float32Array, [vocabulary, width])
      const W = uploadPacked(packed as PackedHostMatrix)
      const labels = integers(labelsOf(tokens, vocabulary))
      const of = async (own: FrozenMatrix) => {
        const { value, gradients } = valueAndGradients(
          () => linearCrossEntropy(hidden, own, labels, { softcap: 4 }),
          [hidden]
        )
        const { losses, correct } = tokenScores(hidden, own, labels, { softcap: 4 })
        return Promise.all([value, ...gradients, losses, correct].map(async (x) => Array.from(await x.data())))
      }
      const expected = await of(dequantized(W))
      for (const [i, own] of (await of(W)).entries()) expectClose(own, expected[i]!, tolerance.operation)
    })
  }

  test("of tokens that are equally likely, the first is the likeliest", async () => {
    const hidden = tf.tensor2d([1, 1, 1], [3, 1])
    const weight = tf.tensor2d([0, 2, 2], [3, 1])
    const { correct } = tokenScores(hidden, weight, integers([0, 1, 2]), { softcap: null })
    expect(Array.from(await correct.data())).toEqual([0, 1, 0])
  })

  test("no leak, with and without a tape, whichever gradients are wanted", async () => {
    const { hidden, weight } = inputsOf(4, 3, 5)
    const labels = integers(labelsOf(4, 5))
    await expectNoLeak(() => linearCrossEntropy(hidden, weight, labels, { softcap: null }).dispose())
    await expectNoLeak(() => {
      const { losses, correct } = tokenScores(hidden, weight, labels, { softcap: 2 })
      tf.dispose([losses, correct])
    })
    const summed: Loss = (hidden, weight, labels, softcap) =>
      tf.sum(tokenCrossEntropies(hidden, weight, labels, { softcap })) as Scalar
    for (const loss of [ours, summed])
      for (const wanted of [[hidden], [weight], [hidden, weight]])
        await expectNoLeak(() => {
          const { value, gradients } = valueAndGradients(() => loss(hidden, weight, labels, null), wanted)
          tf.dispose([value, ...gradients])
        })
  })
})

describe("more logits than a chunk holds, on wasm", () => {
  const [tokens, width, vocabulary] = [425, 2, 20_000]
  const labels = labelsOf(tokens, vocabulary)
  const all = labels.map((label, i) => (label === IGNORED ? i : label))
  const hosts = () => inputsOf(tokens, width, vocabulary)

  /** What `f` allocates at once on wasm, in numbers, at most. */
  const largestOf = (f: () => void): Promise<number> =>
    onWasm(() => {
      const backend = wasmBackend(tf.backend())
      const engine = wasmEngineOf(backend)!
      let most = 0
      const output: WasmEngine["output"] = (shape) => {
        most = Math.max(most, tf.util.sizeFromShape([...shape]))
        return engine.output(shape)
      }
      provideWasmEngine(backend, { ...engine, output })
      tf.tidy(f)
      provideWasmEngine(backend, engine)
      return most
    })

  test("they never stand all at once", async () => {
    const loss = (own: ReadonlyArray<number>) => () => {
      const { hidden, weight } = hosts()
      valueAndGradients(() => ours(hidden, weight, integers(own), null), [hidden, weight])
    }
    const chunk = 1 << 23
    expect(tokens * vocabulary).toBeGreaterThan(chunk)
    expect(await largestOf(loss(all))).toBeLessThan(1.1 * chunk)
    // rows that do not count have none at all
    const few = all.map((label, i) => (i < 10 ? label : IGNORED))
    expect(await largestOf(loss(few))).toBeLessThan(11 * 22_000)
  })
})

interface Memory {
  readonly bufferManager: { numBytesUsed: number; acquireBuffer: (...sizes: ReadonlyArray<number>) => unknown }
}

test.skipIf(!webgpu.exists)(
  "more logits than a chunk holds, on a GPU: never all at once, and rows of a later chunk are what they are alone",
  async () => {
    const [tokens, width, vocabulary] = [1000, 2, 20_000]
    const labels = labelsOf(tokens, vocabulary)
    const scoresOf = async (hidden: Tensor2D, weight: Tensor2D, own: ReadonlyArray<number>) => {
      const { losses } = tokenScores(hidden, weight, integers(own), { softcap: null })
      return Array.from(await losses.data())
    }
    const { peak, loss, dW, scores, last } = await onWebgpu(async () => {
      const { bufferManager } = tf.backend() as unknown as Memory
      const acquire = bufferManager.acquireBuffer.bind(bufferManager)
      let most = 0
      bufferManager.acquireBuffer = (...sizes) => {
        const buffer = acquire(...sizes)
        most = Math.max(most, bufferManager.numBytesUsed)
        return buffer
      }
      const inputs = inputsOf(tokens, width, vocabulary)
      const [value, , slopes] = await outcomeOf(ours, inputs, labels)
      return {
        loss: value!,
        dW: Array.from(slopes!),
        scores: await scoresOf(inputs.hidden, inputs.weight, labels),
        last: await scoresOf(tf.slice(inputs.hidden, [tokens - 3, 0]), inputs.weight, labels.slice(-3)),
        peak: most
      }
    })
    const chunk = 4 * (1 << 23)
    expect(4 * tokens * vocabulary).toBeGreaterThan(2 * chunk)
    // inputs, gradients and statistics are small here
    expect(peak).toBeLessThan(1.1 * chunk)
    expectClose(scores.slice(-3), last, tolerance.operation)
    const mean = scores.reduce((sum, x) => sum + x, 0) / labels.filter((label) => label !== IGNORED).length
    expectClose(loss, [-3 * mean], tolerance.operation)
    // a token's slopes sum up to 0, so all rows of dW do, which are made in parts as well; float32 sums of a thousand terms
    const sumOf = (numbers: ReadonlyArray<number>) => numbers.reduce((sum, x) => sum + x, 0)
    for (const column of [0, 1]) {
      const own = dW.filter((_, i) => i % width === column)
      expect(Math.abs(sumOf(own))).toBeLessThan(1e-5 * sumOf(own.map(Math.abs)))
    }
  },
  // of programs that nobody has compiled yet, on a GPU that is emulated on a busy machine
  60_000
)
