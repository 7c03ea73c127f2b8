/**
 * Runs that can be interrupted at a moment, and what two runs must have in common to be the same run.
 */
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import type { FaultDescription } from "./faulty-cli.ts"
import { cli, jsonObjects, onWasm, type Plan, TIMEOUT, tinyPlan, type Workspace } from "./fixtures.ts"

/** A process of the command line that has not ended yet. */
export interface Launched {
  /** Waits until stderr has said this. Fails where the process ends without. */
  readonly said: (text: string | RegExp) => Promise<void>
  readonly kill: (signal: NodeJS.Signals) => void
  readonly pid: number
  /** what stderr has said so far */
  readonly stderr: () => string
  readonly ended: Promise<{
    readonly code: number | null
    readonly signal: string | number | null
    readonly stderr: string
  }>
}

interface Options {
  /** in a process group of its own, as a shell starts it; signals go to the whole group, as those of a terminal do */
  readonly group?: boolean
  readonly env?: Readonly<Record<string, string>>
}

/** Starts a command. */
export const start = (command: ReadonlyArray<string>, cwd: string, { group = false, env }: Options = {}): Launched => {
  const child = Bun.spawn([...command], {
    cwd,
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
    detached: group,
    timeout: TIMEOUT
  })
  let stderr = ""
  let ended = false
  const waiting = new Set<() => void>()
  const look = () => {
    for (const check of [...waiting]) check()
  }
  const reading = (async () => {
    const decoder = new TextDecoder()
    for await (const bytes of child.stderr) {
      stderr += decoder.decode(bytes, { stream: true })
      look()
    }
    ended = true
    look()
  })()
  return {
    said: (text) =>
      new Promise((resolve, reject) => {
        const check = () => {
          if (typeof text === "string" ? stderr.includes(text) : text.test(stderr)) {
            waiting.delete(check)
            resolve()
          } else if (ended) reject(new Error(`ended without saying ${text}:\n${stderr}`))
        }
        waiting.add(check)
        check()
      }),
    kill: (signal) => process.kill(group ? -child.pid : child.pid, signal),
    pid: child.pid,
    stderr: () => stderr,
    ended: (async () => {
      await reading
      await child.exited
      return { code: child.exitCode, signal: child.signalCode, stderr }
    })()
  }
}

/** The command line on one thread of wasm. */
export const launch = (w: Workspace, ...args: ReadonlyArray<string>): Launched =>
  start([process.execPath, cli, ...args, ...onWasm], w.directory)

/** The same on a file system with a fault. */
export const launchFaulty = (w: Workspace, fault: FaultDescription, ...args: ReadonlyArray<string>): Launched =>
  start([process.execPath, join(import.meta.dir, "faulty-cli.ts"), ...args, ...onWasm], w.directory, {
    env: { FAULT: JSON.stringify(fault) }
  })

/** What differs from run to run, in metrics.jsonl and run.json: the clock, the memory, the folder and the threads. */
const timings = ["milliseconds", "tokensPerSecond", "seconds", "peakBytes", "directory", "adapter", "device"]

const withoutTimings = (value: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(value).filter(([key]) => !timings.includes(key)))

const hash = (bytes: Uint8Array): string => new Bun.CryptoHasher("sha256").update(bytes).digest("hex")

/** A hash for each file below a folder of a workspace. */
export const hashes = (w: Workspace, folder: string): Readonly<Record<string, string>> => {
  const files = readdirSync(w.path(folder), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const names = files.map((entry) => `${entry.parentPath}/${entry.name}`.slice(w.path(folder).length + 1)).sort()
  return Object.fromEntries(names.map((name) => [name, hash(w.bytes(`${folder}/${name}`))]))
}

/** metrics.jsonl without what a clock says. */
export const metricsOf = (w: Workspace, folder: string) =>
  jsonObjects(w.read(`${folder}/metrics.jsonl`)).map(withoutTimings)

/** The adapter's files. Its README.md names the run folder; that apart it is the same too. */
export const adapterOf = (w: Workspace, folder: string) => {
  const { "README.md": _, ...files } = hashes(w, `${folder}/adapter`)
  const card = w.read(`${folder}/adapter/README.md`).replaceAll(`"${folder}/adapter"`, "RUN/adapter")
  return { ...files, card: card.replaceAll(/loadRun\(".*?"\)/g, "loadRun(RUN)") }
}

/**
 * The checkpoints: every tensor's bytes, and what is said of them. One that was saved by an interruption between a step and its
 * evaluation does not know yet whether that was the best; the newest one does.
 */
export const checkpointsOf = (w: Workspace, folder: string) => {
  const there = existsSync(w.path(`${folder}/checkpoints`)) // a finished run keeps none unless its plan asks for them
  if (!there) return { all: [], best: null }
  const names = readdirSync(w.path(`${folder}/checkpoints`)).sort()
  const record = (name: string) => w.json(`${folder}/checkpoints/${name}/state.json`)
  return {
    all: names.map((name) => [
      name,
      hash(w.bytes(`${folder}/checkpoints/${name}/state.safetensors`)),
      { ...record(name), best: null }
    ]),
    best: record(names.at(-1)!)["best"]
  }
}

/** The bytes of the tensors in a run's checkpoints. */
export const tensorsOf = (w: Workspace, folder: string) =>
  checkpointsOf(w, folder).all.map(([name, bytes]) => [name, bytes])

/**
 * Everything that a resumed run has to have in common with one that was never interrupted: the adapter's bytes, every row of
 * the metrics, the checkpoints' bytes, the plan's text, and the report; timings apart.
 */
export const resultsOf = (w: Workspace, folder: string) => ({
  files: readdirSync(w.path(folder)).sort(),
  adapter: adapterOf(w, folder),
  metrics: metricsOf(w, folder),
  checkpoints: checkpointsOf(w, folder),
  plan: w.read(`${folder}/plan.json`),
  report: withoutTimings(w.json(`${folder}/run.json`))
})

/** A plan that does everything a run can do, in a second: accumulation, evaluations, checkpoints, several epochs. */
export const busyPlan = (model: string, steps: number, sections: Record<string, unknown> = {}): Plan =>
  tinyPlan(model, {
    // by its loss, which gets better at every evaluation: so the newest checkpoints are the same wherever a run is cut
    training: {
      steps,
      batchSize: 4,
      accumulate: 2,
      evaluateEvery: 3,
      evaluateRows: 5,
      stopEarly: { metric: "loss", patience: 9 }
    },
    output: { checkpointEvery: 2, keep: 2 },
    ...sections
  })
