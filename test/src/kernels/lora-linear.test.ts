/** y = xWᵀ + bias + s·(xAᵀ)Bᵀ: values and gradients against float64, for full-size layers and at B = 0; no dW, no leak. */
import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { frozenLinear } from "../../../src/kernels/dense-linear.ts"
import type { DropoutMask } from "../../../src/kernels/dropout.ts"
import { loraLinear } from "../../../src/kernels/lora-linear.ts"
import { provideWebgpuEngine, type WebgpuEngine } from "../../../src/kernels/webgpu/engine.ts"
import { valueAndGradients } from "../../../src/tensors/gradients.ts"
import { describeOnBoth, webgpu } from "../../backends.ts"
import { expectClose, expectNoLeak, tolerance } from "../../setup.ts"
import { onWebgpu } from "../device/on-webgpu.ts"
import { combine, random } from "../optimizers/matrix.ts"
import {
  delta,
  forwardOf,
  gradientsOf,
  kernelCalls,
  type Layer,
  layerOf,
  matrixOf,
  recorded,
  shapes,
  upload,
  weighted
} from "./oracle.ts"

// Two products one after the other, each an operation: errors add up, and a third for the sum.
const TWO_PRODUCTS = 3 * tolerance.operation

const expectLayer = async (layer: Layer) => {
  const { x, W, bias, A, B, dy } = upload(layer)
  const whole = combine([1, layer.W], [1, delta(layer)])
  const y = loraLinear(x, W, bias, A, B, layer.scale)
  expectClose(await y.data(), forwardOf(layer, whole).flat(), TWO_PRODUCTS)
  const { gradients } = valueAndGradients(() => weighted(loraLinear(x, W, bias, A, B, layer.scale), dy), [x, A, B])
  const expected = gradientsOf(layer, whole)
  for (const [i, name] of (["x", "A", "B"] as const).entries()) {
    expectClose((await matrixOf(gradients[i]!)).flat(), expected[name].flat(), TWO_PRODUCTS)
  }
  tf.dispose([x, W, bias, A, B, dy, y, ...gradients])
}

describeOnBoth(() => {
  for (const [order, list] of [
    ["in order", shapes],
    ["reversed", [...shapes].reverse()]
  ] as const) {
    test(`equals float64, ${order}`, async () => {
      const next = random(5)
      for (const shape of list) await expectLayer(layerOf(shape, next))
    })
  }

  test("without a bias", async () => {
    const layer = layerOf([4, 6, 5, 2], random(6))
    const { x, W, A, B } = upload(layer)
    const whole = combine([1, layer.W], [1, delta(layer)])
    const unbiased = forwardOf({ ...layer, bias: [layer.bias[0]!.map(() => 0)] }, whole)
    expectClose(await loraLinear(x, W, null, A, B, layer.scale).data(), unbiased.flat(), TWO_PRODUCTS)
  })

  test("at B = 0 it is the frozen layer, bit for bit; gA = 0 and gB is not", async () => {
    const layer = layerOf([9, 16, 12, 4], random(7))
    const { x, W, bias, A, dy } = upload(layer)
    const B = tf.zeros([12, 4]) as tf.Tensor2D
    const base = await frozenLinear(x, W, bias).data()
    expect(await loraLinear(x, W, bias, A, B, 2).data()).toEqual(base)
    const { gradients } = valueAndGradients(() => weighted(loraLinear(x, W, bias, A, B, 2), dy), [A, B])
    expect((await gradients[0]!.data()).every((value) => value === 0)).toBe(true)
    const atZero = gradientsOf({ ...layer, scale: 2 }, layer.W)
    expectClose(await gradients[1]!.data(), atZero.B.flat(), TWO_PRODUCTS)
  })

  test("W is frozen: the factors cost no product with W, dx costs one, and asking for dW is an error", () => {
    const layer = layerOf([6, 8, 4, 2], random(8))
    const { x, W, A, B, dy } = upload(layer)
    const run = (wanted: ReadonlyArray<tf.Tensor>) =>
      kernelCalls(() =>
        tf.tidy(() => void valueAndGradients(() => weighted(loraLinear(x, W, null, A, B, 1), dy), wanted))
      )
    for (const wanted of [[A, B], [B], [x, A, B]]) {
      const calls = run(wanted)
      expect(calls.get("LoraLinear")).toBe(1)
      expect(calls.get("LoraLinearBackward") ?? 0).toBe(wanted.includes(x) ? 1 : 0)
    }
    expect(() => run([A, B, W])).toThrow("the gradient of LoraLinear has no closure for W")
  })

  test("with a mask no more is kept: x and h, and not what was dropped of x", () => {
    const { x, W, A, B } = upload(layerOf([6, 8, 4, 2], random(8)))
    const kept = (own: DropoutMask | undefined) => {
      let buffers = 0
      recorded(() => {
        const before = tf.memory().numDataBuffers
        tf.tidy(() => void loraLinear(tf.clone(x), W, null, A, B, 1, own))
        buffers = tf.memory().numDataBuffers - before
      })
      return buffers
    }
    expect(kept(undefined)).toBe(1)
    expect(kept({ rate: 0.5, seed: 1, offset: 2 })).toBe(1)
  })

  test("nothing is left behind", async () => {
    const { x, W, bias, A, B, dy } = upload(layerOf([6, 8, 4, 2], random(9)))
    await expectNoLeak(() => tf.tidy(() => loraLinear(x, W, bias, A, B, 2)).dispose())
    await expectNoLeak(() => {
      const { value, gradients } = valueAndGradients(() => weighted(loraLinear(x, W, bias, A, B, 2), dy), [x, A, B])
      tf.dispose([value, ...gradients])
    })
    tf.dispose([x, W, bias, A, B, dy])
  })
})

describe.skipIf(!webgpu.exists)("on a GPU", () => {
  /** Products that ran, by their programs' names; and how many programs of tfjs. */
  const products = (engine: WebgpuEngine, f: () => void): readonly [ReadonlyArray<string>, number] => {
    const backend = tf.backend() as tf.KernelBackend & { runWebGPUProgram: (...values: Array<never>) => unknown }
    const own = backend.runWebGPUProgram
    const names: Array<string> = []
    let stock = 0
    backend.runWebGPUProgram = (...values) => {
      stock++
      return own.apply(backend, values)
    }
    const run: WebgpuEngine["run"] = (program, ...given) => {
      if (/product/i.test(program.name)) names.push(program.name)
      engine.run(program, ...given)
    }
    provideWebgpuEngine(backend, { ...engine, run })
    try {
      f()
    } finally {
      backend.runWebGPUProgram = own
      provideWebgpuEngine(backend, engine)
    }
    return [names, stock]
  }

  test("two programs forward and two backward, with a bias and without", () =>
    onWebgpu(async (engine) => {
      const { x, W, bias, A, B, dy } = upload(layerOf([130, 100, 196, 8], random(10)))
      const [forward, backward] = [Array(2).fill("Product nt"), Array(2).fill("Product nn & Product tn")]
      for (const own of [bias, null]) {
        const run = () => tf.tidy(() => void loraLinear(x, W, own, A, B, 2))
        expect(products(engine, run)).toEqual([forward, 0])
        const [names] = products(engine, () =>
          tf.tidy(() => void valueAndGradients(() => weighted(loraLinear(x, W, own, A, B, 2), dy), [x, A, B]))
        )
        expect(names).toEqual([...forward, ...backward])
        expect(products(engine, () => tf.tidy(() => void frozenLinear(x, W, own)))).toEqual([["Product nt"], 0])
      }
      tf.dispose([x, W, bias, A, B, dy])
    }))

  test("at B = 0 it is the frozen layer, bit for bit", () =>
    onWebgpu(async () => {
      for (const shape of [
        [9, 16, 12, 4],
        [40, 64, 48, 8]
      ] as const) {
        const { x, W, bias, A } = upload(layerOf(shape, random(7)))
        const B = tf.zeros([shape[2], shape[3]]) as tf.Tensor2D
        const base = await frozenLinear(x, W, bias).data()
        expect(await loraLinear(x, W, bias, A, B, 2).data()).toEqual(base)
      }
    }))
})
