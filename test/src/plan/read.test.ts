/** Plan files: what is wrong with a file is said with its place; inputs resolve from the plan, wherever it is read or copied. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join, relative } from "node:path"
import * as Effect from "effect/Effect"
import type { Sources } from "../../../src/hub/index.ts"
import { planFromValue, readPlan, relocate } from "../../../src/plan/read.ts"
import { platform } from "../../../src/platform.ts"
import { complete, smallest } from "../../schemas/plans.ts"

const run = <A, E>(effect: Effect.Effect<A, E, Sources>): Promise<A> =>
  Effect.runPromise(effect.pipe(Effect.provide(platform)))

let folder = ""
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "plan-"))
})
afterAll(() => rm(folder, { recursive: true }))

const write = async (name: string, content: unknown): Promise<string> => {
  const file = join(folder, name)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, typeof content === "string" ? content : JSON.stringify(content))
  return file
}
const messageOf = (file: string, settings?: ReadonlyArray<string>): Promise<string> =>
  run(Effect.flip(readPlan(file, settings)).pipe(Effect.map((error) => error.message)))

describe("a plan file", () => {
  test("becomes a plan with absolute inputs; the output stays as written", async () => {
    const file = await write("plans/movies.json", complete)
    const read = await run(readPlan(file))
    expect(read.file).toBe(file)
    expect(read.name).toBe("movies")
    expect(read.plan as unknown).toEqual({
      ...complete,
      model: { ...complete.model, source: join(folder, "models/minilm") },
      data: { ...complete.data, train: join(folder, "data/train.jsonl"), test: join(folder, "data/test.csv") }
    })
  })

  test("may name a validation file, and absolute inputs", async () => {
    const data = { ...smallest.data, train: "/elsewhere/train.jsonl", validation: "v.jsonl" }
    const { plan } = await run(readPlan(await write("plans/v.json", { ...smallest, data })))
    expect(plan.data.train).toBe("/elsewhere/train.jsonl")
    expect(plan.data.validation).toBe(join(folder, "plans/v.jsonl"))
  })

  test("may be named relative to the working directory", async () => {
    const file = await write("plans/relative.json", smallest)
    const read = await run(readPlan(relative(process.cwd(), file)))
    expect(read.file).toBe(file)
    expect(read.plan.model.source).toBe(join(folder, "plans/minilm"))
  })

  test("takes settings as if they stood in it", async () => {
    const file = await write("plans/set.json", smallest)
    const { plan } = await run(readPlan(file, ["adapter.rank=4", "adapter.method=lora", "data.test=t.csv"]))
    expect(plan.adapter).toMatchObject({ method: "lora", rank: 4 })
    expect(plan.data.test).toBe(join(folder, "plans/t.csv"))
  })
})

describe("an error names the file", () => {
  test("that is not there, and the nearest that is", async () => {
    await write("near/minilm-lora.json", smallest)
    expect(await messageOf(join(folder, "near/minilm-lorra.json"))).toBe(
      `${folder}/near/minilm-lorra.json: no such file; expected a plan in JSON; did you mean ${folder}/near/minilm-lora.json?`
    )
    expect(await messageOf(join(folder, "nowhere/x.json"))).toBe(
      `${folder}/nowhere/x.json: no such file; expected a plan in JSON`
    )
  })

  test("that is a folder", async () => {
    expect(await messageOf(folder)).toBe(`${folder}: cannot be read: it is a folder; expected a plan in JSON`)
  })

  test("that is not JSON, with line and column", async () => {
    const file = await write("broken.json", '{\n  "seed": 1\n  "model": {}\n}')
    expect(await messageOf(file)).toBe(`${file}:3:3: not JSON: found "\\""; expected "," or "}"`)
    const commented = await write("commented.json", "{\n  // the seed\n  seed: 1 }")
    expect(await messageOf(commented)).toBe(`${commented}:2:3: not JSON: comments are not allowed in a plan`)
  })

  test("that says nonsense, and every problem in it", async () => {
    const file = await write("nonsense.json", { ...smallest, seed: -1, adapter: { method: "lora", rank: 0 } })
    expect(await messageOf(file)).toBe(
      [
        `${file}: 2 problems`,
        "  seed: found -1; expected an integer of at least 0",
        "  adapter.rank: found 0; expected an integer from 1 to 1024"
      ].join("\n")
    )
  })

  test("and the setting at fault", async () => {
    const file = await write("setting.json", smallest)
    expect(await messageOf(file, ["seed"])).toBe(
      `${file}: 1 problem\n  --set seed: has no value; expected path=value, such as adapter.rank=4`
    )
    expect(await messageOf(file, ["sed=1"])).toStartWith(`${file}: 1 problem\n  sed: unknown key; did you mean "seed"?`)
  })
})

test("a copy in a run folder reads the same files", async () => {
  const original = await run(readPlan(await write("plans/original.json", complete)))
  const runFolder = join(folder, "runs/deep/movies-1")
  const copy = await run(relocate(original.plan, runFolder))
  expect(copy.model.source).toBe("../../../models/minilm")
  expect(copy.data.validation).toBe(0.1)
  const again = await run(readPlan(await write("runs/deep/movies-1/plan.json", copy)))
  expect(again.plan).toEqual(original.plan)
})

test("a plan from code resolves from the directory it is given", async () => {
  const plan = await run(planFromValue(smallest, folder))
  expect(plan.data.train).toBe(join(folder, "train.jsonl"))
  const error = await run(Effect.flip(planFromValue({ ...smallest, sed: 1 }, folder)))
  expect(error.message).toStartWith("sed: unknown key")
})
