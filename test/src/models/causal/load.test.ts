/** How the weights of a source come to the device, and how they are held there. */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { inject, lora } from "../../../../adapters/index.ts"
import { dequantized } from "../../../../src/kernels/dequantize.ts"
import {
  type CausalModel,
  type CheckpointSource,
  describeCausal,
  folderSource,
  loadCausal
} from "../../../../src/models/causal/index.ts"
import { packedBytes } from "../../../../src/numbers/index.ts"
import { describeOn } from "../../../backends.ts"
import { expectNoLeak } from "../../../setup.ts"
import { failure, runScoped } from "../golden.ts"
import { folderOf, noTokenizer, openGolden } from "./causal-golden.ts"

const numBytes = () => tf.memory().numBytes
const valuesOf = (tensor: tf.Tensor) => Effect.promise(() => tensor.data())

describeOn("wasm", () => {
  const loaded = (name: string, options: Parameters<typeof loadCausal>[2]) =>
    Effect.gen(function* () {
      const source = yield* folderSource(folderOf(name))
      return yield* loadCausal(source, yield* describeCausal(source), { tokenizer: noTokenizer, ...options })
    })

  test("linear weights of the blocks are packed and nothing else, and all are gone with the scope", async () => {
    for (const name of ["llama", "gpt2"]) {
      await expectNoLeak(() =>
        runScoped(
          Effect.gen(function* () {
            const before = numBytes()
            const whole = `${(yield* openGoldenNames(name))[0]}.weight`
            const model = yield* loaded(name, { weights: "int8", whole: [whole] })
            const names = model.sites.map((site) => `${site.name}.weight`).filter((own) => own !== whole)
            expect([...model.packed!.keys()].sort()).toEqual([...names].sort())
            const linear = model.sites
              .filter((site) => names.includes(`${site.name}.weight`))
              .reduce((sum, site) => sum + packedBytes("int8", [site.out, site.in]), 0)
            const others = model.parameters.filter((parameter) => !names.includes(parameter.name))
            const floats = others.reduce((sum, { shape }) => sum + 4 * shape.reduce((size, n) => size * n, 1), 0)
            expect(numBytes() - before).toBe(linear + floats)
          })
        )
      )
    }
  })

  const openGoldenNames = (name: string) =>
    Effect.map(Effect.flatMap(folderSource(folderOf(name)), describeCausal), ({ sites }) =>
      sites.map((site) => site.name)
    )

  test("Conv1D weights are turned before they are packed: rows have scales, not columns", () =>
    runScoped(
      Effect.gen(function* () {
        const [f32, int8] = [yield* loaded("gpt2", {}), yield* loaded("gpt2", { weights: "int8" })]
        for (const site of f32.sites) {
          const packed = int8.packed!.get(`${site.name}.weight`)!
          expect(packed.shape).toEqual([site.out, site.in])
          const error = tf.max(tf.abs(tf.sub(dequantized(packed), f32.weights(`${site.name}.weight`))), 1)
          const [errors, scales] = [yield* valuesOf(error), yield* valuesOf(packed.scales!)]
          expect(errors.some((value, i) => value > 0.501 * scales[i]!)).toBe(false)
        }
      })
    ))

  test("tensors are asked for one by one, and none before the one before it is on the device", () =>
    runScoped(
      Effect.gen(function* () {
        const source = yield* folderSource(folderOf("variants/llama3"))
        let reading = 0
        const watched: CheckpointSource = {
          ...source,
          read: (names, visit) =>
            source.read(names, (name, data) => {
              const before = numBytes()
              return Effect.map(visit(name, data), () => {
                reading++
                expect(numBytes() - before).toBe(data.byteLength)
              })
            })
        }
        const description = yield* describeCausal(watched)
        yield* loadCausal(watched, description, { tokenizer: noTokenizer })
        expect(reading).toBe(description.parameters.length)
      })
    ))

  test("a source that changed after it was described is told", async () => {
    const loading = Effect.gen(function* () {
      const source = yield* folderSource(folderOf("llama"))
      const shorter: CheckpointSource = {
        ...source,
        read: (names, visit) => source.read(names, (name, data) => visit(name, data.subarray(1)))
      }
      return yield* loadCausal(shorter, yield* describeCausal(source), { tokenizer: noTokenizer })
    })
    const [problem] = (await failure(loading)).problems
    expect(problem).toMatch(/^weights: \S+ has \d+ numbers; expected \d+\. It changed since the model was described$/)
  })

  test("targets and modules to save are named as in PEFT; the output layer is no target of all-linear", () =>
    runScoped(
      Effect.gen(function* () {
        const model = yield* openGolden("llama")
        const options = { rank: 2, alpha: 4, scaling: "standard", init: { kind: "kaiming" } } as const
        const of = (selection: object) =>
          inject<typeof options, CausalModel>(model, lora as never, { ...options, ...selection } as never)
        const all = yield* of({ targets: "all-linear", modulesToSave: ["lm_head", "embed_tokens"] })
        expect(all.sites.length).toBe(14)
        expect(all.trainable.dense.map(({ name }) => name)).toEqual(["embed_tokens.weight", "lm_head.weight"])
        expect((yield* of({ targets: ["model.layers.1.self_attn.q_proj"] })).sites.length).toBe(1)
        expect((yield* of({ targets: ["layers.*.mlp.**"] })).sites.length).toBe(6)
        expect((yield* of({ targets: "attention" })).sites.length).toBe(8)
      })
    ))
})
