/** What a run shows while it runs, on a real terminal and in a pipe: its width, its colours, and what is left when it has ended. */
import { beforeAll, describe, expect, test } from "bun:test"
import { stripVTControlCharacters } from "node:util"
import { cli, jsonLines, onWasm, run, succeed, TIMEOUT, tinyPlan, tinyRows, workspace } from "./fixtures.ts"
import { startOnTerminal } from "./terminals.ts"

const w = workspace()
const ERASE = "\r\u001b[2K"
const COLOUR = /\p{Cc}\[[\d;]*m/u

beforeAll(() => {
  w.model("bert")
  for (const split of ["train", "validation", "test"]) w.write(`${split}.jsonl`, jsonLines(tinyRows(12)))
  w.write("plan.json", tinyPlan("bert"))
}, TIMEOUT)

let runs = 0
const command = (plan = "plan.json") => {
  const out = `run-${runs++}`
  return [process.execPath, cli, "train", plan, "--out", out, ...onWasm]
}

// what the tests' own environment says of colours and terminals is not the command's
const plain = { NO_COLOR: undefined, FORCE_COLOR: undefined, TERM: "xterm-256color" }

const onTerminal = async (columns: number, env: Readonly<Record<string, string | undefined>> = {}) => {
  const started = startOnTerminal(command(), w.directory, { columns, env: { ...plain, ...env } })
  expect(await started.ended).toBe(0)
  return started.sent()
}

/** What was drawn on a line before it was taken away: none of it has an end. */
const drawn = (sent: string): ReadonlyArray<string> =>
  sent
    .split(ERASE)
    .slice(1)
    .filter((text) => !text.includes("\n"))

/** The lines that are left on the screen. */
const left = (sent: string): ReadonlyArray<string> =>
  sent.split("\n").map((line) => stripVTControlCharacters(line.slice(line.lastIndexOf(ERASE) + 1)).replaceAll("\r", ""))

describe.each([40, 120])("on a terminal of %d columns", (columns) => {
  test("one line moves, and never wraps; what is left is whole", async () => {
    const sent = await onTerminal(columns)
    const moving = drawn(sent)
    expect(moving.some((text) => text.startsWith("step"))).toBe(true)
    expect(moving.filter((text) => Bun.stringWidth(text) >= columns)).toEqual([])
    const lines = left(sent)
    expect(lines.filter((line) => /^step|^loading|^evaluating/.test(line)).length).toBeLessThanOrEqual(1)
    for (const begins of ["before training: ", "Gained on test: ", "Saved ", "Everything is in ", "Try it: "])
      expect(lines.filter((line) => line.startsWith(begins))).toHaveLength(1)
  })
})

describe("colours", () => {
  const gained = /\p{Cc}\[32mGained on test: [^\n]*\p{Cc}\[39m/u

  test("what was gained is green on a terminal", async () => {
    expect(await onTerminal(120)).toMatch(gained)
  })

  test("NO_COLOR has none, and the line moves all the same", async () => {
    const sent = await onTerminal(120, { NO_COLOR: "1", FORCE_COLOR: "1" })
    expect(sent).not.toMatch(COLOUR)
    expect(drawn(sent)).not.toEqual([])
  })

  test("a dumb terminal has neither colours nor a line that moves", async () => {
    const sent = await onTerminal(120, { TERM: "dumb" })
    expect(sent).not.toContain("\u001b")
    expect(sent).toContain("Gained on test: ")
  })

  test("a pipe has colours where FORCE_COLOR asks for them, and no line that moves", async () => {
    const piped = (env: Record<string, string | undefined>) =>
      succeed(run(command(), { cwd: w.directory, env: { ...plain, ...env } }))
    const [asked, not] = [await piped({ FORCE_COLOR: "1" }), await piped({})]
    expect(asked.stdout).toMatch(gained)
    expect(asked.stderr).not.toContain("\r")
    expect(not.stdout + not.stderr).not.toContain("\u001b")
  })

  test("errors are red on a terminal, and their file has no codes", async () => {
    const wrong = ["/bin/sh", "-c", `'${process.execPath}' '${cli}' validate nowhere.json 2>errors.txt`]
    const [seen, kept] = [
      startOnTerminal([process.execPath, cli, "validate", "nowhere.json"], w.directory, { env: plain }),
      startOnTerminal(wrong, w.directory, { env: plain })
    ]
    expect([await seen.ended, await kept.ended]).toEqual([1, 1])
    expect(seen.sent()).toContain("\u001b[31mERROR")
    const file = await Bun.file(w.path("errors.txt")).text()
    expect(file).toContain("ERROR\n  nowhere.json")
    expect(file).not.toContain("\u001b")
  })
})
