/** OpenAI's own Python client runs tools, streamed tools and typed answers against `serve` as a process. Its answers are judged in Python, by pydantic. */
import { afterAll, beforeAll, expect, test } from "bun:test"
import { join } from "node:path"
import { cli, jsonObjects, onWasm, run, succeed, TIMEOUT, workspace } from "../e2e/fixtures.ts"
import { writeTools } from "../e2e/tools-workspace.ts"
import { complete } from "../e2e/train-here.ts"

const w = workspace()
const python = process.env["OPENAI_PYTHON"] ?? ""

/** Why Python has no client; undefined: it has one. */
const missing = async (): Promise<string | undefined> => {
  if (python === "") return "OPENAI_PYTHON names no Python"
  if (Bun.which(python) === null) return `there is no ${python}`
  const { code, stderr } = await run([python, "-c", "import openai, pydantic"], { cwd: w.directory })
  return code === 0 ? undefined : `${python}: ${stderr.trimEnd().split("\n").at(-1)}`
}

const reason = await missing()
if (reason !== undefined) {
  if (process.env["REQUIRE_OPENAI_PYTHON"] === "1") throw new Error(`REQUIRE_OPENAI_PYTHON=1, but ${reason}`)
  console.warn(
    `no OpenAI client in Python (${reason}): it is not tested against serve (REQUIRE_OPENAI_PYTHON=1 makes that a failure)`
  )
}

let server: Bun.Subprocess<"ignore", "pipe", "inherit"> | undefined
let url = ""

beforeAll(async () => {
  if (reason !== undefined) return
  const plan = writeTools(w)
  await complete(w, w.write("plan.json", plan), "runs/light")
  // barely trained: whatever it writes in the right form was required of it
  await complete(w, w.write("noise.json", { ...plan, training: { steps: 1, batchSize: 4 } }), "runs/noise")
  server = Bun.spawn([process.execPath, cli, "serve", "runs/light", "runs/noise", "--port", "0", ...onWasm], {
    cwd: w.directory,
    stdio: ["ignore", "pipe", "inherit"]
  })
  // the first line of stdout, written once it listens
  const { value } = await server.stdout.getReader().read()
  if (value === undefined) throw new Error("the server ended before it listened")
  url = `${new TextDecoder().decode(value).trim()}/v1`
}, TIMEOUT)

afterAll(async () => {
  server?.kill()
  await server?.exited
})

test.skipIf(reason !== undefined)(
  "OpenAI's Python client: calls and their results, streamed calls, tool_choice, response_format, and asynchronously",
  async () => {
    const command = [python, join(import.meta.dir, "openai_client.py"), url]
    // no proxy between two processes of one machine
    const { stdout } = await succeed(run(command, { cwd: w.directory, env: { NO_PROXY: "127.0.0.1,localhost" } }))
    const [answers] = jsonObjects(stdout)
    // pydantic checks the rest of it
    const value = expect.objectContaining({ label: expect.stringMatching(/^(good|bad)$/) })
    const streamed = (on: boolean) => ({
      order: ["name", "arguments", "tool_calls"],
      name: "set_light",
      arguments: JSON.stringify({ on })
    })
    expect(answers).toEqual({
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      models: ["light", "noise"],
      tools: {
        call: ["tool_calls", null, "function", "set_light", '{"on":true}'],
        id: expect.stringMatching(/^[a-z0-9]{9}$/),
        answer: ["stop", "done", null],
        plain: ["stop", "hello", null]
      },
      streamed: { ...streamed(false), final: "tool_calls" },
      required: ["tool_calls", expect.stringMatching(/^(set_light|count)$/)],
      named: [
        ["tool_calls", "count"],
        ["tool_calls", "set_light"]
      ],
      typed: { reasons: ["stop", "stop", "stop", "stop"], values: [value, value] },
      asynchronous: { value, call: streamed(true) },
      rejected: [400, "tool_choice", "invalid_request_error"]
    })
  },
  TIMEOUT
)
