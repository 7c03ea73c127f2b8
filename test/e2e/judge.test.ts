/** `judge`: another model, behind a server of this test, judges what a run answers. */
import { afterAll, beforeAll, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { causalData, causalPlan, chats, decoder } from "./causal-workspace.ts"
import { jsonLines, onWasm, succeed, TIMEOUT, workspace } from "./fixtures.ts"
import { complete } from "./train-here.ts"

const w = workspace()
let asked = 0
// grades by the length of what it is shown, so that grades differ, and prefers the place A
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: async (request) => {
    asked += 1
    const { messages } = (await request.json()) as { readonly messages: ReadonlyArray<{ readonly content: string }> }
    const content = messages[0]!.content.includes('"Grade: N"')
      ? `Reasons.\nGrade: ${1 + (messages[1]!.content.length % 10)}`
      : "Reasons.\nBetter: A"
    return Response.json({ choices: [{ message: { content } }], usage: { prompt_tokens: 50, completion_tokens: 5 } })
  }
})
afterAll(() => server.stop(true))
const endpoint = `http://127.0.0.1:${server.port}/v1`

beforeAll(async () => {
  decoder(w, "llama")
  w.write("train.jsonl", jsonLines(chats(6)))
  const data = { ...causalData("chat"), train: "train.jsonl", validation: undefined, test: undefined }
  const plan = causalPlan("llama", "chat", { data, training: { steps: 2, batchSize: 2 } })
  await complete(w, w.write("chat.json", plan), "runs/chat")
}, TIMEOUT)

const judge = (...args: ReadonlyArray<string>) =>
  w.cli(["judge", "runs/chat", "--endpoint", endpoint, "--judge", "judge-1", "--max-tokens", "4", ...args, ...onWasm])

test(
  "grades and compares dialogues of every category, and asks nothing twice",
  async () => {
    const args = ["--dialogues", "10", "--record", w.path("record.jsonl"), "--prices", "2,10"]
    const { stdout } = await succeed(judge(...args))
    expect(stdout).toContain("Grades from 1 to 10 for 10 dialogues, by judge-1:")
    for (const category of ["writing", "humanities"])
      expect(stdout).toMatch(new RegExp(`  ${category} +[\\d.]+   base model`))
    expect(stdout).toContain("adapter 0, base model 0, equal 10 (100.0 % were judged differently in the other order)")
    // two grades and two comparisons a dialogue, where the two models' answers differ
    expect(asked).toBeLessThanOrEqual(40)
    const lines = readFileSync(w.path("record.jsonl"), "utf8").trim().split("\n").length
    expect(lines).toBe(asked)
    const before = asked
    const { stdout: again } = await succeed(judge(...args))
    expect(asked).toBe(before)
    expect(again).toContain("40 of them on record: 0 tokens")
    const { stdout: json } = await succeed(judge(...args, "--json"))
    expect(JSON.parse(json)).toMatchObject({ judge: "judge-1", spent: { answers: 40, recorded: 40, dollars: 0 } })
  },
  TIMEOUT
)

test.each([
  [["--budget", "1"], "found --budget without --prices"],
  [["--prices", "cheap"], "two numbers, such as 0.15,0.60"],
  [["--dialogues", "0"], "an integer of at least 1"],
  [["--rubric", "nowhere.txt"], "nowhere.txt"]
] as const)("%p is reported in a message", async (args, message) => {
  const { code, stderr, stdout } = await judge(...args)
  expect([code, stderr + stdout]).toEqual([1, expect.stringContaining(message)])
  expect(stderr).not.toContain("    at ")
})
