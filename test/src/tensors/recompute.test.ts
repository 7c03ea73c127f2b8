/** A part that is run again in the backward pass shows in nothing but memory: the same bits, wherever gradients meet. */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { valueAndGradients } from "../../../src/tensors/gradients.ts"
import { recomputed } from "../../../src/tensors/tape-nodes.ts"
import { describeOnBoth } from "../../backends.ts"
import { expectNoLeak } from "../../setup.ts"

type Run = typeof recomputed

const once: Run = (f, ...inputs) => f(...inputs)

const random = (shape: Array<number>, seed: number) => tf.randomNormal(shape, 0, 1, "float32", seed)

const matMul = (x: tf.Tensor, w: tf.Tensor) => tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D)

/** tanh(x·w) + x/3, with intermediates that are gone after it */
const block = (x: tf.Tensor, w: tf.Tensor) => tf.tidy(() => tf.add(tf.tanh(matMul(x, w)), tf.mul(x, 1 / 3)))

/** What a part does to x [7, 5], given trained w and v [5, 5]. */
const networks: Readonly<Record<string, (run: Run, x: tf.Tensor, w: tf.Tensor, v: tf.Tensor) => tf.Tensor>> = {
  "two parts in a row": (run, x, w, v) =>
    run(
      (h) => block(h, v),
      run((h) => block(h, w), x)
    ),
  "one trained tensor in three parts, and outside": (run, x, w, v) => {
    const part = (h: tf.Tensor) => run((g) => block(block(g, w), v), h)
    return tf.add(part(part(part(tf.mul(x, tf.sum(w))))), matMul(x, w))
  },
  "an input that is used around the part, before and after": (run, x, w, v) => {
    const h = matMul(x, w)
    return tf.add(
      tf.mul(
        h,
        run((g) => block(g, v), h)
      ),
      tf.square(h)
    )
  },
  "a part within a part": (run, x, w, v) =>
    run(
      (h) =>
        block(
          run((g) => block(g, w), tf.square(h)),
          v
        ),
      x
    ),
  "two inputs, one of them frozen": (run, x, w, v) =>
    run((h, scale) => block(tf.mul(h, scale), v), matMul(x, w), tf.mul(tf.ones([7, 1]), 0.3)),
  "a trained tensor as an input": (run, x, w, v) => run((h, own) => block(block(h, own), v), x, w),
  "a part that passes its input on": (run, x, w, v) =>
    block(
      run((h) => h, block(x, w)),
      v
    ),
  "a part of one kernel that saves its output": (run, x, w, v) => run(tf.sigmoid, block(block(x, w), v)),
  "a part whose result does not come from its input": (run, x, w, v) => {
    const apart = (h: tf.Tensor) => {
      tf.square(h)
      return block(x, v)
    }
    return tf.add(run(apart, block(x, w)), block(x, w))
  },
  "a part whose result comes from nothing": (run, x, w, v) => {
    const constant = (h: tf.Tensor) => {
      tf.square(h)
      return tf.fill([7, 5], 0.7)
    }
    return tf.mul(run(constant, block(x, w)), block(block(x, w), v))
  }
}

const gradients = (run: Run, network: (typeof networks)[string], x: tf.Tensor, wanted: ReadonlyArray<tf.Tensor>) => {
  const [w, v] = wanted as [tf.Tensor, tf.Tensor]
  return valueAndGradients(() => tf.mean(tf.square(network(run, x, w, v))) as tf.Scalar, wanted)
}

const bits = async (found: ReturnType<typeof valueAndGradients>) => {
  const read = [found.value, ...found.gradients].map(
    async (tensor) => new Uint8Array((await tensor.data()).slice().buffer)
  )
  const values = await Promise.all(read)
  tf.dispose([found.value, ...found.gradients])
  return values
}

describeOnBoth(() => {
  for (const [name, network] of Object.entries(networks)) {
    test(`${name}: the same bits, and nothing is left`, async () => {
      const x = random([7, 5], 1)
      const [w, v] = [random([5, 5], 2), random([5, 5], 3)]
      for (const wanted of [
        [w, v],
        [w, v, x]
      ]) {
        const expected = await bits(gradients(once, network, x, wanted))
        expect(expected).toHaveLength(1 + wanted.length)
        await expectNoLeak(async () => expect(await bits(gradients(recomputed, network, x, wanted))).toEqual(expected))
        await expectNoLeak(() => tf.tidy(() => void gradients(recomputed, network, x, wanted)))
      }
      tf.dispose([x, w, v])
    })
  }

  test("a part runs twice where something in it is trained, else once, and once where nothing is recorded", async () => {
    const runs = new Map<string, number>()
    const counted = (name: string, w: tf.Tensor) => (h: tf.Tensor) => {
      runs.set(name, (runs.get(name) ?? 0) + 1)
      return block(h, w)
    }
    const [x, frozen, w] = [random([7, 5], 1), random([5, 5], 2), random([5, 5], 3)]
    const forward = () => {
      const first = recomputed(counted("frozen", frozen), x)
      return tf.mean(recomputed(counted("above", frozen), recomputed(counted("trained", w), first))) as tf.Scalar
    }
    tf.tidy(() => void valueAndGradients(forward, [w]))
    expect(Object.fromEntries(runs)).toEqual({ frozen: 1, trained: 2, above: 2 })
    runs.clear()
    tf.tidy(() => void forward())
    expect(Object.fromEntries(runs)).toEqual({ frozen: 1, trained: 1, above: 1 })
    tf.dispose([x, frozen, w])
  })

  test("an error in the first run leaves the tape usable and nothing behind", async () => {
    const x = random([2, 2], 3)
    const failing = (h: tf.Tensor): tf.Tensor => {
      tf.square(h)
      throw new Error("in the middle")
    }
    const sum = (f: (h: tf.Tensor) => tf.Tensor) => () => tf.sum(recomputed(f, tf.square(x))) as tf.Scalar
    await expectNoLeak(() => {
      expect(() => valueAndGradients(sum(failing), [x])).toThrow("in the middle")
    })
    const [gradient] = tf.tidy(() => [...valueAndGradients(sum(tf.exp), [x]).gradients]) as [tf.Tensor]
    expect(await gradient.data()).toEqual(await tf.mul(tf.exp(tf.square(x)), tf.mul(x, 2)).data())
  })

  test("tfjs's own gradients refuse such a part", () => {
    expect(() => tf.grad((x) => recomputed((h) => tf.square(h), x))(tf.scalar(2))).toThrow(
      "gradient function not found for Recomputed"
    )
  })
})
