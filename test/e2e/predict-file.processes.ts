/** `predict RUN --data FILE --out FILE`, and what `evaluate --data` says of texts that were trained on: with finished runs of before. */
import { beforeAll, describe, expect, test } from "bun:test"
import { cpSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import {
  type Finished,
  jsonLines,
  jsonObjects,
  listing,
  onWasm,
  repository,
  succeed,
  tinyRows,
  workspace
} from "./fixtures.ts"
import { refuses } from "./refusal.ts"

const golden = join(repository, "test", "golden")
const w = workspace()
beforeAll(() => {
  cpSync(join(golden, "compatibility"), w.directory, { recursive: true })
  for (const model of ["bert", "llama-tied"])
    cpSync(join(golden, "models", model, "model.safetensors"), w.path(`${model}/model.safetensors`))
})

const predict = (run: string, data: string, out?: string): Promise<Finished> =>
  succeed(w.cli(["predict", run, "--data", data, ...(out === undefined ? [] : ["--out", out]), ...onWasm]))

const rows = tinyRows(150).map((row, i) => ({ id: i, ...row }))

describe("rows of a file with what a run says of them", () => {
  /** id → label and probability, as `predict --json` says them of the texts alone. */
  const said = async () => {
    const { stdout } = await succeed(
      w.cli(["predict", "text", "--json", ...onWasm], rows.map(({ text }) => `${text}\n`).join(""))
    )
    return jsonObjects(stdout).map((one) => {
      const { label, probabilities } = one as { label: string; probabilities: Record<string, number> }
      return { label, probabilities }
    })
  }

  test("JSON lines: the rows as they are, a class, its probability and all of them", async () => {
    w.write("rows.jsonl", jsonLines(rows.map((row) => ({ ...row, tags: ["a"] }))))
    const { stdout } = await predict("text", "rows.jsonl", "rows.out.jsonl")
    expect(stdout).toContain("Wrote 150 rows with predictions to rows.out.jsonl")
    const expected = (await said()).map(({ label, probabilities }, i) => ({
      ...rows[i],
      tags: ["a"],
      prediction: label,
      probability: probabilities[label]!,
      probabilities
    }))
    expect(jsonObjects(w.read("rows.out.jsonl"))).toEqual(expected as never)
    expect(listing(w.directory).filter((name) => name.includes(".tmp-"))).toEqual([])
  })

  test("a table keeps its separator, columns and quotes; a name that is taken is not taken again", async () => {
    const cells = rows.map(({ id, text, label }) => `${id};"${text.replace("the", 'the ""great""; ')}";${label};=1+1`)
    w.write("rows.csv", ["id;text;prediction;sum", ...cells, ""].join("\n"))
    await predict("text", "rows.csv", "rows.out.csv")
    const [header, ...lines] = w.read("rows.out.csv").trimEnd().split("\n")
    expect(header).toBe("id;text;prediction;sum;prediction_2;probability")
    expect(lines.length).toBe(rows.length)
    expect(lines.map((line) => line.slice(0, line.lastIndexOf(";", line.lastIndexOf(";") - 1)))).toEqual(cells)
    expect(lines.every((line) => /;(bad|fair|good);0\.\d+$/.test(line))).toBe(true)
  })

  test("from a packed table in Windows-1252 to tabs, with a mark for spreadsheets", async () => {
    cpSync(w.path("text"), w.path("text-latin1"), { recursive: true })
    const plan = w.json("text-latin1/plan.json") as { data: object }
    w.write("text-latin1/plan.json", { ...plan, data: { ...plan.data, encoding: "latin1" } })
    const run = w.json("text-latin1/run.json") as { plan?: { data: object } }
    if (run.plan)
      w.write("text-latin1/run.json", { ...run, plan: { ...run.plan, data: { ...run.plan.data, encoding: "latin1" } } })
    writeFileSync(w.path("german.csv.gz"), gzipSync(Buffer.from("text|ort\nthe film is good|Köln\n", "latin1")))
    await predict("text-latin1", "german.csv.gz", "german.tsv")
    expect(w.read("german.tsv")).toMatch(
      /^\uFEFFtext\tort\tprediction\tprobability\nthe film is good\tKöln\t\w+\t0\.\d+\n$/
    )
  })

  test("rows of numbers, in JSON lines and as a list in a table; without --out to stdout", async () => {
    const [first] = jsonObjects(w.read("pictures/test.jsonl"))
    const { input, pixels = input, ...rest } = first as Record<string, unknown>
    const column = input === undefined ? "pixels" : "input"
    w.write("picture.csv", `${column},n\n"${JSON.stringify(pixels)}",1\n`)
    const table = await predict("arrays", "picture.csv")
    w.write("picture.jsonl", jsonLines([{ ...rest, [column]: pixels }]))
    const lines = await predict("arrays", "picture.jsonl")
    const label = (said: string) => said.split("\t")[0]
    expect(label(table.stdout)).toBe(label(lines.stdout))
    expect(label(table.stdout)).toMatch(/^\S+ \(\d/)
  })

  test("a text that is called like a file is a text, and that is said", async () => {
    const { stdout, stderr } = await succeed(w.cli(["predict", "text", "rows.jsonl", ...onWasm]))
    expect(stdout).toContain("\trows.jsonl")
    expect(stderr).toContain(
      "note: rows.jsonl was read as a text; use --data rows.jsonl to predict the rows of the file"
    )
  })
})

const wrong = {
  "columns.csv": "id,body\n1,a film\n",
  "broken.csv": "text,n\na film,1\n,2\ntoo,many,columns\n",
  "once.jsonl": jsonLines([{ text: "the film" }])
}
refuses(
  "predict on files",
  w,
  [
    [
      "broken rows, all of them, before anything is predicted",
      ["text", "--data", "broken.csv", "--out", "new.csv"],
      ['broken.csv:3: "text" is blank', "broken.csv:4: columns: found 3, expected 2"]
    ],
    [
      "a missing column",
      ["text", "--data", "columns.csv", "--out", "new.csv"],
      ['columns.csv:2: no column "text" (found: id, body']
    ],
    [
      "a file that exists",
      ["text", "--data", "once.jsonl", "--out", "once.jsonl"],
      ["cannot write once.jsonl: it exists already and is left unchanged"]
    ],
    [
      "a format that is not written",
      ["text", "--data", "once.jsonl", "--out", "new.parquet"],
      ["new.parquet: rows are written to .jsonl, .ndjson (one object per line), .csv or .tsv"]
    ],
    [
      "texts beside a file",
      ["text", "a film", "--data", "once.jsonl"],
      ["found --data once.jsonl and texts; expected one or the other"]
    ],
    ["--out alone", ["text", "a film", "--out", "new.csv"], ["found --out without --data"]],
    ["a model that predicts nothing", ["causal", "--data", "once.jsonl"], ["use generate or chat"]]
  ].map(([name, args, says]) => ({
    name: name as string,
    args: () => {
      for (const [file, content] of Object.entries(wrong)) w.write(file, content)
      return ["predict", ...(args as ReadonlyArray<string>), ...onWasm]
    },
    says: says as ReadonlyArray<string>
  }))
)

describe("evaluate on a file", () => {
  test("tells how many of its texts the run was trained on", async () => {
    const [first, second] = jsonObjects(w.read("reviews/train.jsonl"))
    w.write("seen.jsonl", jsonLines([{ text: "never seen", label: "good" }, { ...first, label: "good" }, second]))
    const { stderr } = await succeed(w.cli(["evaluate", "text", "--data", "seen.jsonl", ...onWasm]))
    expect(stderr).toContain(
      "note: test (seen.jsonl): 2 of 3 rows have a text that is also in train, so the model has already seen them (seen.jsonl:2 = reviews/train.jsonl:1, seen.jsonl:3 = reviews/train.jsonl:2)"
    )
  })

  test("says nothing of other texts, nor where the training rows are gone", async () => {
    w.write("fresh.jsonl", jsonLines([{ text: "never seen", label: "good" }]))
    expect((await succeed(w.cli(["evaluate", "text", "--data", "fresh.jsonl", ...onWasm]))).stderr).not.toContain(
      "in train"
    )
    w.write("elsewhere/seen.jsonl", w.read("seen.jsonl"))
    cpSync(w.path("text"), w.path("elsewhere/run"), { recursive: true })
    const moved = ["evaluate", "elsewhere/run", "--base", "bert", "--data", "elsewhere/seen.jsonl", ...onWasm]
    expect((await succeed(w.cli(moved))).stderr).not.toContain("in train")
  })
})
