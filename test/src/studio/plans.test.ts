/** Plans in the studio's engine: models to choose from, a suggestion for rows, and what is wrong with a plan. */
import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { decodeRunPlan } from "../../../schemas/index.ts"
import { asking, exampleFiles } from "./engine.ts"

const rows = Array.from({ length: 30 }, (_, at) => (at % 2 === 0 ? '"a joy";good' : '"slow; and long";bad'))
const digits = exampleFiles("models/digits", "nets/digits")

const { ask, refusal } = asking({
  ...exampleFiles("models/minilm", "models/minilm"),
  ...digits,
  "runs/old/model.json": digits["nets/digits/model.json"]!,
  "nets/odd/model.json": '{"not": "a model"}',
  "My Reviews (2).csv": `review;stars\n${rows.join("\n")}\n`,
  "films/train.csv": `text;label\n${rows.join("\n")}\n`,
  "films/validation.csv": `text;label\n${rows.slice(0, 4).join("\n")}\n`,
  "one.csv": "text\nhello\nbye\n"
})
const model = "models/minilm"

test("models are those that come with the program, then those that are found; what holds runs is left out", async () => {
  expect(await ask("models", {})).toEqual([
    { source: model, name: "minilm", says: "bert, 14.5 million parameters, 28.9 MB" },
    { source: "nets/digits/model.json", name: "digits", says: "a tf.LayersModel, 206,922 parameters" }
  ])
  expect(await ask("examples", {})).toEqual([{ name: "films", says: "a few", source: "films/train.csv" }])
})

test("roles of columns are the model's", async () => {
  const names = async (source: string) => (await ask("roles", { model: source })).map(({ name }) => name)
  expect(await names(model)).toEqual(expect.arrayContaining(["text", "textPair", "label", "target", "labelColumns"]))
  expect(await names(model)).not.toContain("messages")
  expect(await names("nets/digits/model.json")).toEqual(["label", "image", "input"])
})

describe("a suggestion", () => {
  test("is a plan for the working directory, with its columns, its reasons and a name", async () => {
    const { name, plan, columns, reasons, time } = await ask("suggest", { model, train: "My Reviews (2).csv" })
    expect(name).toBe("my-reviews-2")
    expect(time).toMatch(/^about \d+ s of training on two CPU cores$/)
    expect(columns).toEqual({ text: "review", textPair: null, label: "stars" })
    expect(plan).toMatchObject({ model: { source: model }, data: { train: "My Reviews (2).csv", label: "stars" } })
    await Effect.runPromise(decodeRunPlan(plan))
    for (const { path, value, reason } of reasons) {
      expect(reason).not.toBe("")
      const found = path.split(".").reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], plan)
      expect([path, found]).toEqual([path, value])
    }
  })

  test("goes by the columns that are named", async () => {
    const columns = { text: "stars", label: "review" }
    expect((await ask("suggest", { model, train: "My Reviews (2).csv", columns })).columns).toMatchObject(columns)
  })

  test("takes splits and is called by its folder where its file is called train", async () => {
    const { name, plan } = await ask("suggest", { model, train: "films/train.csv", validation: "films/validation.csv" })
    expect(name).toBe("films")
    expect(plan).toMatchObject({ data: { validation: "films/validation.csv" } })
  })

  test("that cannot be made says what to choose, without flags of a command", async () => {
    const says = await refusal("suggest", { model, train: "one.csv" })
    expect(says).toContain("this needs a text-generation model, such as hf:")
    expect(says).not.toContain("--")
  })
})

describe("a plan", () => {
  const plan = async () => (await ask("suggest", { model, train: "films/train.csv" })).plan

  test("that can run says what is trained, for how long and at what cost", async () => {
    const checked = await ask("check", { plan: await plan() })
    if (!checked.ok) throw new Error("not ok")
    expect(checked.steps).toBe(30)
    const facts = Object.fromEntries(checked.facts.map(({ name, value }) => [name, value]))
    expect(facts["trainable"]).toMatch(/^332,546 of 14,658,434 \(2\.3 %\)/)
    expect(facts["memory"]).toMatch(/^about \d+ MB: /)
    expect(facts["train"]).toBe("24 rows: bad 12 (50.0 %), good 12 (50.0 %)")
  })

  const wrong: ReadonlyArray<readonly [path: string, changes: Readonly<Record<string, object>>, says: RegExp]> = [
    ["adapter.rank", { adapter: { method: "lora", rank: 0 } }, /^found 0; expected an integer from 1 to 1024$/],
    ["data.train", { data: { format: "classification", train: "gone.csv" } }, /no such file/],
    ["adapter.targets.0", { adapter: { method: "lora", targets: ["nothing"] } }, /matches no linear layer/],
    ["model.source", { model: { source: "models/gone" } }, /models\/gone/]
  ]
  for (const [path, changes, says] of wrong) {
    test(`that is wrong says where: ${path}`, async () => {
      const checked = await ask("check", { plan: { ...(await plan()), ...changes } })
      if (checked.ok) throw new Error("ok")
      const problem = checked.problems.find((one) => one.path === path)
      expect([path, problem?.message]).toEqual([path, expect.stringMatching(says)])
    })
  }

  test("that is nothing is told all that it needs", async () => {
    const checked = await ask("check", { plan: {} })
    if (checked.ok) throw new Error("ok")
    expect(checked.problems.map(({ path }) => path)).toEqual(["model", "data", "optimizer", "training"])
  })
})
