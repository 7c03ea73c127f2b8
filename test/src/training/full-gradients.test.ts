/**
 * The full gradient of weights that are never formed: full fine-tuning's own at the same point, PyTorch's with an adapter in place, and
 * nothing else of the backward pass changes.
 */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Adapted, full, inject, lora, none } from "../../../adapters/index.ts"
import type { Batch } from "../../../src/data/index.ts"
import { dequantized } from "../../../src/kernels/dequantize.ts"
import type { Model } from "../../../src/models/index.ts"
import { type PackedHostMatrix, packMatrix } from "../../../src/numbers/index.ts"
import { uploadPacked } from "../../../src/tensors/index.ts"
import { type Trainable, tensorsOf, withTensors } from "../../../src/tensors/trainable.ts"
import { backward, backwardWithFull, fullGradients } from "../../../src/training/backward.ts"
import { crossEntropy } from "../../../src/training/index.ts"
import { describeOnEach } from "../../backends.ts"
import { expectClose, expectNoLeak, tolerance } from "../../setup.ts"
import { type GoldenPair, readAdapter, readGolden } from "../models/golden.ts"
import { randomBatch, tinyBert } from "./tiny-bert.ts"
import { tinyAdapted } from "./tiny-session.ts"

const modes = ["none", "blocks"] as const
const targets = "all-linear"
const batches = [randomBatch(3, 8, 1), randomBatch(2, 5, 2)]

const scoped = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Effect.runPromise(Effect.scoped(effect))

const read = (tensor: tf.Tensor) => Effect.promise(async () => (await tensor.data()).slice() as Float32Array)

/** Every factor some way from its start: BA ≠ 0. */
const moved = (trainable: Trainable): Trainable =>
  withTensors(
    trainable,
    tensorsOf(trainable).map((tensor, i) => tf.add(tensor, tf.randomNormal(tensor.shape, 0, 0.05, "float32", i + 1)))
  )

/** LoRA on every linear layer, or nothing, some steps later. */
const adaptedBy = (method: "lora" | "none") =>
  Effect.gen(function* () {
    const model = yield* tinyBert("mean")
    const options = { rank: 4, alpha: 8, scaling: "standard", init: { kind: "kaiming" } } as const
    const adapted = yield* method === "lora" ? inject(model, lora, { ...options, targets }) : inject(model, none, {})
    adapted.trainable = moved(adapted.trainable)
    return adapted
  })

/** The same model with the weights that `adapted` computes with, all of them trained themselves. */
const asFull = (adapted: Adapted) =>
  Effect.gen(function* () {
    const own = yield* inject(adapted.model, full, { targets })
    const values = new Map<string, tf.Tensor>([
      ...adapted.trainable.dense.map(({ name, value }) => [name, value] as const),
      ...adapted.sites.map((site) => [`${site.name}.weight`, adapted.merged(site, adapted.trainable)] as const)
    ])
    const dense = own.trainable.dense.map((entry) => ({ ...entry, value: values.get(entry.name) ?? entry.value }))
    return { ...own, trainable: { pairs: [], dense } }
  })

describeOnEach((backend) => {
  for (const method of ["lora", "none"] as const) {
    for (const recompute of modes) {
      test(`${method}, recompute ${recompute}: equals what full fine-tuning sees`, () =>
        scoped(
          Effect.gen(function* () {
            const adapted = yield* adaptedBy(method)
            const other = yield* asFull(adapted)
            const { sites } = other
            expect(sites.length).toBe(12)
            const own = backward({ adapted: other, loss: crossEntropy }, batches).gradients
            const expected = new Map(own.dense.map(({ name, value }) => [name, value] as const))
            const seen = fullGradients({ adapted, loss: crossEntropy, recompute }, batches, sites)
            expect([...seen.keys()]).toEqual(sites.map(({ name }) => name))
            for (const [name, gradient] of seen) {
              const values = yield* read(expected.get(`${name}.weight`)!)
              // W + s·BA in one weight there, in two products here
              expectClose(yield* read(gradient), values, tolerance.gradient)
            }
          })
        ))
    }
  }

  test("of a frozen base the bits are full fine-tuning's", () =>
    scoped(
      Effect.gen(function* () {
        const [full, none] = [yield* tinyAdapted("full"), yield* tinyAdapted("none")]
        const own = backward({ adapted: full, loss: crossEntropy }, batches).gradients
        const expected = new Map(own.dense.map(({ name, value }) => [name, value] as const))
        const seen = fullGradients({ adapted: none, loss: crossEntropy }, batches, full.sites)
        expect(seen.size).toBe(12)
        for (const [name, gradient] of seen) {
          expect(yield* read(gradient)).toEqual(yield* read(expected.get(`${name}.weight`)!))
        }
      })
    ))

  for (const recompute of modes) {
    // on a GPU a chosen layer computes by itself, and not with those that share its input: sums have another order
    const keep = backend === "webgpu" ? "are equal up to round-off" : "keep their bits"
    test(`recompute ${recompute}: loss and ordinary gradients ${keep}, and nothing is left`, () =>
      scoped(
        Effect.gen(function* () {
          const adapted = yield* tinyAdapted("lora")
          adapted.trainable = moved(adapted.trainable)
          const session = { adapted, loss: crossEntropy, recompute }
          const chosen = [adapted.sites[3]!, adapted.sites[10]!]
          const without = backward(session, batches)
          const kept = yield* Effect.forEach([without.loss, ...tensorsOf(without.gradients)], read)
          const alone = fullGradients(session, batches, chosen)
          const check = async () => {
            const { loss, gradients, full } = backwardWithFull(session, batches, chosen)
            const values = await Promise.all([loss, ...tensorsOf(gradients)].map((tensor) => tensor.data()))
            const found = values.map((data) => data.slice() as Float32Array)
            if (backend !== "webgpu") expect(found).toEqual([...kept])
            else for (const [i, data] of found.entries()) expectClose(data, kept[i]!, tolerance.gradient)
            expect([...full.keys()]).toEqual(chosen.map(({ name }) => name))
            for (const [name, g] of full)
              expectClose(await g.data(), await alone.get(name)!.data(), backend === "webgpu" ? tolerance.gradient : 0)
            tf.dispose([loss, ...tensorsOf(gradients), ...full.values()])
          }
          yield* Effect.promise(() => expectNoLeak(check))
        })
      ))
  }

  for (const form of ["f16", "int8"] as const) {
    test(`${form}: the gradient of what a packed weight stands for`, () =>
      scoped(
        Effect.gen(function* () {
          const model = yield* tinyBert("mean")
          const site = model.sites.find(({ name }) => name.endsWith("1.intermediate.dense"))!
          const key: string = `${site.name}.weight`
          const matrix = packMatrix(form, yield* read(model.weights(key)), [site.out, site.in])
          const packed = uploadPacked(matrix as PackedHostMatrix)
          const whole = dequantized(packed)
          const seen = (asked: Model) =>
            Effect.gen(function* () {
              const adapted = yield* inject(asked, none, {})
              const seen = fullGradients({ adapted, loss: crossEntropy }, batches, [site])
              return yield* read(seen.get(site.name)!)
            })
          const own = yield* seen({ ...model, packed: new Map([[key, packed]]) })
          expectClose(
            own,
            yield* seen({
              ...model,
              packed: undefined,
              weights: (name) => (name === key ? whole : model.weights(name))
            }),
            tolerance.gradient
          )
          expect(own).not.toEqual(yield* seen(model))
        })
      ))
  }

  test("PyTorch's dL/dW of every adapted module, with PEFT's adapter in place", () =>
    scoped(
      Effect.gen(function* () {
        const model = yield* tinyBert("checkpoint")
        const [io, theirs] = yield* Effect.promise(() =>
          Promise.all([readGolden("models/bert/io.safetensors"), readGolden("models/bert/adapter_io.safetensors")])
        )
        const { pairs } = yield* Effect.promise(() => readAdapter("models/bert/adapter", model.prefix))
        const options = { rank: 4, alpha: 8, scaling: "standard", init: { kind: "kaiming" } } as const
        const adapted = yield* inject(model, lora, { ...options, targets: [...pairs.keys()] })
        adapted.trainable = withGolden(adapted.trainable, pairs)
        const [size, length] = io.get("input_ids")!.shape as [number, number]
        const integers = (name: string) => Int32Array.from(io.get(name)!.data)
        const batch: Batch = {
          size,
          length,
          inputIds: integers("input_ids"),
          tokenTypeIds: integers("token_type_ids"),
          attentionMask: Float32Array.from(io.get("attention_mask")!.data),
          labels: integers("labels"),
          tokens: size * length
        }
        const { loss, full } = backwardWithFull({ adapted, loss: crossEntropy }, [batch], adapted.sites)
        expectClose(yield* read(loss), theirs.get("loss")!.data, tolerance.forward)
        expect(full.size).toBe([...theirs.keys()].filter((key) => key.startsWith("full_grad.")).length)
        expect(full.size).toBeGreaterThan(0)
        for (const [name, gradient] of full) {
          const key = [...theirs.keys()].find(
            (other) => other.endsWith(`${name}.weight`) && other.startsWith("full_grad.")
          )
          expectClose(yield* read(gradient), theirs.get(key!)!.data, tolerance.gradient)
        }
      })
    ))
})

const withGolden = (trainable: Trainable, golden: ReadonlyMap<string, GoldenPair>): Trainable => ({
  ...trainable,
  pairs: trainable.pairs.map((pair) => ({ ...pair, ...golden.get(pair.site.name)! }))
})
