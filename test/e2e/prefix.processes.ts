/**
 * A run that keeps what its frozen blocks make of its rows is the run that does not: the same adapter, metrics and checkpoints,
 * interrupted and resumed too. `validate` and the run say what is kept.
 */
import { afterEach, beforeAll, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { limits, setLimits } from "../../src/boundary/limits.ts"
import { describePlan, kindOf, planJson, resolve } from "../../src/kinds/index.ts"
import { readPlan } from "../../src/plan/index.ts"
import { platform } from "../../src/platform.ts"
import { type Plan, TIMEOUT, workspace } from "./fixtures.ts"
import { adapterOf, busyPlan, metricsOf, resultsOf } from "./runs.ts"
import { atStep, trainHere } from "./train-here.ts"

const w = workspace()
beforeAll(() => {
  for (const model of ["bert", "roberta"] as const) w.model(model)
})

/** Room for less than a row: nothing is kept. */
const without = () => setLimits({ "prefix-bytes": 1 })
afterEach(() => setLimits({ "prefix-bytes": limits["prefix-bytes"].default }))

/** Epochs of three steps, with evaluations in between. */
const STEPS = 8

const onTop = { method: "lora", rank: 4, alpha: 8, dropout: 0.2, targets: ["encoder.layer.1.**"] }
const planOf = (model: string, adapter: object, training: object = {}): Plan => {
  const optimizer = { kind: "adamw", learningRate: 1e-3 }
  const plan = busyPlan(model, STEPS, { adapter, optimizer })
  return { ...plan, training: { ...(plan["training"] as object), ...training } }
}

const resolved = (file: string) =>
  Effect.gen(function* () {
    const { plan, name } = yield* readPlan(w.path(file))
    return { kind: yield* kindOf(plan), resolved: yield* resolve(plan, name) }
  }).pipe(Effect.scoped, Effect.provide(platform), Effect.runPromise)

const said = /the first \d of 2 blocks are frozen; their outputs for every row are computed once and kept: [\d.]+ kB/

/** Trains a plan both ways; what the run said that keeps. */
const bothWays = async (name: string, plan: Plan) => {
  const file = w.write(`${name}.json`, plan)
  const { exit, notices } = await trainHere(w, file, { directory: `kept/${name}` })
  expect(exit._tag).toBe("Success")
  without()
  const plain = await trainHere(w, file, { directory: `plain/${name}` })
  expect(plain.notices.join()).not.toContain("frozen")
  expect(adapterOf(w, `kept/${name}`)).toEqual(adapterOf(w, `plain/${name}`))
  expect(metricsOf(w, `kept/${name}`)).toEqual(metricsOf(w, `plain/${name}`))
  return notices.join()
}

test(
  "an adapter on the last block, dropout on its input",
  async () => expect(await bothWays("bert-top", planOf("bert", onTop))).toMatch(said),
  TIMEOUT
)

test(
  "with recomputation and packed weights",
  async () => {
    const plan = planOf("roberta", onTop, { recompute: "blocks" })
    const packed = { ...plan, model: { ...(plan["model"] as object), weights: "int8" } }
    expect(await bothWays("roberta-top", packed)).toMatch(said)
  },
  TIMEOUT
)

test(
  "an init that looks at training data, and diagnostics on the way",
  async () => {
    const adapter = { ...onTop, dropout: 0, init: { kind: "lora-ga" } }
    expect(await bothWays("looks", planOf("bert", adapter, { diagnostics: { every: 3 } }))).toMatch(said)
    expect(metricsOf(w, "kept/looks").some(({ kind }) => kind === "diagnostics")).toBe(true)
  },
  TIMEOUT
)

test(
  "a head alone: every block is frozen",
  async () => {
    const adapter = { method: "none" }
    expect(await bothWays("head", planOf("bert", adapter))).toContain("the first 2 of 2 blocks are frozen")
  },
  TIMEOUT
)

test(
  "interrupted and resumed, it is the run that was not",
  async () => {
    const plan = planOf("bert", onTop)
    const file = w.write("again.json", plan)
    await trainHere(w, file, { directory: "whole/again" })
    await trainHere(w, file, { directory: "parts/again", until: atStep(5) })
    const { notices } = await trainHere(w, file, { resume: "parts/again" })
    expect(notices.join()).toMatch(said)
    expect(resultsOf(w, "parts/again")).toEqual(resultsOf(w, "whole/again"))
  },
  TIMEOUT
)

test("validate says what is kept, and its memory has it", async () => {
  const { kind, resolved: plan } = await resolved(w.write("top.json", planOf("bert", onTop)))
  const { prefix, memory } = plan
  expect(prefix).toMatchObject({ blocks: 1, of: 2, training: true })
  // 24 rows of training and 5 that are evaluated before, in between and after, on two splits: width 32, floats
  const { lengths } = plan as unknown as { readonly lengths: { readonly mean: number } }
  expect(prefix!.wanted).toBe(Math.ceil(1.1 * 4 * 32 * lengths.mean * (plan.data.splits.train.rows + 10)))
  expect(memory.kept).toBe(prefix!.bytes)
  expect(memory.total).toBeGreaterThan(memory.weights + memory.trainable + memory.activations + memory.kept)
  expect(describePlan(kind, plan)).toMatch(new RegExp(`prefix     ${said.source} \\(on wasm and native\\)`))
  expect(planJson(kind, plan)).toMatchObject({ prefix })
  const half = Math.floor(prefix!.wanted / 2)
  setLimits({ "prefix-bytes": half })
  const { resolved: small } = await resolved("top.json")
  expect(small.prefix).toMatchObject({ bytes: half, wanted: prefix!.wanted })
  expect(memory.total - small.memory.total).toBe(prefix!.bytes - half)
  without()
  expect((await resolved("top.json")).resolved.prefix).toBeNull()
})

test("nothing is kept where nothing is frozen, and nothing where no row comes again", async () => {
  const prefixOf = async (name: string, plan: Plan) => (await resolved(w.write(`${name}.json`, plan))).resolved.prefix
  expect(await prefixOf("all", planOf("bert", { ...onTop, targets: "all-linear" }))).toBeNull()
  expect(await prefixOf("full", planOf("bert", { method: "full", targets: "all-linear" }))).toBeNull()
  const norm = { ...onTop, modulesToSave: ["embeddings.LayerNorm"] }
  expect(await prefixOf("norm", planOf("bert", norm))).toBeNull()
  const once = planOf("bert", onTop, { steps: 1 })
  expect(await prefixOf("evaluated", once)).toMatchObject({ training: false })
  const { validation: _, test: __, ...data } = once.data
  const { evaluateEvery: ___, stopEarly: ____, ...training } = once["training"] as Record<string, unknown>
  expect(await prefixOf("once", { ...once, data, training })).toBeNull()
})
