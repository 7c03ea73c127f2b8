/** What is done with a trained run: `predict` and `evaluate`, for people and with `--json`. */
import { beforeAll, describe, expect, test } from "bun:test"
import { jsonObjects, onWasm, succeed, TIMEOUT, tinyPlan, tinyRows, workspace } from "./fixtures.ts"

const w = workspace()
const train = (...args: ReadonlyArray<string>) => succeed(w.cli(["train", ...args, ...onWasm]))

beforeAll(async () => {
  w.model("minilm")
  w.write("tiny.json", tinyPlan("minilm", { training: { epochs: 1, batchSize: 4 } }))
  await train("tiny.json")
}, TIMEOUT)

describe("predict", () => {
  const texts = ["the film is good", "the plot was bad and the music very dull", "Nobody knows these words!"]
  const predict = (args: ReadonlyArray<string>, stdin?: string) =>
    succeed(w.cli(["predict", "runs/tiny-1", ...args, ...onWasm], stdin))

  test(
    "labels arguments; --json is one object per line, with every class's logit",
    async () => {
      const rows = jsonObjects((await predict([...texts, "--json"])).stdout)
      expect(rows.map(({ text }) => text)).toEqual(texts)
      for (const { label, logits } of rows as ReadonlyArray<{ label: string; logits: Record<string, number> }>) {
        expect(Object.keys(logits)).toEqual(["bad", "fair", "good"])
        expect(logits[label]).toBe(Math.max(...Object.values(logits)))
      }
    },
    TIMEOUT
  )

  test(
    "reads stdin line by line, with - and without arguments, and answers the same",
    async () => {
      const { stdout } = await predict([...texts, "--json"])
      expect((await predict(["-", "--json"], `${texts.join("\n")}\n`)).stdout).toBe(stdout)
      expect((await predict(["--json"], texts.join("\r\n"))).stdout).toBe(stdout)
    },
    TIMEOUT
  )

  test(
    "for people: label, probability and text",
    async () => {
      const { stdout } = await predict([texts[0]!])
      expect(stdout).toMatch(/^(bad|fair|good) \(\d+\.\d %\)\tthe film is good\n$/)
    },
    TIMEOUT
  )

  test(
    "over the base where it is now",
    async () => {
      w.model("minilm", "moved")
      const { stdout } = await predict([...texts, "--json"])
      expect((await predict([...texts, "--json", "--base", "moved"])).stdout).toBe(stdout)
    },
    TIMEOUT
  )
})

describe("evaluate", () => {
  const evaluate = (...args: ReadonlyArray<string>) => succeed(w.cli(["evaluate", "runs/tiny-1", ...args, ...onWasm]))

  test(
    "reproduces the numbers of the run's end exactly",
    async () => {
      const report = w.json("runs/tiny-1/run.json")
      expect(jsonObjects((await evaluate("--json")).stdout)).toEqual([report["validation"], report["test"]] as never)
    },
    TIMEOUT
  )

  test(
    "takes other rows: the same ones as CSV give the same numbers",
    async () => {
      const rows = tinyRows(9, 30).map(({ text, label }) => `${label},"${text}"`)
      w.write("rows.csv", ["label,text", ...rows].join("\n"))
      const [report] = jsonObjects((await evaluate("--data", "rows.csv", "--json")).stdout)
      expect(report).toEqual({ ...(w.json("runs/tiny-1/run.json")["test"] as object), data: "rows.csv" } as never)
    },
    TIMEOUT
  )

  test(
    "for people: a table of true and predicted classes on stdout, a sentence per split on stderr",
    async () => {
      const { stdout, stderr } = await evaluate()
      expect(stdout.match(/^true \\ predicted/gm)).toHaveLength(2)
      expect(stderr).toMatch(/after step \d: test accuracy \d+\.\d %.*\(9 rows\)/)
    },
    TIMEOUT
  )
})

test(
  "with --json, stdout carries JSON and nothing else",
  async () => {
    const { stdout: trainOut } = await train("tiny.json", "--out", "as-json", "--json")
    expect(jsonObjects(trainOut)).toEqual([w.json("as-json/run.json")] as never)
    const { stdout: validateOut } = await succeed(w.cli(["validate", "tiny.json", "runs/tiny-1/plan.json", "--json"]))
    expect(jsonObjects(validateOut).map(({ ok }) => ok)).toEqual([true, true])
    const { stdout: schema } = await succeed(w.cli(["schema"]))
    expect(JSON.parse(schema)).toHaveProperty("$schema")
  },
  TIMEOUT
)
