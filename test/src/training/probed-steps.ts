/** What tests of looks at the full gradient share: looks in every step, and where the theorem is asked of them. */
import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { OptimizerConfig } from "../../../schemas/index.ts"
import { takeProbedStep } from "../../../src/training/diagnostics/probe.ts"
import type { Session } from "../../../src/training/index.ts"
import { adamw, loraProEfficient, loraProFull, loraProSgd } from "./optimizers.ts"
import { randomBatch } from "./tiny-bert.ts"
import { tinySession } from "./tiny-session.ts"

export const scoped = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> =>
  Effect.runPromise(Effect.scoped(effect))
export const batches = Array.from({ length: 7 }, (_, i) => randomBatch(3 + (i % 3), 5 + (i % 2), i))
export const SITES = 12

/** A rate at which the factors move, and no decay that would hide where a step goes. */
export const fast = <Config extends OptimizerConfig>(config: Config, more: Partial<Config> = {}): Config => ({
  ...config,
  learningRate: 1e-2,
  weightDecay: 0,
  ...more
})

/** Takes a step over each batch, with a look in every one. */
export const looks = (session: Session, theorem: boolean) =>
  Effect.forEach(batches, (batch) =>
    Effect.map(
      takeProbedStep(session, [batch], { sites: session.adapted.sites, theorem }),
      ({ diagnostics }) => diagnostics
    )
  )

export const forms = { sgd: loraProSgd, efficient: loraProEfficient, full: loraProFull } as const

type Form = keyof typeof forms
type X = "sylvester" | "zero" | "symmetric"
/** Each choice of X with each form, and which of them the fast tests take. */
const every: ReadonlyArray<readonly [Form, X]> = (["sgd", "efficient", "full"] as const).flatMap((form) =>
  (["sylvester", "zero", "symmetric"] as const).map((x) => [form, x] as const)
)
const isQuick = ([form, x]: readonly [Form, X]) => x === "sylvester" || form === "full"
export const quick = every.filter(isQuick)
export const others = every.filter((one) => !isQuick(one))

export const testTheorem = (cases: ReadonlyArray<readonly [Form, X]>) => {
  for (const [form, x] of cases) {
    test(`lora-pro ${form}, x ${x}: at every site the damped projection, as near as float32 allows`, () =>
      scoped(
        Effect.gen(function* () {
          const session = yield* tinySession(fast(forms[form], { x }))
          const seen = yield* looks(session, true)
          for (const { sites, warnings, step: at } of seen) {
            expect(sites).toHaveLength(SITES)
            expect(warnings).toEqual([])
            for (const { theorem, method, best } of sites) {
              expect(theorem!.tolerance).not.toBeNull()
              expect(theorem!.fromDamped!).toBeLessThanOrEqual(theorem!.tolerance!)
              // B = 0: the projection itself, to float32
              if (at === 1) expect(theorem!.fromProjection!).toBeLessThan(1e-5)
              expect(method.discrepancy!).toBeGreaterThanOrEqual(best.discrepancy! - 1e-12)
            }
          }
          // where λ_min ≫ δ the two projections are one; the sgd form's B is far from there after so few steps
          if (form === "sgd") return
          for (const { method, best, conditioning } of seen.at(-1)!.sites) {
            expect(conditioning!).toBeGreaterThan(100)
            expect(method.discrepancy! - best.discrepancy!).toBeLessThan(1e-4)
          }
        })
      ))
  }
}

export const testPlain = () =>
  test("plain LoRA is above the best possible wherever there is a choice", () =>
    scoped(
      Effect.gen(function* () {
        const seen = yield* looks(yield* tinySession(fast(adamw)), false)
        for (const { mean, sites, warnings } of seen.slice(1)) {
          expect(mean.method.scaledDiscrepancy! - mean.best.discrepancy!).toBeGreaterThan(0.02)
          expect(sites.every(({ theorem, conditioning }) => theorem === undefined && conditioning === null)).toBe(true)
          expect(warnings).toEqual([])
        }
      })
    ))
