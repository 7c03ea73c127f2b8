/** Probabilities of a prompt's tokens are those of transformers in float64, whatever the parts in which the prompt is read. */
import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Adapted } from "../../../adapters/index.ts"
import { Device } from "../../../src/device/device.ts"
import {
  generate,
  type LikelyToken,
  type ObservedToken,
  type Prompt,
  type PromptLikelihoodOptions,
  promptLikelihoods
} from "../../../src/generation/index.ts"
import type { CausalModel } from "../../../src/models/causal/index.ts"
import { describeOnBoth } from "../../backends.ts"
import { expectNoLeak } from "../../setup.ts"
import { jsonOf, openGolden } from "../models/causal/causal-golden.ts"
import { run, runScoped } from "../models/golden.ts"
import { openDevice, untrained } from "./writing.ts"

interface Row {
  readonly model: string
  readonly ids: ReadonlyArray<number>
  readonly logprobs: ReadonlyArray<number>
  readonly top: ReadonlyArray<ReadonlyArray<readonly [number, number]>>
  readonly after: ReadonlyArray<readonly [number, number]>
}

const { rows } = (await jsonOf("prompt-likelihoods.json")) as { readonly rows: ReadonlyArray<Row> }

/** Sums of float32 in another order: logits of about 8 in size differ by 2⁻²⁴ · 8 per sum, over 64 sums one after another. */
const CLOSE = 3e-5

const likelihoodsOf = (adapted: Adapted<CausalModel>, prompt: Prompt, options?: PromptLikelihoodOptions) =>
  promptLikelihoods(adapted, prompt, options).pipe(Effect.provideService(Device, openDevice()))

const logs = (tokens: ReadonlyArray<LikelyToken>) => tokens.map(({ probability }) => Math.log(probability))

const expectClose = (found: ReadonlyArray<number>, expected: ReadonlyArray<number>) => {
  expect(found).toHaveLength(expected.length)
  for (const [i, value] of found.entries()) expect(Math.abs(value - expected[i]!)).toBeLessThan(CLOSE)
}

describeOnBoth((backend) => {
  // a prompt of 254 tokens takes the cpu backend half a minute
  const tested = rows.filter(({ ids }) => backend !== "cpu" || ids.length < 50)
  for (const { model, ids, logprobs, top, after } of tested) {
    test(`${model}, ${ids.length} tokens: the probabilities of transformers`, () =>
      runScoped(
        Effect.gen(function* () {
          const adapted = yield* untrained(yield* openGolden(model))
          const { tokens, next, ids: read } = yield* likelihoodsOf(adapted, ids, { likeliest: 5, next: { eosIds: [] } })
          expect(read).toEqual(ids)
          expect(tokens.map(({ id }) => id)).toEqual(ids.slice(1))
          expectClose(logs(tokens), logprobs)
          for (const [i, { likeliest }] of [...tokens, next!.token].entries()) {
            const expected = [...top, after][i]!
            expectClose(
              logs(likeliest),
              expected.map(([, value]) => value)
            )
          }
          expect(next!.token.id).toBe(after[0]![0])
          expect(next!.end).toMatchObject({ ids: [after[0]![0]], finish: "length", promptTokens: ids.length })
        })
      ))
  }
})

const opened = (tests: (adapted: Adapted<CausalModel>) => Effect.Effect<void, unknown>) =>
  runScoped(
    Effect.gen(function* () {
      yield* tests(yield* untrained(yield* openGolden("llama")))
    })
  )

test("the token after the prompt is the one that `generate` samples, with its probability", () =>
  opened((adapted) =>
    Effect.gen(function* () {
      const prompt = rows.find(({ ids }) => ids.length === 12)!.ids
      for (const seed of [1, 2, 3]) {
        const options = { temperature: 1, seed, eosIds: [] }
        const told: Array<ObservedToken> = []
        const observer = { likeliest: 1, tell: (token: ObservedToken) => Effect.sync(() => void told.push(token)) }
        const { tokens, next } = yield* likelihoodsOf(adapted, prompt, { next: options })
        const stream = generate(adapted, [prompt], { ...options, maxNewTokens: 1, observer })
        yield* Effect.provideService(Stream.runDrain(stream), Device, openDevice())
        expect(next!.token.id).toBe(told[0]!.id)
        expectClose([Math.log(next!.token.probability)], [Math.log(told[0]!.probability)])
        expect(tokens.map(({ likeliest }) => likeliest)).toEqual(tokens.map(() => []))
      }
    })
  ))

test("nothing is left on the device, and the prompt may fill the model where no token follows", () =>
  opened((adapted) =>
    Effect.gen(function* () {
      const full = Array.from({ length: adapted.model.maxLength }, (_, i) => 3 + (i % 90))
      yield* Effect.promise(() => expectNoLeak(() => run(likelihoodsOf(adapted, full.slice(0, 140), { likeliest: 1 }))))
      const { tokens, next } = yield* likelihoodsOf(adapted, full)
      expect([tokens.length, next]).toEqual([full.length - 1, null])
      const refused = yield* Effect.flip(likelihoodsOf(adapted, full, { next: {} }))
      expect(refused.message).toContain(`the prompt has ${full.length} tokens`)
      expect((yield* Effect.flip(likelihoodsOf(adapted, [100_000]))).message).toContain("has the token 100000")
      expect((yield* Effect.flip(likelihoodsOf(adapted, [3], { next: { topP: 2 } }))).message).toContain("topP is 2")
    })
  ))
