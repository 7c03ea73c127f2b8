/**
 * Texts of many clients at a time: so many clients stream completions of SmolLM2-135M-Instruct (Q4_1 with an adapter) from `serve`, each the next
 * as soon as the last has ended. Tokens a second of all, and the time until a client has the first piece of its text.
 *
 *   bun bench/serve-texts.bench.ts [--clients 1,8,32] [--tokens 64] [--texts 2] [--rounds 1] [--device native] [--threads 2] [--run RUN] [--cli FILE …]
 *
 * Clients have addresses of their own (127.0.0.2 and so on), so that the server divides its places among them; they share the machine's cores
 * with it. `--texts`: of each client. `--cli`: command-line programs to compare, in one or several checkouts: each round starts each of them
 * anew. Without `--run` an adapter is trained for one step first.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { Agent, request } from "node:http"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"
import { fetchSmolLm2 } from "../scripts/smollm2.ts"
import { printTable, setting } from "./cells.ts"

const repository = join(import.meta.dirname, "..")
const own = join(repository, "src/bin/tfjs-lora-pro.ts")
const { values } = parseArgs({
  options: {
    clients: { type: "string", default: "1,8,32" },
    tokens: { type: "string", default: "64" },
    texts: { type: "string", default: "2" },
    rounds: { type: "string", default: "1" },
    device: { type: "string", default: "native" },
    threads: { type: "string", default: "2" },
    run: { type: "string" },
    cli: { type: "string", multiple: true, default: [own] }
  }
})
const [tokens, texts] = [Number(values.tokens), Number(values.texts)]
const onDevice = ["--device", values.device, "--threads", values.threads]
const folder = mkdtempSync(join(tmpdir(), "serve-texts-bench-"))

const trained = async (): Promise<string> => {
  await fetchSmolLm2(join(repository, "examples/models/smollm2"))
  const run = join(folder, "smollm2")
  const plan = join(repository, "examples/smollm2/json-answers-lora.json")
  const child = Bun.spawn(
    [process.execPath, own, "train", plan, "--set", "training.steps=1", "--out", run, ...onDevice],
    {
      stdout: "ignore",
      stderr: "pipe"
    }
  )
  const said = await new Response(child.stderr).text()
  if ((await child.exited) !== 0) throw new Error(said)
  return run
}
const run = values.run ?? (await trained())

/** Starts a server; returns its port. */
const started = async (cli: string) => {
  const child = Bun.spawn([process.execPath, resolve(cli), "serve", `smollm2=${run}`, "--port", "0", ...onDevice], {
    stdout: "pipe",
    stderr: "inherit"
  })
  const { value } = await child.stdout.getReader().read()
  if (value === undefined) throw new Error("the server ended")
  return { child, port: Number(new URL(new TextDecoder().decode(value).trim()).port) }
}

interface Streamed {
  readonly tokens: number
  /** milliseconds */
  readonly first: number
}

/** Milliseconds until the first piece of a text, and its tokens. */
const streamed = (port: number, agent: Agent, localAddress: string, seed: number): Promise<Streamed> =>
  new Promise((done, failed) => {
    const began = performance.now()
    const body = JSON.stringify({
      model: "smollm2",
      prompt: `Text ${seed}. Once upon a time there was a number called ${seed * 7}, and it lived in a house with ${seed + 2} doors. One day`,
      max_tokens: tokens,
      temperature: 1,
      seed,
      stream: true,
      stream_options: { include_usage: true }
    })
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) }
    const options = { port, host: "127.0.0.1", method: "POST", path: "/v1/completions", agent, localAddress, headers }
    const sent = request(options, (answer) => {
      let [said, first] = ["", 0]
      answer.setEncoding("utf8")
      answer.on("data", (part: string) => {
        said += part
        if (first === 0 && /"text":"[^"]/.test(said)) first = performance.now() - began
      })
      answer.on("end", () => {
        const count = /"completion_tokens":(\d+)/.exec(said)?.[1]
        if (count === undefined) failed(new Error(`${answer.statusCode} ${said.slice(0, 300)}`))
        else done({ tokens: Number(count), first })
      })
      answer.on("error", failed)
    })
    sent.on("error", failed)
    sent.end(body)
  })

const quantile = (sorted: ReadonlyArray<number>, p: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))]!

interface Load {
  readonly seconds: number
  readonly all: ReadonlyArray<Streamed>
}

const load = async (port: number, clients: number): Promise<Load> => {
  const began = performance.now()
  const ofClients = await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      const agent = new Agent({ keepAlive: true })
      const own: Array<Streamed> = []
      for (let i = 0; i < texts; i++)
        own.push(await streamed(port, agent, `127.0.0.${client + 2}`, 1 + client * texts + i))
      agent.destroy()
      return own
    })
  )
  return { seconds: (performance.now() - began) / 1000, all: ofClients.flat() }
}

const counts = values.clients.split(",").map(Number)
const loads = new Map<string, Array<Load>>()
for (let round = 0; round < Number(values.rounds); round++) {
  for (const [i, cli] of values.cli.entries()) {
    const { child, port } = await started(cli)
    await load(port, 2) // what is compiled is compiled
    for (const count of counts) {
      const key = `${i} ${count}`
      loads.set(key, [...(loads.get(key) ?? []), await load(port, count)])
    }
    child.kill("SIGTERM")
    await child.exited
  }
}
console.log(
  `${setting()} · ${values.device}, ${values.threads} threads · ${texts} texts of ${tokens} tokens per client\n`
)
printTable(
  ["", "clients", "tokens/s", "first token, p50 ms", "p99 ms"],
  values.cli.flatMap((cli, i) =>
    counts.map((count) => {
      const own = loads.get(`${i} ${count}`)!
      const all = own.flatMap((one) => one.all)
      const firsts = all.map(({ first }) => first).sort((a, b) => a - b)
      const rate = all.reduce((sum, one) => sum + one.tokens, 0) / own.reduce((sum, { seconds }) => sum + seconds, 0)
      return [
        `${i + 1}: ${cli.replace(`${repository}/`, "")}`,
        `${count}`,
        rate.toFixed(0),
        quantile(firsts, 0.5).toFixed(0),
        quantile(firsts, 0.99).toFixed(0)
      ]
    })
  )
)
rmSync(folder, { recursive: true, force: true })
process.exit(0)
