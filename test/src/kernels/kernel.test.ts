/** `defineKernel`: one name and one tape entry, gradients computed only when wanted, outputs and temporaries owned properly. */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { defineKernel } from "../../../src/kernels/kernel.ts"
import { valueAndGradients } from "../../../src/tensors/gradients.ts"
import { describeOnBoth } from "../../backends.ts"
import { expectNoLeak } from "../../setup.ts"
import { recorded } from "./oracle.ts"

/** y = f·a·b and, as a second output, a + b. Counts which gradients are computed. */
const counted: { a: number; b: number } = { a: 0, b: 0 }
const productAndSum = defineKernel<"a" | "b", { readonly factor: number }>({
  name: "TestProductAndSum",
  reference: ({ a, b }, { factor }) => [tf.mul(tf.mul(a, b), factor), tf.add(a, b)],
  inputsToSave: ["a", "b"],
  outputsToSave: [false, true],
  gradient: ([dy], [a, b, sum], { factor }) => ({
    a: () => {
      counted.a++
      // (a + b) − a, so that the saved output is used and temporaries appear
      return tf.mul(tf.mul(dy!, tf.sub(sum!, a!)), factor)
    },
    b: () => {
      counted.b++
      return tf.mul(tf.mul(dy!, tf.sub(sum!, b!)), factor)
    }
  })
})

/** a·b and a + b, or a·b alone. */
const productAlone = defineKernel<"a" | "b", object>({
  name: "TestProductOrBoth",
  reference: ({ a, b }) => [tf.mul(a, b), tf.add(a, b)],
  untaped: { name: "TestProductAlone", reference: ({ a, b }) => [tf.mul(a, b)] },
  outputsToSave: [false, true],
  gradient: ([dy], [sum]) => ({ a: () => tf.mul(dy!, sum!) })
})

/** a·b, whose gradient of b is there before it is asked for. */
const early = defineKernel<"a" | "b", object>({
  name: "TestEarlyGradient",
  reference: ({ a, b }) => [tf.mul(a, b)],
  inputsToSave: ["a", "b"],
  gradient: ([dy], [a, b]) => ({ a: () => tf.mul(dy!, b!), b: tf.mul(dy!, a!) })
})

const inputs = () => ({ a: tf.tensor1d([1, 2, 4]), b: tf.tensor1d([8, 16, 32]) })
const loss = ({ a, b }: ReturnType<typeof inputs>) => tf.sum(productAndSum({ a, b }, { factor: 2 })[0]!) as tf.Scalar

describeOnBoth(() => {
  test("runs with its attributes and gives all outputs", async () => {
    const [y, sum] = productAndSum(inputs(), { factor: 2 })
    expect(await y!.data()).toEqual(new Float32Array([16, 64, 256]))
    expect(await sum!.data()).toEqual(new Float32Array([9, 18, 36]))
  })

  test("computes the gradients that are wanted and no others", async () => {
    const given = inputs()
    counted.a = counted.b = 0
    const { gradients } = valueAndGradients(() => loss(given), [given.b])
    expect(await gradients[0]!.data()).toEqual(new Float32Array([2, 4, 8]))
    expect(counted).toEqual({ a: 0, b: 1 })
    const both = tf.grads((a: tf.Tensor, b: tf.Tensor) => loss({ a, b } as typeof given))([given.a, given.b])
    expect(await both[0]!.data()).toEqual(new Float32Array([16, 32, 64]))
    expect(counted).toEqual({ a: 1, b: 2 })
  })

  test("a gradient may be given as it is", async () => {
    const { a, b } = inputs()
    const product = (x: tf.Tensor, y: tf.Tensor) => tf.sum(early({ a: x, b: y }, {})[0]!) as tf.Scalar
    const stock = tf.grads(product)([a, b])
    await expectNoLeak(() =>
      tf.tidy(() => {
        for (const xs of [[a], [b], [a, b]]) valueAndGradients(() => product(a, b), xs)
      })
    )
    const ours = valueAndGradients(() => product(a, b), [a, b]).gradients
    for (const [i, own] of [b, a].entries()) {
      expect(await ours[i]!.data()).toEqual(await own.data())
      expect(await stock[i]!.data()).toEqual(await own.data())
    }
  })

  test("what is only saved is not computed where no tape records", async () => {
    const { a, b } = inputs()
    const outputs: Array<number> = []
    const run = () => {
      const [product, ...saved] = productAlone({ a, b }, {})
      outputs.push(saved.length)
      return product!
    }
    expect(await run().data()).toEqual(new Float32Array([8, 32, 128]))
    const gradient = tf.grad((x) => {
      const [product, ...saved] = productAlone({ a: x, b }, {})
      outputs.push(saved.length)
      return tf.sum(product!)
    })(a)
    expect(await gradient.data()).toEqual(new Float32Array([9, 18, 36]))
    run()
    expect(outputs).toEqual([0, 1, 0])
  })

  test("is one entry on the tape, whatever its reference does", () => {
    const { a, b } = inputs()
    const names = recorded(() => productAndSum({ a, b }, { factor: 1 }))
    expect(names).toEqual(["TestProductAndSum"])
  })

  test("an output after the first is only saved: nobody makes zeros for it, and no gradient goes through it", () => {
    const given = inputs()
    const engine = tf.engine() as unknown as { makeTensor: (values: ArrayLike<number>, ...rest: unknown[]) => unknown }
    const own = engine.makeTensor
    const uploaded: Array<number> = []
    engine.makeTensor = (values, ...rest) => {
      uploaded.push(values.length)
      return own.call(engine, values, ...rest)
    }
    try {
      tf.tidy(() => void valueAndGradients(() => loss(given), [given.a, given.b]))
    } finally {
      engine.makeTensor = own
    }
    // what the gradient of the sum is made of
    expect(uploaded.filter((size) => size === given.a.size)).toHaveLength(1)
    const ofSecond = () => tf.sum(productAndSum(given, { factor: 1 })[1]!) as tf.Scalar
    expect(() => tf.tidy(() => void valueAndGradients(ofSecond, [given.a]))).toThrow(
      "has a gradient for the first 1 of its outputs"
    )
  })

  test("leaves no temporaries of its reference or its gradients", async () => {
    const given = inputs()
    await expectNoLeak(() => tf.dispose([...productAndSum(given, { factor: 1 })]))
    await expectNoLeak(() => {
      const { value, gradients } = valueAndGradients(() => loss(given), [given.a, given.b])
      tf.dispose([value, ...gradients])
    })
  })
})
