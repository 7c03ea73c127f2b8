/** What tests of a shared server have: its runs, its process, clients with addresses of their own. */
import { beforeAll } from "bun:test"
import { readFileSync } from "node:fs"
import { Agent, request } from "node:http"
import { causalPlan, decoder, writeRows } from "./causal-workspace.ts"
import { cli, onWasm, succeed, TIMEOUT, tinyPlan, type workspace } from "./fixtures.ts"
import { imagesPlan, imagesWorkspace } from "./images-workspace.ts"

/** runs/texts labels texts, runs/pictures images, runs/endless writes texts without an end. */
export const sharedRuns = () => {
  const { w } = imagesWorkspace()
  beforeAll(() => trained(w), TIMEOUT)
  return w
}

const trained = async (w: ReturnType<typeof workspace>) => {
  w.model("bert")
  decoder(w, "llama", "endless")
  writeRows(w)
  // a token that no row has
  w.write("endless/generation_config.json", { eos_token_id: 127 })
  const plans = {
    texts: tinyPlan("bert"),
    pictures: imagesPlan(),
    endless: causalPlan("endless", "text", { training: { steps: 5, batchSize: 6 } })
  }
  for (const [name, plan] of Object.entries(plans)) {
    w.write(`${name}.json`, plan)
    await succeed(w.cli(["train", `${name}.json`, "--out", `runs/${name}`, ...onWasm]))
  }
}

export interface Server {
  readonly url: string
  readonly port: number
  readonly pid: number
  readonly kill: (signal: NodeJS.Signals) => void
  readonly ended: Promise<number>
}

/** Starts the command in a folder, and waits until it listens. */
export const startServer = async (
  cwd: string,
  args: ReadonlyArray<string>,
  command: ReadonlyArray<string> = [process.execPath]
): Promise<Server> => {
  const child = Bun.spawn([...command, cli, "serve", ...args, "--port", "0", ...onWasm], {
    cwd,
    env: process.env,
    stdio: ["ignore", "pipe", "ignore"]
  })
  process.on("exit", () => child.kill("SIGKILL"))
  const { value } = await child.stdout.getReader().read()
  if (value === undefined) throw new Error("the server ended")
  const url = new TextDecoder().decode(value).trim()
  return {
    url,
    port: Number(new URL(url).port),
    pid: child.pid,
    kill: (signal) => child.kill(signal),
    ended: child.exited
  }
}

export interface Answer {
  readonly status: number
  readonly text: string
}

/** A client at an address of this machine: what it sends with POST is answered, or null where the connection ends. */
export const clientFrom = (server: Server, localAddress: string) => {
  const agent = new Agent({ keepAlive: true, localAddress })
  return (path: string, body: string): Promise<Answer | null> =>
    new Promise((resolve) => {
      const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) }
      const sent = request(new URL(path, server.url), { method: "POST", agent, headers }, (answer) => {
        let text = ""
        answer.on("data", (bytes) => (text += bytes))
        answer.on("end", () => resolve({ status: answer.statusCode!, text }))
        answer.on("error", () => resolve(null))
      })
      sent.on("error", () => resolve(null))
      sent.end(body)
    })
}

/** The sample of a metric; 0: there is none. */
export const metricOf = async ({ url }: Server, name: string): Promise<number> => {
  const text = await (await fetch(new URL("/metrics", url))).text()
  const line = text.split("\n").find((own) => own.startsWith(`tfjs_lora_pro_${name} `))
  return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(" ")))
}

/** Resident megabytes of a process, and the most that it has had. */
export const residentOf = (pid: number) => {
  const text = readFileSync(`/proc/${pid}/status`, "utf8")
  const of = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1]) / 1024
  return { now: of("VmRSS"), most: of("VmHWM") }
}

/**
 * Milliseconds that the main thread of a process has computed. While it waits this is exact, and however busy the machine is, the difference
 * between a request and its answer is the work that was done before the answer.
 */
export const workOf = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, "utf8").split(" ")[0]) / 1e6
