/** Greedy tokens of transformers, and of this library without a cache: the same through the cache, by parts, and in a batch. */
import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { describeOnBoth } from "../../backends.ts"
import { openGolden } from "../models/causal/causal-golden.ts"
import { readGolden, runScoped } from "../models/golden.ts"
import { ends, uncached, untrained } from "./writing.ts"

/** Each kind of attention: rotary, tied, windows of 8 and 5 tokens, soft caps, normalized queries and keys, biases, learned positions. */
const models = ["llama", "llama-tied", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "gpt2"]

/** As many tokens as three windows, so that layers forget. */
const COUNT = 24

/** Different lengths, one beyond every window. */
const prompts = [[5, 9, 3, 7, 11, 2, 40, 17, 90, 33, 8, 19], [60, 4, 5], [100], [8, 100, 45, 45, 6, 13, 77]]

/** What two orders of the same float32 sums may turn around; measured differences are a hundred times smaller. */
const CLEAR = 1e-4

const endless = { eosIds: [], maxNewTokens: COUNT } as const

describeOnBoth((backend) => {
  for (const name of ["llama", "llama-tied"]) {
    test(`${name}: the greedy tokens of transformers`, () =>
      runScoped(
        Effect.gen(function* () {
          const io = yield* Effect.promise(() => readGolden(`models/${name}/io.safetensors`))
          const prompt = [...io.get("generate.prompt")!.data]
          const expected = [...io.get("generate.tokens")!.data]
          const adapted = yield* untrained(yield* openGolden(name))
          const [end] = yield* ends(adapted, [prompt], { eosIds: [], maxNewTokens: 8 })
          expect(expected).toHaveLength(12)
          expect([...prompt, ...end!.ids]).toEqual(expected)
          expect(end!.finish).toBe("length")
        })
      ))
  }

  // the cpu backend takes ten seconds for each, and the cache has a test of its own there
  for (const name of backend === "cpu" ? [] : models) {
    test(`${name}: a cache writes what no cache writes, alone, in a batch with padding, and in sizes of a GPU`, () =>
      runScoped(
        Effect.gen(function* () {
          const adapted = yield* untrained(yield* openGolden(name))
          const expected = yield* Effect.promise(() =>
            Promise.all(prompts.map((prompt) => uncached(adapted, prompt, COUNT)))
          )
          expect(Math.min(...expected.flatMap(({ margins }) => margins))).toBeGreaterThan(CLEAR)
          const ids = expected.map((one) => one.ids)
          const alone = yield* Effect.forEach(prompts, (prompt) => ends(adapted, [prompt], endless))
          expect(alone.map(([end]) => end!.ids)).toEqual(ids)
          for (const multiple of [1, 8]) {
            const together = yield* ends(adapted, prompts, endless, multiple)
            expect(together.map((end) => end.ids)).toEqual(ids)
          }
        })
      ))
  }
})
