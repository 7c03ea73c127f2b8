/**
 * What the goldens do not say of a forward pass: packed rows compute what rows of their own compute, and so does a cache of keys and
 * values in attention's place.
 */
import { expect, test } from "bun:test"
import type { Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { attention } from "../../../../src/kernels/attention.ts"
import { type Attend, type CausalModel, decode, logitsOf } from "../../../../src/models/causal/index.ts"
import type { CausalRows } from "../../../../src/tensors/rows.ts"
import { describeOnBoth } from "../../../backends.ts"
import { expectClose, relativeError, tolerance } from "../../../setup.ts"
import { runScoped } from "../golden.ts"
import { frozen, lossOf, oneText, openGolden } from "./causal-golden.ts"

/** A model of each kind of attention: plain, windows and soft caps, two rotary bases, learned positions. */
const models = ["llama", "gemma2", "gemma3", "gpt2"]

const hiddenOf = (model: CausalModel, rows: CausalRows): Float32Array =>
  tf.tidy(
    () => model.forward(model.toDevice(rows).input, frozen(model), model.weights).hidden.dataSync() as Float32Array
  )

const texts = [
  [5, 9, 3, 7, 11, 2, 40, 17, 90, 33],
  [60, 4, 5],
  [8, 100, 45, 45, 6, 13, 77]
]

/** Texts behind one another in one row, and two places of padding. */
const packed: CausalRows = {
  size: 1,
  length: 22,
  inputIds: Int32Array.from([...texts.flat(), 0, 0]),
  labels: new Int32Array(22),
  segments: Int32Array.from([...texts.flatMap((ids, i) => ids.map(() => i)), -1, -1]),
  positions: Int32Array.from([...texts.flatMap((ids) => [...ids.keys()]), 0, 0]),
  tokens: 20
}

/** Keys and values of all tokens so far, layer by layer: what generation keeps. */
const cacheOf = () => {
  const kept: Array<{ readonly k: Tensor2D; readonly v: Tensor2D }> = []
  const attend: Attend = (layer, q, k, v, { window, ...heads }) => {
    const before = kept[layer]
    const all = before === undefined ? { k, v } : { k: tf.concat([before.k, k]), v: tf.concat([before.v, v]) }
    kept[layer] = { k: tf.keep(all.k.clone()), v: tf.keep(all.v.clone()) }
    return attention({ q, ...all, ...heads, mask: { causal: true, window } })
  }
  return attend
}

describeOnBoth(() => {
  for (const name of models) {
    test(`${name}: texts packed into one row compute what each computes by itself`, () =>
      runScoped(
        Effect.gen(function* () {
          const model = yield* openGolden(name)
          const together = hiddenOf(model, packed)
          let at = 0
          for (const ids of texts) {
            const end = at + ids.length * model.hiddenSize
            expectClose(together.slice(at, end), hiddenOf(model, oneText(ids)), tolerance.forward)
            at = end
          }
          // and without their segments they see each other
          const mixed = hiddenOf(model, { ...packed, segments: packed.segments.map((segment) => Math.min(segment, 0)) })
          const second = texts[0]!.length * model.hiddenSize
          const difference = relativeError(mixed.slice(second, at), together.slice(second, at))
          expect(difference).toBeGreaterThan(100 * tolerance.forward)
        })
      ))

    test(`${name}: with a cache, tokens by one, two and seven compute what all at once compute`, () =>
      runScoped(
        Effect.gen(function* () {
          const model = yield* openGolden(name)
          const ids = texts[0]!
          const whole = hiddenOf(model, oneText(ids))
          const attend = cacheOf()
          const rows: Array<number> = []
          let at = 0
          for (const count of [7, 1, 2]) {
            const own = ids.slice(at, at + count)
            const { input } = model.toDevice({ ...oneText(own), positions: Int32Array.from(own, (_, i) => at + i) })
            const output =
              count === 1
                ? model.forward({ ...input, attend }, frozen(model), model.weights)
                : decode(model.decoder, input, frozen(model), model.weights, { attend })
            rows.push(...output.hidden.dataSync())
            at += count
          }
          expectClose(rows, whole, tolerance.forward)
        })
      ))
  }

  test("padding changes nothing before it, and costs no loss", () =>
    runScoped(
      Effect.gen(function* () {
        const model = yield* openGolden("llama")
        const ids = texts[0]!
        const labelled = { ...oneText(ids), labels: Int32Array.from([...ids.slice(1), -100]) }
        const padded = (fill: number): CausalRows => {
          const behind = (values: Int32Array, value: number) => Int32Array.from([...values, value, value, value])
          return {
            ...labelled,
            length: ids.length + 3,
            inputIds: behind(labelled.inputIds, fill),
            labels: behind(labelled.labels, -100),
            segments: behind(labelled.segments, -1),
            positions: behind(labelled.positions, 0)
          }
        }
        const loss = (rows: CausalRows) => {
          const { input, target } = model.toDevice(rows)
          return lossOf(model.forward(input, frozen(model), model.weights), target).dataSync()[0]!
        }
        expectClose([loss(padded(0))], [loss(labelled)], tolerance.operation)
        expect(loss(padded(77))).toBe(loss(padded(0)))
        const { mask } = model.toDevice(padded(0))
        expect([...mask.dataSync()]).toEqual([...ids.map(() => 1), 0, 0, 0])
      })
    ))

  test("soft-capped logits stay below the cap, and keep their order", () =>
    runScoped(
      Effect.gen(function* () {
        const model = yield* openGolden("gemma2")
        const { input } = model.toDevice(oneText(texts[0]!))
        const output = model.forward(input, frozen(model), model.weights)
        const hidden = tf.mul<Tensor2D>(output.hidden, 3)
        const capped = logitsOf(hidden, output)
        const plain = logitsOf(hidden, { ...output, softcap: null })
        expect(output.softcap).toBe(5)
        expect(tf.max(tf.abs(plain)).dataSync()[0]!).toBeGreaterThan(5)
        expect(tf.max(tf.abs(capped)).dataSync()[0]!).toBeLessThanOrEqual(5)
        const within = tf.lessEqual(tf.abs(plain), 4)
        const inverse = tf.mul(tf.atanh(tf.div(capped, 5)), 5)
        const shown = (x: tf.Tensor) => tf.mul(x, tf.cast(within, "float32")).dataSync()
        expectClose(shown(tf.where(within, inverse, tf.zerosLike(inverse))), shown(plain), 1e-5)
      })
    ))
})

test("a token or a learned position that has no row is no lookup", () =>
  runScoped(
    Effect.gen(function* () {
      const [llama, gpt2] = [yield* openGolden("llama"), yield* openGolden("gpt2")]
      expect(() => llama.toDevice(oneText([3, 128]))).toThrow("token id 128 has no row: the model's table has 128")
      expect(() => llama.toDevice(oneText([3, -1]))).toThrow("token id -1 has no row")
      const long = oneText(new Array(41).fill(1))
      expect(() => gpt2.toDevice(long)).toThrow("position 40 has no row: the model's table has 40")
      // rotary positions have no end
      const beyond = { ...oneText([1]), positions: Int32Array.from([100_000]) }
      expect(llama.toDevice(beyond).input.rotary[0]!.cos.shape).toEqual([1, 8])
    })
  ))
