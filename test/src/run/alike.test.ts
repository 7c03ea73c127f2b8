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
w.write("plan.json", tinyPlan("bert"))
w.write("other-rows.jsonl", `${w.read("train.jsonl")}${w.read("train.jsonl").split("\n")[0]}\n`)

interface Rank {
  readonly settings?: ReadonlyArray<string>
  readonly instructions?: string
}

/** What each of some ranks is told, which have their own settings of the plan and their own devices; null: nothing. */
const told = (ranks: ReadonlyArray<Rank>, mixedDevices = false) =>
  ranksInProcess(ranks.length)
    .run((rank) =>
      Effect.gen(function* () {
        const { settings = [], instructions } = ranks[rank]!
        const { plan, name } = yield* readPlan(w.path("plan.json"), settings)
        const device = yield* Device
        const described = { ...device.describe(), ...(instructions === undefined ? {} : { instructions }) }
        const own = Effect.provideService(checkAlike(yield* resolve(plan, name), mixedDevices), Device, {
          ...device,
          describe: () => described
        })
        return yield* Effect.match(own, {
          onSuccess: () => null,
          onFailure: (error) => (error instanceof RanksDiffer ? error.message : `not this: ${error.message}`)
        })
      })
    )
    .pipe(Effect.scoped, Effect.provide(Device.layer("cpu")), Effect.provide(platform), Effect.runPromise)

const everyone = (size: number, message: string | null) => Array.from({ length: size }, () => message)

test("ranks that are alike are told nothing", async () => {
  expect(await told([{}, {}, {}])).toEqual(everyone(3, null))
  expect(await told([{ settings: ["data.train=other-rows.jsonl"] }])).toEqual([null])
})

test("other rows are told to all, with the rank and the file", async () => {
  const other = { settings: ["data.train=other-rows.jsonl"] }
  const [message, ...rest] = await told([{}, {}, other])
  expect(rest).toEqual([message!, message!])
  expect(message!.split("\n")).toEqual([
    "the processes of this run differ in settings that affect its results:",
    expect.stringMatching(/^ {2}rank 2: data\.train: SHA-256 [0-9a-f]{12}…, on rank 0 SHA-256 [0-9a-f]{12}…$/),
    "expected the same on all of them: give every machine the same files"
  ])
})

test("another plan is told with the fields that differ; where its files and its run folder are may", async () => {
  const [message, ...rest] = await told([{}, { settings: ["adapter.rank=2", "seed=5"] }])
  expect(rest).toEqual([message!])
  expect(message!.split("\n")).toEqual([
    "the processes of this run differ in settings that affect its results:",
    "  rank 1: seed is 5, on rank 0 1",
    "  rank 1: adapter.rank is 2, on rank 0 4",
    "expected the same on all of them: give every process the same plan and the same settings"
  ])
  w.write("copied.jsonl", w.read("train.jsonl"))
  const elsewhere = { settings: ["data.train=copied.jsonl", "output.directory=elsewhere"] }
  expect(await told([{}, elsewhere])).toEqual(everyone(2, null))
})

test("so are files that only some ranks have", async () => {
  const [message] = await told([{}, { settings: ["data.validation=other-rows.jsonl"] }])
  expect(message).toMatch(
    /\n {2}rank 1: data\.validation: SHA-256 [0-9a-f]{12}…, on rank 0 (no such file|SHA-256 .*)\n/
  )
})

test("other devices are refused unless they are meant", async () => {
  const ranks = [{ instructions: "avx512" }, { instructions: "avx2" }]
  const [message] = await told(ranks)
  expect(message).toContain("\n  rank 1: it uses cpu avx2, rank 0 uses cpu avx512\n")
  expect(message).toContain("--mixed-devices")
  expect(await told(ranks, true)).toEqual(everyone(2, null))
})
