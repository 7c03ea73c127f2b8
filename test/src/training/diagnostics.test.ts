/**
 * Looks at the full gradient in the middle of training: the theorem holds in float32, what is wrong is told, and
 * training is the same. On cpu, and with the other choices of X, the theorem is asked in diagnostics.processes.ts.
 */
import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { inject, lora } from "../../../adapters/index.ts"
import { mustBeDecided, type OptimizerConfig } from "../../../schemas/index.ts"
import { fromConfig, type Transform } from "../../../src/optimizers/index.ts"
import { type Listener, Progress } from "../../../src/run/index.ts"
import { reportWarnings } from "../../../src/run/plan-session.ts"
import { mapTensors } from "../../../src/tensors/trainable.ts"
import { takeProbedStep } from "../../../src/training/diagnostics/probe.ts"
import {
  crossEntropy,
  type DiagnosticsReport,
  diagnose,
  openSession,
  type StepReport,
  type StepsOptions,
  sessionSteps,
  takeStep
} from "../../../src/training/index.ts"
import { describeOn } from "../../backends.ts"
import { expectNoLeak } from "../../setup.ts"
import { adamw, loraProEfficient, loraProFull, loraProSgd, sgd } from "./optimizers.ts"
import { batches, fast, looks, quick, SITES, scoped, testPlain, testTheorem } from "./probed-steps.ts"
import { tinyBert } from "./tiny-bert.ts"
import { tinySession, valuesOf } from "./tiny-session.ts"

for (const backend of ["wasm", "webgpu"] as const)
  describeOn(backend, () => {
    testTheorem(quick)
    testPlain()
  })

describeOn("wasm", () => {
  test("the step of gradient descent goes where the method points; Adam's goes elsewhere", () =>
    scoped(
      Effect.gen(function* () {
        const plain = yield* looks(yield* tinySession(fast(sgd, { momentum: 0, clipNorm: null })), false)
        const pro = yield* looks(yield* tinySession(fast(loraProSgd, { clipNorm: null })), true)
        for (const { sites } of [...plain, ...pro]) {
          for (const { method, stepCosine } of sites) {
            // ΔA = A′ − A has A's rounding: 6e-8·|A| in a move of 1e-2 of the gradients, which are 1e-2
            expect(Math.abs(stepCosine! - method.cosine!)).toBeLessThan(2e-3)
          }
        }
        const adam = yield* looks(yield* tinySession(fast(adamw)), false)
        expect(Math.abs(adam[3]!.mean.stepCosine! - adam[3]!.mean.method.cosine!)).toBeGreaterThan(0.02)
      })
    ))

  test("‖g‖ of a step is that of full fine-tuning's gradient, also over several batches", () =>
    scoped(
      Effect.gen(function* () {
        // B = 0: both models compute the same
        const [lora, full] = [
          yield* tinySession(sgd, { seed: 3 }),
          yield* tinySession(sgd, { method: "full", seed: 3 })
        ]
        const { sites } = yield* diagnose(lora, batches.slice(0, 2))
        const before = yield* valuesOf(full.adapted.trainable)
        const rate = 1e-3
        const bare: Transform<null> = {
          init: () => null,
          update: (updates) => ({ updates: mapTensors((g) => tf.mul(g, -rate), updates), state: null })
        }
        yield* takeStep({ ...full, optimizer: bare, optimizerState: null }, batches.slice(0, 2))
        const after = yield* valuesOf(full.adapted.trainable)
        for (const { site, gradNorm } of sites) {
          const [x, y] = [before.get(`${site}.weight`)!, after.get(`${site}.weight`)!]
          const norm = Math.hypot(...x.map((value, i) => (y[i]! - value) / rate))
          // W rounded at 1e-8 an entry, against moves of 1e-6
          expect(Math.abs(norm / gradNorm! - 1)).toBeLessThan(0.02)
        }
      })
    ))

  test("a pair that subtracts its start: the theorem at the factors as they are, the effective rank of what they add", () =>
    scoped(
      Effect.gen(function* () {
        const model = yield* tinyBert("mean")
        const options = {
          rank: 4,
          alpha: 8,
          scaling: "standard",
          init: { kind: "pissa" },
          targets: "all-linear"
        } as const
        const adapted = yield* inject(model, lora, options)
        const session = yield* openSession(adapted, {
          optimizer: yield* fromConfig(mustBeDecided(fast(loraProFull)), batches.length),
          loss: crossEntropy
        })
        const seen = yield* looks(session, true)
        expect(seen.flatMap(({ warnings }) => warnings)).toEqual([])
        // both factors have their full rank from the start, so that the projection is reached at once
        for (const { theorem, B } of seen[0]!.sites) {
          expect(theorem!.fromProjection!).toBeLessThan(1e-5)
          expect(B.condition!).toBeGreaterThan(1)
        }
        expect(seen[0]!.sites.map(({ effectiveRank }) => effectiveRank)).toEqual(adapted.sites.map(() => null))
        for (const { effectiveRank } of seen.at(-1)!.sites) expect(effectiveRank!).toBeWithin(1, 2 * 4 + 1e-9)
      })
    ))

  describe("a theorem that is broken is told:", () => {
    /** LoRA-Pro whose directions are off. */
    const off = (wrong: (transform: Transform) => Transform) =>
      scoped(
        Effect.gen(function* () {
          const session = yield* tinySession(fast(loraProFull))
          yield* looks(session, true)
          const broken = { ...session, optimizer: wrong(session.optimizer) }
          return yield* diagnose(broken, [batches[0]!], "all", { theorem: true })
        })
      )

    test("a factor 1.001 too large", async () => {
      const { warnings, sites } = await off((transform) => ({
        ...transform,
        direction: (updates, state, params) =>
          mapTensors((tensor) => tf.mul(tensor, 1.001), transform.direction!(updates, state, params))
      }))
      expect(warnings).toHaveLength(SITES)
      sites.forEach(({ site, theorem, best }, i) => {
        // 1.001·P_T(g) is 0.001·‖P_T(g)‖ away
        expect(Math.abs(theorem!.fromDamped! / (1e-3 * best.cosine!) - 1)).toBeLessThan(0.01)
        expect(warnings[i]).toStartWith(`step 8, ${site}: LoRA-Pro's equivalent gradient is`)
      })
    })

    test("plain gradients in its place", async () => {
      const { warnings } = await off((transform) => ({ ...transform, direction: (updates) => updates }))
      expect(warnings).toHaveLength(SITES)
    })

    test("the state of an old B, as if refresh were forgotten", async () => {
      const { warnings } = await scoped(
        Effect.gen(function* () {
          const session = yield* tinySession(fast(loraProFull))
          yield* looks(session, true)
          const { optimizerState, optimizer } = session
          const frozen = { ...optimizer, refresh: () => Effect.succeed(optimizerState) }
          return yield* diagnose({ ...session, optimizer: frozen }, [batches[0]!], "all", { theorem: true })
        })
      )
      expect(warnings).toHaveLength(SITES)
    })

    test("in one notice for a look", async () => {
      const heard: Array<string> = []
      const listener: Listener = (event) =>
        Effect.sync(() => void (event.kind === "notice" && heard.push(event.message)))
      const report = (warnings: ReadonlyArray<string>) => ({ warnings }) as DiagnosticsReport
      const tell = (warnings: ReadonlyArray<string>) =>
        Effect.runPromise(reportWarnings(report(warnings)).pipe(Effect.provideService(Progress, listener)))
      await tell([])
      await tell(["one"])
      await tell(["one", "two", "three"])
      expect(heard).toEqual(["warning: one", "warning: one; and 2 more sites with the same warning (metrics.jsonl)"])
    })
  })
})

describe("training is the same, bit for bit,", () => {
  const timeless = (reports: Iterable<StepReport>) =>
    Array.from(reports, ({ milliseconds: _, tokensPerSecond: __, ...rest }) => rest)

  interface Looking {
    readonly every: number
    /** the first so many */
    readonly sites: number
  }

  const trained = (config: OptimizerConfig, looking?: Looking, of = {}) =>
    scoped(
      Effect.gen(function* () {
        const session = yield* tinySession(config, { accumulate: 2, ...of })
        const sites = session.adapted.sites.slice(0, looking?.sites)
        const options: StepsOptions<never, never> = looking === undefined ? {} : { probe: { ...looking, sites } }
        const reports = yield* Stream.runCollect(
          sessionSteps(session, options)(Stream.fromIterable([...batches, ...batches.toReversed()]))
        )
        return { reports: timeless(reports), values: yield* valuesOf(session.adapted.trainable) }
      })
    )

  const looking = (every: number, sites: number, more: object = {}) => ({ every, sites, ...more })

  describeOn("wasm", () => {
    for (const [name, config] of Object.entries({ adamw, sgd, loraProSgd, loraProEfficient, loraProFull })) {
      test(`${name}, looking in some steps; with LoRA-Pro's full form in every one, in several passes, at one site, with recomputation`, async () => {
        const plain = await trained(config)
        expect(plain.reports).toHaveLength(7)
        // how a probe looks does not depend on the optimizer: every way for one of them
        const ways = [looking(1, 6), looking(3, 6), looking(2, 1), looking(2, 6, { passBytes: 1 })]
        for (const options of config === loraProFull ? ways : ways.slice(1, 2)) {
          expect(await trained(config, options)).toEqual(plain)
        }
        if (config !== loraProFull) return
        expect(await trained(config, looking(2, 6), { recompute: "blocks" })).toEqual(plain)
      })
    }
  })
})

describeOn("wasm", () => {
  test("a look at step 1 and every so many, in a step of its own; recorded with that step", () =>
    scoped(
      Effect.gen(function* () {
        const session = yield* tinySession(adamw)
        const recorded: Array<readonly [steps: ReadonlyArray<number>, seen: number | undefined]> = []
        const reports = yield* Stream.runCollect(
          sessionSteps(session, {
            stepsPerRead: () => 3,
            probe: { every: 4, sites: session.adapted.sites },
            record: (taken, seen) => Effect.sync(() => void recorded.push([taken.map(({ step }) => step), seen?.step]))
          })(Stream.fromIterable(batches))
        )
        expect(recorded).toEqual([
          [[1], 1],
          [[2, 3, 4], undefined],
          [[5], 5],
          [[6, 7], undefined]
        ])
        expect(reports.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7])
      })
    ))

  test("passes of one site each see the same", () =>
    scoped(
      Effect.gen(function* () {
        const session = yield* tinySession(loraProFull)
        const { sites } = session.adapted
        const [whole, apart] = [
          yield* takeProbedStep(session, [batches[0]!], { sites }),
          yield* Effect.flatMap(tinySession(loraProFull), (other) =>
            takeProbedStep(other, [batches[0]!], { sites, passBytes: 1 })
          )
        ]
        expect(apart.diagnostics).toEqual(whole.diagnostics)
      })
    ))

  test("diagnose sees what the next step would, and leaves the session and the device as they are", () =>
    scoped(
      Effect.gen(function* () {
        const session = yield* tinySession(loraProFull)
        yield* takeStep(session, [batches[0]!])
        const before = yield* valuesOf(session.adapted.trainable)
        let seen: DiagnosticsReport | undefined
        yield* Effect.promise(() =>
          expectNoLeak(async () => {
            seen = await Effect.runPromise(diagnose(session, [batches[1]!], ["query", "value"]))
          })
        )
        expect(yield* valuesOf(session.adapted.trainable)).toEqual(before)
        expect(session.step).toBe(1)
        expect(seen!.sites.map(({ site }) => site)).toEqual(
          [0, 1].flatMap((i) => ["query", "value"].map((name) => `encoder.layer.${i}.attention.self.${name}`))
        )
        const sites = session.adapted.sites.filter(({ name }) => /query|value/.test(name))
        const { diagnostics, report } = yield* takeProbedStep(session, [batches[1]!], { sites })
        expect(diagnostics).toEqual(seen!)
        expect(report.step).toBe(2)
      })
    ))

  test("a pattern that means no adapted site, and a method without factors, are refused", () =>
    scoped(
      Effect.gen(function* () {
        const session = yield* tinySession(adamw)
        const refused = yield* Effect.flip(diagnose(session, [batches[0]!], ["query", "qeury"]))
        expect(refused.message).toMatch(/^sites\.1: found "qeury", which matches no adapted layer.*nearest: .*query/)
        const full = yield* tinySession(adamw, { method: "full" })
        expect((yield* Effect.flip(diagnose(full, [batches[0]!]))).message).toContain('adapter.method: found "full"')
      })
    ))

  test("a step that is not finite is named as it is without a look, and nothing is left of it", () =>
    scoped(
      Effect.gen(function* () {
        const loss: typeof crossEntropy = (logits, labels) =>
          tf.mul<tf.Scalar>(crossEntropy(logits, labels), Number.NaN)
        const session = yield* tinySession(loraProFull, { loss })
        const before = yield* valuesOf(session.adapted.trainable)
        yield* Effect.promise(() =>
          expectNoLeak(async () => {
            for (const attempt of [
              Effect.asVoid(takeProbedStep(session, [batches[0]!], { sites: session.adapted.sites, theorem: true })),
              Effect.asVoid(diagnose(session, [batches[0]!], "all", { theorem: true }))
            ]) {
              const error = await Effect.runPromise(Effect.flip<void, Error, never>(attempt))
              expect(error.message).toStartWith("step 1 is not finite")
            }
          })
        )
        expect(yield* valuesOf(session.adapted.trainable)).toEqual(before)
      })
    ))

  test("a read that fails in a look leaves the session and the device as they were", () =>
    scoped(
      Effect.gen(function* () {
        const session = yield* tinySession(loraProFull)
        const before = yield* valuesOf(session.adapted.trainable)
        const original = tf.Tensor.prototype.data
        const restored = Effect.sync(() => {
          tf.Tensor.prototype.data = original
        })
        let reads = 0
        const count = yield* Effect.promise(async () => {
          tf.Tensor.prototype.data = function (...args) {
            reads++
            return original.apply(this, args) as never
          }
          await Effect.runPromise(diagnose(session, [batches[0]!], ["query"]))
          return reads
        }).pipe(Effect.ensuring(restored))
        expect(count).toBeGreaterThan(10)
        yield* Effect.promise(async () => {
          for (let failing = 1; failing <= count; failing++) {
            reads = 0
            tf.Tensor.prototype.data = function (...args) {
              if (++reads === failing) return Promise.reject(new Error("lost")) as never
              return original.apply(this, args) as never
            }
            await expectNoLeak(async () => {
              const taken = takeProbedStep(session, [batches[0]!], {
                sites: session.adapted.sites.filter(({ name }) => name.endsWith("query"))
              })
              const error = await Effect.runPromise(Effect.flip(taken))
              expect(error._tag).toBe("DeviceReadError")
            })
          }
        }).pipe(Effect.ensuring(restored))
        expect(yield* valuesOf(session.adapted.trainable)).toEqual(before)
        expect(session.step).toBe(0)
      })
    ))
})
