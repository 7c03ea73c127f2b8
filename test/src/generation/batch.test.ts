/**
 * Texts that are generated together: each has the tokens, and the probabilities to the last bit, that it has alone, whoever joins or leaves,
 * however few or many others there are, and in however many parts they are divided. The device's numbers are compared with the whole text
 * read again for every token.
 */
import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Adapted } from "../../../adapters/index.ts"
import { Device } from "../../../src/device/device.ts"
import {
  type Asked,
  type BatchOptions,
  batchScheduler,
  constraintOf,
  generateAll,
  generateAs,
  type ObservedToken,
  type TextOptions
} from "../../../src/generation/index.ts"
import { type CausalModel, describeCausal, folderSource, loadCausal } from "../../../src/models/causal/index.ts"
import { describeOn, describeOnEngines } from "../../backends.ts"
import { hasNative } from "../../runtime/runtimes.ts"
import { expectNoLeak } from "../../setup.ts"
import { adaptedGolden, folderOf, noTokenizer, openGolden } from "../models/causal/causal-golden.ts"
import { run, runScoped } from "../models/golden.ts"
import { bytesTokenizer, openDevice, uncached, untrained } from "./writing.ts"

const prompt = (i: number) => Array.from({ length: 1 + ((i * 7) % 23) }, (_, at) => 3 + ((i * 31 + at * 17) % 90))

/** Every second text is sampled; some end early, and one prompt takes more than one pass. */
const asked = (count: number, long = 230): ReadonlyArray<Asked> =>
  Array.from({ length: count }, (_, i) => ({
    prompt: i === 2 ? Array.from({ length: long }, (_, at) => 3 + ((at * 37) % 90)) : prompt(i),
    options: {
      first: i,
      eosIds: [],
      maxNewTokens: 4 + ((i * 5) % 11),
      ...(i % 2 === 1 ? { temperature: 1, topK: 20, seed: 5 } : {})
    }
  }))

const onDevice = Effect.provideService(Device, openDevice())

/** Tokens and their probabilities, which come from all logits after a text: equal ones are equal to the bit. */
const writtenBy = (adapted: Adapted<CausalModel>, all: ReadonlyArray<Asked>, options: BatchOptions = {}) =>
  Effect.gen(function* () {
    const told = all.map((): Array<readonly [number, number]> => [])
    const observing = all.map(({ prompt, options }, i) => {
      const tell = ({ id, probability }: ObservedToken) => Effect.sync(() => void told[i]!.push([id, probability]))
      return { prompt, options: { ...options, observer: { likeliest: 1, tell } } }
    })
    const ends = yield* generateAll(adapted, observing, options)
    expect(ends.map(({ ids }) => ids)).toEqual(told.map((tokens) => tokens.map(([id]) => id)))
    return told
  }).pipe(onDevice)

/** Each text by itself. */
const aloneBy = (adapted: Adapted<CausalModel>, all: ReadonlyArray<Asked>) =>
  Effect.forEach(all, (one) => Effect.map(writtenBy(adapted, [one]), ([told]) => told!))

describeOnEngines(hasNative, () => {
  for (const name of ["llama", "gemma3", "gpt2", "qwen3"]) {
    test(`${name}: the same bits alone, among 3, among 64 with a few places, and in several processes' shares`, () =>
      runScoped(
        Effect.gen(function* () {
          const adapted = yield* untrained(yield* openGolden(name))
          const all = asked(64, Math.min(230, adapted.model.maxLength - 20))
          const alone = yield* aloneBy(adapted, all.slice(0, 12))
          expect(yield* writtenBy(adapted, all.slice(0, 3))).toEqual(alone.slice(0, 3))
          const together = yield* writtenBy(adapted, all)
          expect(together.slice(0, 12)).toEqual(alone)
          expect(yield* writtenBy(adapted, all, { texts: 5 })).toEqual(together)
          // room for the longest text alone
          expect(yield* writtenBy(adapted, all.slice(0, 12), { cacheBytes: 1 })).toEqual(alone)
          for (const ranks of [2, 4]) {
            for (let rank = 0; rank < ranks; rank++) {
              const own = (_: unknown, i: number) => i % ranks === rank
              expect(yield* writtenBy(adapted, all.filter(own))).toEqual(together.filter(own))
            }
          }
        })
      ))
  }

  for (const weights of ["f16", "int8", "q8", "q4"] as const) {
    test(`packed weights, ${weights}: the same bits alone and among 12`, () =>
      runScoped(
        Effect.gen(function* () {
          const source = yield* folderSource(folderOf("llama"))
          const model = yield* loadCausal(source, yield* describeCausal(source), { tokenizer: noTokenizer, weights })
          const adapted = yield* untrained(model)
          const all = asked(12)
          expect(yield* aloneBy(adapted, all)).toEqual(yield* writtenBy(adapted, all))
        })
      ))
  }

  test("with an adapter, too, and without it as if there were none", () =>
    runScoped(
      Effect.gen(function* () {
        const { adapted } = yield* adaptedGolden(yield* openGolden("llama"), "llama", "adapter")
        const all = asked(9)
        const together = yield* writtenBy(adapted, all)
        expect(yield* aloneBy(adapted, all)).toEqual(together)
        const base = yield* writtenBy(adapted, all, { base: true })
        expect(base).not.toEqual(together)
        expect(base).toEqual(yield* writtenBy(yield* untrained(adapted.model), all))
      })
    ))

  test("a text that joins midway, and one whose neighbour is cancelled, have the bits that they have alone", () =>
    runScoped(
      Effect.gen(function* () {
        const adapted = yield* untrained(yield* openGolden("gemma3"))
        const options = { eosIds: [], maxNewTokens: 24, temperature: 1, seed: 9 }
        const all = [0, 1, 2, 3].map((i) => ({ prompt: prompt(i + 3), options: { ...options, first: i } }))
        const alone = yield* aloneBy(adapted, all)
        const batch = yield* batchScheduler(adapted)
        const told = all.map((): Array<readonly [number, number]> => [])
        const write = (i: number, after: (tokens: number) => Effect.Effect<unknown> = () => Effect.void) => {
          const tell = ({ id, probability }: ObservedToken) =>
            Effect.andThen(
              Effect.sync(() => told[i]!.push([id, probability])),
              (tokens) => after(tokens)
            )
          const observer = { likeliest: 1, tell: (token: ObservedToken) => Effect.asVoid(tell(token)) }
          return Stream.runDrain(batch.submit(all[i]!.prompt, { ...all[i]!.options, observer }))
        }
        const cancelled = yield* Effect.forkChild(write(1))
        let late: Fiber.Fiber<void, unknown> | undefined
        const join = Effect.gen(function* () {
          late = yield* Effect.forkDetach(write(2))
        })
        const first = yield* Effect.forkChild(
          write(0, (tokens) => (tokens === 5 ? Fiber.interrupt(cancelled) : tokens === 8 ? join : Effect.void))
        )
        yield* Effect.all([Fiber.join(first), write(3)], { concurrency: "unbounded" })
        yield* Fiber.join(late!)
        expect([told[0], told[2], told[3]]).toEqual([alone[0], alone[2], alone[3]])
        expect(told[1]!.length).toBeLessThan(24)
        expect(told[1]).toEqual(alone[1]!.slice(0, told[1]!.length))
        expect([batch.active(), batch.waiting()]).toEqual([0, 0])
      }).pipe(onDevice)
    ))
})

/** What begins like an earlier prompt: its end near the end of a part, in it, and far from both; a prompt that is there whole. */
const conversationOf = (longest: number) => {
  const ids = Array.from({ length: longest }, (_, at) => 3 + ((at * 37 + (at >> 3)) % 90))
  const lengths = [50, 54, 20, 129, 131, 134, 128, 200, 260, 257, 258, 3].filter((length) => length <= longest)
  return [...lengths.map((length) => ids.slice(0, length)), [...ids.slice(0, 40), 5, 6, 7, 8, 9, 10], ids.slice(0, 50)]
}

describeOnEngines(hasNative, () => {
  for (const name of ["llama", "gemma3", "qwen3"]) {
    test(`${name}: prompts that begin like earlier ones are not read again, and have the bits of those that are`, () =>
      runScoped(
        Effect.gen(function* () {
          const adapted = yield* untrained(yield* openGolden(name))
          const prompts = conversationOf(Math.min(260, adapted.model.maxLength - 8))
          const written = (keptTokens: number) =>
            Effect.gen(function* () {
              const batch = yield* batchScheduler(adapted, { keptTokens })
              return yield* Effect.forEach(prompts, (prompt, first) =>
                Effect.gen(function* () {
                  const told: Array<readonly [number, number]> = []
                  const tell = ({ id, probability }: ObservedToken) =>
                    Effect.sync(() => void told.push([id, probability]))
                  const observer = { likeliest: 1, tell }
                  const options = { first, eosIds: [], maxNewTokens: 5, temperature: 1, observer }
                  const [end] = yield* Stream.runCollect(batch.submit(prompt, options)).pipe(
                    Effect.map((events) => events.slice(-1))
                  )
                  return { told, cached: end?.kind === "end" ? end.cachedTokens : Number.NaN }
                })
              )
            }).pipe(Effect.scoped, onDevice)
          const alone = yield* written(0)
          const kept = yield* written(10_000)
          expect(kept.map(({ told }) => told)).toEqual(alone.map(({ told }) => told))
          expect(alone.map(({ cached }) => cached)).toEqual(prompts.map(() => 0))
          // the last tokens are read
          expect(kept.map(({ cached }) => cached).slice(0, 3)).toEqual([0, 48, 16])
          expect(kept.slice(-2).map(({ cached }) => cached)).toEqual([40, 44])
          // no room for any of them
          expect((yield* written(2)).every(({ cached }) => cached === 0)).toBe(true)
        })
      ))
  }
})

describeOn("wasm", () => {
  test("prompts of one client that come at once are read in turn with others', and later ones begin with what they share", () =>
    runScoped(
      Effect.gen(function* () {
        const adapted = yield* untrained(yield* openGolden("llama"))
        const passes: Array<ReadonlyMap<string, number>> = []
        const batch = yield* batchScheduler(adapted, {
          keptTokens: 1000,
          turn: (tokens) => {
            passes.push(tokens)
            return (pass) => pass
          }
        })
        const cached: Array<number> = []
        const write = (client: string, prompt: ReadonlyArray<number>) =>
          Stream.runForEach(batch.submit(prompt, { client, eosIds: [], maxNewTokens: 2 }), (event) =>
            Effect.sync(() => void (event.kind === "end" && cached.push(event.cachedTokens)))
          )
        const long = (first: number) => Array.from({ length: 200 }, (_, at) => first + (at % 80))
        const all = [write("a", long(4)), write("a", long(5)), write("b", long(6)), write("c", long(7))]
        yield* Effect.all(all, { concurrency: "unbounded" })
        // the parts of two fit in a pass, or their smaller rests and another one
        expect(passes.slice(0, 2).map((tokens) => [...tokens.keys()])).toEqual([
          ["a", "b"],
          ["c", "a", "b"]
        ])
        const begun = Array.from({ length: 4 }, (_, i) => write("a", [...long(8).slice(0, 190), 40 + i, 5, 6, 7]))
        yield* Effect.all(begun, { concurrency: "unbounded" })
        // the first three begin before one of them is read
        expect(cached.slice(4)).toEqual([0, 0, 0, 188])
      }).pipe(onDevice)
    ))

  for (const name of ["llama", "gemma3", "mistral", "rope/phi3-longrope"]) {
    test(`${name}: greedy tokens are those of the whole text read again, beyond windows and LongRoPE's border`, () =>
      runScoped(
        Effect.gen(function* () {
          const adapted = yield* untrained(yield* openGolden(name))
          const prompts = [[5], [9, 20, 4], Array.from({ length: 30 }, (_, i) => 3 + ((i * 7) % 29))]
          const alone = yield* Effect.promise(() => Promise.all(prompts.map((ids) => uncached(adapted, ids, 40))))
          const margins = alone.flatMap(({ margins }) => margins)
          expect(Math.min(...margins)).toBeGreaterThan(1e-5)
          const options: TextOptions = { eosIds: [], maxNewTokens: 40 }
          const ends = yield* generateAll(
            adapted,
            prompts.map((prompt) => ({ prompt, options }))
          ).pipe(onDevice)
          expect(ends.map(({ ids }) => ids)).toEqual(alone.map(({ ids }) => ids))
        })
      ))
  }

  test("each text has its own constraint, stop strings and end", () =>
    runScoped(
      Effect.gen(function* () {
        const model = yield* openGolden("llama")
        const adapted = yield* untrained({ ...model, tokenizer: bytesTokenizer })
        const schema = { type: "object", properties: { a: { type: "boolean" } }, required: ["a"] }
        const constraint = constraintOf({ kind: "json", schema }, bytesTokenizer)
        if ("broken" in constraint) throw new Error(constraint.broken.join())
        const answer = Schema.Struct({ a: Schema.Boolean })
        const typed = yield* generateAs(adapted, "x", answer)
        const [json, free] = yield* generateAll(adapted, [
          { prompt: "x", options: { constraint } },
          { prompt: "One, ", options: { maxNewTokens: 6 } }
        ])
        expect(JSON.parse(json!.text)).toEqual(typed)
        expect([json!.finish, free!.ids.length]).toEqual(["eos", 6])
        const stopped = yield* generateAll(adapted, [
          { prompt: "One, ", options: { maxNewTokens: 6, stop: [free!.text.slice(2, 4)] } }
        ])
        expect([stopped[0]!.text, stopped[0]!.finish]).toEqual([free!.text.slice(0, 2), "stop"])
      }).pipe(onDevice)
    ))

  test("prompts that cannot be used are listed together; one of them leaves the others alone", () =>
    runScoped(
      Effect.gen(function* () {
        const adapted = yield* untrained(yield* openGolden("llama"))
        const refused = yield* Effect.flip(generateAll(adapted, [{ prompt: [] }, { prompt: [5] }, { prompt: [-1] }]))
        expect(refused.message.split("\n").map((line) => line.slice(0, 28))).toEqual([
          "prompt 1 has no tokens, but ",
          "prompt 3 has the token -1; t"
        ])
        const batch = yield* batchScheduler(adapted)
        const drained = (prompt: ReadonlyArray<number>, options: TextOptions) =>
          Effect.result(Stream.runCollect(batch.submit(prompt, options)))
        const [good, bad] = yield* Effect.all(
          [drained([5], { maxNewTokens: 3, eosIds: [] }), drained([5], { temperature: -1 })],
          { concurrency: "unbounded" }
        )
        expect([good._tag, bad._tag]).toEqual(["Success", "Failure"])
      }).pipe(onDevice)
    ))

  test("no tensor is left, whether texts end or are cancelled", () =>
    runScoped(
      Effect.gen(function* () {
        const adapted = yield* untrained(yield* openGolden("gemma3"))
        const cancelled = Effect.gen(function* () {
          const batch = yield* batchScheduler(adapted)
          yield* Stream.runDrain(Stream.take(batch.submit([5, 9], { eosIds: [], maxNewTokens: 30 }), 1))
        }).pipe(Effect.scoped, onDevice)
        yield* Effect.promise(() =>
          expectNoLeak(() => run(Effect.andThen(writtenBy(adapted, asked(7), { keptTokens: 40 }), cancelled)))
        )
      })
    ))
})
