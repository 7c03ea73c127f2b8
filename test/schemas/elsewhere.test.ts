/** What other tools call the fields of a plan: the table, what a user reads, and its page in docs/. */
import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { type Elsewhere, elsewhere, fieldsAt } from "../../schemas/elsewhere.ts"
import { decodeForeignPlan } from "../../schemas/index.ts"
import { planKinds } from "../../schemas/kinds/index.ts"
import { smallest } from "./plans.ts"

const roots = Object.values(planKinds).map(({ ast }) => ast)
const names = elsewhere.flatMap((entry) => entry.names.map((name) => ({ name, ...entry })))

describe("the table", () => {
  test.each(elsewhere.filter(({ path }) => path !== null))("leads to a field that plans have: $path", ({ path }) => {
    expect(roots.some((root) => fieldsAt(root, path!).length > 0)).toBe(true)
  })

  test("has every name once", () => {
    const words = names.map(({ name }) => name.replaceAll("_", ""))
    expect(words.filter((word, i) => words.indexOf(word) !== i)).toEqual([])
  })

  test("has no name that is a field of ours where it would lead", () => {
    const own = names.filter(({ name, path }) => {
      const section = path === null ? "" : path.split(".").slice(0, -1).join(".")
      return roots.some((root) => fieldsAt(root, section === "" ? name : `${section}.${name}`).length > 0)
    })
    expect(own.map(({ name }) => name)).toEqual([])
  })

  test("says why where there is no field", () => {
    expect(elsewhere.filter(({ path, say }) => path === null && say === undefined)).toEqual([])
  })

  test("is the table of docs/coming-from-elsewhere.md", () => {
    const page = readFileSync(join(import.meta.dir, "../../docs/coming-from-elsewhere.md"), "utf8")
    const rows = page.split("\n").filter((line) => line.startsWith("| `"))
    const row = ({ names, path, say }: Elsewhere) => {
      const there = names.map((name) => `\`${name}\``).join(", ")
      const here = path === null ? say : [`\`${path}\``, say].filter((part) => part !== undefined).join(", ")
      return `| ${there} | ${here} |`
    }
    expect(rows).toEqual(elsewhere.map(row))
  })
})

/** What is said of a plan with `value` in its section. */
const said = async (section: string, value: object): Promise<ReadonlyArray<string>> => {
  const plan: Readonly<Record<string, unknown>> = { ...smallest }
  const input = section === "" ? { ...plan, ...value } : { ...plan, [section]: { ...(plan[section] ?? {}), ...value } }
  return (await Effect.runPromise(Effect.flip(decodeForeignPlan(input)))).message.split("\n")
}

describe("an unknown key", () => {
  test.each([
    ["training", { num_train_epochs: 3 }, "training.num_train_epochs: unknown key; use training.epochs"],
    ["", { epochs: 3 }, "epochs: unknown key; use training.epochs"],
    ["", { "Learning-Rate": 1 }, "Learning-Rate: unknown key; use optimizer.learningRate"],
    ["training", { seed: 1 }, "training.seed: unknown key; use seed"],
    ["model", { load_in_4bit: true }, 'model.load_in_4bit: unknown key; use model.weights, with "q4"'],
    [
      "output",
      { push_to_hub: true },
      "output.push_to_hub: unknown key; plans do not upload; push RUN owner/name uploads a finished run"
    ],
    // a field of other kinds of plans is no answer
    ["data", { lossOn: "all" }, "data.lossOn: unknown key (allowed: "],
    ["data", { train_on_inputs: true }, "data.train_on_inputs: unknown key (allowed: "],
    // nor is the place itself, which another method has
    ["optimizer", { momentum: 0.9 }, 'optimizer.momentum: unknown key; did you mean "moments"?'],
    // a section is no field
    ["training", { optimizer: {} }, "training.optimizer: unknown key (allowed: "]
  ])("in %p: %p", async (section, value, line) => {
    expect(await said(section, value)).toEqual([expect.stringContaining(line)])
  })

  test("of another tool is answered beside all other problems", async () => {
    expect(await said("training", { lora_r: 3, steps: 0 })).toEqual([
      "training.lora_r: unknown key; use adapter.rank",
      "training.steps: found 0; expected an integer of at least 1"
    ])
  })
})
