/**
 * What people bring: 40 files, folders and archives of rows, as `new` looks at them without a flag. What each teaches was written down before
 * anything detected it (test/data/front-door/expected.json). The others ask the right question; nothing else is trained.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { includedModels } from "../../src/bin/embedded.ts"
import { kinds } from "../../src/kinds/index.ts"
import { platform } from "../../src/platform.ts"
import { type Detection, detect, type Learnable, sectionsOf } from "../../src/suggest/index.ts"
import expected from "../data/front-door/expected.json" with { type: "json" }
import { jsonLines, onWasm, succeed, TIMEOUT, workspace } from "./fixtures.ts"

const folder = join(import.meta.dirname, "../data/front-door")

interface Answer {
  readonly format: string
  readonly data: Readonly<Record<string, unknown>>
}
type Expected = Answer | { readonly ask: ReadonlyArray<Answer> }

const all = Object.entries(expected as unknown as Readonly<Record<string, Expected>>)

/** Formats that are one to a user, who has the model that comes with the package. */
const sameAs = (format: string): string => (format === "image-arrays" ? "images" : format)

/** What a plan says of a field, with places as the file's name has them; a column that is not named is called as its field. */
const saidOf = (learnable: Learnable, field: string): unknown => {
  const value = (sectionsOf(learnable).data as Readonly<Record<string, unknown>>)[field] ?? field
  return typeof value === "string" && value.startsWith(folder) ? value.slice(folder.length + 1) : value
}

const fits = (learnable: Learnable, { format, data }: Answer): boolean =>
  sameAs(learnable.format) === format &&
  Object.entries(data).every(([field, value]) => Bun.deepEquals(saidOf(learnable, field), value))

const detected = new Map<string, Result.Result<Detection, { readonly message: string }>>()

beforeAll(async () => {
  const models = Object.values(includedModels).map(({ source }) => source)
  for (const [file] of all) {
    const looked = detect(kinds, { models, data: join(folder, file), columns: {}, dialect: {} })
    detected.set(file, await Effect.runPromise(Effect.result(looked).pipe(Effect.provide(platform))))
  }
}, TIMEOUT)

test("there are 40, and at least 36 of them say what they teach", () => {
  expect(all).toHaveLength(40)
  expect(all.filter(([, answer]) => !("ask" in answer)).length).toBeGreaterThanOrEqual(36)
})

describe("at once", () => {
  const clear = all.flatMap(([file, answer]) => ("ask" in answer ? [] : [[file, answer] as const]))

  test.each(clear)("%s", (file, answer) => {
    const { learnables, clear } = Result.getOrThrow(detected.get(file)!)
    const [first] = learnables
    expect(clear).toBe(true)
    expect(sameAs(first!.format)).toBe(answer.format)
    const said = Object.fromEntries(Object.keys(answer.data).map((field) => [field, saidOf(first!, field)]))
    expect(said).toEqual(answer.data)
  })
})

describe("with a question", () => {
  const asked = all.flatMap(([file, answer]) => ("ask" in answer ? [[file, answer.ask] as const] : []))

  test.each(asked)("%s", (file, answers) => {
    const result = detected.get(file)!
    if (answers.length === 0) {
      // nothing is there to learn: what would have to be named is said
      expect(Result.getFailure(result)).toMatchObject({ value: { message: expect.stringContaining("--label") } })
      return
    }
    const { learnables, clear } = Result.getOrThrow(result)
    expect(clear).toBe(false)
    for (const answer of answers) expect(learnables.filter((one) => fits(one, answer))).toHaveLength(1)
    for (const one of learnables) expect(answers.filter((answer) => fits(one, answer))).toHaveLength(1)
  })
})

describe("a project over", () => {
  const w = workspace()
  const files = ["kritiken.csv", "headlines.json", "commands.zip", "letters", "signs.zip", "recipes.csv"]

  test.each(files)(
    "%s has a plan that reads it",
    async (file) => {
      const name = file.replace(/\..*/, "")
      const { stderr } = await succeed(w.cli(["new", name, "--data", join(folder, file), "--runtime", "bun"]))
      const isGerman = stderr.includes("the texts are in German, and the model is for English, as its card says")
      expect(isGerman).toBe(file === "kritiken.csv")
      expect(/the texts are in|unknown to/.test(stderr)).toBe(isGerman)
      const plan = w.json(`${name}/plan.json`)
      const { source } = plan.model as { readonly source: string }
      const model = join(import.meta.dirname, "../..", source.replace("node_modules/tfjs-lora-pro/", ""))
      const { stdout } = await succeed(w.cli(["validate", `${name}/plan.json`, "--set", `model.source=${model}`]))
      expect(stdout).toContain("trainable")
    },
    TIMEOUT
  )

  test(
    "rows that the model's tokenizer has no tokens for are reported, with what to do",
    async () => {
      const meals = [
        "这家餐厅的菜很好吃,服务也很快",
        "等了一个小时还没上菜,汤是冷的",
        "房间很脏,再也不会来了",
        "价格合理,位置很方便"
      ]
      const rows = meals.flatMap((meal, i) =>
        ["", "。", "!", "?"].map((end) => ({ text: meal + end, label: String(i) }))
      )
      w.write("meals.jsonl", jsonLines(rows))
      const { stderr } = await succeed(w.cli(["suggest", "--data", "meals.jsonl", "--label", "label"]))
      expect(stderr).toMatch(/the texts are in Chinese, .* \d\d\.\d % of the tokens are unknown to its tokenizer/)
      expect(stderr).toContain("use a multilingual model, such as --model hf:")
      const { stderr: withoutCard } = await succeed(
        w.cli(["suggest", "--model", "bert", "--data", "meals.jsonl", "--label", "label"])
      )
      expect(withoutCard).toMatch(/\d\d\.\d % of the tokens are unknown to the model's tokenizer; use a model for/)
    },
    TIMEOUT
  )

  beforeAll(() => void w.model("bert"))

  test.each([
    ["letters", "I loved every minute of it", ["neg", "pos"]],
    ["commands.zip", "Wake me at seven", ["alarm", "music", "weather"]]
  ])(
    "text files in folders, %s, is trained and asked",
    async (file, text, labels) => {
      const name = `tiny-${file.replace(/\..*/, "")}`
      await succeed(w.cli(["new", name, "--data", join(folder, file), "--model", "bert", "--runtime", "bun"]))
      await succeed(w.cli(["train", `${name}/plan.json`, "--out", `runs/${name}`, ...onWasm]))
      const { stdout } = await succeed(w.cli(["predict", `runs/${name}`, text, "--json", ...onWasm]))
      const answer = JSON.parse(stdout) as { readonly label: string; readonly probabilities: object }
      expect(labels).toContain(answer.label)
      expect(Object.keys(answer.probabilities)).toEqual(labels)
    },
    TIMEOUT
  )
})
