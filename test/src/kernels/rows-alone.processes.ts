/**
 * What a device promises with `rowsAlone`: each kernel of a frozen forward pass gives a row the same bits whichever rows are computed
 * with it, wherever they lie in tiles and chunks, and however far a sequence is padded.
 */
import { expect, test } from "bun:test"
import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { attention, segmentsOfPadding } from "../../../src/kernels/attention.ts"
import { frozenLinear } from "../../../src/kernels/dense-linear.ts"
import { gelu } from "../../../src/kernels/gelu.ts"
import { layerNorm } from "../../../src/kernels/layer-norm.ts"
import { rmsNorm, rmsNormAndSum } from "../../../src/kernels/rms-norm.ts"
import { rope } from "../../../src/kernels/rope.ts"
import { swiglu } from "../../../src/kernels/swiglu.ts"
import { type PackedHostMatrix, packMatrix } from "../../../src/numbers/index.ts"
import { type FrozenMatrix, uploadPacked } from "../../../src/tensors/index.ts"
import { describeOnEngines } from "../../backends.ts"
import { hasNative } from "../../runtime/runtimes.ts"
import { normalHost } from "./laws.ts"

const ROWS = 197
/** First and last tile of three rows, edges of the 48 rows of a chunk, most of all. A single row has a way of its own. */
const parts = [
  [0, 2],
  [1, 3],
  [195, 197],
  [0, 4],
  [193, 197],
  [2, 14],
  [1, 4],
  [5, 10],
  [46, 50],
  [47, 95],
  [48, 97],
  [3, 147],
  [50, 197]
] as const

const hostOf = (name: string, rows: number, width: number) => normalHost(name, rows, width).values as Float32Array
const matrix = (name: string, rows: number, width: number) => tf.tensor2d(hostOf(name, rows, width), [rows, width])
const vector = (name: string, width: number) => tf.tensor1d(hostOf(name, 1, width))
const bitsOf = (tensor: tf.Tensor) => new Uint32Array(Float32Array.from(tensor.dataSync()).buffer)

/** f of all rows, and of parts of them. */
const expectAlone = (f: (...xs: ReadonlyArray<Tensor2D>) => Tensor2D, ...widths: ReadonlyArray<number>): void =>
  tf.tidy(() => {
    const xs = widths.map((width, i) => matrix(`x${i}`, ROWS, width))
    const whole = f(...xs)
    for (const [from, to] of parts) {
      const rows = (x: Tensor2D) => tf.slice(x, [from, 0], [to - from, x.shape[1]])
      expect(bitsOf(f(...xs.map(rows)))).toEqual(bitsOf(rows(whole)))
    }
  })

/** [inputs, outputs]: what no tile divides, and the shapes of MiniLM, whose outputs are cut into chunks too. */
const sizes = [
  [7, 5],
  [33, 50],
  [130, 97],
  [384, 384],
  [1536, 96]
] as const

describeOnEngines(hasNative, () => {
  for (const form of ["f32", "f16", "int8"] as const) {
    test(`linear, ${form}`, () => {
      for (const [inputs, outputs] of sizes) {
        tf.tidy(() => {
          const host = hostOf("W", outputs, inputs)
          const W: FrozenMatrix =
            form === "f32"
              ? tf.tensor2d(host, [outputs, inputs])
              : uploadPacked(packMatrix(form, host, [outputs, inputs]) as PackedHostMatrix)
          for (const bias of [null, vector("bias", outputs)]) expectAlone((x) => frozenLinear(x!, W, bias), inputs)
        })
      }
    })
  }

  test("norms, activations, positions", () => {
    for (const width of [7, 48, 130, 384]) {
      tf.tidy(() => {
        const [gamma, beta] = [vector("gamma", width), vector("beta", width)]
        expectAlone((x, residual) => layerNorm(x!, residual!, gamma, beta, 1e-12), width, width)
        expectAlone((x) => layerNorm(x!, null, gamma, beta, 1e-12), width)
        expectAlone((x) => rmsNorm(x!, null, gamma, 1e-6), width)
        for (const i of [0, 1])
          expectAlone((x, residual) => rmsNormAndSum(x!, residual!, gamma, 1e-6)[i]!, width, width)
        for (const kind of ["erf", "tanh", "quick"] as const) expectAlone((x) => gelu(x!, kind), width)
        expectAlone((x) => tf.relu(x!), width)
        expectAlone((gate, up) => swiglu(gate!, up!), width, width)
      })
    }
    expectAlone((x, cos, sin) => rope(x!, cos!, sin!), 96, 32, 32)
  })

  const lengths = [1, 2, 3, 4, 5, 11, 12, 13, 24, 25, 47, 50, 96, 101, 130]
  const LONGEST = 130

  /** Some sequences, each the start of `LONGEST` rows of a tensor, as a batch of `length`; padding is `filler`. */
  const batched = (x: Float32Array, width: number, picked: ReadonlyArray<number>, length: number, filler: number) => {
    const out = new Float32Array(picked.length * length * width).fill(filler)
    for (const [i, sequence] of picked.entries()) {
      const start = sequence * LONGEST * width
      out.set(x.subarray(start, start + Math.min(lengths[sequence]!, length) * width), i * length * width)
    }
    return tf.tensor2d(out, [picked.length * length, width])
  }

  /** Attention in a batch of all sequences, and in batches of fewer that are no longer than they must be. `least`: a batch's length. */
  const expectSequencesAlone = (
    [width, keyWidth]: readonly [number, number],
    f: (q: Tensor2D, k: Tensor2D, v: Tensor2D, size: number, isToken: Float32Array) => Tensor2D,
    least: number
  ): void =>
    tf.tidy(() => {
      const count = lengths.length
      const [q, k, v] = [width, keyWidth, keyWidth].map((own, i) => hostOf(`qkv${i}`, count * LONGEST, own))
      const run = (picked: ReadonlyArray<number>, length: number, filler: number) => {
        const isToken = Float32Array.from({ length: picked.length * length }, (_, at) =>
          at % length < lengths[picked[Math.floor(at / length)]!]! ? 1 : 0
        )
        const of = (x: Float32Array, own: number) => batched(x, own, picked, length, filler)
        const bits = bitsOf(f(of(q!, width), of(k!, keyWidth), of(v!, keyWidth), picked.length, isToken))
        return picked.map((sequence, i) => bits.slice(i * length * width, (i * length + lengths[sequence]!) * width))
      }
      const whole = run([...lengths.keys()], LONGEST, 0.5)
      const check = (picked: ReadonlyArray<number>, more: number) => {
        const length = Math.min(LONGEST, Math.max(least, ...picked.map((sequence) => lengths[sequence]!)) + more)
        const found = run(picked, length, -3)
        for (const [i, sequence] of picked.entries()) expect(found[i]!).toEqual(whole[sequence]!)
      }
      for (const sequence of lengths.keys()) for (const more of [0, 1, 7]) check([sequence], more)
      check([4, 0, 7, 2], 0)
      check([12, 3, 13, 10, 9], 2)
    })

  test("attention", () => {
    for (const heads of [2, 3])
      for (const d of [32, 5])
        expectSequencesAlone(
          [heads * d, heads * d],
          (q, k, v, size, isToken) => {
            const segments = segmentsOfPadding(tf.tensor2d(isToken, [size, isToken.length / size]))
            return attention({ q, k, v, batch: size, heads, mask: { segments } })
          },
          1
        )
  })

  test("causal attention", () => {
    for (const [heads, keyValueHeads] of [
      [4, 2],
      [3, 3]
    ] as const)
      for (const d of [32, 6])
        for (const window of [null, 9])
          expectSequencesAlone(
            [heads * d, keyValueHeads * d],
            (q, k, v, size, isToken) => {
              const own = tf.tensor1d(
                Int32Array.from(isToken, (is) => is - 1),
                "int32"
              ) as Tensor1D
              const mask = { causal: true, window, segments: { queries: own, keys: own } }
              const softCap = heads === 3 ? 20 : null
              return attention({ q, k, v, batch: size, heads, keyHeads: keyValueHeads, scale: 0.3, softCap, mask })
            },
            1
          )
  })
})
