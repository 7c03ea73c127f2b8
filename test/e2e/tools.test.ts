/** Tools from the plan to their calls: a chat template of the plan's own, what the run keeps of it, `generate`, `chat`, `evaluate`. */
import { beforeAll, describe, expect, test } from "bun:test"
import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { jsonObjects, onWasm, succeed, TIMEOUT, workspace } from "./fixtures.ts"
import { template, writeTools } from "./tools-workspace.ts"
import { complete } from "./train-here.ts"

const w = workspace()
beforeAll(async () => {
  await complete(w, w.write("tools-plan.json", writeTools(w)), "runs/tools")
}, TIMEOUT)

const run = async (...args: ReadonlyArray<string>) => (await succeed(w.cli([...args, ...onWasm]))).stdout

describe("the chat template of a plan", () => {
  test("is kept by the run, hashed, and given with its adapter", () => {
    expect(w.read("runs/tools/chat_template.jinja")).toBe(template)
    expect(w.read("runs/tools/adapter/chat_template.jinja")).toBe(template)
    const { data } = w.json("runs/tools/plan.json") as never as { data: { chatTemplate: string } }
    expect(data.chatTemplate).toBe("chat_template.jinja")
    const { inputs } = w.json("runs/tools/run.json") as never as { inputs: Readonly<Record<string, string>> }
    expect(inputs["data.chatTemplate"]).toBe(new Bun.CryptoHasher("sha256").update(template).digest("hex"))
  })

  test(
    "decides what is written after the plan's file is gone, and when the run has moved",
    async () => {
      renameSync(w.path("hermes.jinja"), w.path("elsewhere.jinja"))
      try {
        expect(await run("generate", "runs/tools", "--tools", "tools.json", "light off")).toBe(
          '→ set_light {"on":false}\n\n'
        )
      } finally {
        renameSync(w.path("elsewhere.jinja"), w.path("hermes.jinja"))
      }
    },
    TIMEOUT
  )

  test(
    "goes with a merged model",
    async () => {
      await run("merge", "runs/tools", "--out", "merged")
      expect(w.read("merged/chat_template.jinja")).toBe(template)
      expect(await run("generate", "merged", "--tools", "tools.json", "light on")).toBe('→ set_light {"on":true}\n\n')
    },
    TIMEOUT
  )

  test(
    "goes into a GGUF file, without generation tags",
    async () => {
      await run("export", "runs/tools", "--format", "gguf", "--type", "f32", "--out", "gguf")
      const file = readdirSync(w.path("gguf")).find((name) => name.endsWith(".gguf"))!
      const out = await run("generate", `gguf/${file}`, "--tools", "tools.json", "light on")
      expect(out).toBe('→ set_light {"on":true}\n\n')
    },
    TIMEOUT
  )

  test(
    "a run does not resume with another one",
    async () => {
      const file = w.path("runs/tools/chat_template.jinja")
      const own = readFileSync(file, "utf8")
      writeFileSync(file, `${own}{# another #}`)
      try {
        const { code, stderr } = await w.cli([
          "train",
          "--resume",
          "runs/tools",
          "--set",
          "training.steps=121",
          ...onWasm
        ])
        expect([code, stderr]).toEqual([1, expect.stringContaining("data.chatTemplate: trained with SHA-256")])
      } finally {
        writeFileSync(file, own)
      }
    },
    TIMEOUT
  )

  test(
    "that is missing or wrong is reported before a weight is read",
    async () => {
      const plan = w.json("tools-plan.json") as never as { data: object }
      const validated = async (data: object) => {
        const file = w.write("wrong-template.json", { ...plan, data: { ...plan.data, ...data } })
        return (await w.cli(["validate", file])).stderr
      }
      expect(await validated({ chatTemplate: "none.jinja" })).toContain(
        "none.jinja does not exist; expected a .jinja file"
      )
      w.write("broken.jinja", "{% for m in messages %}")
      expect(await validated({ chatTemplate: "broken.jinja" })).toContain("the chat template is not valid Jinja")
      w.write("silent.jinja", template.replace("{{ tool.function.name }}", ""))
      expect(await validated({ chatTemplate: "silent.jinja" })).toContain(
        'tool-rows.jsonl:1: the chat template omits the tool "set_light", so the model would never see it'
      )
    },
    TIMEOUT
  )
})

test(
  "the sample of validate has the calls between ⟦ and ⟧",
  async () => {
    const { stdout } = await succeed(w.cli(["validate", "tools-plan.json"]))
    expect(stdout).toContain("⟦<tool_call>")
    expect(stdout).toContain('{"name": "set_light", "arguments": {"on": true}}')
  },
  TIMEOUT
)

describe("calls", () => {
  test(
    "as JSON, next to the text",
    async () => {
      const lines = jsonObjects(
        await run("generate", "runs/tools", "--tools", "tools.json", "--json", "light on", "hi")
      )
      expect(lines).toMatchObject([
        { prompt: "light on", text: "", calls: [{ name: "set_light", arguments: { on: true } }], finish: "eos" },
        { prompt: "hi", text: "hello", calls: [] }
      ])
    },
    TIMEOUT
  )

  test(
    "in a conversation, whose next message is the result",
    async () => {
      const { stdout, stderr } = await succeed(
        w.cli(["chat", "runs/tools", "--tools", "tools.json", ...onWasm], "light on\nok\n")
      )
      expect(stdout).toBe('→ set_light {"on":true}\n\ndone\n')
      expect(stderr).toContain("(enter the result of set_light as the next message)")
    },
    TIMEOUT
  )

  test(
    "a value by a schema, from a model that was trained for nothing",
    async () => {
      w.write("schema.json", {
        type: "object",
        properties: { on: { type: "boolean" }, level: { type: "integer", minimum: 1, maximum: 3 } },
        required: ["on", "level"],
        additionalProperties: false
      })
      const out = await run("generate", "calling", "--schema", "schema.json", "light")
      const value = JSON.parse(out) as { on: unknown; level: number }
      expect([typeof value.on, [1, 2, 3].includes(value.level), Object.keys(value).length]).toEqual([
        "boolean",
        true,
        2
      ])
      w.write("unsupported.json", { type: "object", not: {} })
      const { code, stderr } = await w.cli(["generate", "calling", "--schema", "unsupported.json", "x", ...onWasm])
      expect([code, stderr]).toEqual([1, expect.stringContaining("unsupported.json: ")])
    },
    TIMEOUT
  )

  test(
    "a model whose template writes no tools says so",
    async () => {
      const { code, stderr } = await w.cli(["generate", "calling", "--tools", "tools.json", "x", ...onWasm])
      expect([code, stderr]).toEqual([
        1,
        expect.stringContaining("the model has no chat template, so it cannot call tools")
      ])
    },
    TIMEOUT
  )
})

describe("evaluate --generate", () => {
  const evaluated = (...args: ReadonlyArray<string>) =>
    run("evaluate", "runs/tools", "--generate", "--max-tokens", "40", ...args)

  test(
    "counts calls: right ones, whatever is wrong with others, and those that nobody wants",
    async () => {
      expect(await evaluated()).toBe(
        "validation: 5 of 5 answers are right (100.0 %)\n  calls: 3 of 3 right (100.0 %); 0 of 2 answers that needed no call made one\n"
      )
      const [report] = jsonObjects(await evaluated("--json"))
      expect(report).toMatchObject({
        rows: 5,
        calls: {
          expected: 3,
          others: 2,
          right: 3,
          wrongNames: 0,
          wrongArguments: 0,
          malformed: 0,
          missing: 0,
          uninvited: 0
        }
      })
      const [base] = jsonObjects(await evaluated("--json", "--base-only"))
      expect(base).toMatchObject({ calls: { expected: 3, right: 0 } })
    },
    TIMEOUT
  )

  test(
    "constrained, no call is malformed, also of a model that was trained for nothing",
    async () => {
      const [trained] = jsonObjects(await evaluated("--json", "--constrained"))
      expect(trained).toMatchObject({ calls: { right: 3, malformed: 0 } })
      const [base] = jsonObjects(await evaluated("--json", "--constrained", "--base-only"))
      expect(base).toMatchObject({ calls: { malformed: 0 } })
    },
    TIMEOUT
  )

  test(
    "values by a schema: how many match, how many equal",
    async () => {
      w.write(
        "typed.jsonl",
        '{"prompt": "a", "completion": "{\\"on\\": true}"}\n{"prompt": "b", "completion": "{\\"on\\": 3}"}'
      )
      w.write("on.json", {
        type: "object",
        properties: { on: { type: "boolean" } },
        required: ["on"],
        additionalProperties: false
      })
      const plan = {
        ...(w.json("tools-plan.json") as object),
        data: { format: "completion", train: "typed.jsonl", validation: "typed.jsonl", maxLength: 64 },
        training: { steps: 60, batchSize: 2 }
      }
      await complete(w, w.write("typed-plan.json", plan), "runs/typed")
      const free = ["evaluate", "runs/typed", "--generate", "--max-tokens", "20", "--schema", "on.json"]
      expect(await run(...free)).toContain(
        "  values: 1 of 2 match the schema (50.0 %), 1 equal the expected value (50.0 %)"
      )
      expect(await run(...free, "--constrained")).toContain("  values: 2 of 2 match the schema (100.0 %), 1 equal")
    },
    TIMEOUT
  )
})

test(
  "a template that writes the date writes that of the run's beginning, also on a later day, and the values that the plan gives it",
  async () => {
    const dated = template.replace("<s>", "<s>{{ strftime_now('%d %B %Y') }} {{ mood }} ")
    w.write("dated.jinja", dated)
    const plan = w.json("tools-plan.json") as never as { data: object }
    const data = { ...plan.data, chatTemplate: "dated.jinja", templateValues: { mood: "calm" } }
    const file = w.write("dated.json", { ...plan, data, training: { steps: 2, batchSize: 4 } })
    await complete(w, file, "runs/dated")
    const written = w.json("runs/dated/plan.json") as never as { data: { templateDate: string } }
    const now = new Date()
    const two = (n: number) => String(n).padStart(2, "0")
    expect(written.data.templateDate).toBe(`${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`)
    // as if it had been trained in another year
    w.write("runs/dated/plan.json", { ...written, data: { ...written.data, templateDate: "2024-02-03" } })
    const { stdout } = await succeed(w.cli(["validate", "runs/dated/plan.json"]))
    expect(stdout).toContain("03 February 2024 calm")
  },
  TIMEOUT
)
