/** Rows by `hf:datasets/owner/name`: which files they are, and a run over them, online, resumed offline, and with what the Hub lacks. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test"
import { existsSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { firstRows, sampledRows } from "../../src/data/index.ts"
import { Hub } from "../../src/hub/index.ts"
import { kinds, resolve } from "../../src/kinds/index.ts"
import { readPlan } from "../../src/plan/index.ts"
import { detect } from "../../src/suggest/index.ts"
import { train } from "../../src/train.ts"
import { COMMIT, type HubServer, startHub } from "../src/hub/hub-server.ts"
import { onDevice } from "../src/output/tiny-run.ts"
import { jsonLines, repository, TIMEOUT, tinyPlan, tinyRows, workspace } from "./fixtures.ts"

const w = workspace()
const parquet = (name: string) => readFileSync(join(repository, "test/golden/parquet/tiny", `${name}.parquet`))
const [first, second] = [parquet("train-0"), parquet("train-1")]
const [validation, tests] = [parquet("validation"), parquet("test")]
const text = (value: string) => new TextEncoder().encode(value)
const CONVERTED = "refs/convert/parquet"

const repositoryOf = (files: Readonly<Record<string, Uint8Array>>, refs: Readonly<Record<string, string>>) => ({
  files,
  large: Object.keys(files).filter((file) => file.endsWith(".parquet")),
  refs
})
const converted = (config: string) => ({
  [`${config}/train/0000.parquet`]: first,
  [`${config}/train/0001.parquet`]: second,
  [`${config}/validation/0000.parquet`]: validation,
  [`${config}/test/0000.parquet`]: tests
})

let hub: HubServer
beforeAll(async () => {
  w.model("bert")
  hub = await startHub({
    "datasets/lab/films": repositoryOf(converted("default"), { main: "b".repeat(40), [CONVERTED]: COMMIT }),
    "datasets/lab/own": repositoryOf(
      {
        "README.md": text("# films"),
        "data/train-00001-of-00002.parquet": second,
        "data/train-00000-of-00002.parquet": first,
        "data/dev-00000-of-00001-abcdef0123456789.parquet": validation,
        "more/rows.jsonl": text(jsonLines(tinyRows(5)))
      },
      { main: COMMIT, v1: COMMIT }
    ),
    "datasets/lab/two": repositoryOf({ ...converted("plain"), ...converted("deep") }, { [CONVERTED]: COMMIT }),
    "datasets/lab/large": repositoryOf({ "default/partial-train/0000.parquet": first }, { [CONVERTED]: COMMIT }),
    "datasets/lab/scripts": repositoryOf({ "rows.py": text("") }, { main: COMMIT })
  })
  w.write("hub.json", tinyPlan("bert", { data: { ...dataOf("hf:datasets/lab/films") } }))
  w.write("files.json", tinyPlan("bert"))
})
afterAll(() => hub.close())
afterEach(() => rmSync(w.path("cache"), { recursive: true, force: true }))

const dataOf = (place: string) => ({
  format: "classification",
  train: place,
  validation: place,
  test: place,
  maxLength: 16
})

/** In a process whose Hub is the fake one. */
const here = <A, E>(
  effect: Parameters<typeof onDevice<A, E>>[0],
  environment: Readonly<Record<string, string>> = {}
): Promise<A> => {
  const env = { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: w.path("cache"), ...environment }
  return onDevice(effect.pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))))
}
const OFFLINE = { HF_HUB_OFFLINE: "1" }

const snapshot = (name: string) => w.path(`cache/datasets--lab--${name}/snapshots/${COMMIT}`)
const found = (address: string, split: "train" | "validation" | "test" = "train", environment = {}) =>
  here(
    Hub.use((hub) => hub.dataset(address, split)),
    environment
  )

test("a split is the Parquet files that the Hub keeps of it, in their order, and nothing else is fetched", async () => {
  const files = ["0000", "0001"].map((part) => join(snapshot("films"), `default/train/${part}.parquet`))
  expect(await found("hf:datasets/lab/films")).toEqual(files)
  expect(files.map((file) => new Uint8Array(readFileSync(file)))).toEqual([first, second].map((b) => new Uint8Array(b)))
  expect(existsSync(join(snapshot("films"), "default/test"))).toBe(false)
  expect(await found("hf:datasets/lab/films/default/test")).toEqual([
    join(snapshot("films"), "default/test/0000.parquet")
  ])
})

test("a data set's own Parquet files are read where the Hub has made none, or a revision is named", async () => {
  for (const address of ["hf:datasets/lab/own", "hf:datasets/lab/own@v1", `hf:datasets/lab/own@${COMMIT}`]) {
    const names = ["00000", "00001"].map((part) => join(snapshot("own"), `data/train-${part}-of-00002.parquet`))
    expect(await found(address)).toEqual(names)
  }
  const [dev] = await found("hf:datasets/lab/own", "validation")
  expect(dev).toEndWith("data/dev-00000-of-00001-abcdef0123456789.parquet")
  const { rows, count } = await here(sampledRows("hf:datasets/lab/own/more/rows.jsonl", 3))
  expect(rows).toEqual([...tinyRows(3)] as never)
  expect(count).toBe(5)
})

test("rows of several files are one split, whose places count on", async () => {
  expect(await here(firstRows("hf:datasets/lab/films", 50))).toEqual([...tinyRows(24)] as never)
  expect(await here(firstRows("hf:datasets/lab/films", 17))).toEqual([...tinyRows(17)] as never)
  expect((await here(sampledRows("hf:datasets/lab/films", 2))).count).toBe(24)
})

const message = async (address: string, environment = {}) =>
  (await here(Effect.flip(Hub.use((hub) => hub.dataset(address, "train"))), environment)).message

test("what the Hub does not have is said with what it has", async () => {
  expect(await message("hf:datasets/lab/two")).toBe(
    "hf:datasets/lab/two: has several configurations: plain, deep; name one: hf:datasets/lab/two/plain"
  )
  expect(await message("hf:datasets/lab/two/shallow")).toContain('has no configuration "shallow": plain, deep')
  expect(await message("hf:datasets/lab/two/deep/dev")).toBe(
    'hf:datasets/lab/two/deep/dev: has no split "dev"; it has train, validation, test: hf:datasets/lab/two/deep/train'
  )
  expect(await message("hf:datasets/lab/large")).toContain('converted only a part of "train" to Parquet')
  expect(await message("hf:datasets/lab/scripts")).toContain("has no Parquet files, and the Hub has not converted it")
  expect(await message("hf:datasets/lab/none")).toContain("no such data set or revision")
  expect(await message("hf:datasets/lab/own/more/other.jsonl")).toContain("has no file more/other.jsonl; it has data/")
  expect(await message("hf:datasets/films")).toContain(
    "is not the address of a data set; expected hf:datasets/owner/name"
  )
  expect(await message("hf:datasets/lab/../x")).toContain("is not the address of a data set")
})

test("without a network a split is whole or not there", async () => {
  expect(await message("hf:datasets/lab/films", OFFLINE)).toContain("is not complete in the cache")
  const files = await found("hf:datasets/lab/films")
  const requests = hub.requests.length
  expect(await found("hf:datasets/lab/films", "train", OFFLINE)).toEqual(files)
  expect(hub.requests.length).toBe(requests)
  // the other splits were not fetched, and a part that is gone is missed
  expect(await message("hf:datasets/lab/films/default/test", OFFLINE)).toContain("is not complete in the cache")
  rmSync(files[1]!)
  expect(await message("hf:datasets/lab/films", OFFLINE)).toContain("is not complete in the cache")
})

test("a download that breaks off is resumed, and damaged bytes are not rows", async () => {
  hub.cuts.push(300)
  expect(await found("hf:datasets/lab/films")).toHaveLength(2)
  rmSync(w.path("cache"), { recursive: true })
  hub.replaced.set("default/train/0001.parquet", new Uint8Array(second.length))
  const problem = await message("hf:datasets/lab/films")
  hub.replaced.clear()
  expect(problem).toContain("default/train/0001.parquet arrived damaged")
})

const trained = (plan: string, directory: string) =>
  Effect.gen(function* () {
    const { plan: read, name } = yield* readPlan(w.path(plan))
    return yield* train(yield* resolve(read, name), { directory: w.path(directory) })
  })

test(
  "a plan's rows from the Hub train what the same rows train from files, and its run knows them by their content",
  async () => {
    await here(trained("files.json", "runs/files"))
    await here(trained("hub.json", "runs/hub"))
    const adapter = (run: string) => w.bytes(`runs/${run}/adapter/adapter_model.safetensors`)
    expect(adapter("hub")).toEqual(adapter("files"))
    expect(w.json("runs/hub/plan.json")["data"]).toMatchObject(dataOf("hf:datasets/lab/films"))
    const { inputs } = w.json("runs/hub/run.json") as { inputs: Record<string, string> }
    const hash = (bytes: Uint8Array | string) => new Bun.CryptoHasher("sha256").update(bytes).digest("hex")
    expect(inputs["data.train"]).toBe(hash(`${hash(first)}\n${hash(second)}`))
    expect(inputs["data.test"]).toBe(hash(tests))
  },
  TIMEOUT
)

test("suggest looks at rows of the Hub as at a file's", async () => {
  const looked = { model: w.path("bert"), data: "hf:datasets/lab/films", columns: {}, dialect: {} }
  const { learnables } = await here(detect(kinds, looked))
  expect(learnables[0]).toMatchObject({ format: "classification" })
})
