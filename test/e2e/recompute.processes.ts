/** `training.recompute` costs time for memory and nothing else: whatever it says, and whenever it is changed, the run is the same. */
import { beforeAll, describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { TIMEOUT, workspace } from "./fixtures.ts"
import { adapterOf, busyPlan, metricsOf } from "./runs.ts"
import { atStep, complete, trainHere } from "./train-here.ts"

const w = workspace()
beforeAll(() => {
  for (const model of ["bert", "roberta", "distilbert", "modernbert"] as const) w.model(model)
})

const STEPS = 6

const planOf = (model: string, recompute: "none" | "blocks") => {
  const plan = busyPlan(model, STEPS, { adapter: { method: "lora", rank: 4, alpha: 8, dropout: 0.2 } })
  return { ...plan, training: { ...(plan["training"] as object), recompute } }
}

const outcome = (folder: string) => ({ adapter: adapterOf(w, folder), metrics: metricsOf(w, folder) })

/** How many kernels run meanwhile: what shows that something was computed again. */
const kernelsOf = async (f: () => Promise<void>): Promise<number> => {
  const engine = tf.engine() as unknown as { runKernel: (...call: ReadonlyArray<unknown>) => unknown }
  const { runKernel } = engine
  let kernels = 0
  engine.runKernel = (...call) => {
    kernels += 1
    return runKernel.apply(engine, [...call])
  }
  await f().finally(() => (engine.runKernel = runKernel))
  return kernels
}

describe("the same adapter and the same metrics:", () => {
  for (const model of ["bert", "roberta", "distilbert", "modernbert"]) {
    test(
      model,
      async () => {
        const trained = (recompute: "none" | "blocks") => {
          // under one name, which stands in the model card
          const file = w.write(`plan-of-${model}.json`, planOf(model, recompute))
          return kernelsOf(() => complete(w, file, `${recompute}-${model}`))
        }
        const kernels = await trained("none")
        expect(await trained("blocks")).toBeGreaterThan(kernels)
        expect(w.json(`blocks-${model}/plan.json`)).toMatchObject({ training: { recompute: "blocks" } })
        expect(w.json(`none-${model}/adapter/adapter_config.json`)).toMatchObject({ lora_dropout: 0.2 })
        expect(Object.keys(outcome(`none-${model}`).adapter).length).toBeGreaterThan(2)
        expect(outcome(`blocks-${model}`)).toEqual(outcome(`none-${model}`))
      },
      TIMEOUT
    )
  }

  test(
    "bert, interrupted and resumed with the other",
    async () => {
      w.write("plan-of-bert.json", planOf("bert", "none"))
      await trainHere(w, "plan-of-bert.json", { directory: "changed/plan-of-bert", until: atStep(3) })
      const plan = w.json("changed/plan-of-bert/plan.json")
      w.write("changed/plan-of-bert/plan.json", {
        ...plan,
        training: { ...(plan["training"] as object), recompute: "blocks" }
      })
      await complete(w, "plan-of-bert.json", "changed/plan-of-bert", { resume: "changed/plan-of-bert" })
      expect(outcome("changed/plan-of-bert")).toEqual(outcome("none-bert"))
    },
    TIMEOUT
  )
})
