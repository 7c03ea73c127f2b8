/**
 * Rotary positions beyond a first context, and on a part of a head: dynamic, YaRN, LongRoPE and partial ones against transformers and
 * PEFT, for a text within the original context and one beyond it; and what a text's length decides.
 */
import { expect, test } from "bun:test"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { promptCache } from "../../../../src/generation/index.ts"
import { describeCausal, loadCausal } from "../../../../src/models/causal/index.ts"
import { ggufSource } from "../../../../src/models/gguf/gguf-source.ts"
import type { HostTensor } from "../../../../src/safetensors/index.ts"
import { valueAndGradients } from "../../../../src/tensors/gradients.ts"
import type { CausalRows } from "../../../../src/tensors/rows.ts"
import { tensorsOf } from "../../../../src/tensors/trainable.ts"
import { describeOn, describeOnEach } from "../../../backends.ts"
import { expectClose, tolerance as onCpu, relativeError } from "../../../setup.ts"
import { ends, untrained } from "../../generation/writing.ts"
import { goldens, readGolden, runScoped, type Tensors } from "../golden.ts"
import {
  adaptedGolden,
  frozen,
  jsonOf,
  logitsAt,
  lossOf,
  mergedLinear,
  noTokenizer,
  oneText,
  openGolden,
  valuesOf
} from "./causal-golden.ts"

const models = { "llama-dynamic": 12, "qwen2-yarn": 12, "phi3-longrope": 8 }
const texts = ["within", "beyond"] as const
/** of the goldens */
const ORIGINAL = 20

type Json = Record<string, unknown>

/** The goldens' own bounds for GPUs, whose exponentials are good to fewer digits. */
const onGpu = { forward: 1e-4, gradient: 1e-3 }

const goldenOf = (name: string, file = "io") =>
  Effect.promise(() => readGolden(`models/rope/${name}/${file}.safetensors`))
const configOf = (name: string, file = "config") =>
  Effect.promise(async () => (await jsonOf(`models/rope/${name}/${file}.json`)) as Json)

/** The golden's text, with the labels of its loss. */
const textOf = (io: Tensors, name: string): CausalRows => {
  const ids = [...io.get(`${name}.input_ids`)!.data]
  return { ...oneText(ids), labels: Int32Array.from([...ids.slice(1), -100]) }
}

const passOf = (name: string, rows: CausalRows, config?: unknown) =>
  Effect.gen(function* () {
    const model = yield* openGolden(`rope/${name}`, config)
    const { input, target } = model.toDevice(rows)
    const output = model.forward(input, frozen(model), model.weights)
    return {
      logits: yield* Effect.promise(() => logitsAt(output, rows)),
      loss: yield* valuesOf(lossOf(output, target))
    }
  })

describeOnEach((backend) => {
  const tolerance = backend === "webgpu" ? onGpu : onCpu
  /** The golden has the last tokens alone. */
  const expectLast = (logits: Float32Array, expected: HostTensor | undefined) =>
    expectClose(logits.slice(-expected!.data.length), expected!.data, tolerance.forward)

  for (const [name, trained] of Object.entries(models)) {
    test(`${name}: logits and loss, from both spellings of its config`, () =>
      runScoped(
        Effect.gen(function* () {
          const io = yield* goldenOf(name)
          for (const config of [yield* configOf(name), yield* configOf(name, "config_v4")]) {
            for (const text of texts) {
              const { logits, loss } = yield* passOf(name, textOf(io, text), config)
              expectClose(logits, io.get(`${text}.logits`)!.data, tolerance.forward)
              expectClose(loss, io.get(`${text}.loss`)!.data, tolerance.forward)
            }
          }
        })
      ))

    test(`${name} with an adapter: logits, loss, every gradient, and logits after merging`, () =>
      runScoped(
        Effect.gen(function* () {
          const [io, expected] = [yield* goldenOf(name), yield* goldenOf(name, "adapter_io")]
          const model = yield* openGolden(`rope/${name}`)
          const { adapted, names } = yield* adaptedGolden(model, `rope/${name}`, "adapter")
          expect(names.length).toBe(trained)
          for (const text of texts) {
            const rows = textOf(io, text)
            const { input, target } = model.toDevice(rows)
            const output = adapted.forward(input, adapted.trainable)
            expectLast(yield* Effect.promise(() => logitsAt(output, rows)), expected.get(`${text}.logits`))
            const { value, gradients } = valueAndGradients(
              () => lossOf(adapted.forward(input, adapted.trainable), target),
              tensorsOf(adapted.trainable)
            )
            expectClose(yield* valuesOf(value), expected.get(`${text}.loss`)!.data, tolerance.forward)
            for (const [i, key] of names.entries()) {
              expectClose(yield* valuesOf(gradients[i]!), expected.get(`${text}.grad.${key}`)!.data, tolerance.gradient)
            }
            const merged = model.forward(input, mergedLinear(adapted), model.weights)
            expectLast(yield* Effect.promise(() => logitsAt(merged, rows)), expected.get(`${text}.logits_merged`))
          }
        })
      ))
  }

  test("llama-partial: logits and loss", () =>
    runScoped(
      Effect.gen(function* () {
        const io = yield* goldenOf("llama-partial")
        const { logits, loss } = yield* passOf("llama-partial", textOf(io, "beyond"))
        expectClose(logits, io.get("beyond.logits")!.data, tolerance.forward)
        expectClose(loss, io.get("beyond.loss")!.data, tolerance.forward)
      })
    ))
})

/** Of one backend: what is written is a matter of passes, and the others take seconds. */
describeOn("wasm", () => {
  for (const name of Object.keys(models)) {
    test(`${name}: the greedy tokens of transformers across the end of the original context, alone and in a batch`, () =>
      runScoped(
        Effect.gen(function* () {
          const io = yield* goldenOf(name)
          const prompt = [...io.get("generate.prompt")!.data]
          const expected = [...io.get("generate.tokens")!.data]
          expect(prompt.length).toBeLessThan(ORIGINAL)
          expect(prompt.length + expected.length).toBeGreaterThan(ORIGINAL + 10)
          // a choice that another order of sums could turn around would be no test
          expect(io.get("generate.margin")!.data[0]!).toBeGreaterThan(1e-3)
          const adapted = yield* untrained(yield* openGolden(`rope/${name}`))
          const options = { eosIds: [], maxNewTokens: expected.length }
          const [alone] = yield* ends(adapted, [prompt], options)
          expect(alone!.ids).toEqual(expected)
          // its neighbours pass the end of the context at other steps
          const together = yield* ends(adapted, [[5, 9, 3], prompt, [...prompt, 7, 8]], options)
          expect(together[1]!.ids).toEqual(expected)
        })
      ))

    test(`${name}: a prompt cache is gone on with where its keys are those of a fresh reading`, () =>
      runScoped(
        Effect.gen(function* () {
          const prompt = [...(yield* goldenOf(name)).get("generate.prompt")!.data].slice(0, 8)
          const adapted = yield* untrained(yield* openGolden(`rope/${name}`))
          const cache = yield* promptCache
          const options = { eosIds: [], maxNewTokens: 4 }
          let text = prompt
          let reused = 0
          // texts of 8, 13, 18, 23, 28 tokens, each with 4 more: the fourth is the first that begins beyond the context
          for (const begins of ["anew", "within", "within", "beyond", "beyond"]) {
            const [fresh] = yield* ends(adapted, [text], options)
            const [next] = yield* ends(adapted, [text], { ...options, promptCache: cache })
            expect([text.length, next!.ids]).toEqual([text.length, fresh!.ids])
            if (begins === "within") expect(next!.cachedTokens).toBeGreaterThan(0)
            if (begins === "beyond" && name !== "qwen2-yarn") reused += next!.cachedTokens
            text = [...text, ...next!.ids, 7]
          }
          // LongRoPE has one class beyond; keys of dynamic frequencies are each of another length
          if (name === "llama-dynamic") expect(reused).toBe(0)
          if (name === "phi3-longrope") expect(reused).toBeGreaterThan(0)
        })
      ))

    test(`${name}: a prompt beyond the original context is written on alike, read at once or in parts`, () =>
      runScoped(
        Effect.gen(function* () {
          const prompt = [...(yield* goldenOf(name)).get("beyond.input_ids")!.data]
          const adapted = yield* untrained(yield* openGolden(`rope/${name}`))
          const options = { eosIds: [], maxNewTokens: 4 }
          const [atOnce] = yield* ends(adapted, [prompt], options)
          expect(atOnce!.ids.length).toBe(4)
          // a pass has 512 tokens at most, so that each reads 8 of these
          const inParts = yield* ends(adapted, new Array<typeof prompt>(64).fill(prompt), options)
          for (const { ids } of inParts) expect(ids).toEqual(atOnce!.ids)
        })
      ))
  }
})

for (const name of ["qwen2-yarn", "phi3-longrope"]) {
  test(`${name}: every number of the scaling, each with logits of its own`, () =>
    runScoped(
      Effect.gen(function* () {
        const io = yield* goldenOf(name)
        const config = yield* configOf(name)
        const options = (yield* configOf(name, "options")) as unknown as ReadonlyArray<Json>
        expect(options.length).toBeGreaterThan(3)
        const rows = textOf(io, "beyond")
        const last = (logits: ArrayLike<number>) =>
          Float32Array.from(logits).slice(-io.get("option.0.logits")!.data.length)
        const seen = [last(io.get("beyond.logits")!.data)]
        for (const [i, rope_parameters] of options.entries()) {
          const expected = io.get(`option.${i}.logits`)!.data
          const { logits } = yield* passOf(name, rows, { ...config, rope_parameters })
          expectClose(last(logits), expected, onCpu.forward)
          for (const other of seen) expect(relativeError(expected, other)).toBeGreaterThan(100 * onCpu.forward)
          seen.push(Float32Array.from(expected))
        }
      })
    ))
}

test("phi3-longrope as a GGUF file: both lists of factors, the part of a head, the logits of the folder", () =>
  runScoped(
    Effect.gen(function* () {
      const io = yield* goldenOf("phi3-longrope")
      const source = yield* ggufSource(join(goldens, "gguf/phi3-longrope.gguf"))
      const model = yield* loadCausal(source, yield* describeCausal(source), { tokenizer: noTokenizer })
      for (const text of texts) {
        const rows = textOf(io, text)
        const output = model.forward(model.toDevice(rows).input, frozen(model), model.weights)
        const logits = yield* Effect.promise(() => logitsAt(output, rows))
        expectClose(logits, io.get(`${text}.logits`)!.data, onCpu.forward)
      }
    })
  ))

/** What each config must not be read as. A test that sees no difference would see none of the scaling either. */
const misread: Readonly<Record<string, (config: Json) => Json>> = {
  "llama-dynamic": (config) => ({ ...config, rope_parameters: { rope_type: "default", rope_theta: 200 } }),
  "qwen2-yarn": (config) => ({
    ...config,
    rope_parameters: { ...(config["rope_parameters"] as Json), rope_type: "linear" }
  }),
  // its short factors, at any length
  "phi3-longrope": (config) => ({ ...config, original_max_position_embeddings: 40, max_position_embeddings: 160 }),
  "llama-partial": (config) => ({ ...config, rope_parameters: { rope_type: "default", rope_theta: 200 } })
}

for (const [name, change] of Object.entries(misread)) {
  test(`${name}: the golden sees a config that is misread`, () =>
    runScoped(
      Effect.gen(function* () {
        const io = yield* goldenOf(name)
        const { logits } = yield* passOf(name, textOf(io, "beyond"), change(yield* configOf(name)))
        expect(relativeError(logits, io.get("beyond.logits")!.data)).toBeGreaterThan(100 * onCpu.forward)
      })
    ))
}

for (const name of Object.keys(models)) {
  test(`${name}: a long and a short text in one row compute what each computes by itself, in either order`, () =>
    runScoped(
      Effect.gen(function* () {
        const io = yield* goldenOf(name)
        const model = yield* openGolden(`rope/${name}`)
        for (const order of [texts, [...texts].reverse()]) {
          const own = order.map((text) => textOf(io, text))
          const padding = 3
          const joined = (pick: (rows: CausalRows) => Int32Array, fill: number) =>
            Int32Array.from([...own.flatMap((rows) => [...pick(rows)]), ...new Array<number>(padding).fill(fill)])
          const tokens = own.reduce((sum, rows) => sum + rows.tokens, 0)
          const packed: CausalRows = {
            size: 1,
            length: tokens + padding,
            inputIds: joined((rows) => rows.inputIds, 0),
            labels: joined((rows) => rows.labels, -100),
            positions: joined((rows) => rows.positions, 0),
            segments: Int32Array.from([...own.flatMap((rows, i) => [...rows.segments].map(() => i)), -1, -1, -1]),
            tokens
          }
          const output = model.forward(model.toDevice(packed).input, frozen(model), model.weights)
          const logits = yield* Effect.promise(() => logitsAt(output, packed))
          const expected = order.flatMap((text) => [...io.get(`${text}.logits`)!.data])
          expectClose(logits, expected, onCpu.forward)
        }
      })
    ))
}
