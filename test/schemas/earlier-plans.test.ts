/** Plans of before: a count in `output.keep` says that one is from then, and what it did not say yet is what was done then. */
import { describe, expect, test } from "bun:test"
import * as Result from "effect/Result"
import { decodeRunPlanResult } from "../../schemas/index.ts"
import { smallest } from "./plans.ts"

const decode = (plan: object) => Result.getOrThrow(decodeRunPlanResult(plan))

describe("a plan whose output.keep is a count", () => {
  test("keeps so many checkpoints, and the last state", () => {
    const { output } = decode({ ...smallest, output: { checkpointEvery: 5, keep: 3 } })
    expect(output).toEqual({ checkpointEvery: 5, keep: "last", keepCheckpoints: 3 })
  })

  test("drew its validation rows from all rows alike, where it held out a share", () => {
    const shared = { ...smallest, data: { ...smallest.data, validation: 0.2 } }
    expect(decode({ ...shared, output: { keep: 2 } }).data).toMatchObject({ holdOut: "random" })
    expect(decode(shared).data).not.toHaveProperty("holdOut")
    expect(decode({ ...smallest, output: { keep: 2 } }).data).not.toHaveProperty("holdOut")
    const chosen = { ...shared, data: { ...shared.data, holdOut: "stratified" } }
    expect(decode({ ...chosen, output: { keep: 2 } }).data).toMatchObject({ holdOut: "stratified" })
  })

  test("decodes to what decodes to itself", () => {
    const plan = decode({ ...smallest, output: { keep: 2 } })
    expect(decode(plan)).toEqual(plan)
  })

  test("is told of a count that is none under the name of now", () => {
    const decoded = decodeRunPlanResult({ ...smallest, output: { keep: 0 } })
    expect(Result.isFailure(decoded) && decoded.failure).toEqual([
      { path: "output.keepCheckpoints", message: "found 0; expected an integer of at least 1" }
    ])
  })
})

describe("a plan whose task says how its head starts", () => {
  const written = (headInit: string) => ({
    ...smallest,
    model: { source: "minilm", task: { kind: "classification", pooling: "pooler", headInit } }
  })

  test.each([
    ["normal", "new"],
    ["zeros", "zeros"],
    ["checkpoint", "checkpoint"]
  ] as const)("%s is model.head %s", (before, now) => {
    const { model } = decode(written(before))
    expect(model).toEqual({
      source: "minilm",
      task: { kind: "classification", pooling: "pooler" },
      head: now,
      weights: "file"
    })
  })

  test("names the field of today for another word", () => {
    const decoded = decodeRunPlanResult(written("random"))
    expect(Result.isFailure(decoded) && decoded.failure).toMatchObject([{ path: "model.head" }])
  })
})

describe("the loss of labelled rows", () => {
  test("has weights by label or balanced ones, and smoothing", () => {
    const balanced = { ...smallest, loss: { classWeights: "balanced" } }
    expect(decode(balanced)).toMatchObject({ loss: { classWeights: "balanced", labelSmoothing: 0 } })
    const weighted = { ...smallest, loss: { classWeights: { good: 2, bad: 0.5 }, labelSmoothing: 0.1 } }
    expect(decode(weighted)).toMatchObject({ loss: weighted.loss })
    expect(decode(smallest)).not.toHaveProperty("loss")
  })

  test("says what it expected", () => {
    const decoded = decodeRunPlanResult({ ...smallest, loss: { classWeights: "even", labelSmoothing: 1 } })
    expect(Result.isFailure(decoded) && decoded.failure).toEqual([
      {
        path: "loss.classWeights",
        message: 'found "even"; expected "balanced", or an object with a weight greater than 0 per label'
      },
      { path: "loss.labelSmoothing", message: "found 1; expected a number from 0 up to, not including, 1" }
    ])
  })

  test("is no section of a plan that learns tokens", () => {
    const decoded = decodeRunPlanResult({
      ...smallest,
      data: { format: "chat", train: "train.jsonl" },
      model: { source: "m.gguf" },
      loss: {}
    })
    expect(Result.isFailure(decoded) && decoded.failure[0]?.path).toBe("loss")
  })
})
