/** y = xWᵀ + bias, trained and frozen: values and gradients against float64, what is saved, and what is never computed. */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { denseLinear, frozenLinear } from "../../../src/kernels/dense-linear.ts"
import { valueAndGradients } from "../../../src/tensors/gradients.ts"
import { describeOnEach } from "../../backends.ts"
import { expectClose, expectNoLeak, tolerance } from "../../setup.ts"
import { random } from "../optimizers/matrix.ts"
import { forwardOf, gradientsOf, kernelCalls, layerOf, matrixOf, recorded, shapes, upload, weighted } from "./oracle.ts"

// Both orders: a backend that keeps something of a weight between calls would mix sizes up in one of them.
for (const [order, list] of [
  ["in order", shapes],
  ["reversed", [...shapes].reverse()]
] as const) {
  describeOnEach(() => {
    for (const linear of [denseLinear, frozenLinear]) {
      test(`${linear === denseLinear ? "denseLinear" : "frozenLinear"} equals float64, ${order}`, async () => {
        const next = random(1)
        for (const shape of list) {
          const layer = layerOf(shape, next)
          const { x, W, bias, dy } = upload(layer)
          const y = linear(x, W, bias)
          expectClose(await y.data(), forwardOf(layer, layer.W).flat(), tolerance.operation)
          const plain = linear(x, W, null)
          const unbiased = forwardOf({ ...layer, bias: [layer.bias[0]!.map(() => 0)] }, layer.W)
          expectClose(await plain.data(), unbiased.flat(), tolerance.operation)

          const wanted = linear === denseLinear ? (["x", "W", "bias"] as const) : (["x", "bias"] as const)
          const { gradients } = valueAndGradients(
            () => weighted(linear(x, W, bias), dy),
            wanted.map((name) => ({ x, W, bias })[name])
          )
          const expected = gradientsOf(layer, layer.W)
          for (const [i, name] of wanted.entries()) {
            expectClose((await matrixOf(gradients[i]!)).flat(), expected[name].flat(), tolerance.operation)
          }
          tf.dispose([x, W, bias, dy, y, plain, ...gradients])
        }
      })
    }
  })
}

describeOnEach((backend) => {
  test("the backward pass of a frozen layer is one product; asking for dW is an error, not a number", () => {
    const { x, W, dy } = upload(layerOf([6, 8, 4, 1], random(2)))
    const backward = (linear: typeof denseLinear, wanted: ReadonlyArray<tf.Tensor>) =>
      kernelCalls(() => tf.tidy(() => void valueAndGradients(() => weighted(linear(x, W, null), dy), wanted)))
    // the forward pass is a kernel of ours, whose reference is a product as well
    const forward = backend === "cpu" ? 1 : 0
    expect(backward(frozenLinear, [x]).get("BatchMatMul")).toBe(forward + 1)
    expect(backward(denseLinear, [x]).get("BatchMatMul")).toBe(forward + 1)
    expect(backward(denseLinear, [x, W]).get("BatchMatMul")).toBe(forward + 2)
    expect(() => backward(frozenLinear, [x, W])).toThrow("the gradient of FrozenLinear has no closure for W")
    tf.dispose([x, W, dy])
  })

  test("a frozen layer does not keep x", () => {
    const kept = (linear: typeof denseLinear) => {
      const { W } = upload(layerOf([6, 8, 4, 1], random(3)))
      let buffers = 0
      recorded(() => {
        const before = tf.memory().numDataBuffers
        tf.tidy(() => void linear(tf.ones([6, 8]) as tf.Tensor2D, W, null))
        buffers = tf.memory().numDataBuffers - before
      })
      W.dispose()
      return buffers
    }
    expect(kept(frozenLinear)).toBe(0)
    expect(kept(denseLinear)).toBe(1)
  })

  test("nothing is left behind", async () => {
    const { x, W, bias, dy } = upload(layerOf([6, 8, 4, 1], random(4)))
    for (const linear of [denseLinear, frozenLinear]) {
      await expectNoLeak(() => tf.tidy(() => linear(x, W, bias)).dispose())
      await expectNoLeak(() => {
        const { value, gradients } = valueAndGradients(() => weighted(linear(x, W, bias), dy), [x, bias])
        tf.dispose([value, ...gradients])
      })
    }
    tf.dispose([x, W, bias, dy])
  })
})
