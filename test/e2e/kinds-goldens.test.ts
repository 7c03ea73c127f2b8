/**
 * Plans of every kind come to the numbers of PyTorch, transformers, scikit-learn and scipy (test/golden/make/kinds.py): the losses of their
 * steps, scores and baselines of both splits, thresholds, and answers. Plan in, numbers out: every target, loss and score on the way.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { cpSync } from "node:fs"
import { join } from "node:path"
import { planKinds } from "../../schemas/kinds/index.ts"
import golden from "../golden/kinds/plans.json" with { type: "json" }
import { jsonLines, jsonObjects, onWasm, repository, succeed, TIMEOUT, workspace } from "./fixtures.ts"
import { metricsOf } from "./runs.ts"
import { complete } from "./train-here.ts"

type Numbers = Readonly<Record<string, number>>
interface Golden {
  readonly plan: { readonly data: Readonly<Record<string, unknown>> }
  readonly losses: ReadonlyArray<number>
  readonly scores: Readonly<Record<string, Numbers>>
  readonly baseline: Readonly<Record<string, Numbers>> | null
  readonly thresholds?: Numbers
  /** of the last split's rows */
  readonly answers: ReadonlyArray<object>
}

const w = workspace()
const given = join(repository, "test", "golden")

beforeAll(() => {
  for (const folder of ["bert", "minilm", "llama-tied", "t5", "vit", "coloured", "photos"])
    cpSync(join(given, "compatibility-kinds", folder), w.path(folder), { recursive: true })
  for (const model of ["bert", "minilm", "llama-tied", "t5", "vit"])
    cpSync(join(given, "models", model, "model.safetensors"), w.path(`${model}/model.safetensors`))
  for (const [file, rows] of Object.entries(golden.rows)) w.write(file, jsonLines(rows))
})

/** The same value up to float32 through two layers and three steps: 4 or 5 digits. */
const near = (value: unknown): unknown => {
  if (typeof value === "number")
    return expect.closeTo(value, Math.min(5, 4 - Math.floor(Math.log10(Math.abs(value) || 1))))
  if (Array.isArray(value)) return value.map(near)
  if (typeof value !== "object" || value === null) return value
  return expect.objectContaining(Object.fromEntries(Object.entries(value).map(([key, one]) => [key, near(one)])))
}

/** What is asked of a run, by its format: the command, and a row as it takes one. */
const asking: Readonly<Record<string, readonly [command: string, field: string]>> = {
  classification: ["predict", "text"],
  regression: ["predict", "text"],
  "multi-label": ["predict", "text"],
  "token-classification": ["predict", "tokens"],
  embedding: ["embed", "anchor"],
  similarity: ["embed", "text"]
}
const photos = ["cross", "ring", "stripes"].flatMap((name) => [0, 1].map((i) => `photos/validation/${name}/${i}.png`))

for (const [name, { plan, losses, scores, baseline, thresholds, answers }] of Object.entries(
  golden.plans
) as never as ReadonlyArray<readonly [string, Golden]>)
  describe(name, () => {
    const run = name.replaceAll(/[ ,]+/g, "-")
    beforeAll(() => complete(w, w.write(`${run}.json`, plan), run), TIMEOUT)

    test("losses of the steps, scores and baselines", () => {
      const steps = metricsOf(w, run).filter(({ kind }) => kind === "step")
      expect(steps.map(({ loss }) => loss)).toEqual(near(losses) as never)
      const record = w.json(`${run}/run.json`) as Record<string, never>
      for (const [split, own] of Object.entries(scores))
        expect([split, record[split]]).toEqual([split, near(own)] as never)
      for (const [split, own] of Object.entries(baseline ?? {}))
        expect([split, (record["baseline"]![split] as { readonly scores: Numbers }).scores]).toEqual([
          split,
          near(own)
        ] as never)
      if (baseline === null) expect(record["baseline"]).toEqual({ validation: null, test: null } as never)
      if (thresholds !== undefined) expect(w.json(`${run}/adapter/thresholds.json`)).toEqual(near(thresholds) as never)
    })

    if (answers.length > 0)
      test("answers", async () => {
        const { format, test: file } = plan.data as { readonly format: string; readonly test?: string }
        const [command, field] = asking[format] ?? ["predict", ""]
        const asked =
          format === "arrays"
            ? jsonObjects(w.read("rows/pixels-validation.jsonl")).map(({ pixels }) => JSON.stringify(pixels))
            : file === undefined
              ? photos
              : jsonObjects(w.read(file)).map((row) => [row[field]].flat().join(" "))
        const { stdout } = await succeed(w.cli([command, run, ...asked, "--json", ...onWasm]))
        expect(jsonObjects(stdout)).toEqual(near(answers) as never)
      })
  })

test("every kind of plan has its row", () => {
  const formats = new Set(Object.values(golden.plans).map(({ plan }) => plan.data.format))
  expect([...formats].sort()).toEqual(Object.keys(planKinds).sort())
})
