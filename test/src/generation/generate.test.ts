/** What a generation does besides its greedy tokens: parts of long prompts, ends, pieces, seeds, adapters, refusals; and it leaves nothing behind. */
import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type Adapted, inject, lora } from "../../../adapters/index.ts"
import { Device } from "../../../src/device/device.ts"
import {
  type GenerateOptions,
  type GenerationEvent,
  generate,
  type ObservedToken,
  type Prompt
} from "../../../src/generation/index.ts"
import { type CausalModel, logitsOf } from "../../../src/models/causal/index.ts"
import { tidy } from "../../../src/tensors/scopes.ts"
import { describeOn } from "../../backends.ts"
import { expectNoLeak } from "../../setup.ts"
import { adaptedGolden, oneText, openGolden } from "../models/causal/causal-golden.ts"
import { run, runScoped } from "../models/golden.ts"
import { bytesTokenizer, ends, openDevice, uncached, untrained } from "./writing.ts"

const events = (adapted: Adapted<CausalModel>, prompts: ReadonlyArray<Prompt>, options: GenerateOptions = {}) =>
  generate(adapted, prompts, options).pipe(Stream.runCollect, Effect.provideService(Device, openDevice()))

const refused = (adapted: Adapted<CausalModel>, prompts: ReadonlyArray<Prompt>, options: GenerateOptions = {}) =>
  Effect.map(Effect.flip(events(adapted, prompts, options)), (error) => error.message.split("\n"))

/** A golden with a tokenizer whose tokens are bytes: it writes what its random weights say. */
const speaking = (name: string) =>
  Effect.gen(function* () {
    const model = yield* openGolden(name)
    return yield* untrained({ ...model, tokenizer: bytesTokenizer })
  })

/** softmax in float64 of the logits after a text, in one pass over all of it. */
const probabilitiesAfter = async (adapted: Adapted<CausalModel>, ids: ReadonlyArray<number>) => {
  const logits = tidy(() => {
    const out = adapted.forward(adapted.model.toDevice(oneText(ids)).input, adapted.trainable)
    return logitsOf(out.hidden.slice([ids.length - 1, 0], [1, -1]), out)
  })
  const powers = [...(await logits.data())].map(Math.exp)
  logits.dispose()
  const sum = powers.reduce((a, b) => a + b, 0)
  return powers.map((power) => power / sum)
}

const texts = ["x", "One, ", "a longer beginning. "]

describeOn("wasm", () => {
  test("prompts that are longer than a pass are read in parts, whatever lies at the border", () =>
    runScoped(
      Effect.gen(function* () {
        for (const name of ["gemma3", "llama"]) {
          const adapted = yield* untrained(yield* openGolden(name))
          const ids = (length: number) => Array.from({ length }, (_, i) => 3 + ((i * 37 + length) % 100))
          // four rows of 512 tokens together: the first part ends inside of two prompts, at the beginning of one and before the last
          const prompts = [200, 129, 72, 5].map(ids)
          const alone = yield* Effect.promise(() => Promise.all(prompts.map((prompt) => uncached(adapted, prompt, 6))))
          expect(Math.min(...alone.flatMap(({ margins }) => margins))).toBeGreaterThan(1e-4)
          const together = yield* ends(adapted, prompts, { eosIds: [], maxNewTokens: 6 })
          expect(together.map((end) => end.ids)).toEqual(alone.map((one) => one.ids))
          expect(together.map((end) => end.promptTokens)).toEqual([200, 129, 72, 5])
        }
      })
    ))

  test("a text ends at a token that ends texts; the others go on as if it had never been there", () =>
    runScoped(
      Effect.gen(function* () {
        const adapted = yield* untrained(yield* openGolden("qwen2"))
        const prompts = [[5, 9], [60, 4, 5, 8], [100]]
        const alone = yield* ends(adapted, prompts, { eosIds: [], maxNewTokens: 20 })
        const eos = alone[1]!.ids[4]!
        const some = yield* ends(adapted, prompts, { eosIds: [eos], maxNewTokens: 20 })
        const cut = alone.map(({ ids }) => (ids.includes(eos) ? ids.slice(0, ids.indexOf(eos) + 1) : ids))
        expect(some.map((end) => end.ids)).toEqual(cut)
        expect(some.map((end) => end.finish)).toEqual(alone.map(({ ids }) => (ids.includes(eos) ? "eos" : "length")))
        expect(new Set(some.map((end) => end.finish)).size).toBe(2)
      })
    ))

  test("its own end is the model's, or the tokenizer's where the model names none", () =>
    runScoped(
      Effect.gen(function* () {
        const adapted = yield* untrained(yield* openGolden("qwen2"))
        const [free] = yield* ends(adapted, [[5, 9]], { eosIds: [], maxNewTokens: 6 })
        const eos = free!.ids[2]!
        const first = free!.ids.slice(0, free!.ids.indexOf(eos) + 1)
        const named = { ...adapted, model: { ...adapted.model, eosIds: [eos] } }
        const unnamed = { ...adapted.model, eosIds: [], tokenizer: { ...adapted.model.tokenizer, eosId: eos } }
        for (const own of [named, { ...adapted, model: unnamed }]) {
          const [end] = yield* ends(own, [[5, 9]], { maxNewTokens: 6 })
          expect(end).toMatchObject({ ids: first, finish: "eos" })
        }
      })
    ))

  test("pieces are the text, in order, for each prompt; a prompt begins with BOS", () =>
    runScoped(
      Effect.gen(function* () {
        const adapted = yield* speaking("llama")
        const all = yield* events(adapted, texts, { maxNewTokens: 30, eosIds: [], temperature: 1 })
        for (const [prompt, text] of texts.entries()) {
          const own = all.filter((event) => event.prompt === prompt)
          const end = own.at(-1) as Extract<GenerationEvent, { kind: "end" }>
          expect(own.map((event) => event.kind).indexOf("end")).toBe(own.length - 1)
          expect(
            own
              .slice(0, -1)
              .map((event) => event.text)
              .join("")
          ).toBe(end.text)
          expect(end.text).toBe(bytesTokenizer.decode(end.ids))
          expect(end.text.length).toBeGreaterThan(10)
          expect(end.promptTokens).toBe(1 + text.length)
          expect(end.tokensPerSecond).toBeGreaterThan(0)
        }
      })
    ))

  test("a stop string ends a text before it", () =>
    runScoped(
      Effect.gen(function* () {
        const adapted = yield* speaking("llama")
        const options = { maxNewTokens: 40, eosIds: [], temperature: 1, seed: 3 }
        const [whole] = yield* ends(adapted, ["x"], options)
        const stop = whole!.text.slice(12, 15)
        const [end] = yield* ends(adapted, ["x"], { ...options, stop: ["never in it", stop] })
        expect(end!.text).toBe(whole!.text.slice(0, whole!.text.indexOf(stop)))
        expect(end!.finish).toBe("stop")
        expect(end!.ids.length).toBeLessThan(whole!.ids.length)
        const parts = yield* events(adapted, ["x"], { ...options, stop: [stop] })
        expect(
          parts
            .filter((event) => event.kind === "text")
            .map((event) => event.text)
            .join("")
        ).toBe(end!.text)
      })
    ))

  test("an observer is told what the model thought of each place: the softmax of its logits, however a token was chosen", () =>
    runScoped(
      Effect.gen(function* () {
        const adapted = yield* speaking("llama")
        for (const temperature of [0, 1.5]) {
          const told: Array<ObservedToken> = []
          const observer = { likeliest: 5, tell: (token: ObservedToken) => Effect.sync(() => void told.push(token)) }
          const options = { maxNewTokens: 6, eosIds: [], temperature, seed: 2 }
          const [end] = yield* ends(adapted, ["One, "], { ...options, observer })
          // telling changes nothing
          expect(end!.ids).toEqual((yield* ends(adapted, ["One, "], options))[0]!.ids)
          expect(told.map(({ id }) => id)).toEqual([...end!.ids])
          expect(told.map(({ text }) => text).join("")).toBe(end!.text)
          const prompt = bytesTokenizer.encode("One, ", { special: true })
          for (const [i, token] of told.entries()) {
            const text = [...prompt, ...end!.ids.slice(0, i)]
            const all = yield* Effect.promise(() => probabilitiesAfter(adapted, text))
            const best = [...all.keys()].sort((a, b) => all[b]! - all[a]!).slice(0, 5)
            expect(token.likeliest.map(({ id }) => id)).toEqual(best)
            for (const { id, probability } of [token, ...token.likeliest])
              expect(Math.abs(probability - all[id]!)).toBeLessThan(1e-6)
            expect(token.likeliest.reduce((sum, { probability }) => sum + probability, 0)).toBeLessThanOrEqual(1)
            // greedy takes the likeliest; at this temperature a random model takes others
            if (temperature === 0) expect(token.id).toBe(best[0]!)
          }
          if (temperature > 0) expect(told.some(({ id, likeliest }) => id !== likeliest[0]!.id)).toBe(true)
        }
      })
    ))

  test("a token that ends a text is told with it, and those that write nothing have a name", () =>
    runScoped(
      Effect.gen(function* () {
        const named: typeof bytesTokenizer = {
          ...bytesTokenizer,
          decode: (ids, { special = false } = {}) =>
            special ? ids.map((id) => `<${id}>`).join("") : bytesTokenizer.decode(ids)
        }
        const adapted = yield* untrained({ ...(yield* openGolden("llama")), tokenizer: named })
        const free = { maxNewTokens: 4, eosIds: [] }
        const [plain] = yield* ends(adapted, ["x"], free)
        const told: Array<ObservedToken> = []
        const observer = { likeliest: 300, tell: (token: ObservedToken) => Effect.sync(() => void told.push(token)) }
        yield* ends(adapted, ["x"], { ...free, eosIds: [plain!.ids[1]!], observer })
        expect(told.map(({ ends }) => ends)).toEqual([false, true])
        expect(told[1]!.text).toBe("")
        expect(told[0]!.likeliest.find(({ id }) => id === 0)!.text).toBe("<0>")
        expect(told[0]!.likeliest.find(({ id }) => id === 65)!.text).toBe("A")
      })
    ))

  test("a seed gives the same texts, alone or in a batch, and another seed others", () =>
    runScoped(
      Effect.gen(function* () {
        const adapted = yield* speaking("mistral")
        const options = { maxNewTokens: 20, eosIds: [], temperature: 1.3, topK: 40, topP: 0.95, repetitionPenalty: 1.1 }
        const together = yield* ends(adapted, texts, { ...options, seed: 5 })
        const again = yield* ends(adapted, texts, { ...options, seed: 5 })
        const alone = yield* Effect.forEach(texts, (text, first) =>
          ends(adapted, [text], { ...options, seed: 5, first })
        )
        const other = yield* ends(adapted, texts, { ...options, seed: 6 })
        const same = yield* ends(adapted, ["x", "x"], { ...options, seed: 5 })
        const ids = (all: ReadonlyArray<{ readonly ids: ReadonlyArray<number> }>) => all.map((end) => end.ids)
        expect(ids(again)).toEqual(ids(together))
        expect(ids(alone.flat())).toEqual(ids(together))
        expect(ids(other)).not.toEqual(ids(together))
        expect(same[0]!.ids).not.toEqual(same[1]!.ids)
      })
    ))

  test("no temperature is too small to be greedy, and a penalty changes what is", () =>
    runScoped(
      Effect.gen(function* () {
        const adapted = yield* untrained(yield* openGolden("llama"))
        const options = { maxNewTokens: 20, eosIds: [] }
        const [plain] = yield* ends(adapted, [[29, 75]], options)
        const [cold] = yield* ends(adapted, [[29, 75]], { ...options, temperature: 1e-6 })
        const [penalized] = yield* ends(adapted, [[29, 75]], { ...options, repetitionPenalty: 1e6 })
        expect(cold!.ids).toEqual(plain!.ids)
        // what has been there, prompt included, does not come again while there is something else of positive logit
        expect(new Set([29, 75, ...penalized!.ids]).size).toBe(22)
        expect(new Set(plain!.ids).size).toBeLessThan(20)
      })
    ))

  test("with what was trained, or with the frozen weights alone", () =>
    runScoped(
      Effect.gen(function* () {
        const model = yield* openGolden("llama")
        const { adapted } = yield* adaptedGolden(model, "llama", "adapter")
        const plain = yield* untrained(model)
        const options = { maxNewTokens: 12, eosIds: [] }
        const expected = yield* Effect.promise(() => uncached(adapted, [29, 75, 64, 39], 12))
        const frozen = yield* Effect.promise(() => uncached(plain, [29, 75, 64, 39], 12))
        const [trained] = yield* ends(adapted, [[29, 75, 64, 39]], options)
        const [base] = yield* ends(adapted, [[29, 75, 64, 39]], { ...options, base: true })
        expect(Math.min(...expected.margins, ...frozen.margins)).toBeGreaterThan(1e-4)
        expect(trained!.ids).toEqual(expected.ids)
        expect(base!.ids).toEqual(frozen.ids)
        expect(expected.ids).not.toEqual(frozen.ids)
      })
    ))

  test("a text ends where the model's positions do", () =>
    runScoped(
      Effect.gen(function* () {
        const adapted = yield* untrained(yield* openGolden("gpt2"))
        const [end] = yield* ends(adapted, [new Array(30).fill(7)], { maxNewTokens: 100, eosIds: [] })
        expect(end).toMatchObject({ finish: "length", promptTokens: 30 })
        expect(end!.ids).toHaveLength(10)
      })
    ))

  test("what cannot be generated is refused, all of it at once", () =>
    runScoped(
      Effect.gen(function* () {
        const adapted = yield* untrained(yield* openGolden("gpt2"))
        const wrong = { temperature: -1, topK: 0, topP: 0, repetitionPenalty: 0, maxNewTokens: 0.5, stop: [""] }
        expect(yield* refused(adapted, [[1], [], new Array(40).fill(1), [5, 129]], wrong)).toEqual([
          "temperature is -1; expected a number of at least 0 (0: the most probable token)",
          "topK is 0; expected an integer of at least 1",
          "topP is 0; expected a number above 0 and at most 1",
          "repetitionPenalty is 0; expected a number above 0 (1: none)",
          "maxNewTokens is 0.5; expected an integer of at least 1",
          "a stop string is empty, so every text would end before it starts",
          "prompt 2 has no tokens, but a model needs at least one to continue; expected a non-empty prompt",
          `prompt 3 has 40 tokens, but ${adapted.model.source} was made for 40 including its output; shorten it`,
          "prompt 4 has the token 129; the model's are 0 to 128"
        ])
        expect(yield* events(adapted, [])).toEqual([])
      })
    ))

  test("numbers that are not finite are no text", () =>
    runScoped(
      Effect.gen(function* () {
        const model = yield* openGolden("llama")
        // its own section refuses such an alpha
        const adapted = yield* inject(model, { ...lora, section: undefined } as typeof lora, {
          rank: 2,
          alpha: Number.NaN,
          scaling: "standard",
          init: { kind: "kaiming" },
          targets: "all-linear"
        })
        for (const temperature of [0, 1]) {
          const [problem] = yield* refused(adapted as never, [[5, 6]], { temperature })
          expect(problem).toContain("not finite")
        }
      })
    ))

  test("nothing stays on the device: at the end, where it is cut off, where it fails", async () => {
    const adapted = await run(speaking("gemma3"))
    const options = { maxNewTokens: 16, eosIds: [], stop: ["e"], temperature: 1 }
    await run(events(adapted, texts, options))
    await expectNoLeak(() => run(events(adapted, texts, options)))
    await expectNoLeak(() => run(events(adapted, texts, { ...options, base: true, temperature: 0 })))
    await expectNoLeak(() =>
      run(
        generate(adapted, texts, options).pipe(
          Stream.take(2),
          Stream.runDrain,
          Effect.provideService(Device, openDevice(16))
        )
      )
    )
    const broken: Adapted<CausalModel> = {
      ...adapted,
      forward: (input, trainable) => {
        if (input.length === 1) throw new Error("the device is gone")
        return adapted.forward(input, trainable)
      }
    }
    await expectNoLeak(() => run(Effect.exit(events(broken, texts, options))))
  })
})
