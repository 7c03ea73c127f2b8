/** Trained runs of the tiny models in this process, on wasm: a folder as `bun run train` leaves it, in a second. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Device } from "../../../src/device/index.ts"
import type { Sources } from "../../../src/hub/index.ts"
import { resolve } from "../../../src/kinds/index.ts"
import { readPlan } from "../../../src/plan/index.ts"
import { platform } from "../../../src/platform.ts"
import { train } from "../../../src/train.ts"
import { tinyPlan, type Workspace } from "../../e2e/fixtures.ts"

/** Runs a program with files and a wasm device of one thread. */
export const onDevice = <A, E>(effect: Effect.Effect<A, E, Sources | Device | Scope.Scope>): Promise<A> =>
  Effect.runPromise(
    effect.pipe(Effect.scoped, Effect.provide(Device.layer("wasm", { threads: 1 })), Effect.provide(platform))
  )

/** Trains a few steps of a tiny model and returns the run folder. Needs `w.model(model)` before. */
export const trainTiny = async (
  w: Workspace,
  name: string,
  model: string,
  { task, weights, ...sections }: Record<string, unknown> = {}
): Promise<string> => {
  const plan = tinyPlan(w.path(model), { training: { steps: 3, batchSize: 4 }, ...sections })
  const own = { source: model, ...(task ? { task } : {}), ...(weights ? { weights } : {}) }
  const file = w.path(w.write(`${name}.json`, { ...plan, model: own }))
  const directory = w.path(`runs/${name}`)
  await onDevice(
    Effect.gen(function* () {
      const read = yield* readPlan(file)
      return yield* train(yield* resolve(read.plan, read.name), { directory })
    })
  )
  return directory
}
