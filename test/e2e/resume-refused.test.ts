/** Resuming what is finished, what can go on for longer, and what cannot be the same run: that is refused, with nothing changed. */
import { beforeAll, describe, expect, test } from "bun:test"
import { cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { jsonLines, onWasm, succeed, TIMEOUT, tinyRows, workspace } from "./fixtures.ts"
import { busyPlan, hashes, metricsOf, resultsOf, tensorsOf } from "./runs.ts"
import { atStep, complete, trainHere } from "./train-here.ts"

const w = workspace()
const STEPS = 10
beforeAll(async () => {
  w.model("bert")
  w.write("moments.json", busyPlan("bert", STEPS))
  await complete(w, "moments.json", "runs/moments")
}, TIMEOUT)

describe("a run that is finished", () => {
  const resumed = () => w.cli(["train", "--resume", "runs/moments", ...onWasm])

  test(
    "is said to be, in one line, and not a byte of it changes",
    async () => {
      const before = hashes(w, "runs/moments")
      const { code, stdout, stderr } = await resumed()
      expect(code).toBe(0)
      expect(stderr).toContain("runs/moments is finished after 10 steps, and is left unchanged\n")
      expect(stderr).not.toContain("after step")
      expect(stdout).toContain("Gained on test")
      expect(hashes(w, "runs/moments")).toEqual(before)
      // checkpoints are large, and somebody may have thrown them away
      renameSync(w.path("runs/moments/checkpoints"), w.path("kept"))
      expect((await resumed()).stderr).toContain("is finished")
      const longer = await w.cli(["train", "--resume", "runs/moments", "--set", "training.steps=12", ...onWasm])
      expect(longer.code).toBe(1)
      expect(longer.stderr).toContain("finished after 10 steps and has no complete checkpoint to resume from")
      renameSync(w.path("kept"), w.path("runs/moments/checkpoints"))
      expect(hashes(w, "runs/moments")).toEqual(before)
    },
    TIMEOUT
  )

  test(
    "can be longer: k steps, then k more, are 2k steps",
    async () => {
      w.write("longer.json", busyPlan("bert", STEPS, { training: { ...(busyPlan("bert", 4)["training"] as object) } }))
      await succeed(w.cli(["train", "longer.json", "--out", "runs/longer", ...onWasm]))
      const first = metricsOf(w, "runs/longer")
      const args = ["--set", `training.steps=${STEPS}`, ...onWasm]
      await succeed(w.cli(["train", "--resume", "runs/longer", ...args]))
      const [longer, whole] = [resultsOf(w, "runs/longer"), resultsOf(w, "runs/moments")]
      for (const file of ["adapter_model.safetensors", "head.safetensors"]) {
        expect(w.bytes(`runs/longer/adapter/${file}`)).toEqual(w.bytes(`runs/moments/adapter/${file}`))
      }
      expect(tensorsOf(w, "runs/longer")).toEqual(tensorsOf(w, "runs/moments"))
      const steps = (rows: typeof first) => rows.filter(({ kind }) => kind === "step")
      expect(steps(longer.metrics)).toEqual(steps(whole.metrics))
      // what the end of the shorter run reported is still there
      expect(longer.metrics.slice(0, first.length)).toEqual(first)
    },
    TIMEOUT
  )
})

describe("refused, with nothing changed:", () => {
  const cut = "runs/refused"
  beforeAll(async () => {
    w.write("refused.json", busyPlan("bert", STEPS))
    await trainHere(w, "refused.json", { directory: cut, until: atStep(5) })
  }, TIMEOUT)

  /** Resumes `cut` with something changed, and puts it back. What was said. */
  const refusal = async (change: () => void, ...args: ReadonlyArray<string>) => {
    cpSync(w.path(cut), w.path("backup"), { recursive: true })
    change()
    const before = hashes(w, cut)
    const { code, stdout, stderr } = await w.cli(["train", "--resume", cut, ...args, ...onWasm])
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
    expect(stderr).not.toContain("    at ")
    expect(hashes(w, cut)).toEqual(before)
    rmSync(w.path(cut), { recursive: true })
    renameSync(w.path("backup"), w.path(cut))
    return stderr
  }
  /** A file of the workspace, changed for as long as a refusal takes. */
  const without = async (name: string, ask: () => Promise<string>) => {
    renameSync(w.path(name), w.path("away"))
    const said = await ask()
    rmSync(w.path(name), { recursive: true, force: true })
    renameSync(w.path("away"), w.path(name))
    return said
  }
  const plan = (edit: (text: string) => string) => () => w.write(`${cut}/plan.json`, edit(w.read(`${cut}/plan.json`)))

  test(
    "another plan, with every field that differs",
    async () => {
      const edit = (text: string) => text.replace('"rank": 4', '"rank": 2').replace('"seed": 1', '"seed": 2')
      const changes = ["--set", "optimizer.learningRate=0.5", "--set", "model.weights=int8"]
      const stderr = await refusal(plan(edit), ...changes)
      expect(stderr).toContain(`${cut} cannot be resumed: these differ from what its checkpoint was trained with`)
      for (const line of [
        "seed: trained with 1, now 2",
        "adapter.rank: trained with 4, now 2",
        "optimizer.learningRate: trained with 0.01, now 0.5",
        'model.weights: trained with "file", now "int8"'
      ]) {
        expect(stderr).toContain(`    ${line}\n`)
      }
    },
    TIMEOUT
  )

  test(
    "fewer steps than are trained",
    async () => {
      const stderr = await refusal(() => {}, "--set", "training.steps=4")
      expect(stderr).toContain("training.steps: 5 steps are already trained, but the plan now asks for 4")
    },
    TIMEOUT
  )

  test(
    "a plan.json that is no plan, as any plan is",
    async () => {
      expect(await refusal(plan((text) => text.replace('"rank": 4', '"rank": -4')))).toContain("adapter.rank:")
      expect(await refusal(plan((text) => text.slice(0, 40)))).toMatch(/plan\.json:\d+:\d+: not JSON/)
    },
    TIMEOUT
  )

  test(
    "data or a model that is gone",
    async () => {
      const data = await without("train.jsonl", () => refusal(() => {}))
      expect(data).toContain("train.jsonl: no such file")
      const model = await without("bert", () => refusal(() => {}))
      expect(model).toContain("bert")
    },
    TIMEOUT
  )

  test(
    "data or weights that are others",
    async () => {
      const rows = await without("train.jsonl", () => {
        w.write("train.jsonl", jsonLines(tinyRows(24).toReversed()))
        return refusal(() => {})
      })
      expect(rows).toMatch(/\n {4}data\.train: trained with SHA-256 [0-9a-f]{12}…, now SHA-256 [0-9a-f]{12}…\n/)
      const weights = await without("bert/model.safetensors", () => {
        const bytes = w.bytes("away")
        bytes[bytes.length - 1]! ^= 1
        writeFileSync(w.path("bert/model.safetensors"), bytes)
        return refusal(() => {})
      })
      expect(weights).toMatch(/\n {4}model\/model\.safetensors: trained with SHA-256/)
    },
    TIMEOUT
  )

  test(
    "what is no run folder, and a plan beside --resume",
    async () => {
      mkdirSync(w.path("empty"), { recursive: true })
      for (const directory of ["empty", "train.jsonl", "nowhere"]) {
        const { code, stderr } = await w.cli(["train", "--resume", directory, ...onWasm])
        expect(code).toBe(1)
        expect(stderr).toContain(`${directory} is not a run folder: it has no plan.json`)
      }
      const { code, stderr } = await w.cli(["train", "refused.json", "--resume", cut])
      expect(code).toBe(1)
      expect(stderr).toContain("remove the plan and --out")
    },
    TIMEOUT
  )

  test(
    "and after all that it goes on",
    async () => {
      await succeed(w.cli(["train", "--resume", cut, ...onWasm]))
      expect(tensorsOf(w, cut)).toEqual(tensorsOf(w, "runs/moments"))
    },
    TIMEOUT
  )
})
