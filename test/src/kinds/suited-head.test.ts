/** Which head a plan gets that names none: the checkpoint's own where its classes are the labels of the rows, a new one elsewhere. */
import { beforeAll, describe, expect, test } from "bun:test"
import { cpSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { resolve } from "../../../src/kinds/index.ts"
import { planFromValue } from "../../../src/plan/index.ts"
import { platform } from "../../../src/platform.ts"
import { jsonLines, repository, workspace } from "../../e2e/fixtures.ts"
import { drawn } from "../../images.ts"

const w = workspace()

/** Three classes of the checkpoint, in an order that is not the alphabet's. */
const own = ["ring", "cross", "stripes"]
const rest = {
  adapter: { method: "lora", rank: 2 },
  optimizer: { kind: "adamw", learningRate: 1e-3 },
  training: { steps: 1, batchSize: 2 }
}

beforeAll(() => {
  w.model("bert")
  cpSync(join(repository, "test/golden/models/vit"), w.path("vit"), { recursive: true })
  w.write("vit/preprocessor_config.json", {
    image_processor_type: "ViTImageProcessor",
    size: { height: 16, width: 16 },
    image_mean: [0.5, 0.5, 0.5],
    image_std: [0.5, 0.5, 0.5]
  })
  for (const model of ["bert", "vit"])
    w.write(`${model}/config.json`, { ...w.json(`${model}/config.json`), id2label: { ...own } })
  const others = ["ring", "cross", "star"]
  for (const [place, labels] of Object.entries({ same: own, others, fewer: own.slice(1) })) {
    w.write(`${place}.jsonl`, jsonLines([...labels, ...labels].map((label) => ({ text: `a ${label}`, label }))))
    w.write(
      `${place}-images.jsonl`,
      jsonLines([...labels, ...labels].map((label, i) => ({ label, image: dataUriOf(i) })))
    )
  }
})

const dataUriOf = (seed: number) => `data:image/png;base64,${Buffer.from(drawn("ring", seed)).toString("base64")}`

const headOf = (model: object, data: object) =>
  Effect.gen(function* () {
    const plan = yield* planFromValue({ model, data, ...rest }, w.directory)
    const resolved = yield* resolve(plan, "plan")
    const { head } = resolved.plan.model as { readonly head?: unknown }
    return { head, labels: (resolved.data as unknown as { readonly labels: ReadonlyArray<string> }).labels }
  }).pipe(Effect.scoped, Effect.provide(platform), Effect.runPromise)

describe.each([
  [
    "an encoder's pooler",
    { source: "bert", task: { kind: "classification", pooling: "pooler" } },
    "classification",
    ""
  ],
  ["a model of images", { source: "vit" }, "images", "-images"]
] as const)("%s", (_, model, format, files) => {
  const over = (place: string, more: object = {}, data: object = {}) =>
    headOf({ ...model, ...more }, { format, train: `${place}${files}.jsonl`, ...data })

  test("keeps a head of exactly these classes, in its own order", async () => {
    expect(await over("same")).toEqual({ head: "checkpoint", labels: own })
    expect(await over("same", {}, { labels: own })).toEqual({ head: "checkpoint", labels: own })
  })

  test("gets a new head for other names, another number, and where the plan says so", async () => {
    expect((await over("others")).head).toBe("new")
    expect((await over("fewer")).head).toBe("new")
    expect(await over("same", { head: "new" })).toEqual({ head: "new", labels: own.toSorted() })
  })

  test("keeps the order that a plan gives its labels, with a new head", async () => {
    const labels = own.toSorted()
    expect(await over("same", {}, { labels })).toEqual({ head: "new", labels })
  })
})

test("a head over mean pooling is new", async () => {
  const model = { source: "bert", task: { kind: "classification" } }
  expect((await headOf(model, { format: "classification", train: "same.jsonl" })).head).toBe("new")
})
