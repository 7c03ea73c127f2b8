/** A run of the page: the same `train` as a command's, over the page's files, on the page's devices. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Path from "effect/Path"
import uPlotScript from "uplot/dist/uPlot.iife.min.js?raw"
import uPlotStyle from "uplot/dist/uPlot.min.css?raw"
import { counted, messageOf } from "../../../boundary/index.ts"
import { layer } from "../../../device/browser.ts"
import { Device } from "../../../device/device.ts"
import { kindOf, resolvePlan } from "../../../kinds/index.ts"
import { OwnPlotLibrary } from "../../../output/index.ts"
import { readPlan } from "../../../plan/index.ts"
import { Progress, type ProgressEvent } from "../../../run/progress.ts"
import { train } from "../../../train.ts"
import type { Place, StopRequest, TrainingEvent, TrainingRequest } from "./messages.ts"
import { fetchingText, openWorld, type World } from "./world.ts"

/** The log line of an event. */
const trainingEvents = new Set<ProgressEvent["kind"]>(["step", "evaluating", "evaluation"])

/** "loading the weights: 12 of 101 tensors" */
const workText = ({ what, done = 0, of, unit = "" }: Extract<ProgressEvent, { readonly kind: "working" }>): string =>
  of === undefined ? what : `${what}: ${done} of ${of} ${unit}`.trimEnd()

/** What a run says, in lines; steps are in its metrics. */
const lineOf = (event: ProgressEvent): string | undefined => {
  switch (event.kind) {
    case "notice":
      return event.message
    case "evaluation":
      return `step ${event.step}, ${event.split}: ${event.scores}`
    default:
      return undefined
  }
}

export const wasmFolderOf = (base: string): string => new URL("wasm/", base).href

/** Trains from the first step, or resumes; `tell` receives its events. */
export const trainRun = ({ id, plan, resumes }: TrainingRequest, setup: Place, tell: (event: TrainingEvent) => void) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const file = resumes ? path.join(id, "plan.json") : plan
    const read = yield* readPlan(file, [], { ofRun: resumes })
    const kind = yield* kindOf(read.plan)
    const resolved = yield* resolvePlan(kind, read.plan, resumes ? path.basename(id) : read.name)
    tell({ kind: "steps", steps: resolved.steps })
    for (const warning of resolved.warnings) tell({ kind: "line", text: `warning: ${warning}` })
    const { deterministic } = read.plan.training
    const device = layer(setup.device, {
      threads: setup.threads,
      wasmFolder: wasmFolderOf(setup.base),
      deterministic
    })
    return yield* Effect.gen(function* () {
      const { backend, threads, notice } = (yield* Device).describe()
      tell({ kind: "line", text: `device: ${backend}, ${counted(threads, "thread")}` })
      if (notice !== undefined) tell({ kind: "line", text: `note: ${notice}` })
      return yield* train(resolved, resumes ? { resume: id } : { directory: id })
    }).pipe(Effect.provide(device))
  }).pipe(
    Effect.scoped,
    Effect.provideService(OwnPlotLibrary, { script: uPlotScript, style: uPlotStyle }),
    Effect.provideService(Progress, (event) =>
      Effect.sync(() => {
        if (trainingEvents.has(event.kind)) tell({ kind: "training" })
        if (event.kind === "working") tell({ kind: "note", text: workText(event) })
        const text = lineOf(event)
        if (text !== undefined) tell({ kind: "line", text })
      })
    )
  )

/** A run in training. */
export interface Training {
  /** Lets it finish its step and save. */
  readonly stop: () => void
}

export type Train = (run: TrainingRequest, tell: (event: TrainingEvent) => void) => Training

/** Trains in this worker, one run at a time, in a fiber that can be asked to stop; its end is an event. */
export const trainingHere =
  (setup: Place, world: Pick<World, "layer">): Train =>
  (run, tell) => {
    const fiber = Effect.runFork(Effect.provide(trainRun(run, setup, tell), world.layer))
    fiber.addObserver((exit) => {
      if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return tell({ kind: "ended", message: null })
      const failed = exit.cause.reasons.find(Cause.isFailReason)
      if (failed === undefined) console.error(Cause.pretty(exit.cause))
      tell({
        kind: "ended",
        message:
          failed === undefined
            ? "internal error in tfjs-lora-pro; the browser's console has the details"
            : failed.error.message
      })
    })
    return { stop: () => void Effect.runFork(Fiber.interrupt(fiber)) }
  }

const tell = (event: TrainingEvent) => postMessage(event)

/** A worker that trains one run, and is ended by who started it: what it held in memory goes with it. Gives what takes the wish to stop. */
export const openTrainingWorker = async (
  setup: Place,
  run: TrainingRequest
): Promise<(request: StopRequest) => void> => {
  const none = () => {}
  try {
    const world = await openWorld(setup.base, (...fetching) => tell({ kind: "note", text: fetchingText(...fetching) }))
    // then files are in the memory of another worker
    if (world.unkept !== null) throw new Error(world.unkept)
    const training: Training = trainingHere(setup, world)(run, tell)
    return training.stop
  } catch (cause) {
    tell({ kind: "ended", message: messageOf(cause) })
    return none
  }
}
