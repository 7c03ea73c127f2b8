/** Options of `Models.load`: a plan's defaults, and all that is wrong with them in a plan's words, before a file is read. */
import { expect, test } from "bun:test"
import { type LoadModelOptions, load, type Model } from "../../../src/models/index.ts"
import { failure, run } from "./golden.ts"

const source = "test/golden/models/bert"
const labels = ["a", "b"]

test("wrong options are reported at once", async () => {
  const options = { source, labels, task: { kind: "classification", pooling: "max" }, seed: -1, weights: "f8" }
  const { message } = await failure(load(options as unknown as LoadModelOptions))
  expect(message.split("\n")).toEqual([
    expect.stringMatching(/^Models\.load: task\.pooling: found "max"; expected .*"mean", "pooler"/),
    expect.stringMatching(/^Models\.load: weights: found "f8"; expected .*"file", "f32", "f16", "int8", "q8", "q4"/),
    "Models.load: seed: found -1; expected an integer of at least 0"
  ])
  const unknown = await failure(load({ source, task: "classification", sed: 1 } as unknown as LoadModelOptions))
  expect(unknown.message).toContain("sed")
})

test("what is left out has a plan's default", async () => {
  const source = "examples/models/minilm"
  const short = await run(load({ source, task: "classification", labels }))
  const long = await run(
    load({ source, task: { kind: "classification", pooling: "mean", head: "new" }, labels, seed: 0, weights: "f32" })
  )
  const headOf = ({ head, weights, packed }: Model) => ({
    head,
    values: head.parameters.map(({ name }) => weights(name).dataSync()),
    packed: packed?.size
  })
  expect(headOf(short)).toEqual(headOf(long))
})
