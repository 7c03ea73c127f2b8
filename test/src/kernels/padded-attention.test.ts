import { expect, test } from "bun:test"
import type { Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { additiveMask, paddedAttention } from "../../../src/kernels/padded-attention.ts"
import { valueAndGradients } from "../../../src/tensors/gradients.ts"
import { describeOnEach } from "../../backends.ts"
import { expectClose, expectNoLeak, tolerance } from "../../setup.ts"
import { normals, numericalGradient } from "./float64.ts"

interface Sizes {
  readonly batch: number
  readonly length: number
  readonly heads: number
  readonly d: number
}

/** softmax(QKᵀ/√d) V over the keys that are tokens, sequence by sequence and head by head */
const exact =
  ({ batch, length, heads, d }: Sizes, mask: ReadonlyArray<number>) =>
  ([q, k, v]: ReadonlyArray<Float64Array>): Float64Array => {
    const out = new Float64Array(q!.length)
    const at = (b: number, t: number, h: number, j: number) => ((b * length + t) * heads + h) * d + j
    for (let b = 0; b < batch; b++)
      for (let h = 0; h < heads; h++)
        for (let t = 0; t < length; t++) {
          const weights = Array.from({ length }, (_, s) => {
            if (mask[b * length + s] === 0) return 0
            let dot = 0
            for (let j = 0; j < d; j++) dot += q![at(b, t, h, j)]! * k![at(b, s, h, j)]!
            return Math.exp(dot / Math.sqrt(d))
          })
          const total = weights.reduce((a, c) => a + c, 0)
          for (let s = 0; s < length; s++)
            for (let j = 0; j < d; j++) out[at(b, t, h, j)]! += (weights[s]! / total) * v![at(b, s, h, j)]!
        }
    return out
  }

describeOnEach(() => {
  for (const [sizes, padding] of [
    [{ batch: 2, length: 5, heads: 3, d: 4 }, [5, 3]],
    [{ batch: 1, length: 1, heads: 1, d: 8 }, [1]],
    [{ batch: 3, length: 7, heads: 2, d: 3 }, [1, 7, 4]]
  ] as const) {
    const { batch, length, heads, d } = sizes
    const size = batch * length * heads * d
    const mask = padding.flatMap((tokens) => Array.from({ length }, (_, t) => (t < tokens ? 1 : 0)))
    const host = ["q", "k", "v"].map((name) => normals(size, `${name}${length}`))
    const tensors = () => host.map((x) => tf.tensor2d(x, [batch * length, heads * d]))
    const additive = () => additiveMask(tf.tensor2d(mask, [batch, length]))
    const run = (q: Tensor2D, k: Tensor2D, v: Tensor2D) => paddedAttention(q, k, v, additive(), { batch, heads })

    test(`${JSON.stringify(sizes)}: values and gradients against float64`, async () => {
      const f = exact(sizes, mask)
      const [q, k, v] = tensors() as [Tensor2D, Tensor2D, Tensor2D]
      expectClose(await run(q, k, v).data(), f(host.map((x) => Float64Array.from(x))), tolerance.operation)
      const dO = normals(size, `dO${length}`)
      const gradients = tf.grads((...xs) => run(...(xs as [Tensor2D, Tensor2D, Tensor2D])))(
        [q, k, v],
        tf.tensor2d(dO, [batch * length, heads * d])
      )
      for (const [i, gradient] of gradients.entries()) {
        const expected = numericalGradient(f, host, i, dO)
        // one key alone: P = 1, and dQ = dK = 0 up to rounding
        if (length === 1 && i < 2) expect(Math.max(...(await gradient.data()).map(Math.abs))).toBeLessThan(1e-6)
        else expectClose(await gradient.data(), expected, 1e-5)
      }
    })
  }

  test("no leak, also where only some gradients are wanted", async () => {
    const [q, k, v] = ["q", "k", "v"].map((name) => tf.tensor2d(normals(48, name), [4, 12])) as [
      Tensor2D,
      Tensor2D,
      Tensor2D
    ]
    const mask = additiveMask(tf.ones([2, 2]))
    const f = (x: Tensor2D) => paddedAttention(x, k, v, mask, { batch: 2, heads: 3 })
    await expectNoLeak(() => f(q).dispose())
    await expectNoLeak(() =>
      tf
        .grad((x) => f(x as Tensor2D))(q)
        .dispose()
    )
    await expectNoLeak(() => {
      const { value, gradients } = valueAndGradients(() => tf.sum(f(q)), [q])
      tf.dispose([value, ...gradients])
    })
  })
})
