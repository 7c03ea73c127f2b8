/**
 * The options of configs that the families' goldens leave at their defaults, against transformers: rotary scalings, windows by layer,
 * biases, fused projections, an output layer of its own, a text model beside a vision tower, weights in shards.
 */
import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { describeCausal, folderSource } from "../../../../src/models/causal/index.ts"
import { describeOnBoth } from "../../../backends.ts"
import { expectClose, relativeError, tolerance } from "../../../setup.ts"
import { readGolden, run, runScoped } from "../golden.ts"
import { atTokens, folderOf, frozen, jsonOf, logitsAt, lossOf, openGolden, rowsOf, valuesOf } from "./causal-golden.ts"

const variants = [
  "llama3",
  "llama-linear",
  "mistral-window",
  "qwen2-window",
  "qwen3-bias",
  "phi3",
  "gpt2-untied",
  "gemma3-vision"
]

type Json = Record<string, unknown>

/** What each config says, and what it must not be read as. A test that sees no difference would see none of the option either. */
const misread: Readonly<Record<string, (config: Json) => Json>> = {
  llama3: ({ rope_parameters: rope, ...config }) => ({ ...config, rope_theta: (rope as Json)["rope_theta"] }),
  "llama-linear": (config) => ({ ...config, rope_parameters: { rope_type: "default", rope_theta: 500 } }),
  "mistral-window": (config) => ({ ...config, sliding_window: null }),
  // the layers before max_window_layers, in place of those behind
  "qwen2-window": (config) => ({
    ...config,
    layer_types: ["sliding_attention", "full_attention", "full_attention"]
  }),
  phi3: (config) => ({ ...config, sliding_window: null }),
  "gpt2-untied": (config) => ({ ...config, scale_attn_by_inverse_layer_idx: false })
}

const logitsWith = (name: string, config?: unknown) =>
  Effect.gen(function* () {
    const rows = rowsOf(yield* Effect.promise(() => readGolden(`models/${name}/io.safetensors`)))
    const model = yield* openGolden(name, config)
    const { input, target } = model.toDevice(rows)
    const output = model.forward(input, frozen(model), model.weights)
    return {
      logits: yield* Effect.promise(() => logitsAt(output, rows)),
      loss: yield* valuesOf(lossOf(output, target)),
      rows
    }
  })

describeOnBoth(() => {
  for (const name of variants) {
    test(`${name}: logits and loss`, () =>
      runScoped(
        Effect.gen(function* () {
          const io = yield* Effect.promise(() => readGolden(`models/variants/${name}/io.safetensors`))
          const { logits, loss, rows } = yield* logitsWith(`variants/${name}`)
          expectClose(logits, atTokens(io.get("logits")!.data, rows), tolerance.forward)
          expectClose(loss, io.get("loss")!.data, tolerance.forward)
        })
      ))
  }
})

for (const [name, change] of Object.entries(misread)) {
  test(`${name}: the golden sees a config that is misread`, () =>
    runScoped(
      Effect.gen(function* () {
        const config = (yield* Effect.promise(() => jsonOf(`models/variants/${name}/config.json`))) as Json
        const { logits } = yield* logitsWith(`variants/${name}`, change(config))
        const { logits: right } = yield* logitsWith(`variants/${name}`)
        expect(relativeError(logits, right)).toBeGreaterThan(100 * tolerance.forward)
      })
    ))
}

/** Older configs say nothing of single layers: the family's own rule says which have a window. */
const withoutLayerTypes: Readonly<Record<string, Json>> = {
  "variants/qwen2-window": {},
  gemma2: {},
  // one without a window in three, in place of the family's six
  gemma3: { sliding_window_pattern: 3 }
}

for (const [name, more] of Object.entries(withoutLayerTypes)) {
  test(`${name}: the layers that have a window, where the config does not list them`, () =>
    runScoped(
      Effect.gen(function* () {
        const config = (yield* Effect.promise(() => jsonOf(`models/${name}/config.json`))) as Json
        const { layer_types: types, ...rest } = config
        expect(new Set(types as ReadonlyArray<string>).size).toBe(2)
        const { logits } = yield* logitsWith(name, { ...rest, ...more })
        expect(logits).toEqual((yield* logitsWith(name)).logits)
      })
    ))
}

/** `rope_theta` beside `rope_scaling`, as transformers 4 writes it. */
const olderRope: Readonly<Record<string, (config: Json) => Json>> = {
  llama3: ({ rope_parameters: rope, ...config }) => {
    const { rope_theta, ...scaling } = rope as Json
    return { ...config, rope_theta, rope_scaling: scaling }
  },
  "llama-linear": ({ rope_parameters: _, ...config }) => ({
    ...config,
    rope_theta: 500,
    rope_scaling: { type: "linear", factor: 3 }
  }),
  // of layers without a window alone
  "gemma3-vision": ({ text_config: text, ...config }) => {
    const { rope_parameters: _, ...rest } = text as Json
    const scaling = { rope_type: "linear", factor: 8 }
    return { ...config, text_config: { ...rest, rope_theta: 1e6, rope_local_base_freq: 1e4, rope_scaling: scaling } }
  }
}

for (const [name, older] of Object.entries(olderRope)) {
  test(`${name}: the older spelling of its rotary positions`, () =>
    runScoped(
      Effect.gen(function* () {
        const config = (yield* Effect.promise(() => jsonOf(`models/variants/${name}/config.json`))) as Json
        const { logits } = yield* logitsWith(`variants/${name}`, older(config))
        expect(logits).toEqual((yield* logitsWith(`variants/${name}`)).logits)
      })
    ))
}

test("a vision tower is named as what nobody reads, and keys of adapters have the names of the class", async () => {
  const description = await run(
    Effect.flatMap(folderSource(folderOf("variants/gemma3-vision")), (source) => describeCausal(source))
  )
  expect(description.prefix).toBe("model.language_model.")
  expect(description.unusedTensors.length).toBeGreaterThan(5)
  expect(description.unusedTensors.filter((name) => !/vision|multi_modal/.test(name))).toEqual([])
})
