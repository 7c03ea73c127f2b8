/** SmolLM2-135M-Instruct, from its GGUF file: what transformers writes, this library writes. */
import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { layer } from "../../src/device/bun.ts"
import { promptLikelihoods } from "../../src/generation/index.ts"
import { describeCausal, loadCausal } from "../../src/models/causal/index.ts"
import { ggufSource } from "../../src/models/gguf/gguf-source.ts"
import { ends, untrained } from "../src/generation/writing.ts"
import { jsonOf } from "../src/models/causal/causal-golden.ts"
import { runScoped } from "../src/models/golden.ts"
import { smolLm2 } from "./smollm2-file.ts"

interface Row {
  readonly prompt: string
  readonly ids: ReadonlyArray<number>
  readonly tokens: ReadonlyArray<number>
  readonly text: string
  readonly margin: number
}

test.skipIf(smolLm2 === undefined)(
  "five prompts become the greedy texts of transformers over 32 tokens: together with padding, and one alone",
  async () => {
    const { rows } = (await jsonOf("real/smollm2/generate.json")) as { readonly rows: ReadonlyArray<Row> }
    expect(rows).toHaveLength(5)
    await runScoped(
      Effect.gen(function* () {
        const source = yield* ggufSource(smolLm2!)
        const adapted = yield* untrained(yield* loadCausal(source, yield* describeCausal(source)))
        const options = { eosIds: [], maxNewTokens: 32 }
        const prompts = rows.map(({ prompt }) => prompt)
        expect(prompts.map((prompt) => adapted.model.tokenizer.encode(prompt))).toEqual(rows.map(({ ids }) => [...ids]))
        const together = yield* ends(adapted, prompts, options)
        expect(together.map(({ ids }) => ids)).toEqual(rows.map(({ tokens }) => tokens))
        expect(together.map(({ text }) => text)).toEqual(rows.map(({ text }) => text))
        const [alone] = yield* ends(adapted, [prompts[1]!], options)
        expect(alone!.ids).toEqual(rows[1]!.tokens)
      }).pipe(Effect.provide(layer("wasm", { threads: 2 })))
    )
  },
  600_000
)

interface Likelihoods {
  readonly text: string
  readonly ids: ReadonlyArray<number>
  readonly logprobs: ReadonlyArray<number>
  readonly top: ReadonlyArray<ReadonlyArray<readonly [number, number]>>
}

test.skipIf(smolLm2 === undefined)(
  "the tokens of four answers to a question, and of a text of 875 tokens, have the log-probabilities of transformers",
  async () => {
    const { rows } = (await jsonOf("real/smollm2/likelihoods.json")) as { readonly rows: ReadonlyArray<Likelihoods> }
    expect(rows).toHaveLength(5)
    await runScoped(
      Effect.gen(function* () {
        const source = yield* ggufSource(smolLm2!)
        const adapted = yield* untrained(yield* loadCausal(source, yield* describeCausal(source)))
        for (const { text, ids, logprobs, top } of rows) {
          const found = yield* promptLikelihoods(adapted, text, { likeliest: 5 })
          expect(found.ids).toEqual(ids)
          const errors = found.tokens.flatMap(({ probability, likeliest }, i) => [
            Math.abs(Math.log(probability) - logprobs[i]!),
            ...likeliest.map((token, k) => Math.abs(Math.log(token.probability) - top[i]![k]![1]))
          ])
          expect(errors).toHaveLength(6 * (ids.length - 1))
          // float32 through 30 layers against float64: 2⁻²⁴ of logits of about 20, times the root of 30 · 576 sums
          expect(Math.max(...errors)).toBeLessThan(2e-4)
        }
      }).pipe(Effect.provide(layer("wasm", { threads: 2 })))
    )
  },
  600_000
)
