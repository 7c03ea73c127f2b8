/** A run that finds its own rate is the run with these numbers in its plan, however often it is interrupted, and says what it found. */
import { expect, test } from "bun:test"
import { succeed, TIMEOUT, tinyPlan, workspace } from "./fixtures.ts"
import { metricsOf, resultsOf, tensorsOf } from "./runs.ts"
import { atStep, complete, trainHere } from "./train-here.ts"

const w = workspace()
const sections = {
  training: { steps: 4, batchSize: 4, accumulate: 2 },
  output: { checkpointEvery: 1, keepCheckpoints: 4 }
}

test(
  "found, written, resumed: the same bytes",
  async () => {
    w.model("minilm")
    const auto = w.write(
      "auto.json",
      tinyPlan("minilm", { ...sections, optimizer: { kind: "lora-pro", learningRate: "auto" } })
    )
    const { notices } = await trainHere(w, auto, { directory: "runs/auto" })
    const { rate } = w.json("runs/auto/run.json") as never as {
      readonly rate: { readonly learningRate: number; readonly headLearningRate: number; readonly reason: string }
    }
    const { learningRate, headLearningRate } = rate
    expect(notices.filter((notice) => notice.startsWith("learning rate "))).toEqual([
      `${rate.reason} (4 forward passes and 1 gradient)`
    ])
    expect(w.read("runs/auto/report.html")).toContain(rate.reason)
    expect(w.read("runs/auto/adapter/README.md")).toContain(rate.reason)
    expect(w.json("runs/auto/plan.json")).toMatchObject({ optimizer: { learningRate: "auto" } })

    const written = w.write(
      "written.json",
      tinyPlan("minilm", { ...sections, optimizer: { kind: "lora-pro", learningRate, headLearningRate } })
    )
    await complete(w, written, "runs/written")
    expect(metricsOf(w, "runs/written")).toEqual(metricsOf(w, "runs/auto"))
    expect(tensorsOf(w, "runs/written").length).toBe(4)
    expect(resultsOf(w, "runs/written").adapter["adapter_model.safetensors" as never]).toEqual(
      resultsOf(w, "runs/auto").adapter["adapter_model.safetensors" as never]
    )

    await trainHere(w, auto, { directory: "runs/cut", until: atStep(1) })
    const again = await trainHere(w, auto, { resume: "runs/cut", until: atStep(3) })
    // what was found is not looked for again
    expect(again.notices.filter((notice) => notice.startsWith("learning rate "))).toEqual([])
    await complete(w, auto, "runs/cut", { resume: "runs/cut" })
    expect(resultsOf(w, "runs/cut")).toEqual(resultsOf(w, "runs/auto"))

    // before a weight is read
    const { stdout } = await succeed(w.cli(["validate", "auto.json"]))
    expect(stdout).toContain(
      "rate       determined on the rows of the first step, with one gradient and at most 6 forward passes (the cost of 3 to 5 steps)"
    )
  },
  TIMEOUT
)
