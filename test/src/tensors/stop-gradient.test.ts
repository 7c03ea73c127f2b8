/** What `stopGradient` holds fixed is a constant to the tape, in tfjs's own gradients, in ours, and in a part that is recomputed. */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { valueAndGradients } from "../../../src/tensors/gradients.ts"
import { recomputed, stopGradient } from "../../../src/tensors/tape-nodes.ts"
import { describeOnBoth } from "../../backends.ts"
import { expectNoLeak } from "../../setup.ts"

/** Σ x·x̄, where x̄ is x held fixed: its value is Σ x², its gradient x rather than 2x. */
const held = (x: tf.Tensor): tf.Scalar =>
  tf.sum(
    tf.mul(
      x,
      stopGradient(() => tf.mul(tf.sqrt(x), tf.sqrt(x)))
    )
  )

const x = () => tf.tensor1d([1, 4, 9])

describeOnBoth(() => {
  test("the value is f's, the gradient that of a constant", async () => {
    const one = x()
    const ours = valueAndGradients(() => held(one), [one])
    expect((await ours.value.data())[0]).toBe(98)
    expect(Array.from(await ours.gradients[0]!.data())).toEqual([1, 4, 9])
    expect(Array.from(await tf.grad(held)(x()).data())).toEqual([1, 4, 9])
  })

  test("outside of a gradient it is f()", async () => {
    expect(Array.from(await stopGradient(() => tf.square(x())).data())).toEqual([1, 16, 81])
  })

  test("a function that depends on x through it alone does not depend on x", () => {
    const xs = x()
    const through = () => valueAndGradients(() => tf.sum(stopGradient(() => tf.square(xs))), [xs])
    expect(through).toThrow("does not depend on a tensor of shape [3]")
  })

  test("recomputed: the same bits, and nothing left behind", async () => {
    const xs = x()
    const f = (input: tf.Tensor) => tf.mul(tf.exp(input), held(input))
    const of = (g: (input: tf.Tensor) => tf.Tensor) => valueAndGradients(() => tf.sum(g(tf.mul(xs, 0.1))), [xs])
    const [kept, again] = [of(f), of((input) => recomputed(f, input))]
    expect(await again.gradients[0]!.data()).toEqual(await kept.gradients[0]!.data())
    await expectNoLeak(() => tf.tidy(() => void of((input) => recomputed(f, input))))
  })

  test("of what f makes, only its result stays", () =>
    expectNoLeak(() => {
      const xs = x()
      tf.dispose([xs, stopGradient(() => tf.sqrt(tf.square(xs)))])
    }))
})
