/**
 * Ranks that an init decides: EVA's are PEFT's; what a site gets bears on everything that asks for its rank; a record brings the same
 * sites back without a look at data; and what is said before weights bounds what comes out.
 */
import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import {
  type Adapted,
  adapterSize,
  fullest,
  type InjectOptions,
  inject,
  injectSelected,
  type LoraOptions,
  lora,
  type SelectedSite,
  select,
  withRanks
} from "../../adapters/index.ts"
import type { LoraInit } from "../../schemas/index.ts"
import type { Batch } from "../../src/data/index.ts"
import { randomStream } from "../../src/numbers/random.ts"
import { type CalibratingOptions, calibrating, crossEntropy } from "../../src/training/index.ts"
import { describeOn } from "../backends.ts"
import golden from "../golden/lora_pro/eva_ranks.json"
import { expectNoLeak } from "../setup.ts"
import { randomBatch, tinyBert } from "../src/training/tiny-bert.ts"
import { described } from "./sites.ts"

const scoped = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Effect.runPromise(Effect.scoped(effect))

const tokens: Batch = {
  size: golden.tokens.input_ids.length,
  length: golden.tokens.input_ids[0]!.length,
  inputIds: Int32Array.from(golden.tokens.input_ids.flat()),
  tokenTypeIds: new Int32Array(golden.tokens.input_ids.flat().length),
  attentionMask: Float32Array.from(golden.tokens.attention_mask.flat()),
  labels: new Int32Array(golden.tokens.input_ids.length),
  tokens: golden.tokens.attention_mask.flat().reduce((sum, own) => sum + own, 0)
}

const all = "all-linear" as const
const options = (init: LoraInit, changes: Partial<LoraOptions> = {}) => ({
  rank: 2,
  alpha: 8,
  scaling: "standard" as const,
  init,
  targets: all,
  ...changes
})

const eva = (rho: number): LoraInit => ({ kind: "eva", batches: 1, rho })
const gora: LoraInit = { kind: "gora", batches: 2, gamma: 0.05, minRank: 1 }

const scalesOf = ({ trainable }: Adapted) =>
  Object.fromEntries(trainable.pairs.map(({ site, scale }) => [site.name, scale]))

/** The tiny BERT with an adapter whose init looks at batches. */
const injected = (
  own: LoraOptions & InjectOptions<LoraOptions>,
  batches: ReadonlyArray<Batch>,
  more: Partial<CalibratingOptions> = {}
) =>
  Effect.gen(function* () {
    const model = yield* tinyBert("mean")
    const calibrate = yield* calibrating(model, { batches, loss: crossEntropy, ...more })
    return yield* inject(model, lora, { ...own, calibrate })
  })

describeOn("wasm", () => {
  for (const { rank, alpha, rho, ranks, scales } of golden.cases) {
    test(`EVA of rank ${rank} with ρ = ${rho}: sites have the ranks and scales that PEFT gives them`, () =>
      expectNoLeak(() =>
        scoped(
          Effect.gen(function* () {
            const adapted = yield* injected(options(eva(rho), { rank, alpha }), [tokens])
            expect(adapted.selected.ranks).toEqual(ranks)
            expect(scalesOf(adapted)).toEqual(scales)
            const own = adapted.parts(adapted.trainable).map(({ site, options, part }) => {
              const { A, B } = part.pairs[0]!
              expect([A.shape[0], B.shape[1]]).toEqual([(options as LoraOptions).rank, (options as LoraOptions).rank])
              return [site.name, A.shape[0]]
            })
            // a site without a rank is none of the adapter's
            expect(Object.fromEntries(own)).toEqual(Object.fromEntries(Object.entries(ranks).filter(([, r]) => r > 0)))
          })
        )
      ))
  }

  const batches = [randomBatch(4, 8, 1), randomBatch(3, 6, 2)]

  test("decided ranks are the same whatever is held at a time", () =>
    scoped(
      Effect.gen(function* () {
        const whole = yield* injected(options(gora), batches)
        const one = yield* injected(options(gora), batches, { bytes: 1 })
        expect(one.selected.ranks).toEqual(whole.selected.ranks!)
        expect(new Set(Object.values(whole.selected.ranks!)).size).toBeGreaterThan(1)
        const values = (adapted: Adapted) =>
          Effect.promise(() => Promise.all(adapted.trainable.pairs.map(({ B }) => B.data())))
        expect(yield* values(one)).toEqual(yield* values(whole))
      })
    ))

  test("GoRA's alpha stays, and s is that of a site's own rank; EVA's s stays, at either scaling", () =>
    scoped(
      Effect.gen(function* () {
        for (const [scaling, scale] of [
          ["standard", (r: number) => 8 / r],
          ["rank-stabilized", (r: number) => 8 / Math.sqrt(r)]
        ] as const) {
          const moved = yield* injected(options(gora, { scaling }), batches)
          for (const { scale: s, A } of moved.trainable.pairs) expect(s).toBe(scale(A.shape[0]))
          const kept = yield* injected(options(eva(4), { scaling }), batches)
          // α·(r′/r)/r′ is α/r but for a rounding
          for (const { scale: s } of kept.trainable.pairs) expect(Math.abs(s / scale(2) - 1)).toBeLessThan(1e-15)
        }
      })
    ))

  test("they come back from a record without data", () =>
    scoped(
      Effect.gen(function* () {
        const before = yield* injected(options(eva(4), { rank: 1 }), [tokens])
        const model = yield* tinyBert("mean")
        const { targets, ...own } = options(eva(4), { rank: 1 })
        const selected = Result.getOrThrow(select(model, lora, { dropout: 0, ...own }, { targets }))
        const restored = Result.getOrThrow(withRanks(lora, selected, before.selected.ranks))
        const again = yield* injectSelected(model, lora, restored, 0, undefined, true)
        expect(again.sites).toEqual(before.sites)
        expect(again.selected).toEqual(before.selected)
        expect(again.trainable.pairs.map(({ A, scale }) => [A.shape, scale])).toEqual(
          before.trainable.pairs.map(({ A, scale }) => [A.shape, scale])
        )
        expect(adapterSize(lora, fullest(lora, restored)).factors).toBe(
          before.trainable.pairs.reduce((sum, { A, B }) => sum + A.size + B.size, 0)
        )
      })
    ))

  test("they are asked of data, and there is none", () =>
    scoped(
      Effect.gen(function* () {
        const model = yield* tinyBert("mean")
        for (const init of [gora, eva(2)]) {
          const error = yield* Effect.flip(inject(model, lora, options(init)))
          expect(error.message).toContain("it needs training data")
        }
      })
    ))
})

describe("a record of other ranks", () => {
  const selected = (init: LoraInit) => {
    const { targets, ...own } = options(init)
    return Result.getOrThrow(select(described, lora, own, { targets }))
  }
  const names = selected(gora).sites.map(({ site }) => site.name)
  const recorded = (change: Readonly<Record<string, number>>) => ({
    ...Object.fromEntries(names.map((name) => [name, 2])),
    ...change
  })
  const messageOf = (init: LoraInit, ranks: Readonly<Record<string, number>>) =>
    Result.match(withRanks(lora, selected(init), ranks), {
      onSuccess: () => undefined,
      onFailure: ({ message }) => message
    })

  test("is taken where every layer has a rank that its init can decide", () => {
    expect(messageOf(gora, recorded({ [names[0]!]: 8, [names[1]!]: 1 }))).toBeUndefined()
    expect(messageOf(eva(2), recorded({ [names[0]!]: 4, [names[1]!]: 0 }))).toBeUndefined()
  })

  test("is told, all that is wrong at once", () => {
    const message = messageOf(eva(2), recorded({ [names[0]!]: 5, [names[1]!]: 0.5, other: 1 }))
    expect(message).toContain(`ranks.${names[0]}: found 5; expected the chosen rank, from 0 to 4`)
    expect(message).toContain(`ranks.${names[1]}: found 0.5; expected`)
    expect(message).toContain("ranks.other: is not an adapted layer")
    expect(message!.split("\n")).toHaveLength(3)
    const { [names[3]!]: _, ...missing } = recorded({})
    expect(messageOf(eva(2), missing)).toContain(`ranks.${names[3]}: found nothing`)
    // this init decides none
    expect(messageOf({ kind: "kaiming" }, recorded({}))).toContain("expected the chosen rank, from 0 to 0")
  })
})

describe("before weights", () => {
  const factors = (sites: ReadonlyArray<SelectedSite<LoraOptions>>) => adapterSize(lora, sites).factors

  test("the most numbers are at least what any importance comes to, and little more than the most of them", () => {
    const random = randomStream(7, "importances")
    for (const init of [gora, { ...gora, minRank: 2, maxRank: 3 }, eva(1.5), eva(4)]) {
      const { targets, ...own } = options(init)
      const selected = Result.getOrThrow(
        select(described, lora, own, { targets, overrides: [{ targets: ["query"], rank: 3 }] })
      )
      const bound = factors(fullest(lora, selected))
      const decides = lora.initRanks!(own)!
      let most = 0
      for (let round = 0; round < 300; round++) {
        // from nearly equal ones to one that has everything
        const shares = selected.sites.map(() => random() ** (round % 30))
        const ranks =
          init.kind === "gora" ? sharedOut(selected.sites, shares, decides) : drawn(selected.sites, shares, decides)
        const own = selected.sites.map(({ site }, i) => ranks[i]! * (site.in + site.out))
        most = Math.max(
          most,
          own.reduce((sum, n) => sum + n, 0)
        )
      }
      expect(most).toBeLessThanOrEqual(bound)
      expect(bound).toBeLessThan(2 * most)
    }
  })

  type Decides = NonNullable<ReturnType<NonNullable<typeof lora.initRanks>>>

  /** GoRA's rule, of the test's own importances. */
  const sharedOut = (
    sites: ReadonlyArray<SelectedSite<LoraOptions>>,
    shares: ReadonlyArray<number>,
    { bounds }: Decides
  ) => {
    const root = ({ site }: SelectedSite<LoraOptions>) => Math.sqrt(site.in + site.out)
    const budget = sites.reduce((sum, one) => sum + root(one) * one.options.rank, 0)
    const total = shares.reduce((sum, own) => sum + own, 0)
    return sites.map((one, i) => {
      const { least, most } = bounds(one)
      return Math.min(most, Math.max(least, Math.floor(Math.round((budget * shares[i]!) / total) / root(one))))
    })
  }

  /** Ranks one by one to a site by its share, as long as it may have more. */
  const drawn = (
    sites: ReadonlyArray<SelectedSite<LoraOptions>>,
    shares: ReadonlyArray<number>,
    { bounds }: Decides
  ) => {
    const ranks = sites.map(() => 0)
    const order = sites.map((_, i) => i).sort((a, b) => shares[b]! - shares[a]!)
    let left = sites.reduce((sum, { options }) => sum + options.rank, 0)
    for (const i of order) {
      ranks[i] = Math.min(left, bounds(sites[i]!).most)
      left -= ranks[i]!
    }
    return ranks
  }
})
