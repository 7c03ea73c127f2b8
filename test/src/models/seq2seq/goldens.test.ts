/**
 * T5, T5 v1.1, mT5 and UMT5 against transformers and PEFT: the encoder's hidden states, logits, loss; with an adapter also the gradient of every
 * tensor it trains, and the logits after merging. Both spellings of T5's config.json.
 */
import { expect, test } from "bun:test"
import type { Tensor2D } from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { logitsOf } from "../../../../src/models/causal/index.ts"
import { valueAndGradients } from "../../../../src/tensors/gradients.ts"
import { recomputed } from "../../../../src/tensors/tape-nodes.ts"
import { tensorsOf } from "../../../../src/tensors/trainable.ts"
import { describeOn } from "../../../backends.ts"
import { expectClose, expectNoLeak, tolerance as onCpu } from "../../../setup.ts"
import { adaptedGolden, folderOf, frozen, jsonOf, lossOf, mergedLinear, valuesOf } from "../causal/causal-golden.ts"
import { readGolden, runScoped } from "../golden.ts"
import { openGolden, rowsOf, withConfig } from "./seq2seq-golden.ts"

/** With the number of tensors that the adapter trains. */
const cases = { t5: 24, "t5-v1_1": 72, mt5: 58, umt5: 58 } as const

/** The goldens' own bounds for GPUs, whose exponentials are good to fewer digits. */
const onGpu = { forward: 1e-4, gradient: 1e-3 }

const ioOf = (name: string) => Effect.promise(() => readGolden(`models/${name}/io.safetensors`))

// not on tfjs's own CPU backend, which takes ten times as long and has no kernel of ours
for (const backend of ["wasm", "webgpu"] as const)
  describeOn(backend, () => {
    const tolerance = backend === "webgpu" ? onGpu : onCpu
    for (const [name, trained] of Object.entries(cases)) {
      test(`${name}: the encoder's states, logits and loss, from every spelling of its config`, () =>
        runScoped(
          Effect.gen(function* () {
            const io = yield* ioOf(name)
            const rows = rowsOf(io)
            // the golden has padding to leave alone, in sources and in targets
            expect(rows.attentionMask).toContain(0)
            expect(rows.labels).toContain(-100)
            const old = name.endsWith("mt5")
              ? []
              : [yield* Effect.promise(() => jsonOf(`models/${name}/config_v4.json`))]
            const others = yield* Effect.forEach(old, (config) => withConfig(name, config))
            for (const folder of [folderOf(name), ...others]) {
              const model = yield* openGolden(folder)
              expect(model.tied).toBe(name === "t5" || name === "umt5")
              const { input, target } = model.toDevice(rows)
              const encoded = yield* valuesOf(model.network.encode(input, frozen(model), model.weights))
              const atTokens = (values: ArrayLike<number>) =>
                Array.from(values).filter((_, i) => rows.attentionMask[Math.floor(i / model.hiddenSize)] === 1)
              expectClose(atTokens(encoded), atTokens(io.get("encoder_last_hidden_state")!.data), tolerance.forward)
              const output = model.forward(input, frozen(model), model.weights)
              expectClose(yield* valuesOf(logitsOf(output.hidden, output)), io.get("logits")!.data, tolerance.forward)
              expectClose(yield* valuesOf(lossOf(output, target)), io.get("loss")!.data, tolerance.forward)
            }
          })
        ))

      test(`${name} with PEFT's adapter: logits, loss, every gradient, and logits after merging`, () =>
        runScoped(
          Effect.gen(function* () {
            const rows = rowsOf(yield* ioOf(name))
            const expected = yield* Effect.promise(() => readGolden(`models/${name}/adapter_io.safetensors`))
            const model = yield* openGolden(folderOf(name))
            const { adapted, names } = yield* adaptedGolden(model, name, "adapter")
            expect(names.length).toBe(trained)
            const { input, target } = model.toDevice(rows)
            const { trainable } = adapted
            const output = adapted.forward(input, trainable)
            expectClose(
              yield* valuesOf(logitsOf(output.hidden, output)),
              expected.get("logits")!.data,
              tolerance.forward
            )
            const { value, gradients } = valueAndGradients(
              () => lossOf(adapted.forward(input, trainable), target),
              tensorsOf(trainable)
            )
            expectClose(yield* valuesOf(value), expected.get("loss")!.data, tolerance.forward)
            for (const [i, key] of names.entries()) {
              expectClose(yield* valuesOf(gradients[i]!), expected.get(`grad.${key}`)!.data, tolerance.gradient)
            }
            expect([...expected.keys()].filter((key) => key.startsWith("grad.")).length).toBe(trained)
            const merged = model.forward(input, mergedLinear(adapted), model.weights)
            const afterMerging = expected.get("logits_merged")!.data
            expectClose(yield* valuesOf(logitsOf(merged.hidden, merged)), afterMerging, tolerance.forward)
          })
        ))
    }

    test("blocks that are run again in the backward pass give the same gradients, bit for bit", () =>
      runScoped(
        Effect.gen(function* () {
          const rows = rowsOf(yield* ioOf("t5-v1_1"))
          const model = yield* openGolden(folderOf("t5-v1_1"))
          const { adapted } = yield* adaptedGolden(model, "t5-v1_1", "adapter")
          const { input, target } = model.toDevice(rows)
          const bits = (runBlock?: typeof recomputed) => {
            const { gradients } = valueAndGradients(
              () => lossOf(adapted.forward(input, adapted.trainable, { runBlock }), target),
              tensorsOf(adapted.trainable)
            )
            return Effect.forEach(gradients, valuesOf)
          }
          expect(yield* bits(recomputed)).toEqual(yield* bits())
        })
      ))

    test("a forward pass leaves nothing behind but its hidden states", () =>
      runScoped(
        Effect.gen(function* () {
          const rows = rowsOf(yield* ioOf("t5"))
          const model = yield* openGolden(folderOf("t5"))
          const { input } = model.toDevice(rows)
          yield* Effect.promise(() =>
            expectNoLeak(() => (model.forward(input, frozen(model), model.weights).hidden as Tensor2D).dispose())
          )
        })
      ))
  })
