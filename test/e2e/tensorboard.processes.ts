/**
 * `output.tensorboard`: event files that say what metrics.jsonl says, also of a run that was interrupted, cut off in the middle of a
 * record, and resumed. Read by an own reader, and by Python's TensorBoard where there is one (`PYTHON=…`; REQUIRE_TENSORBOARD=1 makes it
 * a failure that there is none).
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { readdirSync, statSync, truncateSync } from "node:fs"
import { join } from "node:path"
import { keptScalars } from "../src/output/event-file.ts"
import { run, succeed, TIMEOUT, workspace } from "./fixtures.ts"
import { busyPlan, metricsOf } from "./runs.ts"
import { atStep, complete, trainHere } from "./train-here.ts"

const w = workspace()
const STEPS = 8
const whole = "runs/whole"
const cut = "runs/cut"

const eventsIn = (folder: string) =>
  readdirSync(w.path(folder))
    .filter((name) => name.includes("tfevents"))
    .sort()
    .map((name) => w.path(join(folder, name)))

beforeAll(async () => {
  w.model("bert")
  const output = { checkpointEvery: 2, keep: "last", tensorboard: true }
  w.write("plan.json", busyPlan("bert", STEPS, { output }))
  await complete(w, "plan.json", whole)
  await trainHere(w, "plan.json", { directory: cut, until: atStep(3) })
  await trainHere(w, "plan.json", { resume: cut, until: atStep(5) })
  // as a process leaves it that is killed while it writes
  const last = eventsIn(cut).at(-1)!
  truncateSync(last, statSync(last).size - 7)
  expect((await trainHere(w, "plan.json", { resume: cut })).exit._tag).toBe("Success")
}, TIMEOUT)

type Curves = Readonly<Record<string, ReadonlyArray<readonly [number, number]>>>

/** What metrics.jsonl says of the losses, the rates and the evaluations. */
const expected = (folder: string): Curves => {
  const rows = metricsOf(w, folder)
  const curve = (field: string, ...is: ReadonlyArray<readonly [string, unknown]>) =>
    rows.flatMap((row) =>
      is.every(([key, value]) => row[key] === value)
        ? [[Number(row["step"]), Math.fround(Number(row[field]))] as const]
        : []
    )
  return {
    "train/loss": curve("loss", ["kind", "step"]),
    "train/learningRate": curve("learningRate", ["kind", "step"]),
    "validation/accuracy": curve("accuracy", ["split", "validation"], ["rows", 5]),
    "test/loss": curve("loss", ["split", "test"], ["rows", 5])
  }
}

const selected = (curves: Curves, like: Curves) =>
  Object.fromEntries(Object.keys(like).map((tag) => [tag, curves[tag]]))

describe.each([whole, cut])("%s", (folder) => {
  test("has the numbers of metrics.jsonl, each once", () => {
    const like = expected(folder)
    expect(like["train/loss"]).toHaveLength(STEPS)
    expect(like["validation/accuracy"]!.length).toBeGreaterThan(1)
    expect(selected(Object.fromEntries(keptScalars(eventsIn(folder))), like)).toEqual(like)
    expect(eventsIn(folder)).toHaveLength(folder === whole ? 1 : 3)
  })
})

const python = process.env["PYTHON"] ?? "python3"
const imports = Bun.which(python)
  ? await run([python, "-c", "import tensorboard.backend.event_processing.event_multiplexer"], { cwd: w.directory })
  : { code: 127, stdout: "", stderr: `there is no ${python}` }
if (imports.code !== 0) {
  const reason = imports.stderr.trim().split("\n").at(-1)
  if (process.env["REQUIRE_TENSORBOARD"] === "1") throw new Error(`REQUIRE_TENSORBOARD=1, but ${python}: ${reason}`)
  console.warn(`no TensorBoard in ${python} (${reason}): it does not read the event files here`)
}

test.skipIf(imports.code !== 0)(
  "TensorBoard reads both by the runs' names, as they are",
  async () => {
    const script = join(import.meta.dir, "tensorboard_read.py")
    const { stdout } = await succeed(run([python, script, w.path("runs")], { cwd: w.directory }))
    const found = JSON.parse(stdout) as Record<
      string,
      { readonly scalars: Curves; readonly texts: Record<string, string> }
    >
    expect(Object.keys(found).sort()).toEqual(["cut", "whole"])
    for (const folder of [whole, cut]) {
      const like = expected(folder)
      const { scalars, texts } = found[folder.slice("runs/".length)]!
      expect(selected(scalars, like)).toEqual(like)
      expect(JSON.parse(texts["plan"]!)).toEqual(JSON.parse(w.read(`${folder}/plan.json`)))
    }
  },
  TIMEOUT
)
