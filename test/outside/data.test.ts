/** What is no data file, and rows that are not what they seem: one sentence that says which, where, and what to do. */
import { beforeAll, describe, expect, test } from "bun:test"
import { spawnSync } from "node:child_process"
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { jsonLines, onWasm, succeed, tinyPlan, workspace } from "../e2e/fixtures.ts"

const w = workspace()
beforeAll(() => {
  w.model("bert")
  w.write("plan.json", tinyPlan("bert"))
  mkdirSync(w.path("folder"))
  mkdirSync(w.path("folder.csv"))
  spawnSync("mkfifo", [w.path("pipe"), w.path("pipe.jsonl")])
  symlinkSync("/dev/zero", w.path("zero.parquet"))
})

const said = async (...args: ReadonlyArray<string>) => {
  const { code, stderr } = await w.cli(args)
  expect(code).toBe(1)
  return stderr.replace(/\s*ERROR\s*/, "").trimEnd()
}

const notRegular = "this is not a regular file; rows are read by position, so save the data to a file"

describe("no data file", () => {
  // a plan says what its files are; looked at by itself, a folder may hold pictures or texts by class
  test.each(["folder", "folder.csv"])("%s, in a plan and by hand", async (path) => {
    const inPlan = await said("validate", "plan.json", "--set", `data.train=${path}`)
    expect(inPlan).toBe(`${path}: this is a folder; give a data file in it`)
    const byHand = await said("suggest", "--model", "bert", "--data", path)
    expect(byHand).toStartWith(`${path}: found no folders; expected a folder of images for each label`)
  })

  test.each([
    ["pipe", `pipe: ${notRegular}`],
    ["pipe.jsonl", `pipe.jsonl: ${notRegular}`],
    ["zero.parquet", `zero.parquet: ${notRegular}`],
    ["/dev/urandom", `/dev/urandom: ${notRegular}`]
  ])("%s, in a plan and by hand", async (path, says) => {
    expect(await said("validate", "plan.json", "--set", `data.train=${path}`)).toBe(says)
    expect(await said("suggest", "--model", "bert", "--data", path)).toBe(says)
  })

  test("a URL, which is not repeated: it may hold a password", async () => {
    const url = "https://user:secret@example.org/rows.jsonl"
    for (const key of ["data.train", "data.validation", "data.test"]) {
      expect(await said("validate", "plan.json", "--set", `${key}=${url}`)).toBe(
        `plan.json: 1 problem\n    ${key}: found a URL; expected a path: download it first`
      )
    }
    expect(await said("suggest", "--model", "bert", "--data", url)).toBe(
      "data: found a URL; expected a path: download it first"
    )
  })
})

describe("rows", () => {
  test.each<readonly [string, string, string | Uint8Array, string]>([
    [
      "UTF-16 without a mark",
      "rows.csv",
      Buffer.from("text,label\na,b\n", "utf16le"),
      "rows.csv: looks like UTF-16 without a byte order mark; save it with one, or as UTF-8"
    ],
    [
      "a broken letter",
      "rows.jsonl",
      Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]),
      "rows.jsonl:1: not valid UTF-8; as Windows-1252 it reads"
    ],
    [
      "lists a thousand deep",
      "rows.jsonl",
      "[".repeat(1_000),
      "rows.jsonl:1: nests deeper than 64 levels (limit json-depth;"
    ],
    ["what a terminal obeys", "rows.jsonl", '{"\\u001b[2J": 1}', 'no text field "text" (found: \\u001b[2J)'],
    [
      "a label of a million digits",
      "rows.jsonl",
      `{"text":"a","label":${"9".repeat(1e6)}}`,
      'rows.jsonl:1: the label "label" is a number that is too large; write it as a string'
    ],
    [
      "a key that every object has",
      "rows.jsonl",
      '{"__proto__":{"text":"a","label":"b"}}',
      'rows.jsonl:1: no text field "text" (found: __proto__); no label field'
    ],
    ["a header of one long name", "rows.csv", `${"x:".repeat(1e5)}\n`, "(found: x:x:"],
    [
      "rows that are longer than a header of 5,000 names",
      "rows.csv",
      `text,label,${Array(5e3).fill("c").join()}\na\n`,
      "columns: found 1, expected 5002 (text, label, c, c,"
    ],
    [
      "no names that fit",
      "rows.csv",
      `${Array.from({ length: 5e3 }, (_, i) => `c${i}`).join()}\na\n`,
      'no text field "text" (found: c0, c1,'
    ],
    ["no gzip", "rows.jsonl.gz", "{}", "rows.jsonl.gz: cannot be unpacked as gzip: "]
  ])("%s", async (_, name, content, says) => {
    writeFileSync(w.path(name), content)
    const message = await said("validate", "plan.json", "--set", `data.train=${name}`)
    expect(message).toContain(says)
    expect(message.length).toBeLessThan(1_500)
  })

  test("a byte order mark, blank lines and lone halves of letters are taken", async () => {
    writeFileSync(w.path("rows.jsonl"), `\uFEFF\n \r\n${w.read("train.jsonl")}{"text":"\\ud800 film","label":"good"}\n`)
    expect((await w.cli(["validate", "plan.json", "--set", "data.train=rows.jsonl"])).code).toBe(0)
  })

  test("labels of 500 characters, none of which is a class", async () => {
    w.write(
      "rows.jsonl",
      jsonLines(Array.from({ length: 2_000 }, (_, i) => ({ text: "film", label: `${i}`.padStart(500, "x") })))
    )
    const message = await said("validate", "plan.json", "--set", "data.test=rows.jsonl")
    expect(message.split("\n")).toHaveLength(11)
    expect(message).toContain("test.jsonl".replace("test", "rows"))
    expect(message.length).toBeLessThan(4_000)
  })
})

test("a line of stdin that does not end, as a device's does not", async () => {
  await succeed(w.cli(["train", "plan.json", "--set", "training.steps=1", "--out", "run", ...onWasm]))
  const { code, stderr } = await w.cli(["predict", "run", ...onWasm], `good film\n${"x".repeat(2 ** 22 + 1)}`)
  expect(code).toBe(1)
  expect(stderr).toContain(
    "stdin cannot be read: a line is longer than 4,194,304 bytes (limit row-bytes; TFJS_LORA_PRO_LIMITS=row-bytes=N raises it)"
  )
})
