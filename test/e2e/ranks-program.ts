/** A program for `mpirun` to start: trains plans one after the other, each into the folder of its name. */
import * as NodeRuntime from "@effect/platform-node-shared/NodeRuntime"
import * as Effect from "effect/Effect"
import { onRanks } from "../../src/bin/ranks.ts"
import { Device } from "../../src/device/index.ts"
import { resolve } from "../../src/kinds/index.ts"
import { readPlan } from "../../src/plan/index.ts"
import { platform } from "../../src/platform.ts"
import { train } from "../../src/train.ts"

const trained = (file: string) =>
  Effect.gen(function* () {
    const { plan, name } = yield* readPlan(file)
    return yield* train(yield* resolve(plan, name), { directory: name })
  }).pipe(Effect.scoped)

NodeRuntime.runMain(
  Effect.forEach(process.argv.slice(2), trained, { discard: true }).pipe(
    onRanks,
    Effect.tapError(({ message }) => Effect.sync(() => console.error(message))),
    Effect.provide(Device.layer("wasm", { threads: 1 })),
    Effect.provide(platform)
  ),
  { disableErrorReporting: true }
)
