/** The JSON Schemas: fresh on disk, small, and of one mind with the decoder, as a JSON Schema validator reads them. */
import { describe, expect, test } from "bun:test"
import { Ajv2020 } from "ajv/dist/2020.js"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { decodeRunPlanResult } from "../../schemas/decode.ts"
import {
  AdaptationPlan,
  adaptationPlanJsonSchema,
  adaptationPlanJsonSchemaText,
  decodeAdaptationPlan,
  methodFacts,
  RunPlan,
  runPlanJsonSchema,
  runPlanJsonSchemaText
} from "../../schemas/index.ts"
import { complete, smallest } from "./plans.ts"

type Json = Record<string, unknown>

const root = new URL("../../", import.meta.url)

// strict: a keyword that the validator does not know, or that does nothing where it is, is an error
const validatorOf = (schema: Json) => new Ajv2020({ strict: true, allErrors: true }).compile(schema)

const isRunPlan = validatorOf(runPlanJsonSchema())
const isAdaptationPlan = validatorOf(adaptationPlanJsonSchema())

/** Every object schema inside that names its keys, with its path. */
const objectsIn = (value: unknown, path = ""): ReadonlyArray<readonly [string, Json]> =>
  typeof value !== "object" || value === null
    ? []
    : [
        ...("type" in value && value.type === "object" && "properties" in value
          ? [[path, value as Json] as const]
          : []),
        ...Object.entries(value).flatMap(([key, inner]) => objectsIn(inner, `${path}/${key}`))
      ]

describe.each([
  ["run-plan", runPlanJsonSchema(), runPlanJsonSchemaText(), 98_500, 20],
  ["adaptation-plan", adaptationPlanJsonSchema(), adaptationPlanJsonSchemaText(), 30_000, 8]
])("%s.schema.json", (name, schema, text, bytes, objects) => {
  const resolved = (field: Json): Json => {
    const $ref = field["$ref"]
    return typeof $ref === "string" ? (schema["$defs"] as Record<string, Json>)[$ref.replace("#/$defs/", "")]! : field
  }

  test("the file is fresh (`bun run schema` writes it) and small", async () => {
    const file = await Bun.file(new URL(`schemas/${name}.schema.json`, root)).text()
    expect(file).toBe(text)
    expect(JSON.parse(file)).toEqual(schema)
    expect(Buffer.byteLength(file)).toBeLessThanOrEqual(bytes)
  })

  test("every object is closed, every key described", () => {
    const found = objectsIn(schema)
    expect(found.length).toBeGreaterThan(objects)
    for (const [path, { additionalProperties, properties }] of found) {
      expect([path, additionalProperties]).toEqual([path, false])
      for (const [key, field] of Object.entries(properties as Record<string, Json>)) {
        expect([`${path}/${key}`, typeof resolved(field)["description"]]).toEqual([`${path}/${key}`, "string"])
      }
    }
  })

  test("what is written twice is a definition", () => {
    const uses = new Map<string, number>()
    for (const [, { properties }] of objectsIn(schema)) {
      for (const field of Object.values(properties as Record<string, Json>)) {
        const written = JSON.stringify(field)
        if (!("$ref" in field)) uses.set(written, (uses.get(written) ?? 0) + 1)
      }
    }
    expect([...uses].filter(([written, count]) => count > 1 && written.length > 60)).toEqual([])
  })
})

test("defaults are shown, and are those that the decoder fills in", () => {
  const { $defs } = runPlanJsonSchema() as { readonly $defs: Record<string, Json> }
  const { optimizer } = Schema.decodeUnknownSync(RunPlan)(smallest)
  const shown = Object.entries($defs["LoRAPro"]!["properties"] as Record<string, Json>).flatMap(([key, field]) => {
    const whole = "$ref" in field ? $defs[String(field["$ref"]).replace("#/$defs/", "")]! : field
    return "default" in whole ? [[key, whole["default"]] as const] : []
  })
  expect(shown.map(([key]) => key)).toContain("clipNorm")
  for (const [key, value] of shown) {
    expect([key, optimizer[key as keyof typeof optimizer]] as unknown).toEqual([key, value])
  }
})

describe("accepts", () => {
  test("the smallest and the complete plan", () => {
    for (const plan of [smallest, complete]) expect([isRunPlan(plan), isRunPlan.errors]).toEqual([true, null])
    expect(isAdaptationPlan({})).toBe(true)
  })

  test("every plan in the repository", async () => {
    const files = [...new Bun.Glob("{examples,bench}/**/*.json").scanSync(root.pathname)]
    let plans = 0
    for (const file of files) {
      if (file.includes("/models/")) continue
      const plan: unknown = await Bun.file(new URL(file, root)).json()
      const names = String((plan as Json)["$schema"]).match(/(run|adaptation)-plan\.schema\.json$/)
      if (names === null) continue
      plans += 1
      const accepts = names[1] === "run" ? isRunPlan : isAdaptationPlan
      expect([file, accepts(plan), accepts.errors]).toEqual([file, true, null])
    }
    expect(plans).toBeGreaterThan(12)
  })

  test("what the decoder accepts", () => {
    const plans = Effect.runSync(Arbitrary.sampleEffect(Arbitrary.schema(RunPlan), { count: 200, seed: 2 }))
    for (const plan of plans)
      expect([isRunPlan(Schema.encodeSync(RunPlan)(plan)), isRunPlan.errors]).toEqual([true, null])
    const others = Effect.runSync(Arbitrary.sampleEffect(Arbitrary.schema(AdaptationPlan), { count: 100, seed: 3 }))
    for (const plan of others) expect(isAdaptationPlan(Schema.encodeSync(AdaptationPlan)(plan))).toBe(true)
  })
})

const data = { format: "classification", train: "t.jsonl" }

/** What is wrong with a plan's structure, as the change that makes it so: schema and decoder both refuse it. */
const wrong: ReadonlyArray<readonly [what: string, change: object]> = [
  ["an unknown key", { sed: 1 }],
  ["a negative seed", { seed: -1 }],
  ["a fraction for a seed", { seed: 0.5 }],
  ["no data", { data: undefined }],
  ["a list for a section", { output: [] }],
  ["an unknown format", { data: { ...data, format: "classificaton" } }],
  ["a key of another format", { data: { ...data, packing: true } }],
  ["another kind's model", { data: { format: "text", train: "t.jsonl" }, model: { source: "m", head: [] } }],
  ["no rows", { data: { ...data, train: "" } }],
  ["all rows held out", { data: { ...data, validation: 1 } }],
  ["a label twice", { data: { ...data, labels: ["a", "a"] } }],
  ["one task too many", { model: { source: "m", task: { kind: "regression" } } }],
  ["an unknown method", { adapter: { method: "lorra" } }],
  ["rank 0", { adapter: { method: "lora", rank: 0 } }],
  ["no target", { adapter: { method: "lora", targets: [] } }],
  ["an override without targets", { adapter: { method: "lora", overrides: [{ rank: 4 }] } }],
  ["a rank without LoRA", { adapter: { method: "none", rank: 8 } }],
  ["another method's init", { adapter: { method: "dora", init: { kind: "pissa" } } }],
  ["another init's key", { adapter: { method: "lora", init: { kind: "eva", gamma: 16 } } }],
  ["everything dropped", { adapter: { method: "lora", dropout: 1 } }],
  ["no learning rate", { optimizer: { kind: "lora-pro" } }],
  ["a rate in words", { optimizer: { kind: "adamw", learningRate: "1e-3" } }],
  ["an unknown form", { optimizer: { kind: "lora-pro", learningRate: 1, form: "half" } }],
  ["a moment that never forgets", { optimizer: { kind: "adamw", learningRate: 1, betas: [0.9, 1] } }],
  ["three moments", { optimizer: { kind: "adamw", learningRate: 1, betas: [0.9, 0.9, 0.9] } }],
  ["one moment", { optimizer: { kind: "adamw", learningRate: 1, betas: [0.9] } }],
  ["clipping at 0", { optimizer: { kind: "sgd", learningRate: 1, clipNorm: 0 } }],
  ["a schedule in one word", { optimizer: { kind: "sgd", learningRate: 1, schedule: "linear" } }],
  ["no steps", { training: { steps: 0 } }],
  ["threads in words", { training: { steps: 1, threads: "all" } }],
  ["diagnostics of no site", { training: { steps: 1, diagnostics: { sites: [] } } }]
]

describe("refuses, as the decoder does", () => {
  test.each(wrong)("%s", (_what, change) => {
    const plan: unknown = JSON.parse(JSON.stringify({ ...smallest, ...change }))
    expect([isRunPlan(plan), Result.isFailure(decodeRunPlanResult(plan))]).toEqual([false, true])
  })

  test.each<[string, object]>([
    ["a model", { model: { source: "m" } }],
    ["an unknown optimizer", { optimizer: { kind: "adam", learningRate: 1 } }],
    ["no rows a batch", { training: { batchSize: 0 } }]
  ])("in an adaptation plan: %s", (_what, plan) => {
    expect([isAdaptationPlan(plan), Result.isFailure(decodeAdaptationPlan(plan, methodFacts.lora))]).toEqual([
      false,
      true
    ])
  })
})

describe("a text with columns in it", () => {
  const { $defs } = runPlanJsonSchema() as { $defs: Record<string, { properties: Record<string, Json> }> }
  const { prompt, completion } = $defs["CompletionData"]!.properties

  test("has its default, which editors show", () => {
    expect([prompt!["default"], completion!["default"]]).toEqual(["prompt", "completion"])
  })

  test("is refused by validators where the decoder refuses it", () => {
    const texts = ["{a}", "a", "{{a}}", "{{{a}}}", "{a", "a}", "{}", "{{a}", "{a}}", "{a}\n{b}"]
    const valid = validatorOf({ type: "string", pattern: prompt!["pattern"] })
    const plan = (text: string) => ({
      model: { source: "m" },
      data: { format: "completion", train: "t.jsonl", prompt: text },
      adapter: { method: "lora" },
      optimizer: { kind: "adamw" },
      training: { steps: 1 },
      output: { directory: "o" }
    })
    const promptProblem = (text: string) => {
      const result = decodeRunPlanResult(plan(text))
      return Result.isFailure(result) && JSON.stringify(result.failure).includes("data.prompt")
    }
    const refused = (text: string): boolean => !valid(text)
    expect(texts.filter(refused)).toEqual(["{a", "a}", "{}", "{{a}", "{a}}"])
    expect(texts.filter(promptProblem)).toEqual(["{a", "a}", "{}", "{{a}", "{a}}"])
  })
})
