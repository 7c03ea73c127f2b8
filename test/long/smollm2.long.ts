/** SmolLM2-135M-Instruct, from its GGUF file: what transformers writes, this library writes. */
import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { layer } from "../../src/device/bun.ts"
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
