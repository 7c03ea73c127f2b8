/**
 * Every decoder family against transformers and PEFT: hidden states, logits, loss; with an adapter also the gradient of every tensor it
 * trains, and the logits after merging. Both spellings of config.json.
 */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { tokenScores } from "../../../../src/kernels/linear-cross-entropy.ts"
import { type CausalModel, decode, logitsOf as ofHidden } from "../../../../src/models/causal/index.ts"
import { valueAndGradients } from "../../../../src/tensors/gradients.ts"
import { recomputed } from "../../../../src/tensors/tape-nodes.ts"
import { tensorsOf } from "../../../../src/tensors/trainable.ts"
import { describeOnEach } from "../../../backends.ts"
import { expectClose, expectNoLeak, tolerance as onCpu } from "../../../setup.ts"
import { readGolden, runScoped } from "../golden.ts"
import {
  adaptedGolden,
  atTokens,
  frozen,
  jsonOf,
  logitsAt,
  lossOf,
  mergedLinear,
  oneText,
  openGolden,
  rowsOf,
  valuesOf
} from "./causal-golden.ts"

/** With the number of tensors that each adapter trains. */
const cases = {
  llama: { adapter: 28, "adapter-rslora": 28, "adapter-dora": 42, "adapter-patterns": 28, "adapter-head": 29 },
  "llama-tied": { adapter: 16 },
  mistral: { adapter: 16 },
  qwen2: { adapter: 8 },
  qwen3: { adapter: 28 },
  gemma2: { adapter: 28 },
  gemma3: { adapter: 24 },
  gpt2: { adapter: 16 }
} as const satisfies Record<string, Record<string, number>>

/** The goldens' own bounds for GPUs, whose exponentials and tangents are good to fewer digits. */
const onGpu = { forward: 1e-4, gradient: 1e-3 }

const ioOf = (name: string) => readGolden(`models/${name}/io.safetensors`)

const logitsOf = (...args: Parameters<typeof logitsAt>) => Effect.promise(() => logitsAt(...args))

const forwardOf = (model: CausalModel, rows: Parameters<CausalModel["toDevice"]>[0]) => {
  const { input, target } = model.toDevice(rows)
  return { output: model.forward(input, frozen(model), model.weights), target }
}

const spellings = async (name: string): Promise<ReadonlyArray<unknown>> => {
  const own = await jsonOf(`models/${name}/config.json`)
  return name === "gpt2" ? [own] : [own, await jsonOf(`models/${name}/config_v4.json`)]
}

describeOnEach((backend) => {
  const tolerance = backend === "webgpu" ? onGpu : onCpu
  for (const [name, adapters] of Object.entries(cases)) {
    test(`${name}: hidden states, logits and loss, from both spellings of its config`, async () => {
      const io = await ioOf(name)
      const rows = rowsOf(io)
      // the golden has padding to leave alone, and more than one layer
      expect(rows.segments).toContain(-1)
      for (const config of await spellings(name)) {
        await runScoped(
          Effect.gen(function* () {
            const model = yield* openGolden(name, config)
            expect(model.layers).toBeGreaterThan(1)
            const { output, target } = forwardOf(model, rows)
            const { input } = model.toDevice(rows)
            const embedded = atTokens(
              yield* valuesOf(
                model.decoder.embed(input, model.weights, model.weights(model.decoder.embedding) as tf.Tensor2D)
              ),
              rows
            )
            expectClose(embedded, atTokens(io.get("hidden_states.0")!.data, rows), tolerance.forward)
            const last = atTokens(io.get(`hidden_states.${model.layers}`)!.data, rows)
            expectClose(atTokens(yield* valuesOf(output.hidden), rows), last, tolerance.forward)
            expectClose(yield* logitsOf(output, rows), atTokens(io.get("logits")!.data, rows), tolerance.forward)
            expectClose(yield* valuesOf(lossOf(output, target)), io.get("loss")!.data, tolerance.forward)
          })
        )
      }
    })

    for (const [adapter, trained] of Object.entries(adapters)) {
      test(`${name} with ${adapter}: logits, loss, every gradient, and logits after merging`, () =>
        runScoped(
          Effect.gen(function* () {
            const golden = `models/${name}/${adapter.replace("adapter", "adapter_io")}.safetensors`
            const [io, expected] = yield* Effect.promise(() => Promise.all([ioOf(name), readGolden(golden)]))
            const rows = rowsOf(io)
            const model = yield* openGolden(name)
            const { adapted, names } = yield* adaptedGolden(model, name, adapter)
            expect(names.length).toBe(trained)
            const { input, target } = model.toDevice(rows)
            const { trainable } = adapted
            const output = adapted.forward(input, trainable)
            const logits = atTokens(expected.get("logits")!.data, rows)
            expectClose(yield* logitsOf(output, rows), logits, tolerance.forward)
            const { value, gradients } = valueAndGradients(
              () => lossOf(adapted.forward(input, trainable), target),
              tensorsOf(trainable)
            )
            expectClose(yield* valuesOf(value), expected.get("loss")!.data, tolerance.forward)
            for (const [i, key] of names.entries()) {
              expectClose(yield* valuesOf(gradients[i]!), expected.get(`grad.${key}`)!.data, tolerance.gradient)
            }
            expect([...expected.keys()].filter((key) => key.startsWith("grad.")).length).toBe(trained)
            const trainedNow = new Map(trainable.dense.map((parameter) => [parameter.name, parameter.value]))
            const weights = (own: string) => trainedNow.get(own) ?? model.weights(own)
            const merged = model.forward(input, mergedLinear(adapted), weights)
            const afterMerging = atTokens(expected.get("logits_merged")!.data, rows)
            expectClose(yield* logitsOf(merged, rows), afterMerging, tolerance.forward)
          })
        ))
    }
  }

  for (const name of ["llama", "llama-tied"]) {
    test(`${name}: the log-probability of each token, and the tokens that are chosen greedily`, () =>
      runScoped(
        Effect.gen(function* () {
          const io = yield* Effect.promise(() => ioOf(name))
          const model = yield* openGolden(name)
          const rows = rowsOf(io)
          const next = Int32Array.from(rows.inputIds, (_, i) =>
            (i + 1) % rows.length === 0 || rows.segments[i + 1]! < 0 ? -100 : rows.inputIds[i + 1]!
          )
          const { output, target } = forwardOf(model, { ...rows, labels: next })
          const { losses } = tokenScores(output.hidden, output.weight, target, { softcap: output.softcap })
          // the golden has no column for the last token of a row
          const own = (yield* valuesOf(losses)).filter((_, i) => (i + 1) % rows.length !== 0)
          const logprobs = io.get("logprobs")!.data
          expectClose(
            own.map((loss) => -loss),
            logprobs,
            tolerance.forward
          )
          const ids = Array.from(io.get("generate.prompt")!.data)
          const expected = Array.from(io.get("generate.tokens")!.data)
          expect(expected.length).toBeGreaterThan(ids.length)
          while (ids.length < expected.length) {
            const { output: now } = forwardOf(model, oneText(ids))
            const last = tf.argMax(ofHidden(tf.slice(now.hidden, [ids.length - 1, 0]), now), 1)
            ids.push((yield* valuesOf(last))[0]!)
          }
          expect(ids).toEqual(expected)
        })
      ))
  }

  test("blocks that are run again in the backward pass give the same gradients, bit for bit", () =>
    runScoped(
      Effect.gen(function* () {
        for (const name of ["llama", "gemma3", "gpt2"]) {
          const rows = rowsOf(yield* Effect.promise(() => ioOf(name)))
          const model = yield* openGolden(name)
          const { adapted } = yield* adaptedGolden(model, name, "adapter")
          const { input, target } = model.toDevice(rows)
          const bits = (runBlock?: typeof recomputed) => {
            const { gradients } = valueAndGradients(
              () => lossOf(adapted.forward(input, adapted.trainable, { runBlock }), target),
              tensorsOf(adapted.trainable)
            )
            return Effect.forEach(gradients, valuesOf)
          }
          expect(yield* bits(recomputed)).toEqual(yield* bits())
        }
      })
    ))

  test("a forward pass leaves nothing behind but its hidden states", () =>
    runScoped(
      Effect.gen(function* () {
        for (const name of ["gemma2", "gpt2", "qwen3"]) {
          const rows = rowsOf(yield* Effect.promise(() => ioOf(name)))
          const model = yield* openGolden(name)
          const { input } = model.toDevice(rows)
          yield* Effect.promise(() =>
            expectNoLeak(() => decode(model.decoder, input, frozen(model), model.weights).hidden.dispose())
          )
        }
      })
    ))
})
