/** What transformers writes with the golden T5 models: greedy and by beams, in a batch, alone, and in sizes of a GPU. */
import { expect, test } from "bun:test"
import { join } from "node:path"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { unadapted } from "../../../adapters/index.ts"
import { Device } from "../../../src/device/device.ts"
import { type ObservedToken, type WriteOptions, writeObserved, writeTargets } from "../../../src/generation/index.ts"
import { logitsOf } from "../../../src/models/causal/index.ts"
import type { Seq2SeqModel } from "../../../src/models/seq2seq/index.ts"
import { describeOn } from "../../backends.ts"
import { folderOf, frozen } from "../models/causal/causal-golden.ts"
import { goldens, runScoped } from "../models/golden.ts"
import { openGolden } from "../models/seq2seq/seq2seq-golden.ts"
import { bytesTokenizer, openDevice } from "./writing.ts"

interface Golden {
  readonly model: string
  readonly eos: number
  readonly max_new_tokens: number
  readonly sources: ReadonlyArray<ReadonlyArray<number>>
  readonly ways: ReadonlyArray<{
    readonly beams: number
    readonly length_penalty: number
    readonly written: ReadonlyArray<{ readonly ids: ReadonlyArray<number>; readonly log_probability: number }>
  }>
}

const written: ReadonlyArray<Golden> = await Bun.file(join(goldens, "seq2seq/generate.json")).json()

/** float32 sums of ten logarithms of up to 5 each, on both sides; measured: 5e-6. GPUs' exponentials are good to fewer digits. */
const CLOSE = { wasm: 1e-4, webgpu: 1e-3 }

const targetsOf = (
  model: Seq2SeqModel,
  sources: ReadonlyArray<ReadonlyArray<number>>,
  options: WriteOptions,
  multiple = 1
) =>
  Effect.flatMap(unadapted(model), (adapted) => writeTargets(adapted, sources, options)).pipe(
    Effect.provideService(Device, openDevice(multiple))
  )

/** log p of a target after its source, by one pass. */
const logProbabilityOf = async (model: Seq2SeqModel, source: ReadonlyArray<number>, ids: ReadonlyArray<number>) => {
  const log = tf.tidy(() => {
    const { input } = model.toDevice({
      size: 1,
      sourceLength: source.length,
      inputIds: Int32Array.from(source),
      attentionMask: new Float32Array(source.length).fill(1),
      targetLength: ids.length,
      decoderInputIds: Int32Array.from([model.startId, ...ids.slice(0, -1)]),
      labels: Int32Array.from(ids),
      tokens: source.length + ids.length,
      counted: ids.length
    })
    const output = model.forward(input, frozen(model), model.weights)
    const logits = logitsOf(output.hidden, output)
    const chosen = tf.sum(tf.mul(tf.oneHot(tf.tensor1d([...ids], "int32"), logits.shape[1]), logits), 1)
    return tf.sum(tf.sub(chosen, tf.logSumExp(logits, 1)))
  })
  const [value] = await log.data()
  log.dispose()
  return value!
}

for (const backend of ["wasm", "webgpu"] as const)
  describeOn(backend, () => {
    for (const golden of written) {
      const { sources, ways, max_new_tokens: maxNewTokens } = golden
      test(`${golden.model}: the tokens of transformers and their probabilities`, () =>
        runScoped(
          Effect.gen(function* () {
            const model = { ...(yield* openGolden(folderOf(golden.model))), eosId: golden.eos }
            const finishes = new Set<string>()
            for (const { beams, length_penalty: lengthPenalty, written: expected } of ways) {
              const options = { beams, lengthPenalty, maxNewTokens }
              const together = yield* targetsOf(model, sources, options)
              expect(together.map(({ ids }) => ids)).toEqual(expected.map(({ ids }) => ids))
              for (const [i, { logProbability, finish }] of together.entries()) {
                expect(Math.abs(logProbability - expected[i]!.log_probability)).toBeLessThan(CLOSE[backend])
                finishes.add(finish)
              }
              // once is enough for how the batch lies on the device
              if (backend === "webgpu" || beams !== 4 || lengthPenalty !== 1) continue
              const padded = yield* targetsOf(model, sources, options, 8)
              expect(padded.map(({ ids }) => ids)).toEqual(expected.map(({ ids }) => ids))
              const [alone] = yield* targetsOf(model, sources.slice(1, 2), options)
              expect(alone!.ids).toEqual(expected[1]!.ids)
            }
            expect(finishes).toEqual(new Set(["eos", "length"]))
          })
        ))
    }

    test("what is written with keys and values of earlier passes is what one pass over all of it says", () =>
      runScoped(
        Effect.gen(function* () {
          for (const name of ["mt5", "umt5"]) {
            const model = yield* openGolden(folderOf(name))
            const sources = [
              [3, 9, 27, 21, 4, 1],
              [50, 1]
            ]
            const options = { beams: 3, maxNewTokens: 20 }
            const targets = yield* Effect.forEach(sources, (source) => targetsOf(model, [source], options))
            for (const [i, [target]] of targets.entries()) {
              const { ids, logProbability } = target!
              const log = yield* Effect.promise(() => logProbabilityOf(model, sources[i]!, ids))
              expect(Math.abs(log - logProbability)).toBeLessThan(CLOSE[backend])
            }
          }
        })
      ))

    test("a target that is observed is the greedy one of transformers, and its tokens' probabilities multiply to the target's", () =>
      runScoped(
        Effect.gen(function* () {
          for (const golden of written) {
            const model = {
              ...(yield* openGolden(folderOf(golden.model))),
              eosId: golden.eos,
              tokenizer: bytesTokenizer
            }
            const greedy = golden.ways.find(({ beams }) => beams === 1)!
            const adapted = yield* unadapted(model)
            const before = tf.memory().numTensors
            for (const [i, source] of golden.sources.entries()) {
              const told: Array<ObservedToken> = []
              const observer = {
                likeliest: 5,
                tell: (token: ObservedToken) => Effect.sync(() => void told.push(token))
              }
              const finish = yield* writeObserved(adapted, source, {
                maxNewTokens: golden.max_new_tokens,
                observer
              }).pipe(Effect.provideService(Device, openDevice(i + 1)))
              const expected = greedy.written[i]!
              expect(told.map(({ id }) => id)).toEqual([...expected.ids])
              expect(told.at(-1)!.ends).toBe(finish === "eos")
              expect(expected.ids.at(-1) === golden.eos).toBe(finish === "eos")
              const sum = told.reduce((total, { probability }) => total + Math.log(probability), 0)
              expect(Math.abs(sum - expected.log_probability)).toBeLessThan(CLOSE[backend])
              for (const { id, probability, likeliest } of told) expect(likeliest[0]).toMatchObject({ id, probability })
            }
            expect(tf.memory().numTensors).toBe(before)
          }
        })
      ))

    test("the device holds nothing of it afterwards", () =>
      runScoped(
        Effect.gen(function* () {
          const model = yield* openGolden(folderOf("t5"))
          const before = tf.memory().numTensors
          yield* targetsOf(
            model,
            [
              [5, 6, 1],
              [7, 1]
            ],
            { beams: 2, maxNewTokens: 3 }
          )
          expect(tf.memory().numTensors).toBe(before)
        })
      ))

    test("all that is wrong with a request is said at once", () =>
      runScoped(
        Effect.gen(function* () {
          const model = yield* openGolden(folderOf("t5"))
          const wrong = { maxNewTokens: 0, beams: 57, lengthPenalty: Number.NaN }
          const error = yield* Effect.flip(targetsOf(model, [[], [3, 112]], wrong))
          expect(error.message.split("\n").filter((line) => line.trim() !== "")).toEqual([
            "maxNewTokens is 0; expected an integer of at least 1",
            "beams is 57; expected an integer from 1 to half of the model's 112 tokens",
            "lengthPenalty is NaN; expected a finite number",
            "source 1 has no tokens, but a model needs at least one; expected a non-empty text",
            "source 2 has the token 112; the model's are 0 to 111"
          ])
        })
      ))
  })
