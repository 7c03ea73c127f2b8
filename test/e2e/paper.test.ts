/** The plans that repeat the paper, on models that are not here: judged by their config.json alone, and the rows that they are given. */
import { describe, expect, test } from "bun:test"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { tasks } from "../../examples/paper/tasks.ts"
import { judgePlan, kindOf } from "../../src/kinds/index.ts"
import { readPlan } from "../../src/plan/index.ts"
import { platform } from "../../src/platform.ts"
import { succeed, workspace } from "./fixtures.ts"

const plans = join(import.meta.dirname, "../../examples/paper")
const configs = join(import.meta.dirname, "../golden/configs")

// PEFT's count, r = 8 on every linear layer but the output's (golden/make/configs.py)
const models = {
  t5: ["t5-base", 3_244_032],
  llama: ["llama-2-7b", 19_988_480],
  clip: ["clip-vit-base-patch16", 1_327_104]
} as const

const judged = (file: string, folder: string) =>
  Effect.gen(function* () {
    const { plan, name } = yield* readPlan(join(plans, file), [`model.source=${join(configs, folder)}`])
    return yield* judgePlan(yield* kindOf(plan), plan, name)
  }).pipe(Effect.scoped, Effect.provide(platform), Effect.runPromise)

describe("the plans", () => {
  const files = readdirSync(plans)
    .filter((name) => name.endsWith(".json"))
    .sort()
  test("are five of T5, three of Llama and one of CLIP", () => {
    expect(files.map((name) => name.split("-")[0])).toEqual(["clip", ...Array(3).fill("llama"), ...Array(5).fill("t5")])
  })

  test.each(files)("%s trains what PEFT would", async (file) => {
    const [folder, trainable] = models[file.split("-")[0] as keyof typeof models]
    const { trainable: found, plan } = await judged(file, folder)
    expect(found).toMatchObject({ total: trainable, dense: 0 })
    // one epoch in steps of 32 rows, or 64 images
    expect(plan.training.epochs).toBe(1)
    expect(plan.training.batchSize * plan.training.accumulate).toBe(folder.startsWith("clip") ? 64 : 32)
  })
})

test("the command judges several plans, and says of each what it found", async () => {
  const config = join(configs, "t5-base")
  const files = ["t5-mnli", "t5-cola"].map((name) => join(plans, `${name}.json`))
  const { stdout } = await succeed(
    workspace().cli(["validate", ...files, "--model-only", "--set", `model.source=${config}`, "--json"])
  )
  const printed = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
  expect(printed.map(({ plan, ok, trainable }) => [plan, ok, trainable.total])).toEqual(
    files.map((file) => [file, true, 3_244_032])
  )
  expect(printed[0]).not.toHaveProperty("data")
  expect(printed[0].model).toMatchObject({ source: config, name: "t5" })
})

test("rows of GLUE are T5's texts and targets, and rows without a label are left out", () => {
  expect(tasks.mnli.row({ premise: "It rained.", hypothesis: "It was wet.", label: 0n, idx: 3 })).toEqual({
    source: "mnli hypothesis: It was wet. premise: It rained.",
    target: "entailment"
  })
  expect(tasks.qnli.row({ question: "Who?", sentence: "Ada did.", label: 1 })?.["target"]).toBe("not_entailment")
  expect(tasks.mrpc.row({ sentence1: "a", sentence2: "b", label: 1 })).toEqual({
    source: "mrpc sentence1: a sentence2: b",
    target: "equivalent"
  })
  expect(tasks.cola.row({ sentence: "Him ran.", label: 0 })).toEqual({
    source: "cola sentence: Him ran.",
    target: "unacceptable"
  })
  expect(tasks.sst2.row({ sentence: "a test without labels", label: -1 })).toBeNull()
})

test("instructions: which are taken, and how they end", () => {
  const prompt =
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n### Instruction:\nAdd 1 and 2.\n\n### Response:\n"
  expect(tasks.math.row({ type: "GSM_Rephrased", query: "Add 1 and 2.", response: "3\n#### 3" })).toEqual({
    prompt,
    completion: " 3\n#### 3"
  })
  expect(tasks.math.row({ type: "MATH_AnsAug", query: "", response: "" })).toBeNull()
  expect(tasks.dialogue.row({ instruction: "Hi", output: "As an AI I cannot" })).toBeNull()
  const answer = "Here:\n```js\n1\n```\nand\n```js\n2\n```"
  expect(tasks.code.row({ query: "?", answer })?.["completion"]).toBe(" Here:\n```js\n1\n```")
  expect(tasks.code.row({ query: "?", answer: "no code" })).toBeNull()
  expect(() => tasks.math.row({ type: "GSM", query: 3, response: "" })).toThrow("query: expected a text, found 3")
})
