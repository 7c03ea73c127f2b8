/** A run that learns nothing says so, when it can be known and at its end, and what to change; a resumed one says the same. */
import { beforeAll, describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { Device } from "../../src/device/index.ts"
import { resolve } from "../../src/kinds/index.ts"
import { readPlan } from "../../src/plan/index.ts"
import { platform } from "../../src/platform.ts"
import { Progress, type ProgressEvent } from "../../src/run/index.ts"
import { trainInMemory } from "../../src/run/train-in-memory.ts"
import type { Warning } from "../../src/training/course.ts"
import { onWasm, succeed, TIMEOUT, tinyPlan, workspace } from "./fixtures.ts"
import { resultsOf } from "./runs.ts"
import { atStep, trainHere } from "./train-here.ts"

const w = workspace()
const STEPS = 36
const THIRD = 12
/** of the toy: its loss falls from 1.1 to 0.1 */
const RATE = 1e-2
const rates = { healthy: RATE, large: 1000 * RATE, small: 1e-6 * RATE }

const warningsOf = (run: string) => w.json(`${run}/run.json`)["warnings"] as ReadonlyArray<Warning>
const page = (run: string) => w.read(`${run}/report.html`)

const said: Record<string, { readonly notices: ReadonlyArray<string> }> = {}
beforeAll(async () => {
  w.model("minilm")
  for (const [name, learningRate] of Object.entries(rates)) {
    const training = { steps: STEPS, batchSize: 4, evaluateEvery: "never" }
    w.write(`${name}.json`, tinyPlan("minilm", { optimizer: { kind: "adamw", learningRate }, training }))
    said[name] = await trainHere(w, `${name}.json`, { directory: name })
  }
}, TIMEOUT)

const early = (name: string) => said[name]!.notices.filter((notice) => notice.startsWith("warning:"))

test("a healthy run says nothing", () => {
  expect(early("healthy")).toEqual([])
  expect(warningsOf("healthy")).toEqual([])
  expect(page("healthy")).not.toContain("Warning:")
})

test("a rate a thousand times too large, after a third of the steps: lower it", () => {
  expect(early("large")).toHaveLength(1)
  expect(early("large")[0]).toStartWith(`warning: after ${THIRD} of ${STEPS} steps the training loss has not fallen`)
  expect(early("large")[0]).toContain(
    "the learning rate is too high: try optimizer.learningRate 100 times smaller (0.1 instead of 10)"
  )
  expect(warningsOf("large")[0]).toMatchObject({ about: "loss", step: THIRD })
})

test("a rate a million times too small: raise it, by as much", () => {
  expect(early("small")).toHaveLength(1)
  const [{ about, says, advice }] = warningsOf("small") as readonly [Warning]
  expect(early("small")).toEqual([`warning: ${says}; ${advice}`])
  expect(about).toBe("loss")
  const [, factor, rate] = /hardly changed: try optimizer.learningRate ([\d,]+) times larger \((\S+) instead/.exec(
    advice
  )!
  expect(Number(factor!.replaceAll(",", ""))).toBeWithin(1e5, 1e7 + 1)
  expect(Number(rate)).toBeWithin(RATE / 10, RATE * 10 + 1)
})

test("the score at the end is a warning with advice too; all stand in the page, and the terminal's last lines", async () => {
  const warnings = warningsOf("large")
  expect(warnings.map(({ about }) => about)).toEqual(["loss", "score"])
  expect(warnings[1]!.says).toStartWith("the model is no better than always")
  for (const { says } of warnings) expect(page("large")).toContain(`Warning: ${says}`)
  // a finished run tells what it told
  const { stdout } = await succeed(w.cli(["train", "--resume", "large", ...onWasm]))
  for (const { says, advice } of warnings) expect(stdout).toContain(`warning: ${says}; ${advice}`)
})

test("trained in memory, it tells and returns the same", async () => {
  const notices: Array<string> = []
  const tell = (event: ProgressEvent) =>
    Effect.sync(() => void (event.kind === "notice" && notices.push(event.message)))
  const { warnings } = await Effect.gen(function* () {
    const { plan, name } = yield* readPlan(w.path("small.json"))
    return yield* trainInMemory(yield* resolve(plan, name), { directory: w.path("memory") })
  }).pipe(
    Effect.scoped,
    Effect.provideService(Progress, tell),
    Effect.provide(Device.layer("wasm", { threads: 1 })),
    Effect.provide(platform),
    Effect.runPromise
  )
  expect(warnings).toEqual(warningsOf("small"))
  expect(notices).toEqual(early("small"))
})

describe("interrupted and resumed, a run says what it would have said", () => {
  for (const [when, step] of [
    ["before", THIRD - 3],
    ["after", THIRD + 3]
  ] as const) {
    test(
      `${when} the third of its steps`,
      async () => {
        const cut = `cut-${when}`
        await trainHere(w, "small.json", { directory: cut, until: atStep(step) })
        const { notices } = await trainHere(w, "small.json", { resume: cut })
        expect(warningsOf(cut)).toEqual(warningsOf("small"))
        // what was said before is not said again on the way
        expect(notices.filter((notice) => notice.startsWith("warning:"))).toHaveLength(when === "before" ? 1 : 0)
        expect(resultsOf(w, cut).report).toEqual(resultsOf(w, "small").report)
      },
      TIMEOUT
    )
  }
})
