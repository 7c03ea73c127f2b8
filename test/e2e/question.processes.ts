/** "What should the model learn?": asked with arrow keys on a terminal, and a list with flags elsewhere. */
import { expect, test } from "bun:test"
import { join } from "node:path"
import { listing, repository, succeed, TIMEOUT, workspace } from "./fixtures.ts"
import { startOnTerminal } from "./terminals.ts"

const w = workspace()
const program = join(repository, "src/bin/tfjs-lora-pro.ts")
const stars = join(repository, "test/data/front-door/stars.csv")
const [down, enter, interrupt] = ["\u001b[B", "\r", "\u0003"]

const asked = async (...keys: ReadonlyArray<string>) => {
  const terminal = startOnTerminal([process.execPath, program, "new", "mine", "--data", stars], w.directory)
  await terminal.until("What should the model learn?")
  await terminal.until("a number: `stars`")
  for (const key of keys) {
    terminal.type(key)
    await Bun.sleep(100)
  }
  return terminal
}

test(
  "on a terminal the answer that is chosen is what the plan learns",
  async () => {
    const terminal = await asked(down, enter)
    expect(await terminal.ended).toBe(0)
    expect(w.json("mine/plan.json")).toMatchObject({ data: { format: "regression", text: "review", target: "stars" } })
  },
  TIMEOUT
)

test(
  "who leaves without an answer has written nothing",
  async () => {
    const before = listing(w.directory)
    const terminal = startOnTerminal([process.execPath, program, "new", "other", "--data", stars], w.directory)
    await terminal.until("a number: `stars`")
    terminal.type(interrupt)
    expect(await terminal.ended).not.toBe(0)
    expect(listing(w.directory)).toEqual(before)
  },
  TIMEOUT
)

test(
  "in a pipe each answer has the flags that choose it",
  async () => {
    const { code, stdout, stderr } = await w.cli(["new", "piped", "--data", stars])
    expect([code, stdout]).toEqual([1, ""])
    expect(stderr).toContain("what should the model learn? Choose with the flags:")
    const flags = stderr.split("\n").find((line) => line.includes("--format regression"))!
    await succeed(w.cli(["new", "piped", "--data", stars, ...flags.trim().split(" ")]))
    expect(w.json("piped/plan.json")).toMatchObject({ data: { format: "regression", target: "stars" } })
  },
  TIMEOUT
)
