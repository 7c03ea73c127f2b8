/** How much memory the processes of runs hold, looked at while the studio is open, over the steps that they had taken by then. */
import { spawn } from "node:child_process"
import { readFile } from "node:fs/promises"
import * as Effect from "effect/Effect"
import type { Plot } from "../protocol/index.ts"

/** Resident megabytes; undefined: the system does not say. */
const megabytesOf = (pid: number): Effect.Effect<number | undefined> =>
  Effect.promise(async () => {
    if (process.platform === "linux") {
      const text = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "")
      const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1]
      return kilobytes === undefined ? undefined : Number(kilobytes) / 1_000
    }
    return new Promise((resolve) => {
      const ps = spawn("ps", ["-o", "rss=", "-p", `${pid}`], { stdio: ["ignore", "pipe", "ignore"] })
      let text = ""
      ps.stdout.on("data", (chunk) => {
        text += chunk
      })
      ps.on("error", () => resolve(undefined))
      ps.on("close", () => resolve(/^\s*\d+\s*$/.test(text) ? Number(text) / 1_000 : undefined))
    })
  })

interface Looked {
  readonly steps: Array<number>
  readonly megabytes: Array<number>
}

/** As many as a plot has points. */
const MOST = 1_000

export interface MemoryLog {
  /** Looks at the process of a run, which has taken so many steps. */
  readonly look: (id: string, pid: number, step: number) => Effect.Effect<void>
  /** What was seen so far: the most at each step. undefined: nothing was. */
  readonly plot: (id: string) => Plot | undefined
  /** A run of the same name begins anew. */
  readonly forget: (id: string) => void
}

export const memoryLog = (): MemoryLog => {
  const all = new Map<string, Looked>()
  const plots = new Map<string, Plot>()
  const add = ({ steps, megabytes }: Looked, step: number, value: number) => {
    const last = steps.length - 1
    if (steps[last] === step) {
      megabytes[last] = Math.max(megabytes[last]!, value)
      return
    }
    // resumed before it
    while (steps.length > 0 && steps.at(-1)! > step) {
      steps.pop()
      megabytes.pop()
    }
    steps.push(step)
    megabytes.push(value)
    if (steps.length <= MOST) return
    // every second one, with the larger of two
    for (let i = 0; 2 * i < steps.length; i++) {
      steps[i] = steps[2 * i]!
      megabytes[i] = Math.max(megabytes[2 * i]!, megabytes[2 * i + 1] ?? 0)
    }
    steps.length = Math.ceil(steps.length / 2)
    megabytes.length = steps.length
  }
  return {
    look: (id, pid, step) =>
      Effect.map(megabytesOf(pid), (megabytes) => {
        if (megabytes === undefined) return
        const looked = all.get(id) ?? { steps: [], megabytes: [] }
        all.set(id, looked)
        add(looked, step, Math.round(megabytes))
        plots.delete(id)
      }),
    plot: (id) => {
      const looked = all.get(id)
      if (looked === undefined) return undefined
      const own = plots.get(id) ?? {
        id: "memory",
        title: "Memory of its process",
        unit: "megabytes",
        logarithmic: false,
        x: [...looked.steps],
        series: [{ label: "resident", values: [...looked.megabytes], colour: 0, kind: "line" as const }]
      }
      plots.set(id, own)
      return own
    },
    forget: (id) => {
      all.delete(id)
      plots.delete(id)
    }
  }
}
