import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { alternatives, decodeRunPlanResult } from "../../../schemas/index.ts"
import { applySettings } from "../../../src/plan/settings.ts"
import { smallest } from "../../schemas/plans.ts"

const plan = { adapter: { method: "lora", rank: 8, targets: ["query", "key"] }, seed: 0 }
const apply = (...settings: ReadonlyArray<string>) => Effect.runSync(applySettings(plan, settings))
const refusal = (...settings: ReadonlyArray<string>) =>
  Effect.runSync(Effect.flip(applySettings(plan, settings))).message.split("\n")

describe("a setting", () => {
  test.each<[string, unknown]>([
    ["adapter.rank=4", { ...plan, adapter: { ...plan.adapter, rank: 4 } }],
    ["seed=1", { ...plan, seed: 1 }],
    ["adapter.targets.0=value", { ...plan, adapter: { ...plan.adapter, targets: ["value", "key"] } }],
    ["adapter.targets.2=value", { ...plan, adapter: { ...plan.adapter, targets: ["query", "key", "value"] } }],
    ['adapter={"method":"none"}', { ...plan, adapter: { method: "none" } }],
    ["optimizer.schedule.kind=linear", { ...plan, optimizer: { schedule: { kind: "linear" } } }],
    ["optimizer.clipNorm=null", { ...plan, optimizer: { clipNorm: null } }],
    ["data.labels.0=yes", { ...plan, data: { labels: ["yes"] } }],
    ["data.train=a=b.jsonl", { ...plan, data: { train: "a=b.jsonl" } }],
    ['data.label="1"', { ...plan, data: { label: "1" } }],
    ["toString.x=1", { ...plan, toString: { x: 1 } }],
    ["output.directory=", { ...plan, output: { directory: "" } }]
  ])("%s", (setting, expected) => {
    const before = structuredClone(plan)
    expect(apply(setting)).toEqual(expected)
    expect(plan).toEqual(before)
  })

  test("overrides an earlier one", () => {
    expect(apply("seed=1", "seed=2")).toEqual({ ...plan, seed: 2 })
  })

  test("of __proto__ stays a key of its own, for the decoder to refuse", () => {
    expect(Object.keys(apply("__proto__.rank=1") as object)).toContain("__proto__")
    expect(({} as Record<string, unknown>)["rank"]).toBeUndefined()
  })
})

test("a setting takes the place of what the plan says in another way, and two settings do not", () => {
  const long = { seed: 0, training: { steps: 80, batchSize: 8 }, optimizer: { schedule: { warmup: 0.1 } } }
  const set = (...settings: ReadonlyArray<string>) => Effect.runSync(applySettings(long, settings))
  expect(set("training.epochs=2")).toEqual({ ...long, training: { batchSize: 8, epochs: 2 } })
  expect(Effect.runSync(applySettings({ training: { epochs: 2 } }, ["training.steps=3"]))).toEqual({
    training: { steps: 3 }
  })
  expect(set("optimizer.schedule.warmupSteps=5")).toEqual({ ...long, optimizer: { schedule: { warmupSteps: 5 } } })
  expect(set("training.batchSize=4")).toEqual({ ...long, training: { steps: 80, batchSize: 4 } })
  // for the rule to refuse
  expect(set("training.epochs=2", "training.steps=9")).toMatchObject({ training: { steps: 9, epochs: 2 } })
  for (const [one, other] of alternatives) {
    const both = Effect.runSync(applySettings(smallest, [`${one}=1`, `${other}=1`]))
    expect(Result.isFailure(decodeRunPlanResult(both))).toBe(true)
  }
})

test("settings that cannot be applied are told all at once", () => {
  expect(
    refusal("adapter.rank", "=3", "adapter..rank=3", "seed.x=1", "adapter.targets.3=a", "adapter.targets.first=a")
  ).toEqual([
    "--set adapter.rank: has no value; expected path=value, such as adapter.rank=4",
    "--set =3: has an empty name in its path; expected path=value, such as adapter.rank=4",
    "--set adapter..rank=3: has an empty name in its path; expected path=value, such as adapter.rank=4",
    "--set seed.x=1: seed is 0, which has no fields; set seed as a whole",
    "--set adapter.targets.3=a: adapter.targets is a list of 2; expected an index from 0 to 2",
    "--set adapter.targets.first=a: adapter.targets is a list of 2; expected an index from 0 to 2"
  ])
})
