/**
 * Adapted layers of one input as one kernel: y, x again, and every gradient against float64, by the plans of a software adapter and by those
 * of a GPU; and how many programs run.
 */
import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { gelu } from "../../../../src/kernels/gelu.ts"
import { loraLinears } from "../../../../src/kernels/lora-linears.ts"
import { provideWebgpuEngine, type WebgpuEngine, webgpuEngineOf } from "../../../../src/kernels/webgpu/engine.ts"
import { valueAndGradients } from "../../../../src/tensors/gradients.ts"
import { webgpu } from "../../../runtime/runtimes.ts"
import { expectClose, expectNoLeak, tolerance } from "../../../setup.ts"
import { onWebgpu } from "../../device/on-webgpu.ts"
import { combine, type Matrix, random } from "../../optimizers/matrix.ts"
import { delta, forwardOf, gradientsOf, type Layer, layerOf, tensor, upload, weighted } from "../oracle.ts"

/** tokens, in, out, r: within a vector of four and not, and as many as make tiles on a GPU */
const shapes = [
  [5, 8, 8, 2],
  [7, 3, 17, 3],
  [40, 64, 48, 8],
  [130, 100, 196, 8]
] as const

/** Two products and the sum of three of them. */
const TOLERANCE = 6 * tolerance.operation

const layersOf = (shape: (typeof shapes)[number], count: number): ReadonlyArray<Layer> => {
  const next = random(11)
  const x = layerOf(shape, next).x
  return Array.from({ length: count }, () => ({ ...layerOf(shape, next), x }))
}

const added = (matrices: ReadonlyArray<Matrix>): Matrix => combine(...matrices.map((own) => [1, own] as const))

const close = async (actual: tf.Tensor, expected: Matrix) =>
  expectClose(await actual.data(), expected.flat(), TOLERANCE)

const expectLayers = async (layers: ReadonlyArray<Layer>, biased: boolean) => {
  const uploaded = layers.map(upload)
  const x = uploaded[0]!.x
  const onDevice = uploaded.map(({ W, bias, A, B }, i) => ({
    W,
    bias: biased ? bias : null,
    A,
    B,
    scale: layers[i]!.scale
  }))
  const whole = layers.map((own) => combine([1, own.W], [1, delta(own)]))
  const residual = layerOf([layers[0]!.x.length, 1, layers[0]!.x[0]!.length, 1], random(12)).dy
  const dx = tensor(residual)
  const none = layers.map(({ bias }) => [bias[0]!.map(() => 0)])
  // twice: the second time weights and factors lie together already
  for (const _ of [1, 2]) {
    const { outputs, x: again } = loraLinears(x, onDevice)!
    for (const [i, own] of layers.entries())
      await close(outputs[i]!, forwardOf(biased ? own : { ...own, bias: none[i]! }, whole[i]!))
    expect(await again.data()).toEqual(await x.data())
    tf.dispose([...outputs, again])
    const { value, gradients } = valueAndGradients(() => {
      const all = loraLinears(x, onDevice)!
      return tf.addN([...all.outputs.map((y, i) => weighted(y, uploaded[i]!.dy)), weighted(all.x, dx)]) as tf.Scalar
    }, [x, ...onDevice.flatMap(({ A, B }) => [A, B])])
    const expected = layers.map((own, i) => gradientsOf(own, whole[i]!))
    await close(gradients[0]!, added([...expected.map((own) => own.x), residual]))
    for (const [i, own] of expected.entries()) {
      await close(gradients[1 + 2 * i]!, own.A)
      await close(gradients[2 + 2 * i]!, own.B)
    }
    tf.dispose([value, ...gradients])
  }
  tf.dispose([dx, ...uploaded.flatMap((own) => Object.values(own))])
}

/** While `f` runs the engine is this one. */
const withEngine = async (engine: WebgpuEngine, f: () => unknown) => {
  const backend = tf.backend()
  const before = webgpuEngineOf(backend)
  provideWebgpuEngine(backend, engine)
  try {
    await f()
  } finally {
    provideWebgpuEngine(backend, before)
  }
}

describe.skipIf(!webgpu.exists)("adapted layers of one input", () => {
  for (const software of [true, false]) {
    test(`equal float64, as on ${software ? "a CPU" : "a GPU"}`, () =>
      onWebgpu((engine) =>
        withEngine({ ...engine, software }, async () => {
          for (const shape of shapes) await expectLayers(layersOf(shape, 3), true)
          await expectLayers(layersOf(shapes[2], 2), false)
          await expectLayers(layersOf(shapes[2], 1), true)
        })
      ))
  }

  test("where no gradient of x is wanted, those of the factors are the same", () =>
    onWebgpu(async () => {
      const layers = layersOf(shapes[2], 3)
      const uploaded = layers.map(upload)
      const { x } = uploaded[0]!
      const of = (xs: ReadonlyArray<tf.Tensor>) =>
        valueAndGradients(() => {
          const { outputs } = loraLinears(
            x,
            uploaded.map((own, i) => ({ ...own, scale: layers[i]!.scale }))
          )!
          return tf.addN(outputs.map((y, i) => weighted(y, uploaded[i]!.dy))) as tf.Scalar
        }, xs).gradients
      const factors = uploaded.flatMap(({ A, B }) => [A, B])
      const [alone, beside] = [of(factors), of([x, ...factors]).slice(1)]
      for (const [i, own] of alone.entries()) expect(await own.data()).toEqual(await beside[i]!.data())
    }))

  for (const form of ["erf", "tanh", "quick"] as const) {
    test(`GELU (${form}) of a layer: value and gradients as of the layer and then GELU`, () =>
      onWebgpu((engine) =>
        withEngine({ ...engine, software: form === "erf" }, async () => {
          for (const shape of [shapes[1], shapes[3]]) {
            const [layer] = layersOf(shape, 1) as [Layer]
            const { x, W, bias, A, B, dy } = upload(layer)
            const own = [{ W, bias, A, B, scale: layer.scale }]
            const residual = tf.ones(x.shape)
            const both = [
              () => loraLinears(x, own, { form })!,
              () => {
                const { outputs, x: again } = loraLinears(x, own)!
                return { outputs: [gelu(outputs[0]!, form)], x: again }
              }
            ].map((f) =>
              valueAndGradients(() => {
                const { outputs, x: again } = f()
                return tf.add(weighted(outputs[0]!, dy), weighted(again, residual)) as tf.Scalar
              }, [x, A, B])
            )
            const [fused, apart] = both.map(({ value, gradients }) => [value, ...gradients])
            for (const [i, tensor] of fused!.entries())
              expectClose(await tensor.data(), await apart![i]!.data(), TOLERANCE)
            // only with a tape is there a derivative to keep
            expect(loraLinears(x, own, { form })).toBeUndefined()
            tf.dispose([x, W, bias, A, B, dy, residual, fused, apart])
          }
        })
      ))
  }

  test("two programs forward and two backward, and nothing is left behind", () =>
    onWebgpu(async (engine) => {
      const layers = layersOf(shapes[3], 3)
      const uploaded = layers.map(upload)
      const { x } = uploaded[0]!
      const names: Array<string> = []
      const run: WebgpuEngine["run"] = (program, ...given) => {
        names.push(program.name)
        engine.run(program, ...given)
      }
      const step = () => {
        const { value, gradients } = valueAndGradients(() => {
          const { outputs } = loraLinears(
            x,
            uploaded.map((own, i) => ({ ...own, scale: layers[i]!.scale }))
          )!
          return tf.addN(outputs.map((y, i) => weighted(y, uploaded[i]!.dy))) as tf.Scalar
        }, [x, ...uploaded.flatMap(({ A, B }) => [A, B])])
        tf.dispose([value, ...gradients])
      }
      await withEngine({ ...engine, run }, step)
      expect(names.filter((name) => /product/i.test(name))).toEqual([
        "Product nt",
        "Product nt",
        "Product nn & Product tn",
        "Product nn & Product tn"
      ])
      await expectNoLeak(step)
    }))
})
