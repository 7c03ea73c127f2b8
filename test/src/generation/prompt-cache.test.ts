/**
 * A prompt that is read from where it differs from the last one is answered as one that is read whole. Tokens are held to those of no cache at
 * all (`uncached`), and margins say that no rounding could turn them around.
 */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Adapted } from "../../../adapters/index.ts"
import { Device } from "../../../src/device/device.ts"
import {
  conversation,
  type GenerateOptions,
  generate,
  type PromptCache,
  promptCache,
  promptCaches
} from "../../../src/generation/index.ts"
import type { CausalModel } from "../../../src/models/causal/index.ts"
import { describeOn } from "../../backends.ts"
import { expectNoLeak } from "../../setup.ts"
import { adaptedGolden, openGolden } from "../models/causal/causal-golden.ts"
import { run, runScoped } from "../models/golden.ts"
import { bytesTokenizer, ends, openDevice, uncached, untrained } from "./writing.ts"

/** As in `goldens.test.ts`: each kind of attention and of positions, windows of 8 and 5 tokens among them. */
const models = ["llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "gpt2"]
/** What two orders of the same float32 sums may turn around; measured differences are a hundred times smaller. */
const CLEAR = 1e-4
const COUNT = 6

const begin = [5, 9, 3, 7, 11, 2, 40, 17, 90, 33, 8, 19]

/** Also says how many tokens the model read. */
const counted = (adapted: Adapted<CausalModel>) => {
  let tokens = 0
  const own: Adapted<CausalModel> = {
    ...adapted,
    forward: (input, trainable) => {
      tokens += input.size * input.length
      return adapted.forward(input, trainable)
    }
  }
  const take = () => {
    const found = tokens
    tokens = 0
    return found
  }
  return { own, take }
}

const one = (
  adapted: Adapted<CausalModel>,
  prompt: ReadonlyArray<number>,
  cache: PromptCache,
  options: GenerateOptions = {}
) =>
  Effect.map(
    ends(adapted, [prompt], { eosIds: [], maxNewTokens: COUNT, promptCache: cache, ...options }),
    ([end]) => end!
  )

describeOn("wasm", () => {
  for (const name of models) {
    test(`${name}: turns that go on, turn back, and part in the middle are answered as if nothing had been before`, () =>
      runScoped(
        Effect.gen(function* () {
          const { own, take } = counted(yield* untrained(yield* openGolden(name)))
          const cache = yield* promptCache
          const told: Array<readonly [cached: number, read: number]> = []
          const margins: Array<number> = []
          const turn = function* (prompt: ReadonlyArray<number>) {
            const expected = yield* Effect.promise(() => uncached(own, prompt, COUNT))
            margins.push(...expected.margins)
            take()
            const end = yield* one(own, prompt, cache)
            expect(end.ids).toEqual(expected.ids)
            expect(end.promptTokens).toBe(prompt.length)
            told.push([end.cachedTokens, take()])
            return end.ids
          }
          const first = yield* turn(begin)
          // all of it and more: the last token of a reply has never been read
          const second = [...begin, ...first, 21, 4]
          yield* turn(second)
          // the reply is written otherwise the next time, from its third token on
          const rewritten = [...second, 101, 102, 103, 7]
          const other = yield* turn(rewritten)
          yield* turn([...second, 101, 102, 50])
          // the same prompt: its last token is read
          yield* turn([...second, 101, 102, 50])
          // nothing in common
          yield* turn([1, ...begin])
          const n = begin.length
          const m = second.length
          expect(told).toEqual([
            [0, n + COUNT - 1],
            [n + COUNT - 1, 3 + COUNT - 1],
            [m, 4 + COUNT - 1],
            [m + 2, 1 + COUNT - 1],
            [m + 2, 1 + COUNT - 1],
            [0, n + 1 + COUNT - 1]
          ])
          expect(Math.min(...margins)).toBeGreaterThan(CLEAR)
          expect(other).toHaveLength(COUNT)
        })
      ))
  }

  test("before what a window holds, a prompt begins anew, with the right answer; other layers are no reason to", () =>
    runScoped(
      Effect.gen(function* () {
        for (const [name, cached] of [
          ["gemma3", 0],
          ["llama", 10]
        ] as const) {
          const adapted = yield* untrained(yield* openGolden(name))
          const cache = yield* promptCache
          const [long] = yield* ends(adapted, [begin], { eosIds: [], maxNewTokens: 14, promptCache: cache })
          const second = [...begin, ...long!.ids, 12]
          // so many tokens that what was before the turn is left behind
          yield* one(adapted, second, cache, { maxNewTokens: 30 })
          const back = [...begin.slice(0, 10), 77]
          const expected = yield* Effect.promise(() => uncached(adapted, back, COUNT))
          expect(Math.min(...expected.margins)).toBeGreaterThan(CLEAR)
          expect(yield* one(adapted, back, cache)).toMatchObject({ ids: expected.ids, cachedTokens: cached })
        }
      })
    ))

  test("a first reply that is longer than a window can be taken back", () =>
    runScoped(
      Effect.gen(function* () {
        const adapted = yield* untrained(yield* openGolden("gemma3"))
        const cache = yield* promptCache
        yield* one(adapted, begin, cache, { maxNewTokens: 40 })
        const next = [...begin, 44]
        const expected = yield* Effect.promise(() => uncached(adapted, next, COUNT))
        expect(Math.min(...expected.margins)).toBeGreaterThan(CLEAR)
        expect(yield* one(adapted, next, cache)).toMatchObject({ ids: expected.ids, cachedTokens: begin.length })
      })
    ))

  test("a seed gives the text that it gives without", () =>
    runScoped(
      Effect.gen(function* () {
        const adapted = yield* untrained(yield* openGolden("qwen2"))
        const cache = yield* promptCache
        const options = { temperature: 1.2, topP: 0.9, repetitionPenalty: 1.1, seed: 4, maxNewTokens: 12 }
        let prompt: ReadonlyArray<number> = begin
        for (const first of [0, 1, 2]) {
          const end = yield* one(adapted, prompt, cache, { ...options, first })
          const [fresh] = yield* ends(adapted, [prompt], { eosIds: [], ...options, first })
          expect(end.ids).toEqual(fresh!.ids)
          expect(end.cachedTokens > 0).toBe(first > 0)
          prompt = [...prompt, ...end.ids, 8]
        }
      })
    ))

  test("with what was trained and without, and after a step of training, each reads for itself", () =>
    runScoped(
      Effect.gen(function* () {
        const model = yield* openGolden("llama")
        const { adapted } = yield* adaptedGolden(model, "llama", "adapter")
        const cache = yield* promptCache
        const trained = yield* Effect.promise(() => uncached(adapted, begin, COUNT))
        const frozen = yield* Effect.flatMap(untrained(model), (plain) =>
          Effect.promise(() => uncached(plain, begin, COUNT))
        )
        expect(trained.ids).not.toEqual(frozen.ids)
        expect(Math.min(...trained.margins, ...frozen.margins)).toBeGreaterThan(CLEAR)
        const replaced = { ...adapted, trainable: { ...adapted.trainable } }
        const turns = [
          [adapted, false, 0],
          [adapted, true, 0],
          [adapted, true, begin.length - 1],
          [adapted, false, 0],
          [replaced, false, 0]
        ] as const
        for (const [own, base, cachedTokens] of turns) {
          const { ids } = base ? frozen : trained
          expect(yield* one(own, begin, cache, { base })).toMatchObject({ ids, cachedTokens })
        }
      })
    ))

  test("a text that was cut off is gone on from, and one that failed is not", () =>
    runScoped(
      Effect.gen(function* () {
        const adapted = yield* untrained({ ...(yield* openGolden("gemma3")), tokenizer: bytesTokenizer })
        const cache = yield* promptCache
        const options = { eosIds: [], maxNewTokens: 20, promptCache: cache }
        const some = yield* generate(adapted, [begin], { ...options, temperature: 1 }).pipe(
          Stream.take(3),
          Stream.runCollect,
          Effect.provideService(Device, openDevice())
        )
        expect(some.every(({ kind }) => kind === "text")).toBe(true)
        expect(cache.length()).toBeGreaterThanOrEqual(begin.length)
        const next = [...begin, 60, 61]
        const expected = yield* Effect.promise(() => uncached(adapted, next, COUNT))
        expect(yield* one(adapted, next, cache)).toMatchObject({ ids: expected.ids, cachedTokens: begin.length })
        // the same function, so that it would be gone on from
        let gone = false
        const breaking: Adapted<CausalModel> = {
          ...adapted,
          forward: (input, trainable) => {
            if (gone) throw new Error("the device is gone")
            return adapted.forward(input, trainable)
          }
        }
        yield* one(breaking, begin, cache)
        expect(cache.length()).toBeGreaterThan(0)
        gone = true
        expect(Exit.isFailure(yield* Effect.exit(one(breaking, next, cache)))).toBe(true)
        expect(cache.length()).toBe(0)
        gone = false
        expect(yield* one(breaking, next, cache)).toMatchObject({ ids: expected.ids, cachedTokens: 0 })
      })
    ))

  test("of several conversations each goes on from its own; the oldest make room, and all are given back", async () => {
    const before = tf.memory().numTensors
    await runScoped(
      Effect.gen(function* () {
        const adapted = yield* untrained(yield* openGolden("llama"))
        const held = tf.memory().numTensors
        // two conversations of this length have room, three do not
        const cache = yield* promptCaches(3 * (begin.length + COUNT) - 4)
        const other = begin.map((id) => id + 1)
        // begins as the first does, and is another conversation
        const third = [...begin.slice(0, 2), ...other.slice(2)]
        const cached: Array<number> = []
        const turn = function* (prompt: ReadonlyArray<number>) {
          const expected = yield* Effect.promise(() => uncached(adapted, prompt, COUNT))
          expect(Math.min(...expected.margins)).toBeGreaterThan(CLEAR)
          const end = yield* one(adapted, prompt, cache)
          expect(end.ids).toEqual(expected.ids)
          cached.push(end.cachedTokens)
          return [...prompt, ...end.ids, 9]
        }
        const first = yield* turn(begin)
        const second = yield* turn(other)
        yield* turn(first)
        yield* turn(second)
        expect(cached).toEqual([0, 0, first.length - 2, second.length - 2])
        yield* turn(third)
        expect(cached.at(-1)).toBe(0)
        // the first was used longest ago
        yield* turn(second)
        expect(cached.at(-1)).toBeGreaterThan(0)
        yield* turn(first)
        expect(cached.at(-1)).toBe(0)
        expect(cache.length()).toBeGreaterThan(0)
        expect(tf.memory().numTensors).toBeGreaterThan(held)
      })
    )
    expect(tf.memory().numTensors).toBe(before)
  })

  test("two texts at the same time are both right, two prompts at once are refused", () =>
    runScoped(
      Effect.gen(function* () {
        const adapted = yield* untrained(yield* openGolden("llama"))
        const cache = yield* promptCache
        yield* one(adapted, begin, cache)
        const prompts = [
          [...begin, 14],
          [...begin, 15, 16]
        ]
        const expected = yield* Effect.promise(() =>
          Promise.all(prompts.map((prompt) => uncached(adapted, prompt, COUNT)))
        )
        expect(Math.min(...expected.flatMap(({ margins }) => margins))).toBeGreaterThan(CLEAR)
        const both = yield* Effect.all(
          prompts.map((prompt) => one(adapted, prompt, cache)),
          { concurrency: 2 }
        )
        expect(both.map(({ ids }) => ids)).toEqual(expected.map(({ ids }) => ids))
        expect(both.map(({ cachedTokens }) => cachedTokens).sort()).toEqual([0, begin.length])
        const refused = yield* Effect.flip(ends(adapted, prompts, { promptCache: cache }))
        expect(refused.message).toBe("promptCache serves one prompt; found 2: pass them one after another")
      })
    ))

  /** What earlier turns become: as they were, without what stands in brackets, or all in other words than they were said in. */
  const templates = {
    "writes turns once and for all":
      "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}",
    "drops earlier answers but for their ends":
      "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' and not loop.last %}{{ m.content[3:] }}{% else %}{{ m.content }}{% endif %}{% endfor %}{% if add_generation_prompt %}<assistant>think:{% endif %}",
    "counts the messages first":
      "{{ messages | length }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
  }
  for (const [what, chatTemplate] of Object.entries(templates)) {
    test(`a conversation whose template ${what} is what it is without a cache`, () =>
      runScoped(
        Effect.gen(function* () {
          const model = { ...(yield* openGolden("gemma3")), tokenizer: { ...bytesTokenizer, chatTemplate } }
          const { own, take } = counted(yield* untrained(model))
          const talk = function* (cache: PromptCache | undefined) {
            let now = yield* conversation(model.tokenizer)
            const said: Array<string> = []
            const cached: Array<number> = []
            for (const [first, line] of ["hello", "what is it?", "and then", "good"].entries()) {
              now = now.say("user", line)
              const [end] = yield* ends(own, [yield* now.prompt], {
                maxNewTokens: 12,
                eosIds: [],
                temperature: 0.7,
                seed: 2,
                first,
                ...(cache === undefined ? {} : { promptCache: cache })
              })
              said.push(end!.text)
              cached.push(end!.cachedTokens)
              now = now.say("assistant", end!.text)
            }
            return { said, cached, read: take() }
          }
          const fresh = yield* talk(undefined)
          const reused = yield* talk(yield* promptCache)
          expect(reused.said).toEqual(fresh.said)
          expect(fresh.cached).toEqual([0, 0, 0, 0])
          const counts = what.startsWith("counts")
          expect(reused.cached.slice(1).every((tokens) => tokens > 0)).toBe(!counts)
          expect(reused.read + reused.cached.reduce((a, b) => a + b)).toBe(fresh.read)
        })
      ))
  }

  test("the device holds it until its scope ends, and nothing behind that", async () => {
    const adapted = await run(untrained(await run(openGolden("mistral"))))
    await run(Effect.scoped(Effect.flatMap(promptCache, (cache) => one(adapted, begin, cache))))
    await expectNoLeak(() =>
      run(
        Effect.scoped(
          Effect.gen(function* () {
            const cache = yield* promptCache
            yield* one(adapted, begin, cache)
            yield* one(adapted, [...begin, 1], cache)
            yield* one(adapted, [90], cache)
          })
        )
      )
    )
    // a text that ends behind the cache's end
    await expectNoLeak(() =>
      run(
        Effect.gen(function* () {
          const scope = yield* Scope.make()
          const cache = yield* Scope.provide(promptCache, scope)
          yield* Scope.close(scope, Exit.void)
          yield* one(adapted, begin, cache)
          expect(cache.length()).toBe(0)
        })
      )
    )
  })
})
