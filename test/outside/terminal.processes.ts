/**
 * Texts, labels, names and replies are full of what a terminal obeys: it clears the screen, sets the title, changes colours. On a terminal
 * all of it is shown as escapes. To a pipe, results go as they are.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { causalPlan, decoder, wordTokenizer } from "../e2e/causal-workspace.ts"
import { cli, jsonLines, onWasm, run, succeed, TIMEOUT, tinyPlan, tinyRows, workspace } from "../e2e/fixtures.ts"
import { startOnTerminal } from "../e2e/terminals.ts"

const w = workspace()

/** Title, clear by a C1 code, a colour, backspace, right-to-left override. */
const hostile = "\u001b]0;owned\u0007 \u009b2J \u001b[45m violet \b \u202e txt"
const harmless = "\\u001b]0;owned\\u0007 \\u009b2J \\u001b[45m violet \\u0008 \\u202e txt"

/** What there is in hostile texts and nothing of ours writes. */
const obeyed = ["\u001b]", "\u009b", "\u001b[45m", "\b", "\u202e"]
const obeyedIn = (text: string) => obeyed.filter((one) => text.includes(one))

const plan = "\u001b[45mname.json"
const rowsFile = "\u001b[45mrows.jsonl"

/** Every word that it can write has an escape sequence. */
const hostileWriter = () => {
  decoder(w, "llama", "writer")
  const tokenizer = wordTokenizer()
  const special = new Set(tokenizer.added_tokens.map(({ content }) => content))
  const vocab = Object.fromEntries(
    Object.entries(tokenizer.model.vocab).map(([word, id]) => [special.has(word) ? word : `${word}${hostile}`, id])
  )
  w.write("writer/tokenizer.json", { ...tokenizer, model: { ...tokenizer.model, vocab } })
}

/** Rows of which two words are the beginnings of control sequences. */
const hostileRows = () => {
  decoder(w, "llama", "reader")
  const tokenizer = wordTokenizer()
  const vocab = { ...tokenizer.model.vocab, "\u001b]": 100, "\u009b": 101 }
  w.write("reader/tokenizer.json", { ...tokenizer, model: { ...tokenizer.model, vocab } })
  w.write("rows.jsonl", jsonLines([{ prompt: "what is \u001b]", completion: " it is \u009b" }]))
  w.write(
    "rows.json",
    causalPlan("reader", "completion", { data: { format: "completion", train: "rows.jsonl", maxLength: 40 } })
  )
}

beforeAll(async () => {
  w.model("bert")
  const rows = (count: number) => jsonLines(tinyRows(count).map((row) => ({ ...row, label: row.label + hostile })))
  for (const split of ["train", "validation", "test"]) w.write(`${split}.jsonl`, rows(12))
  w.write(rowsFile, rows(12))
  w.write(plan, tinyPlan("bert"))
  await succeed(run([process.execPath, cli, "train", plan, "--out", "run", ...onWasm], { cwd: w.directory }))
  hostileWriter()
  hostileRows()
}, TIMEOUT)

const command = (...args: ReadonlyArray<string>) => [process.execPath, cli, ...args]
const piped = (...args: ReadonlyArray<string>) => succeed(run(command(...args), { cwd: w.directory }))

/** All that a command sends to its terminal. */
const sent = async (...args: ReadonlyArray<string>) => {
  const started = startOnTerminal(command(...args), w.directory)
  const code = await started.ended
  return { code, text: started.sent() }
}

describe("on a terminal", () => {
  test.each<readonly [string, ReadonlyArray<string>, string]>([
    ["predict: labels and texts", ["predict", "run", hostile, ...onWasm], `\t${harmless}`],
    ["evaluate: labels", ["evaluate", "run", ...onWasm], harmless],
    ["train: the plan's name", ["train", plan, "--out", "again", ...onWasm], "\\u001b[45mname: "],
    ["validate: the plan's name and labels", ["validate", plan], `bad${harmless} 4 (33.3 %)`],
    ["suggest: files' names", ["suggest", "--model", "bert", "--data", rowsFile], '"train": "\\u001b[45mrows.jsonl"'],
    ["generate: what the model writes", ["generate", "writer", "what", "--max-tokens", "4", ...onWasm], harmless],
    ["validate: the first row", ["validate", "rows.json"], "what is \\u001b]\u001b[32mit is \\u009b"],
    [
      "a wrong flag, as names of files may be",
      ["validate", `--${hostile.replace("\u001b[45m", "")}`],
      "owned\\x07 \\u009b2J"
    ],
    ["a refusal: what it quotes", ["validate", `${hostile}.json`], `${harmless}.json`]
  ])(
    "%s",
    async (_, args, says) => {
      const { text } = await sent(...args)
      expect(text).toContain(says)
      expect(obeyedIn(text)).toEqual([])
    },
    TIMEOUT
  )

  test(
    "chat: the reply, which goes on as the model wrote it",
    async () => {
      const chat = startOnTerminal(command("chat", "writer", "--max-tokens", "4", ...onWasm), w.directory)
      await chat.until("> ")
      chat.type("what\r")
      await chat.until(harmless)
      await chat.until("> ")
      chat.type("\u0004")
      expect(await chat.ended).toBe(0)
      expect(obeyedIn(chat.sent())).toEqual([])
    },
    TIMEOUT
  )

  test(
    "JSON: the same value",
    async () => {
      const { text } = await sent("predict", "run", hostile, "--json", ...onWasm)
      expect(obeyedIn(text)).toEqual([])
      // after what was written over while the run was loaded
      const result = text.slice(text.lastIndexOf("\u001b[2K") + 4)
      expect(JSON.parse(result)).toMatchObject({ text: hostile, label: expect.stringContaining(hostile) })
    },
    TIMEOUT
  )
})

describe("to a pipe", () => {
  test(
    "predict gives label and text as they are, and the same as JSON",
    async () => {
      const { stdout } = await piped("predict", "run", hostile, ...onWasm)
      expect(stdout).toMatch(/ %\)\t/)
      expect(stdout.split("\t")[1]).toBe(`${hostile}\n`)
      const json = await piped("predict", "run", hostile, "--json", ...onWasm)
      expect(JSON.parse(json.stdout).text).toBe(hostile)
    },
    TIMEOUT
  )

  test(
    "generate gives what the model wrote; progress and reports, which are for people, have escapes all the same",
    async () => {
      const { stdout } = await piped("generate", "writer", "what", "--max-tokens", "4", ...onWasm)
      expect(stdout).toContain(hostile)
      const { stderr } = await piped("train", plan, "--out", "third", ...onWasm)
      expect(stderr).toContain("\\u001b[45mname: ")
      expect(obeyedIn(stderr)).toEqual([])
      const report = await piped("validate", plan)
      expect(report.stdout).toContain(harmless)
      expect(obeyedIn(report.stdout)).toEqual([])
    },
    TIMEOUT
  )
})
