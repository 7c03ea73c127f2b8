/** Adaptation plans: their sections are those of run plans, their rules too; the file of their JSON Schema is fresh. */
import { describe, expect, test } from "bun:test"
import * as Result from "effect/Result"
import {
  adaptationPlanJsonSchema,
  adaptationRules,
  decodeAdaptationPlan,
  methodFacts,
  rules,
  runPlanJsonSchema
} from "../../schemas/index.ts"

type Method = keyof typeof methodFacts

const problems = (plan: unknown, method: Method = "lora") => {
  const decoded = decodeAdaptationPlan(plan, methodFacts[method])
  return Result.isFailure(decoded) ? decoded.failure.map(({ path, message }) => `${path}: ${message}`) : []
}

const decoded = (plan: unknown, method: Method = "lora") =>
  Result.getOrThrow(decodeAdaptationPlan(plan, methodFacts[method]))

test("all of it may be left out: LoRA-Pro's full form where there are factors, else AdamW", () => {
  expect(decoded({})).toEqual({
    seed: 0,
    optimizer: expect.objectContaining({
      kind: "lora-pro",
      form: "full",
      learningRate: "auto",
      weightDecay: 0,
      clipNorm: null
    }),
    training: { batchSize: 32, accumulate: 1 }
  })
  for (const method of ["dora", "adalora", "full", "none"] as const) {
    expect(decoded({}, method).optimizer).toMatchObject({ kind: "adamw", learningRate: "auto" })
  }
})

test("sections mean what they mean in a run plan: the same words, in the JSON Schema too", () => {
  type Definitions = { readonly [name: string]: { readonly properties?: Record<string, unknown> } }
  const schema = adaptationPlanJsonSchema()
  const own = schema["$defs"] as Definitions
  const run = runPlanJsonSchema()["$defs"] as Definitions
  expect((schema["properties"] as Record<string, unknown>)["optimizer"]).toEqual(run["optimizer"])
  for (const name of ["SGD", "AdamW", "LoRAPlus", "RiemannianPreconditioning", "LoRAPro", "Schedule", "Diagnostics"]) {
    expect([name, own[name]]).toEqual([name, run[name]])
  }
  for (const field of ["steps", "accumulate", "diagnostics"]) {
    expect(own["AdaptationTraining"]!.properties![field]).toEqual(run["Training"]!.properties![field]!)
  }
})

describe("rules", () => {
  test("are those of run plans that read no other section, and one of its own", () => {
    const shared = adaptationRules.map(({ name }) => name).filter((name) => name !== "steps-or-epochs")
    expect(rules.map(({ name }) => name)).toEqual(expect.arrayContaining(shared))
    expect(shared.length).toBe(9)
  })

  const loraPro = { kind: "lora-pro", learningRate: 1e-3 }
  const cases: ReadonlyArray<readonly [rule: string, plan: object, method: Method, says: RegExp]> = [
    ["theorem-holds", { optimizer: loraPro }, "none", /^optimizer\.kind: found "lora-pro" with adapter\.method "none"/],
    [
      "moments-of-form",
      { optimizer: { ...loraPro, moments: "invariant" } },
      "lora",
      /^optimizer\.moments: found "invariant" with form "full"/
    ],
    [
      "clips-unmagnified-gradients",
      { optimizer: { kind: "lora-rite", learningRate: 1e-3, clipNorm: 1 } },
      "lora",
      /^optimizer\.clipNorm: found 1, .* set clipUnmagnified/
    ],
    [
      "even-split-begins-once",
      { optimizer: { kind: "reflora", learningRate: 1e-3, warmup: 0.1, warmupSteps: 1 } },
      "lora",
      /^optimizer\.warmup: found both/
    ],
    [
      "factors-are-trained",
      { optimizer: { ...loraPro, kind: "lora-plus" } },
      "adalora",
      /^optimizer\.kind: found "lora-plus"/
    ],
    [
      "diagnostics-need-factors",
      { training: { diagnostics: {} } },
      "dora",
      /^training\.diagnostics: not supported with adapter\.method "dora"/
    ],
    [
      "steps-or-epochs",
      { training: { steps: 3, epochs: 1 } },
      "lora",
      /^training: found both steps \(3\) and epochs \(1\)/
    ],
    [
      "warmup-once",
      { optimizer: { ...loraPro, schedule: { kind: "linear", warmup: 0.1, warmupSteps: 1 } } },
      "lora",
      /^optimizer\.schedule: found both/
    ],
    [
      "warmup-ends",
      { optimizer: { ...loraPro, schedule: { kind: "linear", warmupSteps: 5 } }, training: { steps: 5 } },
      "lora",
      /^optimizer\.schedule\.warmupSteps: found 5 with training\.steps 5/
    ],
    ["decay-shrinks", { optimizer: { ...loraPro, weightDecay: 1000 } }, "lora", /^optimizer\.weightDecay: found 1000/]
  ]
  test("have a case each", () => {
    expect(cases.map(([rule]) => rule)).toEqual(adaptationRules.map(({ name }) => name))
  })
  for (const [rule, plan, method, says] of cases) {
    test(rule, () => {
      expect(problems(plan, method)).toEqual([expect.stringMatching(says)])
      expect(problems({}, method)).toEqual([])
    })
  }
})

test("everything that is wrong is said at once, in the words of plans", () => {
  expect(
    problems({ seed: 1.5, optimizer: { kind: "adam" }, training: { epochs: 0, evaluateEvery: 3 }, adapter: {} })
  ).toEqual([
    "adapter: unknown key (allowed: seed, optimizer, training)",
    "seed: found 1.5; expected an integer of at least 0",
    expect.stringMatching(/^optimizer\.kind: found "adam"; expected one of .*did you mean "adamw"\?$/),
    expect.stringMatching(/^training\.evaluateEvery: unknown key/),
    "training.epochs: found 0; expected an integer of at least 1"
  ])
})
