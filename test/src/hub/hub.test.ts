/** The Hub as a service: a program's own takes the place of the cache's, for models and for rows. */
import { expect, test } from "bun:test"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { firstRows, memoryFiles } from "../../../src/data/index.ts"
import { Hub, HubError } from "../../../src/hub/index.ts"
import { describe as describeModel } from "../../../src/models/describe.ts"
import { platform } from "../../../src/platform.ts"
import { goldens } from "../models/golden.ts"

const asked: Array<string> = []
const golden = (address: string) =>
  Effect.sync(() => {
    asked.push(address)
    return join(goldens, "models", address.split("/").at(-1)!)
  })
const rows = join(goldens, "parquet/tiny/train-0.parquet")

const testHub = Layer.succeed(Hub)({
  model: golden,
  config: golden,
  adapter: golden,
  dataset: (address) => Effect.as(golden(address), [rows]),
  upload: ({ repository }) => Effect.fail(new HubError({ source: repository, problems: ["nothing is sent"] }))
})
const run = <A, E>(effect: Effect.Effect<A, E, Layer.Success<typeof platform>>) =>
  Effect.runPromise(effect.pipe(Effect.provide(testHub), Effect.provide(platform)))

test("a model and rows are where the program's Hub says", async () => {
  const options = { pooling: "mean", head: "new", labels: ["a", "b"] } as const
  const { folder } = await run(describeModel("hf:lab/bert", options))
  expect(folder).toBe(join(goldens, "models/bert"))
  expect(await run(firstRows("hf:datasets/lab/films", 2))).toEqual(await run(firstRows(rows, 2)))
  expect(asked).toEqual(["hf:lab/bert", "hf:datasets/lab/films"])
})

test("files in memory have a Hub that rejects every address", async () => {
  const { layer } = memoryFiles()
  const failure = (program: (hub: Hub["Service"]) => Effect.Effect<unknown, HubError>) =>
    Effect.runPromise(Hub.use((hub) => Effect.flip(program(hub))).pipe(Effect.provide(layer)))
  expect((await failure((hub) => hub.model("hf:lab/bert"))).message).toBe(
    "hf:lab/bert: a browser page has no Hub cache; pass the model's files with fetchFiles"
  )
  expect((await failure((hub) => hub.dataset("hf:datasets/lab/films", "train"))).message).toContain("the file of rows")
})

test("without a Hub, rows of an address are not found, and the message says what provides one", async () => {
  const program = Effect.flip(firstRows("hf:datasets/lab/films", 2))
  expect((await Effect.runPromise(program)).message).toContain("the program provides no Hub; provide `platform`")
})
