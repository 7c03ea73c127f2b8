/**
 * `serve` under load, beside FastAPI with transformers over the same model: many clients that each ask for the label of a sentence, again and
 * again; memory after the first requests and after all of them; adapters that come and go meanwhile; texts that are written by turns.
 *
 *   bun bench/serve.bench.ts [--run RUN] [--requests 10000] [--clients 200] [--device auto] [--python python3] [--swaps 50]
 *
 * Without --run the default run is trained first. --python "": ours alone. --talk RUN: a run of a language model, for the last table. Clients
 * and server share the machine's cores; every server is measured by the same clients.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { Agent, request } from "node:http"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { parseArgs } from "node:util"

const { values } = parseArgs({
  options: {
    run: { type: "string" },
    talk: { type: "string" },
    requests: { type: "string", default: "10000" },
    clients: { type: "string", default: "200" },
    device: { type: "string", default: "auto" },
    python: { type: "string", default: "python3" },
    swaps: { type: "string", default: "50" }
  }
})
const [count, clients, swaps] = [Number(values.requests), Number(values.clients), Number(values.swaps)]
const repository = join(import.meta.dir, "..")
const cli = join(repository, "src", "bin", "tfjs-lora-pro.ts")
const folder = mkdtempSync(join(tmpdir(), "serve-bench-"))
const TOKEN = "bench"

const sh = async (...command: ReadonlyArray<string>) => {
  const child = Bun.spawn([...command], { cwd: repository, stdout: "ignore", stderr: "pipe" })
  const said = await new Response(child.stderr).text()
  if ((await child.exited) !== 0) throw new Error(`${command.join(" ")}: ${said}`)
}

interface Server {
  readonly name: string
  readonly port: number
  readonly child: Bun.Subprocess
}

const agent = new Agent({ keepAlive: true, maxSockets: 2 * clients })

interface Answer {
  readonly status: number
  readonly body: string
  readonly milliseconds: number
}

const ask = (port: number, method: string, path: string, body?: unknown): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const began = performance.now()
    const text = body === undefined ? "" : JSON.stringify(body)
    const headers = {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(text),
      authorization: `Bearer ${TOKEN}`
    }
    const asked = request({ port, host: "127.0.0.1", method, path, agent, headers }, (answer) => {
      let found = ""
      answer.setEncoding("utf8")
      answer.on("data", (part) => (found += part))
      answer.on("end", () =>
        resolve({ status: answer.statusCode!, body: found, milliseconds: performance.now() - began })
      )
      answer.on("error", reject)
    })
    asked.on("error", reject)
    asked.end(text)
  })

const ready = async (port: number) => {
  for (let i = 0; i < 600; i++) {
    if (
      await ask(port, "GET", "/health").then(
        () => true,
        () => false
      )
    )
      return
    await Bun.sleep(100)
  }
  throw new Error("no server came up")
}

let nextPort = 18_300 + Math.floor(Math.random() * 1000)

const start = async (name: string, command: (port: number) => ReadonlyArray<string>): Promise<Server> => {
  const port = nextPort++
  const child = Bun.spawn([...command(port)], {
    cwd: repository,
    env: { ...process.env, TFJS_LORA_PRO_TOKEN: TOKEN, TRANSFORMERS_OFFLINE: "1" },
    stdout: "ignore",
    stderr: "inherit"
  })
  await ready(port)
  return { name, port, child }
}

const ours = (runtime: ReadonlyArray<string>, runs: ReadonlyArray<string>, adapters: string) => (port: number) => [
  ...runtime,
  cli,
  "serve",
  ...runs,
  "--port",
  `${port}`,
  "--device",
  values.device,
  "--adapters",
  adapters
]

const megabytes = ({ child }: Server): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1] ?? Number.NaN) / 1024

const quantile = (sorted: ReadonlyArray<number>, p: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))] ?? Number.NaN

const sentences = readFileSync(join(repository, "examples/data/movies/test.jsonl"), "utf8")
  .trim()
  .split("\n")
  .map((line) => (JSON.parse(line) as { text: string }).text)

interface Prediction {
  readonly label: string
  readonly logits: Readonly<Record<string, number>>
}

interface Load {
  readonly seconds: number
  readonly errors: ReadonlyArray<string>
  readonly times: ReadonlyArray<number>
  readonly answers: ReadonlyMap<string, Prediction>
}

/** So many requests of clients that each wait for their answer. */
const load = async (server: Server, requests: number, model?: string): Promise<Load> => {
  const times: Array<number> = []
  const answers = new Map<string, Prediction>()
  const errors: Array<string> = []
  let next = 0
  const began = performance.now()
  const client = async () => {
    while (next < requests) {
      const text = sentences[next++ % sentences.length]!
      try {
        const { status, body, milliseconds } = await ask(server.port, "POST", "/predict", {
          inputs: text,
          ...(model === undefined ? {} : { model })
        })
        if (status !== 200) throw new Error(`${status} ${body}`)
        times.push(milliseconds)
        answers.set(text, (JSON.parse(body) as { predictions: [Prediction] }).predictions[0])
      } catch (error) {
        errors.push((error as Error).message)
      }
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
  return { seconds: (performance.now() - began) / 1000, errors, times, answers }
}

const sorted = (loads: ReadonlyArray<Load>) => loads.flatMap(({ times }) => times).sort((a, b) => a - b)

const stop = async ({ child }: Server) => {
  child.kill("SIGTERM")
  await child.exited
}

const run = values.run ?? join(folder, "runs", "movies")
if (values.run === undefined) await sh(process.execPath, cli, "train", "--out", run)
const adapters = dirname(run)
const plan = JSON.parse(readFileSync(join(run, "plan.json"), "utf8")) as { data: { maxLength: number } }
const merged = join(folder, "merged")
if (values.python !== "") await sh(process.execPath, cli, "merge", run, "--out", merged)

const fastapi = (way: string) => (port: number) => [
  values.python,
  join(import.meta.dir, "serve_fastapi.py"),
  merged,
  `${plan.data.maxLength}`,
  `${port}`,
  way
]
const deno = Bun.which("deno")
const all: ReadonlyArray<readonly [string, (port: number) => ReadonlyArray<string>]> = [
  ["serve, Bun", ours([process.execPath], [`movies=${run}`], adapters)],
  ...(deno === null ? [] : [["serve, Deno", ours([deno, "run", "-A"], [`movies=${run}`], adapters)] as const]),
  ...(values.python === ""
    ? []
    : (["batched", "alone"] as const).map((way) => [`FastAPI, ${way}`, fastapi(way)] as const))
]

// the servers take turns, so that what else the machine does meets all of them alike
const ROUNDS = 10
const measured: Array<{ server: Server; loads: Array<Load>; resident: Array<number> }> = []
for (const [name, command] of all) {
  const server = await start(name, command)
  await load(server, 2 * clients) // what is compiled is compiled
  measured.push({ server, loads: [], resident: [] })
}
for (let round = 0; round < ROUNDS; round++) {
  for (const { server, loads, resident } of measured) {
    loads.push(await load(server, count / ROUNDS))
    resident.push(megabytes(server))
  }
}
console.log(`${count.toLocaleString("en")} requests of one sentence, ${clients} clients, device ${values.device}\n`)
console.log("| server | requests/s | p50 | p99 | errors | resident after each tenth, MB |\n|---|---|---|---|---|---|")
for (const { server, loads, resident } of measured) {
  const times = sorted(loads)
  const seconds = loads.reduce((sum, one) => sum + one.seconds, 0)
  const errors = loads.flatMap((one) => one.errors)
  console.log(
    `| ${server.name} | ${(times.length / seconds).toFixed(0)} | ${quantile(times, 0.5).toFixed(0)} ms | ${quantile(times, 0.99).toFixed(0)} ms | ${errors.length} | ${resident.map((own) => own.toFixed(0)).join(", ")} |`
  )
  for (const error of new Set(errors)) console.log(`  ${error}`)
  await stop(server)
}
/** Float32 logits of a few units: other orders of sums, batches and padding. */
const LOGITS = 1e-3

const contradicts = (text: string): boolean => {
  const answers = measured.flatMap(({ loads }) => loads.flatMap((one) => one.answers.get(text) ?? []))
  const [first] = answers
  return answers.some(({ label, logits }) => {
    if (Object.keys(logits).join() !== Object.keys(first!.logits).join()) return true
    const differences = Object.entries(logits).map(([name, logit]) => Math.abs(logit - first!.logits[name]!))
    const [best, next] = Object.values(logits).sort((a, b) => b - a)
    return !(Math.max(...differences) <= LOGITS) || (label !== first!.label && best! - (next ?? 0) > 2 * LOGITS)
  })
}
const asked = sentences.filter((text) => measured.some(({ loads }) => loads.some(({ answers }) => answers.has(text))))
const contradicted = asked.filter(contradicts)
console.log(`\nsentences whose labels or logits differ between the servers: ${contradicted.length} of ${asked.length}`)
if (contradicted.length > 0) process.exitCode = 1

// adapters that come and go, while others are asked
{
  const server = await start("swaps", ours([process.execPath], [`movies=${run}`], adapters))
  await load(server, 2 * clients, "movies")
  const before = megabytes(server)
  const loads: Array<number> = []
  let swapping = true
  const under = (async () => {
    const parts: Array<Load> = []
    while (swapping) parts.push(await load(server, 5 * clients, "movies"))
    return parts
  })()
  let wrong = 0
  for (let i = 0; i < swaps; i++) {
    const answer = await ask(server.port, "POST", "/adapters", { name: `hot-${i}`, run: basename(run) })
    if (answer.status !== 201) throw new Error(answer.body)
    loads.push(answer.milliseconds)
    const { status } = await ask(server.port, "POST", "/predict", { model: `hot-${i}`, inputs: sentences[i]! })
    if (status !== 200) wrong += 1
  }
  const loaded = megabytes(server)
  const held = Number(/device_bytes (\d+)/.exec((await ask(server.port, "GET", "/metrics")).body)![1]) / 2 ** 20
  for (let i = 0; i < swaps; i++)
    if ((await ask(server.port, "DELETE", `/adapters/hot-${i}`)).status !== 200) wrong += 1
  swapping = false
  const parts = await under
  const times = sorted(parts)
  const errors = parts.reduce((sum, part) => sum + part.errors.length, 0)
  const each = loads.sort((a, b) => a - b)
  console.log(
    `\n${swaps} adapters loaded and dropped under the same load: ${quantile(each, 0.5).toFixed(0)} ms each (median), ${each.at(-1)!.toFixed(0)} ms at most; ` +
      `${times.length.toLocaleString("en")} requests meanwhile, p50 ${quantile(times, 0.5).toFixed(0)} ms, p99 ${quantile(times, 0.99).toFixed(0)} ms, ${errors + wrong} errors; ` +
      `tensors with all of them ${held.toFixed(0)} MiB; resident ${before.toFixed(0)} → ${loaded.toFixed(0)} → ${megabytes(server).toFixed(0)} MB`
  )
  await stop(server)
}

// texts by turns
if (values.talk !== undefined) {
  const server = await start("talk", ours([process.execPath], [`talk=${values.talk}`], adapters))
  const write = (tokens: number) =>
    ask(server.port, "POST", "/v1/completions", {
      model: "talk",
      prompt: "The capital of France is",
      max_tokens: tokens,
      temperature: 1
    })
  await write(8)
  const alone = (await write(8)).milliseconds
  const long = write(128)
  await Bun.sleep(100)
  const beside = (await write(8)).milliseconds
  const whole = await long
  const began = performance.now()
  const eight = await Promise.all(Array.from({ length: 8 }, () => write(32)))
  const written = eight.reduce(
    (sum, { body }) => sum + (JSON.parse(body) as { usage: { completion_tokens: number } }).usage.completion_tokens,
    0
  )
  console.log(
    `\ntexts: 8 tokens alone in ${alone.toFixed(0)} ms, beside a text of 128 in ${beside.toFixed(0)} ms (that one took ${whole.milliseconds.toFixed(0)} ms); ` +
      `eight texts of 32 at once: ${((1000 * written) / (performance.now() - began)).toFixed(0)} tokens/s together`
  )
  await stop(server)
}

rmSync(folder, { recursive: true, force: true })
