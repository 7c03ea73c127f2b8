/**
 * The whole-run bench: the default run from command to prompt, imports included, beside a PyTorch + PEFT script that does the same
 * (`default_torch.py`; $PYTHON, default python3).
 *
 *   bun bench/whole-run.bench.ts [--device wasm,native] [--threads 1,2] [--rounds 3]
 *
 * Every run is a process of its own; within a round they take turns. Parts are seen from outside, by when a run's lines are printed and when
 * its files are written; PyTorch's clock is its own, and what its process takes beyond it counts as start-up.
 */
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { parseArgs } from "node:util"
import { printTable, pythonHasTorch, setting, threadCounts } from "./cells.ts"
import { median } from "./shapes.ts"

const { values } = parseArgs({
  options: {
    device: { type: "string", default: "wasm" },
    threads: { type: "string", default: threadCounts.join(",") },
    rounds: { type: "string", default: "3" }
  }
})

const PARTS = ["start-up", "load", "evaluations", "steps", "saving"] as const
type Parts = Readonly<Record<(typeof PARTS)[number], number>>

/** Seconds, and the largest resident size. */
interface WholeRun {
  readonly seconds: number
  readonly parts: Parts
  readonly accuracy: number
  readonly peakBytes: number
}

interface Line {
  /** seconds since 1970 */
  readonly at: number
  readonly text: string
}

const now = () => (performance.timeOrigin + performance.now()) / 1000

/** Runs a command to its end; the lines of both its outputs as they come. Fails where it does. */
const linesOf = async (command: string, args: ReadonlyArray<string>) => {
  const began = now()
  const child = spawn(command, args, { cwd: join(import.meta.dirname, ".."), stdio: ["ignore", "pipe", "pipe"] })
  const lines: Array<Line> = []
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on("line", (text) => lines.push({ at: now(), text }))
  }
  const status = await new Promise((resolve) => child.on("close", resolve))
  if (status !== 0) throw new Error(`${command} ended with ${status}: ${lines.at(-1)?.text}`)
  return { began, ended: now(), lines }
}

/** With a folder to write in. */
const scratched = async <A>(use: (folder: string) => Promise<A>): Promise<A> => {
  const folder = mkdtempSync(join(tmpdir(), "bench-whole-run-"))
  try {
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** What the script does not do is left out: looks on the way. What tells when the steps were saved stays. */
const settings = ["training.evaluateEvery=never", "output.keepCheckpoints=1"]

const ours = (device: string, threads: number): Promise<WholeRun> =>
  scratched(async (scratch) => {
    const out = join(scratch, "run")
    const options = ["--device", device, "--threads", `${threads}`, "--out", out]
    const command = ["src/bin/tfjs-lora-pro.ts", "train", ...options, ...settings.flatMap((one) => ["--set", one])]
    const { began, ended, lines } = await linesOf(process.execPath, command)
    const at = (pattern: RegExp) => lines.findLast(({ text }) => pattern.test(text))!.at
    const written = (file: string) => statSync(join(out, file)).mtimeMs / 1000
    const [ready, opened, before] = [at(/^device: /), written("plan.json"), at(/^before training: /)]
    const [stepped, saved, after] = [at(/^step +(\d+)\/\1 /), written("checkpoints"), at(/^after step .*: test /)]
    const report = JSON.parse(readFileSync(join(out, "run.json"), "utf8"))
    return {
      seconds: ended - began,
      parts: {
        "start-up": ready - began,
        load: opened - ready,
        evaluations: before - opened + after - saved,
        steps: stepped - before,
        saving: saved - stepped + ended - after
      },
      accuracy: report.test.accuracy,
      peakBytes: report.peakBytes
    }
  })

const torch = (threads: number): Promise<WholeRun> =>
  scratched(async (scratch) => {
    const script = [join(import.meta.dirname, "default_torch.py"), "--threads", `${threads}`, "--out", scratch]
    const { began, ended, lines } = await linesOf(process.env["PYTHON"] ?? "python3", script)
    const { parts, scores, peakBytes } = JSON.parse(lines.findLast(({ text }) => text.startsWith("{"))!.text)
    const seconds = ended - began
    const rest = seconds - Object.values<number>(parts).reduce((sum, part) => sum + part, 0)
    const startUp = parts["start-up"] + rest
    return { seconds, parts: { ...parts, "start-up": startUp }, accuracy: scores.test.accuracy, peakBytes }
  })

const withTorch = pythonHasTorch()
const devices = values.device.split(",")
console.log(`${setting()} · medians of ${values.rounds} rounds\n`)
for (const threads of values.threads.split(",").map(Number)) {
  const runs = [
    ...(withTorch ? [{ name: "PyTorch + PEFT (LoRA)", start: () => torch(threads) }] : []),
    ...devices.map((device) => ({ name: `${device} (LoRA-Pro, full)`, start: () => ours(device, threads) }))
  ].map((run) => ({ ...run, results: [] as Array<WholeRun> }))
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const { start, results } of runs) results.push(await start())
  }
  const reference = withTorch ? runs[0]!.results : undefined
  console.log(`### ${threads} ${threads === 1 ? "thread" : "threads"}\n`)
  printTable(
    ["", "s", "÷ PyTorch", ...PARTS, "test accuracy", "peak MB"],
    runs.map(({ name, results }) => {
      const of = (pick: (run: WholeRun) => number) => median(results.map(pick))
      const ratio = reference && median(results.map(({ seconds }, i) => seconds / reference[i]!.seconds))
      return [
        name,
        of(({ seconds }) => seconds).toFixed(1),
        ratio === undefined ? "–" : `${ratio.toFixed(2)}×`,
        ...PARTS.map((part) => of(({ parts }) => parts[part]).toFixed(1)),
        `${(100 * of(({ accuracy }) => accuracy)).toFixed(1)} %`,
        (Math.max(...results.map(({ peakBytes }) => peakBytes)) / 1e6).toFixed(0)
      ]
    })
  )
}
