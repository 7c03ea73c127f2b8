/** The freeing tape walk gives tfjs's own gradients, leaves nothing behind, and needs less memory. */
import { beforeAll, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { valueAndGradients } from "../../../src/tensors/gradients.ts"
import { expectNoLeak } from "../../setup.ts"

beforeAll(() => tf.setBackend("cpu"))

const random = (shape: Array<number>, seed: number) => tf.randomNormal(shape, 0, 1, "float32", seed)

/** A little of everything a model does: a reused tensor, an identity, a softmax, a branch that does not depend on x. */
const network = (x: tf.Tensor, w: tf.Tensor): tf.Scalar => {
  const h = tf.tanh(tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D))
  const twice = tf.add(h, tf.reshape(tf.reshape(h, [-1]), h.shape))
  const constant = tf.exp(tf.ones([3, 4]))
  return tf.mean(tf.mul(tf.softmax(tf.add(twice, tf.mul(h, constant))), tf.square(h)))
}

test("equals tf.valueAndGrads", async () => {
  const x = random([3, 5], 1)
  const w = random([5, 4], 2)
  const expected = tf.valueAndGrads(network)([x, w])
  const actual = valueAndGradients(() => network(x, w), [x, w])
  expect(await actual.value.data()).toEqual(await expected.value.data())
  for (const i of [0, 1]) expect(await actual.gradients[i]!.data()).toEqual(await expected.grads[i]!.data())
})

test("leaves the value and the gradients, nothing else", async () => {
  const x = random([3, 5], 1)
  const w = random([5, 4], 2)
  await expectNoLeak(() => {
    const { value, gradients } = valueAndGradients(() => network(x, w), [x, w])
    tf.dispose([value, ...gradients])
  })
  await expectNoLeak(() => tf.tidy(() => void valueAndGradients(() => network(x, w), [x, w])))
})

test("what is older than the tape is saved without a second handle, and stays", async () => {
  const x = random([3, 5], 1)
  const w = random([5, 4], 2)
  const before = tf.memory().numTensors
  let made = 0
  const { value, gradients } = valueAndGradients(() => {
    const h = tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D) // saves x and w
    made = tf.memory().numTensors - before
    return tf.sum(tf.square(h)) // saves h
  }, [x, w])
  expect(made).toBe(1)
  expect([x.isDisposed, w.isDisposed]).toEqual([false, false])
  tf.dispose([value, ...gradients])
  expect(tf.memory().numTensors).toBe(before)
})

test("an error in the function leaves the tape usable and nothing behind", async () => {
  const x = random([2, 2], 3)
  const failing = () => {
    tf.square(x)
    throw new Error("in the middle")
  }
  expect(() => valueAndGradients(failing, [x])).toThrow("in the middle")
  expect(await valueAndGradients(() => tf.sum(x), [x]).gradients[0]!.data()).toEqual(new Float32Array([1, 1, 1, 1]))
})

test("says which kernel has no gradient, and that an x is not used", () => {
  const x = tf.tensor1d([1, 2, 3])
  expect(() => valueAndGradients(() => tf.sum(tf.cumprod(x)), [x])).toThrow("no gradient for the kernel Cumprod")
  expect(() => valueAndGradients(() => tf.sum(x), [x, tf.ones([7])])).toThrow(
    "does not depend on a tensor of shape [7]"
  )
})

test("peaks lower than tf.valueAndGrads", () => {
  const peakOf = (run: (f: () => tf.Scalar, x: tf.Tensor) => unknown) => {
    const x = random([256, 256], 4)
    const deep = () => {
      let y: tf.Tensor = x
      for (let i = 0; i < 8; i++) y = tf.tidy(() => tf.tanh(tf.mul(y, 1.1)))
      return tf.mean(y) as tf.Scalar
    }
    let peak = 0
    const square = tf.getKernel("Multiply", "cpu")!
    const counted = {
      ...square,
      kernelFunc: ((args) => {
        peak = Math.max(peak, tf.memory().numBytes)
        return square.kernelFunc(args)
      }) as typeof square.kernelFunc
    }
    tf.unregisterKernel("Multiply", "cpu")
    tf.registerKernel(counted)
    const before = tf.memory().numBytes
    tf.tidy(() => void run(deep, x))
    tf.unregisterKernel("Multiply", "cpu")
    tf.registerKernel(square)
    return peak - before
  }
  const stock = peakOf((f, x) => tf.valueAndGrads(f)([x]))
  const ours = peakOf((f, x) => valueAndGradients(f, [x]))
  expect(ours).toBeLessThan(0.7 * stock)
})
