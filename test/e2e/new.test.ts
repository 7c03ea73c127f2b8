/** `new`: a project for each runtime, over a user's rows or the package's; what is there stays, and nothing is left of one that failed. */
import { beforeAll, describe, expect, test } from "bun:test"
import { mkdirSync } from "node:fs"
import ownPackage from "../../package.json" with { type: "json" }
import { listing, succeed, TIMEOUT, tinyRows, workspace } from "./fixtures.ts"

const w = workspace()
const csv = (rows: ReadonlyArray<{ readonly text: string; readonly label: string }>) =>
  `text,label\n${rows.map(({ text, label }) => `"${text}",${label}\n`).join("")}`

beforeAll(() => {
  w.model("bert")
  w.write("reviews.csv", csv(tinyRows(30)))
})

const scriptsOf = (file: string) => {
  const { scripts, tasks } = w.json(file)
  return (scripts ?? tasks) as Readonly<Record<string, string>>
}

describe("the project", () => {
  test(
    "over a user's rows has a copy of them, and a plan that trains it",
    async () => {
      const { stdout } = await succeed(
        w.cli(["new", "mine", "--model", "bert", "--data", "reviews.csv", "--runtime", "bun"])
      )
      expect(stdout).toContain("cd mine\n  bun install\n  bun run train\n")
      expect(listing(w.path("mine"))).toEqual([
        ".gitignore",
        "README.md",
        "bunfig.toml",
        "data",
        "data/train.csv",
        "package.json",
        "plan.json"
      ])
      expect(w.read("mine/data/train.csv")).toBe(w.read("reviews.csv"))
      const plan = w.json("mine/plan.json")
      expect(Object.keys(plan)[0]).toBe("$schema")
      expect(plan).toMatchObject({
        $schema: "./node_modules/tfjs-lora-pro/schemas/run-plan.schema.json",
        model: { source: "../bert" },
        data: { format: "classification", train: "data/train.csv", text: "text", label: "label" }
      })
      const { stdout: validated } = await succeed(w.cli(["validate", "mine/plan.json"]))
      expect(validated).toContain("trainable")
      const steps = ["--set", "training.steps=1", "--device", "wasm", "--threads", "1", "--out", "run"]
      await succeed(w.cli(["train", "mine/plan.json", ...steps]))
      expect(w.json("run/run.json")["steps"]).toBe(1)
    },
    TIMEOUT
  )

  test(
    "over nothing named has the package's model and rows",
    async () => {
      await succeed(w.cli(["new", "--runtime", "node"]))
      const { model, data } = w.json("my-model/plan.json")
      expect(model).toMatchObject({ source: "node_modules/tfjs-lora-pro/examples/models/minilm" })
      const files = { train: "data/train.jsonl", validation: "data/validation.jsonl", test: "data/test.jsonl" }
      expect(data).toMatchObject(files)
      for (const file of Object.values(files)) expect(w.read(`my-model/${file}`)).toContain('"label"')
      expect(w.json("my-model/package.json")).toEqual({
        name: "my-model",
        private: true,
        type: "module",
        scripts: {
          train: "tfjs-lora-pro train plan.json",
          validate: "tfjs-lora-pro validate plan.json",
          predict: "tfjs-lora-pro predict"
        },
        dependencies: { "tfjs-lora-pro": `^${ownPackage.version}` }
      })
      expect(w.read("my-model/README.md")).toContain('npx tfjs-lora-pro predict runs/my-model-1 "your text"')
    },
    TIMEOUT
  )

  test("for Deno has its tasks, and a folder of modules for the model", async () => {
    await succeed(w.cli(["new", "there", "--model", "bert", "--data", "reviews.csv", "--runtime", "deno"]))
    expect(w.json("there/deno.json")).toMatchObject({ nodeModulesDir: "auto" })
    expect(scriptsOf("there/deno.json")["train"]).toBe(
      `deno run -A npm:tfjs-lora-pro@^${ownPackage.version} train plan.json`
    )
    expect(listing(w.path("there"))).not.toContain("package.json")
  })
})

describe("refused in a sentence, with nothing left behind", () => {
  const before = ["taken", "taken/mine.txt"]
  beforeAll(() => {
    mkdirSync(w.path("taken"))
    w.write("taken/mine.txt", "mine")
    w.write("odd.csv", "a,b,c\n1,2,3\n")
    w.write("chats.jsonl", `{"messages":[{"role":"user","content":"2+2?"}]}\n`)
  })
  const wrong: ReadonlyArray<readonly [what: string, args: ReadonlyArray<string>, says: string]> = [
    ["a folder that is there", ["taken"], "taken exists already and is left unchanged"],
    ["a path", ["../up"], "found the name ../up: expected lowercase letters"],
    ["an absolute path", [w.path("abs")], "expected lowercase letters"],
    ["capitals", ["MyModel"], "found the name MyModel: expected lowercase letters"],
    ["a name with a meaning", ["node_modules"], "found the name node_modules: it is a reserved name"],
    ["the package's own name", ["tfjs-lora-pro"], "a package cannot depend on itself"],
    ["rows to evaluate on alone", ["x", "--test", "test.jsonl"], "pass training rows with --data FILE"],
    ["a file that is not there", ["x", "--data", "none.csv"], "none.csv"],
    ["rows of another kind", ["x", "--data", "chats.jsonl"], "this needs a text-generation model, such as --model hf:"]
  ]
  test.each(wrong)("%s", async (_, args, says) => {
    const { code, stderr } = await w.cli(["new", ...args])
    expect(code).toBe(1)
    expect(stderr).toContain(says)
    expect(stderr).not.toContain("    at ")
    expect(listing(w.directory).filter((name) => /^(x|up|abs|.*\.tmp-\d+)(\/|$)/.test(name))).toEqual([])
    expect(listing(w.directory).filter((name) => name.startsWith("taken"))).toEqual(before)
  })
})
