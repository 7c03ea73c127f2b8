/** What a run's files say to others: a card that the Hub can read, names in the place of paths. */
import { describe, expect, test } from "bun:test"
import {
  publishableCard,
  publishablePlan,
  publishableRecord,
  withoutFolders
} from "../../../../src/exports/push/publishable.ts"
import { hubNameOf } from "../../../../src/output/index.ts"

const snapshot = `/home/me/.cache/huggingface/hub/models--lab--tiny/snapshots/${"0".repeat(40)}`

test.each<readonly [string, string | undefined]>([
  ["hf:lab/tiny", "lab/tiny"],
  ["hf:lab/tiny@main", "lab/tiny"],
  ["hf:lab/tiny/folder/file.gguf@v1", "lab/tiny"],
  [snapshot, "lab/tiny"],
  [`../..${snapshot}`, "lab/tiny"],
  [`${snapshot}/model.gguf`, "lab/tiny"],
  ["lab/tiny", undefined],
  ["/models/tiny", undefined],
  ["hf:tiny", undefined]
])("the name on the Hub of %s", (source, name) => {
  expect(hubNameOf(source)).toBe(name)
})

const card = (...lines: ReadonlyArray<string>) =>
  ["---", ...lines, "library_name: peft", "---", "", "# A run", ""].join("\n")
const comment = "# before uploading, name the base as the Hub does: owner/name"

describe("a card", () => {
  test.each<readonly [string, ReadonlyArray<string>, string | undefined, ReadonlyArray<string>]>([
    ["of a folder has no base", [comment, 'base_model: "models/tiny"'], undefined, []],
    [
      "of a folder that has a name there has that",
      [comment, 'base_model: "models/tiny"'],
      "lab/tiny",
      ['base_model: "lab/tiny"']
    ],
    ["in which another name was written keeps it", ["base_model: lab/other"], undefined, ['base_model: "lab/other"']],
    ["in which another path was written has none", ["base_model: ./x/lab/other"], undefined, []],
    [
      "with a list of bases is the user's own",
      ["base_model:", "- lab/one", "- lab/two"],
      "lab/tiny",
      ["base_model:", "- lab/one", "- lab/two"]
    ],
    ["without any gets the one that is known", [], "lab/tiny", ['base_model: "lab/tiny"']]
  ])("%s", (_, lines, base, expected) => {
    expect(publishableCard(card(...lines), base, "models/tiny")).toBe(card(...expected))
  })

  test.each(["# A run\n", "", "---\nbase_model: x\n"])("without metadata stays as it is: %j", (text) => {
    expect(publishableCard(text, "lab/tiny", "x")).toBe(text)
  })
})

test("a plan's paths become names, addresses of the Hub stay, and nothing else changes", () => {
  const plan = {
    seed: 1,
    model: { source: "../../models/tiny", task: { pooling: "/mean" } },
    data: {
      format: "images",
      train: "../data/train.csv",
      validation: 0.1,
      test: "C:\\rows\\test.csv",
      folder: "/pictures/",
      label: "/r/label"
    },
    adapter: { method: "lora", from: "hf:lab/adapter" },
    output: { directory: "/runs/x", checkpointEvery: 5 }
  }
  expect(publishablePlan(plan, undefined)).toEqual({
    ...plan,
    model: { ...plan.model, source: "tiny" },
    data: { ...plan.data, train: "train.csv", test: "test.csv", folder: "pictures" },
    output: { directory: "x", checkpointEvery: 5 }
  })
})

test("a record has the numbers of a run, and no row of it", () => {
  const mistake = { where: "/data/test.csv:7", text: "a private text", label: "good", predicted: "bad" }
  const record = {
    name: "movies",
    directory: "/home/me/runs/movies",
    adapter: "/home/me/runs/movies/adapter",
    test: { rows: 3, accuracy: 0.5 },
    mistakes: [mistake],
    data: [{ split: "train", where: "../rows/train.csv (held out)", rows: 9, classes: [{ label: "/r/a", rows: 9 }] }],
    base: { path: "/models/tiny", sha256: { "model.safetensors": "ab" } },
    inputs: { "data.train": "cd" },
    plan: { model: { source: "../../tiny" } }
  }
  const own = { ...record, directory: "movies", adapter: ".", base: { ...record.base, path: "tiny" } }
  const expected = {
    ...own,
    mistakes: [],
    data: [{ ...record.data[0], where: "train.csv (held out)" }],
    plan: { model: { source: "tiny" } }
  }
  expect(publishableRecord(record, undefined, false)).toEqual(expected)
  expect(publishableRecord(record, "lab/tiny", true)).toEqual({
    ...expected,
    mistakes: [{ ...mistake, where: "test.csv:7" }],
    base: { ...record.base, path: "lab/tiny" },
    plan: { model: { source: "hf:lab/tiny" } }
  })
})

test("a model.json is named with its folder", () => {
  const plan = { model: { source: "../../models/digits/model.json" } }
  expect(publishablePlan(plan, undefined)).toEqual({ model: { source: "digits/model.json" } })
})

test("folders of this machine are no part of a text", () => {
  const folders = [
    ["/home/me/work", "."],
    ["/home/me", "~"]
  ] as const
  const text =
    'seen in /home/me/work/rows.csv, "/home/me/work", /home/me/x; not in /home/men, https://hub/home/me/work or a/home/me'
  expect(withoutFolders(text, folders)).toBe(
    'seen in rows.csv, ".", ~/x; not in /home/men, https://hub/home/me/work or a/home/me'
  )
})
