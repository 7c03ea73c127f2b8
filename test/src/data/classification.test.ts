import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import type { DataSection } from "../../../schemas/index.ts"
import { limits, setLimits } from "../../../src/boundary/index.ts"
import { openClassification } from "../../../src/data/classification.ts"
import { holdOut } from "../../../src/data/order.ts"
import { failureOf, run, temporaryFiles } from "./files.ts"

const { jsonlOf } = temporaryFiles()

const section = (parts: Partial<DataSection> & Pick<DataSection, "train">): DataSection => ({
  format: "classification",
  text: "text",
  label: "label",
  maxLength: 32,
  bucketPool: 8,
  ...parts
})
let files = 0
/** Rows with these labels; no text is in two files. */
const rowsOf = (labels: string) => {
  files++
  return jsonlOf([...labels].map((label, i) => ({ text: `text ${i} of file ${files}`, label })))
}
const open = (parts: Partial<DataSection> & Pick<DataSection, "train">, seed = 0) =>
  openClassification(section(parts), seed)

describe("openClassification", () => {
  test("discovers labels in train, sorted, and counts the classes of every split", async () => {
    const data = await run(open({ train: rowsOf("bacb"), validation: rowsOf("ab"), test: rowsOf("cba") }))
    expect(data.labels).toEqual(["a", "b", "c"])
    expect(data.describe().map(({ split, rows, classes }) => [split, rows, classes.map((one) => one.rows)])).toEqual([
      ["train", 4, [1, 2, 1]],
      ["validation", 2, [1, 1, 0]],
      ["test", 3, [1, 1, 1]]
    ])
    expect(data.warnings.map((warning) => warning.replace(/\(.*\)/, "(file)"))).toEqual([
      'validation (file): no row has the label "c"'
    ])
  })

  test("as many classes as are allowed, and not one more", async () => {
    try {
      setLimits({ classes: 3 })
      expect((await run(open({ train: rowsOf("abc") }))).labels).toEqual(["a", "b", "c"])
      expect(await failureOf(open({ train: rowsOf("abcd") }))).toContain("4 different labels, more than")
    } finally {
      setLimits({ classes: limits.classes.default })
    }
  })

  describe("texts that repeat are counted, with three examples and their lines", () => {
    const rows = (...texts: ReadonlyArray<string>) =>
      jsonlOf(texts.map((text) => ({ text: text.replace(/!$/, ""), label: text.endsWith("!") ? "b" : "a" })))
    const warningsOf = async (parts: Parameters<typeof open>[0]) => {
      const { warnings } = await run(open({ labels: ["a", "b"], ...parts }))
      return warnings
        .filter((warning) => !/no row|all \d+ rows/.test(warning))
        .map((warning) =>
          warning.replaceAll(/[^\s(]*\/data-test-\w+\/rows-\d+\./g, "").replaceAll(/\((jsonl|csv)\)/g, "(file)")
        )
    }

    test("none", async () => {
      const [train, test] = [rows("one", "One", "on e", "café"), rows("two", "cafe")]
      expect(await warningsOf({ train, test })).toEqual([])
    })

    test("in train; another label is said by itself", async () => {
      const train = rows("a", "b", " a\t", "c", "b!", "a", "a")
      expect(await warningsOf({ train })).toEqual([
        "train (file): 4 of 7 rows repeat the text of an earlier row (jsonl:3 = jsonl:1, jsonl:5 = jsonl:2, jsonl:6 = jsonl:1)",
        'train (file): 1 of 7 rows have the same text as an earlier row but another label (jsonl:5 = jsonl:2: "b", "a")'
      ])
    })

    test("in train and in an evaluation split; composed and decomposed letters are the same", async () => {
      const train = rows("a", "caf\u00e9  noir", "c")
      const validation = rows("x", "cafe\u0301 noir!")
      const test = rows("c", "c", "y")
      expect(await warningsOf({ train, validation, test })).toEqual([
        "validation (file): 1 of 2 rows have a text that is also in train, so the model has already seen them (jsonl:2 = jsonl:2)",
        'validation (file): 1 of 2 rows have the same text as a training row but another label (jsonl:2 = jsonl:2: "b", "a")',
        "test (file): 2 of 3 rows have a text that is also in train, so the model has already seen them (jsonl:1 = jsonl:3, jsonl:2 = jsonl:3)"
      ])
    })

    test("a held-out share is not told its own rows, only those that train kept too", async () => {
      const distinct = Array.from({ length: 40 }, (_, i) => `text ${i}`)
      expect(await warningsOf({ train: rows(...distinct), validation: 0.5 })).toEqual([])
      const twice = rows(...distinct, ...distinct)
      const warnings = await warningsOf({ train: twice, validation: 0.5 })
      const numbers = warnings.map((warning) => Number(/: (\d+) of 40 rows/.exec(warning)?.[1]))
      const { splits } = await run(
        Effect.gen(function* () {
          const data = yield* open({ train: twice, validation: 0.5 })
          const textsOf = (split: { readonly rows: number; readonly read: (typeof data.splits.train)["read"] }) =>
            Effect.map(split.read(Array.from({ length: split.rows }, (_, i) => i)), (all) =>
              all.map(({ text }) => text)
            )
          return { splits: [yield* textsOf(data.splits.train), yield* textsOf(data.splits.validation!)] as const }
        })
      )
      const [train, validation] = splits
      const leaked = validation.filter((text) => train.includes(text)).length
      expect(leaked).toBeGreaterThan(5)
      expect(numbers).toEqual([train.length - new Set(train).size, leaked])
    })
  })

  test("declared labels give the classes their order", async () => {
    const data = await run(open({ train: rowsOf("ab"), labels: ["b", "a", "z"] }))
    expect(data.labels).toEqual(["b", "a", "z"])
    expect(data.splits.train.classCounts).toEqual([1, 1, 0])
    expect(data.warnings[0]).toEndWith('no row has the label "z"')
  })

  test("a share is held out of train by seed: disjoint, together everything, with their own counts", async () => {
    const train = rowsOf("abcabcabcabcabcabcab")
    const split = (seed: number) =>
      run(
        Effect.gen(function* () {
          const { splits } = yield* open({ train, validation: 0.25 }, seed)
          const all = (n: number) => Array.from({ length: n }, (_, i) => i)
          const kept = yield* splits.train.read(all(splits.train.rows))
          const heldOut = yield* splits.validation!.read(all(splits.validation!.rows))
          return { kept, heldOut, counts: [splits.train.classCounts!, splits.validation!.classCounts!] }
        })
      )
    const { kept, heldOut, counts } = await split(0)
    expect(heldOut).toHaveLength(5)
    const texts = [...kept, ...heldOut].map((row) => row.text)
    expect(new Set(texts).size).toBe(20)
    for (const [i, rows] of [kept, heldOut].entries()) {
      expect(counts[i]).toEqual(["a", "b", "c"].map((label) => rows.filter((row) => row.label === label).length))
    }
    expect(await split(0)).toEqual({ kept, heldOut, counts })
    expect((await split(1)).heldOut).not.toEqual(heldOut)
  })

  test("what is held out has each class's share, unless a plan of before drew it from all rows alike", async () => {
    const train = rowsOf("aaaaaabbbaaabaabaaaabaabaaaaab") // 22 a, 8 b
    const texts = (holdOutBy: { readonly holdOut?: "random" }) =>
      run(
        Effect.gen(function* () {
          const { splits } = yield* open({ train, validation: 0.5, ...holdOutBy }, 3)
          return {
            counts: splits.validation!.classCounts,
            rows: yield* splits.validation!.read(Array.from({ length: 15 }, (_, i) => i))
          }
        })
      )
    expect((await texts({})).counts).toEqual([11, 4])
    const { rows } = await texts({ holdOut: "random" })
    const all = await run(Effect.flatMap(open({ train }), ({ splits }) => splits.train.read([...Array(30).keys()])))
    const drawn = [...holdOut(30, 0.5, 3).heldOut].map((row) => all[row]!.text)
    expect(rows.map(({ text }) => text)).toEqual(drawn)
  })

  test("one class only is a warning, whether labels are declared or discovered", async () => {
    const { warnings } = await run(open({ train: rowsOf("aaa"), labels: ["a", "b"] }))
    const warning =
      /^train \(.*\): all 3 rows have the label "a"; classification needs at least two: add rows with other labels$/
    expect(warnings[0]).toMatch(warning)
    const discovered = await run(open({ train: rowsOf("aaa") }))
    expect(discovered.warnings[0]).toMatch(warning)
    expect(discovered.labels).toEqual(["a"])
  })

  test("undeclared labels of all files, each with its first place, its count and the nearest label", async () => {
    const rows = (...labels: ReadonlyArray<string>) => jsonlOf(labels.map((label) => ({ text: "x", label })))
    const parts = { train: rows("good", "god", "bad"), test: rows("bad", "other", "other"), labels: ["good", "bad"] }
    expect(await failureOf(open(parts))).toMatchInlineSnapshot(`
      "rows.jsonl, rows.jsonl: 2 problems:
        rows.jsonl:2: the label "god" (1 row) is not among the classes; data.labels has "good", "bad"; did you mean "good"?
        rows.jsonl:2: the label "other" (2 rows, this is the first) is not among the classes; data.labels has "good", "bad""
    `)
    expect(await failureOf(open({ train: rows("good", "bad"), validation: rows("Bad") }))).toMatchInlineSnapshot(
      `"rows.jsonl:1: the label "Bad" (1 row) is not among the classes; the training rows have "bad", "good"; did you mean "bad"?"`
    )
  })

  test("what is wrong with several files is said at once", async () => {
    const message = await failureOf(open({ train: "none.jsonl", validation: jsonlOf([1]), test: "rows.txt" }))
    expect(message.replaceAll(process.cwd(), "")).toMatchInlineSnapshot(`
      "none.jsonl, rows.jsonl, rows.txt: 3 problems:
        none.jsonl: no such file (looked for /none.jsonl)
        rows.jsonl:1: found 1, expected an object
        rows.txt: the extension .txt does not say which format the file has; expected .jsonl, .ndjson (one object per line), .json (a list of objects), .csv, .tsv, .conll, .iob2 or .bio (a word and its label per line), each also as .gz, or .parquet"
    `)
  })

  test("a share of one row cannot be held out", async () => {
    expect(await failureOf(open({ train: rowsOf("a"), labels: ["a", "b"], validation: 0.5 }))).toBe(
      "rows.jsonl: the file has 1 row; holding out a share for validation needs at least 2"
    )
  })
})

test("classes of which one has five times the rows of another are told, of enough rows", async () => {
  const warningsOf = async (common: number, rare: number) => {
    const { warnings } = await run(open({ train: rowsOf("a".repeat(common) + "b".repeat(rare)) }))
    return warnings.map((warning) => warning.replace(/\(\S*jsonl\)/, "(file)"))
  }
  expect(await warningsOf(100, 20)).toEqual([
    'train (file): classes are unbalanced, the most frequent is "a" 100 (83.3 %) and the rarest "b" 20 (16.7 %); accuracy says little about rare classes (use macro-F1), and loss.classWeights: "balanced" gives all classes the same weight'
  ])
  expect(await warningsOf(99, 20)).toEqual([])
  expect(await warningsOf(19, 1)).toEqual([])
})
