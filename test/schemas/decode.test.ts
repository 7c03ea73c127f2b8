/** Decoding a plan: defaults, and the printed errors of every kind of mistake, as a user reads them. */
import { describe, expect, test } from "bun:test"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import {
  AdapterConfig,
  decodeRunPlan,
  LoraInit,
  OptimizerConfig,
  PlanError,
  RunPlan,
  rules
} from "../../schemas/index.ts"
import { complete, smallest } from "./plans.ts"

const decode = (input: unknown) => Effect.runSync(Effect.result(decodeRunPlan(input)))

/** The message, one line per problem; fails if the plan is accepted. */
const linesOf = (input: unknown): ReadonlyArray<string> => {
  const result = decode(input)
  if (Result.isSuccess(result)) throw new Error("the plan was accepted")
  return result.failure.message.split("\n")
}

const methods = AdapterConfig.members.map(({ fields }) => `"${fields.method.literal}"`).join(", ")
const inits = LoraInit.members.map(({ fields }) => `"${fields.kind.literal}"`).join(", ")
const kinds = OptimizerConfig.members.map(({ fields }) => `"${fields.kind.literal}"`).join(", ")

describe("a sound plan", () => {
  test("gets every default", () => {
    expect(Result.getOrThrow(decode(smallest))).toEqual({
      seed: 0,
      model: {
        source: "minilm",
        task: { kind: "classification", pooling: "mean" },
        weights: "file"
      },
      data: {
        format: "classification",
        train: "train.jsonl",
        text: "text",
        label: "label",
        maxLength: 128,
        bucketPool: 8
      },
      adapter: {
        method: "lora",
        rank: 8,
        alpha: 16,
        scaling: "standard",
        init: { kind: "kaiming" },
        targets: "all-linear",
        exclude: [],
        overrides: [],
        dropout: 0,
        modulesToSave: []
      },
      optimizer: {
        kind: "lora-pro",
        learningRate: 1e-4,
        weightDecay: 0,
        clipNorm: null,
        schedule: { kind: "constant" },
        form: "full",
        x: "sylvester",
        damping: 1e-8,
        betas: [0.9, 0.999],
        epsilon: 1e-8
      },
      training: {
        steps: 80,
        batchSize: 8,
        accumulate: 1,
        evaluateBatchSize: 64,
        recompute: "none",
        precision: "float32",
        threads: "auto",
        deterministic: true
      },
      output: { checkpointEvery: 50, keep: "auto" }
    })
  })

  test("written out stays as it is written", () => {
    expect(Result.getOrThrow(decode(complete)) as unknown).toEqual(complete)
  })

  test("with its defaults filled in decodes to itself", () => {
    const plan = Result.getOrThrow(decode(smallest))
    expect(Result.getOrThrow(decode(JSON.parse(JSON.stringify(plan))))).toEqual(plan)
  })

  test.each([[{ method: "full", targets: ["query"] }], [{ method: "none" }], [{ method: "lora", targets: ["**"] }]])(
    "may adapt by %p",
    (adapter) => {
      const optimizer = { kind: "adamw", learningRate: 1e-3 }
      expect(Result.isSuccess(decode({ ...smallest, adapter, optimizer }))).toBe(true)
    }
  )
})

describe("an unsound plan", () => {
  test("is told every problem at once, each with its path", () => {
    const adapter = {
      method: "lora",
      rnk: 3,
      rank: 0,
      init: { kind: "kaimin" },
      scaling: "rank_stabilized",
      targets: [],
      overrides: [{ rank: -1 }, 3]
    }
    expect(linesOf({ ...smallest, modl: 1, adapter })).toEqual([
      'modl: unknown key; did you mean "model"? (allowed: seed, model, data, loss, adapter, optimizer, training, output)',
      'adapter.rnk: unknown key; did you mean "rank"? (allowed: method, from, rank, alpha, scaling, init, targets, exclude, overrides, dropout, modulesToSave)',
      "adapter.rank: found 0; expected an integer from 1 to 1024",
      'adapter.scaling: found "rank_stabilized"; expected one of "standard", "rank-stabilized"; did you mean "rank-stabilized"?',
      `adapter.init.kind: found "kaimin"; expected one of ${inits}; did you mean "kaiming"?`,
      'adapter.targets: found []; expected "all-linear", "attention", "mlp", or a list of one or more layer patterns',
      "adapter.overrides.0.targets: missing; expected a list of one or more layer patterns",
      "adapter.overrides.0.rank: found -1; expected an integer from 1 to 1024",
      'adapter.overrides.1: found 3; expected an object with "targets"'
    ])
  })

  test.each<[unknown, string]>([
    [
      { method: "lorra", rank: 0, rnk: 1 },
      `adapter.method: found "lorra"; expected one of ${methods}; did you mean "lora"?`
    ],
    [{ rank: 3 }, `adapter.method: missing; expected one of ${methods}`],
    ["lora", `adapter: found "lora"; expected an object whose "method" is one of ${methods}`],
    [null, `adapter: found null; expected an object whose "method" is one of ${methods}`],
    [{ method: "none", rank: 3 }, "adapter.rank: unknown key (allowed: method, modulesToSave)"],
    [{ method: "lora", init: { kind: "gaussian", std: 1 } }, "adapter.init.std: unknown key (allowed: kind)"],
    [
      { method: "lora", targets: ["query", 3] },
      'adapter.targets.1: found 3; expected a layer pattern such as "encoder.layer.*.attention.**" or "query"'
    ],
    [{ method: "lora", dropout: 1 }, "adapter.dropout: found 1; expected a number from 0 up to, not including, 1"],
    [
      { method: "adalora", dropout: -0.1 },
      "adapter.dropout: found -0.1; expected a number from 0 up to, not including, 1"
    ],
    [
      { method: "full", dropout: 0.1 },
      "adapter.dropout: unknown key (allowed: method, targets, exclude, modulesToSave)"
    ]
  ])("with adapter %p says one thing", (adapter, line) => {
    expect(linesOf({ ...smallest, adapter })).toEqual([line])
  })

  test("with a misspelt kind, form and schedule names the nearest", () => {
    const optimizer = { kind: "lora-pro", learningRate: 1, form: "efficent", schedule: { kind: "lin" } }
    expect(linesOf({ ...smallest, optimizer })).toEqual([
      'optimizer.schedule.kind: found "lin"; expected one of "constant", "linear", "cosine"; did you mean "linear"?',
      'optimizer.form: found "efficent"; expected one of "full", "efficient", "sgd"; did you mean "efficient"?'
    ])
    expect(linesOf({ ...smallest, optimizer: { kind: "lorapro" } })).toEqual([
      `optimizer.kind: found "lorapro"; expected one of ${kinds}; did you mean "lora-pro"?`
    ])
  })

  test("with numbers that are none is told", () => {
    const optimizer = {
      kind: "adamw",
      learningRate: Number.NaN,
      weightDecay: -0,
      epsilon: Number.POSITIVE_INFINITY,
      betas: [0.9, 1],
      clipNorm: "1"
    }
    expect(linesOf({ ...smallest, seed: 1.5, optimizer })).toEqual([
      "seed: found 1.5; expected an integer of at least 0",
      'optimizer.learningRate: found NaN; expected a number greater than 0, or "auto"',
      "optimizer.weightDecay: found -0; expected a number of at least 0",
      'optimizer.clipNorm: found "1"; expected a number greater than 0, or null',
      "optimizer.betas.1: found 1; expected a number from 0 up to, not including, 1",
      "optimizer.epsilon: found Infinity; expected a number greater than 0"
    ])
  })

  test.each([
    [[0.9], "optimizer.betas: too short; expected two numbers [β₁, β₂]"],
    [[0.9, 0.99, 0.999], "optimizer.betas.2: one entry too many; expected two numbers [β₁, β₂]"]
  ])("with betas %p says how many", (betas, line) => {
    expect(linesOf({ ...smallest, optimizer: { kind: "adamw", learningRate: 1, betas } })).toEqual([line])
  })

  test("with nothing in it is told what is missing", () => {
    expect(linesOf({})).toEqual([
      'model: missing; expected an object with "source"',
      'data: missing; expected an object with "format", "train"',
      `optimizer: missing; expected an object whose "kind" is one of ${kinds}`,
      'training: missing; expected an object with "steps" or "epochs"'
    ])
    expect(linesOf({ ...smallest, data: { format: "classification" } })).toEqual([
      "data.train: missing; expected a path to a .jsonl, .csv or .parquet file"
    ])
  })

  test.each([[[]], [null], ["plan"], [3], [undefined]])("that is %p is told what a plan is", (input) => {
    expect(linesOf(input)).toEqual([
      `plan: found ${JSON.stringify(input)}; expected an object with "model", "data", "optimizer", "training"`
    ])
  })

  test("does not slip a key past by naming it __proto__", () => {
    const input = JSON.parse(JSON.stringify(smallest).replace("{", '{"__proto__": {"seed": 1}, '))
    expect(linesOf(input)).toEqual([
      "__proto__: unknown key (allowed: seed, model, data, loss, adapter, optimizer, training, output)"
    ])
  })

  test("with a long value shows its beginning", () => {
    const [line] = linesOf({ ...smallest, seed: "x".repeat(1000) })
    expect(line).toMatch(/^seed: found "x{58}…; expected/)
  })

  test("names its file above its problems", () => {
    const problems = [{ path: "adapter.rank", message: "found 0; expected an integer from 1 to 1024" }]
    expect(new PlanError({ problems, file: "plans/x.json" }).message).toBe(
      "plans/x.json: 1 problem\n  adapter.rank: found 0; expected an integer from 1 to 1024"
    )
  })
})

/** Every key of a document: its path, and the document with that key's holder changed. */
const keysOf = (value: unknown, path: ReadonlyArray<string> = []): ReadonlyArray<ReadonlyArray<string>> =>
  typeof value !== "object" || value === null
    ? []
    : Object.entries(value).flatMap(([key, inner]) => [[...path, key], ...keysOf(inner, [...path, key])])

const changedAt = (value: unknown, path: ReadonlyArray<string>, change: (holder: Record<string, unknown>) => void) => {
  const copy = structuredClone(value) as Record<string, unknown>
  const holder = path.slice(0, -1).reduce((inner, key) => inner[key] as Record<string, unknown>, copy)
  change(holder)
  return copy
}

const runs = 200
const samples = Effect.runSync(Arbitrary.sampleEffect(Arbitrary.schema(RunPlan), { count: runs, seed: 11 }))
const encode = Schema.encodeSync(RunPlan)

describe("any plan", () => {
  test("survives encoding, JSON and decoding, up to the rules", () => {
    expect(samples).toHaveLength(runs)
    let sound = 0
    for (const plan of samples) {
      const result = decode(JSON.parse(JSON.stringify(encode(plan))))
      const violations = rules.flatMap((rule) => rule.check(plan))
      if (violations.length > 0) {
        if (Result.isSuccess(result)) throw new Error("a rule was not run")
        expect(result.failure.problems).toEqual(violations)
      } else {
        expect(Result.getOrThrow(result)).toEqual(plan)
        sound++
      }
    }
    expect(sound).toBeGreaterThan(0)
  })

  test("with one wrong value is refused at that value's path", () => {
    for (const path of keysOf(complete)) {
      const wrong = changedAt(complete, path, (holder) => {
        holder[path.at(-1)!] = { nonsense: true }
      })
      const where = path.join(".")
      for (const line of linesOf(wrong)) expect(line.startsWith(where)).toBe(true)
    }
  })

  test("with one more key anywhere is refused at that key's path", () => {
    const holders = new Set(keysOf(complete).map((path) => path.slice(0, -1).join(".")))
    let objects = 0
    for (const holder of holders) {
      const path = [...(holder === "" ? [] : holder.split(".")), "nonsense"]
      const wrong = changedAt(complete, path, (inner) => {
        if (!Array.isArray(inner)) inner["nonsense"] = 1
      })
      if (Result.isSuccess(decode(wrong))) continue // a list
      expect(linesOf(wrong).map((line) => line.slice(0, line.indexOf(" (")))).toEqual([
        `${path.join(".")}: unknown key`
      ])
      objects++
    }
    expect(objects).toBe(11)
  })
})
