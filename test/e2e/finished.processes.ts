/**
 * A finished run has no checkpoints, and until its results are safe it has them: killed before each step of its finishing it is
 * resumed to the same results.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import type { FaultDescription } from "./faulty-cli.ts"
import { jsonLines, onWasm, succeed, TIMEOUT, tinyRows, workspace } from "./fixtures.ts"
import { adapterOf, busyPlan, launchFaulty, metricsOf } from "./runs.ts"

const w = workspace()
const STEPS = 6
const whole = "whole/run"
const PAUSE = 20_000 // milliseconds; the kill comes before

const files = (folder: string) => readdirSync(w.path(folder)).sort()
const checkpointsIn = (folder: string) =>
  existsSync(w.path(`${folder}/checkpoints`)) ? readdirSync(w.path(`${folder}/checkpoints`)).sort() : []
const resume = (folder: string, ...args: ReadonlyArray<string>) =>
  w.cli(["train", "--resume", folder, ...args, ...onWasm])

beforeAll(async () => {
  w.model("bert")
  w.write("run.json", busyPlan("bert", STEPS, { output: { checkpointEvery: 2 } }))
  await succeed(w.cli(["train", "run.json", "--out", whole, ...onWasm]))
}, TIMEOUT)

describe("a finished run", () => {
  test("keeps its plan, metrics, adapter and report, and no checkpoint", () => {
    expect(files(whole)).toEqual(["adapter", "metrics.jsonl", "plan.json", "report.html", "run.json"])
    expect(w.json(`${whole}/run.json`)["stateBytes"]).toBeGreaterThan(0)
  })

  test(
    "is said to be finished, and is held against the plan and the rows that run.json records",
    async () => {
      const { code, stderr } = await resume(whole)
      expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining("is finished after 6 steps") })
      const other = await resume(whole, "--set", "adapter.rank=2")
      expect(other.stderr).toContain("adapter.rank: trained with 4, now 2")
      const rows = w.read("train.jsonl")
      w.write("train.jsonl", jsonLines(tinyRows(24).toReversed()))
      expect((await resume(whole)).stderr).toContain("data.train: trained with SHA-256")
      w.write("train.jsonl", rows)
      const longer = await resume(whole, "--set", "training.steps=12")
      expect(longer.stderr).toContain("finished after 6 steps and has no complete checkpoint to resume from")
      expect(longer.stderr).toContain("output.keepCheckpoints")
      const shorter = await resume(whole, "--set", "training.steps=3")
      expect(shorter.stderr).toContain("training.steps: 6 steps are already trained, but the plan now asks for 3")
    },
    TIMEOUT
  )

  test(
    "keeps as many as output.keepCheckpoints says, and goes on from them",
    async () => {
      await succeed(w.cli(["train", "run.json", "--set", "output.keepCheckpoints=1", "--out", "kept", ...onWasm]))
      // the newest, and that of the best evaluation
      expect(checkpointsIn("kept").at(-1)).toBe("step-00000006")
      await succeed(resume("kept", "--set", "training.steps=8"))
      expect(checkpointsIn("kept").at(-1)).toBe("step-00000008")
    },
    TIMEOUT
  )
})

describe("killed before", () => {
  /** each step of finishing, and what is left of the run's checkpoints and results then */
  const moments: Readonly<
    Record<string, readonly [FaultDescription, { readonly whole: number; readonly report: boolean }]>
  > = {
    "the adapter gets its name": [
      { operation: "rename", path: "adapter_model.safetensors" },
      { whole: 3, report: false }
    ],
    "the head gets its name": [
      { operation: "rename", path: "head.safetensors" },
      { whole: 3, report: false }
    ],
    "run.json is flushed": [
      { operation: "sync", path: "run.json" },
      { whole: 3, report: false }
    ],
    "run.json gets its name": [
      { operation: "rename", path: "run.json" },
      { whole: 3, report: false }
    ],
    "the model card gets its name": [
      { operation: "rename", path: "README.md" },
      { whole: 3, report: true }
    ],
    "the page gets its name": [
      { operation: "rename", path: "report.html" },
      { whole: 3, report: true }
    ],
    "the results are flushed": [
      { operation: "open", path: "adapter$" },
      { whole: 3, report: true }
    ],
    "the first checkpoint is set aside": [
      { operation: "rename", path: "step-00000003.tmp-\\d+$" },
      { whole: 3, report: true }
    ],
    "the first checkpoint is removed": [
      { operation: "remove", path: "step-00000003.tmp-\\d+$", after: 1 },
      { whole: 2, report: true }
    ],
    "the last checkpoint is set aside": [
      { operation: "rename", path: "step-00000006.tmp-\\d+$" },
      { whole: 1, report: true }
    ],
    "the last checkpoint is removed": [
      { operation: "remove", path: "step-00000006.tmp-\\d+$", after: 1 },
      { whole: 0, report: true }
    ],
    "their folder is removed": [
      { operation: "remove", path: "checkpoints$" },
      { whole: 0, report: true }
    ]
  }

  Object.entries(moments).forEach(([name, [fault, left]], i) => {
    test(
      name,
      async () => {
        const folder = `moment-${i}/run`
        const run = launchFaulty(w, { ...fault, milliseconds: PAUSE }, "train", "run.json", "--out", folder)
        await run.said("fault: ")
        run.kill("SIGKILL")
        await run.ended
        const complete = checkpointsIn(folder).filter((name) => /^step-\d+$/.test(name))
        expect({ whole: complete.length, report: existsSync(w.path(`${folder}/run.json`)) }).toEqual(left)
        await succeed(resume(folder))
        expect(files(folder)).toEqual(files(whole))
        expect({ adapter: adapterOf(w, folder), metrics: metricsOf(w, folder) }).toEqual({
          adapter: adapterOf(w, whole),
          metrics: metricsOf(w, whole)
        })
      },
      TIMEOUT
    )
  })
})

test(
  "an adapter that run.json does not vouch for keeps its checkpoints, and what is not a checkpoint stays",
  async () => {
    const folder = "edited"
    await succeed(w.cli(["train", "run.json", "--set", "output.keepCheckpoints=2", "--out", folder, ...onWasm]))
    const head = w.bytes(`${folder}/adapter/head.safetensors`)
    writeFileSync(w.path(`${folder}/checkpoints/notes.txt`), "mine")
    // the plan is another from now on: output may differ
    const plan = w.read(`${folder}/plan.json`).replace(/,\s*"keepCheckpoints": 2/, "")
    w.write(`${folder}/plan.json`, plan)
    rmSync(w.path(`${folder}/adapter/head.safetensors`))
    await succeed(resume(folder))
    expect(checkpointsIn(folder).length).toBeGreaterThan(2)
    writeFileSync(w.path(`${folder}/adapter/head.safetensors`), head)
    await succeed(resume(folder))
    expect(checkpointsIn(folder)).toEqual(["notes.txt"])
  },
  TIMEOUT
)
