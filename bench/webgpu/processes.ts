/** Processes that measure: one that ends with its result, and steps of several in turn. */
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { type Outcome, run } from "../cells.ts"
import type { GpuMeasurement, OpenedResult, Results, StepSetting, TakenResult } from "./measurement.ts"

const file = new URL("measure.ts", import.meta.url).pathname

/** In place of a result. */
interface Failure {
  readonly failed: string
}

/** Runs a measurement with the runtime that this bench runs with. */
export const measureGpu = <What extends keyof Results>(
  measurement: Extract<GpuMeasurement, { readonly what: What }>
): Outcome<Results[What]> => {
  const outcome = run<Results[What] | Failure>(process.execPath, [file, JSON.stringify(measurement)])
  return typeof outcome === "object" && "failed" in outcome ? outcome.failed : outcome
}

/** A process that takes steps when it is told to. */
export interface Stepper extends OpenedResult {
  /** Milliseconds of a step, over this many. */
  readonly take: (steps: number) => Promise<number>
  readonly end: () => void
}

/** Opens it, and waits until it has warmed up. */
export const openStepper = async (setting: StepSetting): Promise<Outcome<Stepper>> => {
  const child = spawn(process.execPath, [file, JSON.stringify({ what: "stepping", ...setting })], {
    stdio: ["pipe", "pipe", "ignore"]
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async <R>(): Promise<R | Failure> => {
    const { value, done } = await lines.next()
    return done === true ? { failed: "the process ended" } : (JSON.parse(value) as R | Failure)
  }
  const opened = await next<OpenedResult>()
  if ("failed" in opened) return opened.failed
  return {
    ...opened,
    take: async (steps) => {
      child.stdin.write(`${steps}\n`)
      const taken = await next<TakenResult>()
      if ("failed" in taken) throw new Error(`${setting.path}: ${taken.failed}`)
      return taken.milliseconds
    },
    end: () => {
      child.stdin.end()
    }
  }
}
