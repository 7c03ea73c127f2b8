/** Ranks that would compute a run with other numbers than each other's are told before its first step, each with what differs. */
import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { Device } from "../../../src/device/index.ts"
import { resolve } from "../../../src/kinds/index.ts"
import { readPlan } from "../../../src/plan/index.ts"
import { platform } from "../../../src/platform.ts"
import { checkAlike, RanksDiffer } from "../../../src/run/index.ts"
import { tinyPlan, workspace } from "../../e2e/fixtures.ts"
import { ranksInProcess } from "../../ranks.ts"

const w = workspace()
w.model("bert")
w.model("distilbert")
w.write("plan.json", tinyPlan("bert"))
w.write("other-rows.jsonl", `${w.read("train.jsonl")}${w.read("train.jsonl").split("\n")[0]}\n`)

/** Some ranks, each with its own settings of the plan and its own device. */
const checked = (
  ranks: ReadonlyArray<{ readonly settings?: ReadonlyArray<string>; readonly instructions?: string }>,
  mixedDevices = false
) =>
  ranksInProcess(ranks.length)
    .run((rank) =>
      Effect.gen(function* () {
        const { settings = [], instructions } = ranks[rank]!
        const { plan, name } = yield* readPlan(w.path("plan.json"), settings)
        const device = yield* Device
        const described = { ...device.describe(), ...(instructions === undefined ? {} : { instructions }) }
        yield* Effect.result(
          Effect.provideService(checkAlike(yield* resolve(plan, name), mixedDevices), Device, {
            ...device,
            describe: () => described
          })
        ).pipe(Effect.tap((result) => Effect.sync(() => results.push(result))))
      })
    )
    .pipe(Effect.scoped, Effect.provide(Device.layer("cpu")), Effect.provide(platform), Effect.runPromise)

