/** `train` by several ranks within this process, on wasm. Each opens everything for itself, as a process does, and all but the first see nothing of the run folder. */
import { expect } from "bun:test"
import { basename, resolve as pathOf } from "node:path"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import { Device } from "../../src/device/index.ts"
import { resolve } from "../../src/kinds/index.ts"
import { readPlan } from "../../src/plan/index.ts"
import { platform } from "../../src/platform.ts"
import { onFirst } from "../../src/ranks/index.ts"
import { Progress, type ProgressEvent } from "../../src/run/index.ts"
import { train } from "../../src/train.ts"
import { ranksInProcess } from "../ranks.ts"
import type { Workspace } from "./fixtures.ts"
import { resultsOf } from "./runs.ts"

/** Files of a machine that has not this folder. */
const blindTo = (folder: string, files: FileSystem.FileSystem): FileSystem.FileSystem =>
  new Proxy(files, {
    get: (target, name) => {
      const own: unknown = Reflect.get(target, name)
      if (typeof own !== "function") return own
      return (...args: ReadonlyArray<unknown>) => {
        const seen = args.find((one) => typeof one === "string" && pathOf(one).startsWith(folder))
        if (seen !== undefined) throw new Error(`another rank than the first asks for ${seen}`)
        return Reflect.apply(own, target, args)
      }
    }
  })

export interface OnRanks {
  readonly directory?: string
  readonly resume?: string
  /** ends rank 0 where it is heard */
  readonly until?: (event: ProgressEvent) => boolean
  /** where it is heard the last rank is asked to stop */
  readonly asked?: (event: ProgressEvent) => boolean
}

/** How each rank ended, in their order, and what each said. */
export const trainOnRanks = (
  w: Workspace,
  size: number,
  plan: string,
  { directory, resume: from, until, asked }: OnRanks
) =>
  Effect.gen(function* () {
    const { exits: onAll, shapes } = ranksInProcess(size)
    const said = Array.from({ length: size }, (): Array<ProgressEvent> => [])
    const program = (rank: number) =>
      Effect.gen(function* () {
        const listener = (event: ProgressEvent) =>
          Effect.suspend(() => {
            if (event.kind !== "working") said[rank]!.push(event)
            if (asked?.(event)) shapes.at(-1)!.stop.requested = true
            return until?.(event) ? Effect.interrupt : Effect.void
          })
        const read = yield* onFirst(readPlan(w.path(from === undefined ? plan : `${from}/plan.json`)))
        const resolved = yield* resolve(read.plan, from === undefined ? read.name : basename(from))
        const files = yield* FileSystem.FileSystem
        return yield* train(resolved, {
          directory: directory === undefined ? undefined : w.path(directory),
          resume: from === undefined ? undefined : w.path(from)
        }).pipe(
          Effect.provideService(Progress, listener),
          Effect.provideService(FileSystem.FileSystem, rank === 0 ? files : blindTo(w.path(directory ?? from!), files))
        )
      }).pipe(Effect.scoped)
    const exits = yield* onAll(program).pipe(
      Effect.provide(Device.layer("wasm", { threads: 1 })),
      Effect.provide(platform)
    )
    return { exits, said }
  }).pipe(Effect.runPromise)

/** The results of a run, and apart from them the number of its processes. */
export const alike = (w: Workspace, folder: string) => {
  const { report, ...others } = resultsOf(w, folder)
  const { processes, ...rest } = report as Record<string, unknown>
  return { processes, results: { ...others, report: rest } }
}

/** What each rank came to: its value, or its error as a line. */
export const endsOf = (exits: ReadonlyArray<Exit.Exit<unknown, unknown>>) =>
  exits.map((exit) => {
    if (Exit.isSuccess(exit)) return exit.value
    const error = Cause.squash(exit.cause)
    return error instanceof Error ? `${(error as { _tag?: string })._tag}: ${error.message}` : "interrupted"
  })

/** Holds that a run on several ranks leaves what that of one rank left in `1/<name>`, and that every rank returns what rank 0 wrote. */
export const expectSame = async (w: Workspace, plan: string, size: number) => {
  const directory = `${size}/${plan}`
  const { exits, said } = await trainOnRanks(w, size, `${plan}.json`, { directory })
  expect(endsOf(exits).filter((end) => typeof end === "string")).toEqual([])
  const written = w.json(`${directory}/run.json`)
  for (const report of endsOf(exits)) expect(JSON.parse(JSON.stringify(report))).toEqual(written)
  expect(said[0]!.length).toBeGreaterThan(4)
  expect(said.slice(1).flat()).toEqual([])
  const { processes, results } = alike(w, directory)
  expect(results).toEqual(alike(w, `1/${plan}`).results)
  expect(processes).toBe(size)
}
