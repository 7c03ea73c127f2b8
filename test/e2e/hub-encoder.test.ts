/** A classifier over `hf:owner/name`: trained, used and named as over a folder; from the cache alone where the Hub is away. */
import { afterAll, beforeAll, expect, test } from "bun:test"
import { existsSync } from "node:fs"
import { join } from "node:path"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { kinds, resolve } from "../../src/kinds/index.ts"
import { readPlan } from "../../src/plan/index.ts"
import { detect } from "../../src/suggest/index.ts"
import { train } from "../../src/train.ts"
import { loadRun } from "../../src/trained/index.ts"
import { COMMIT, type HubServer, startHub } from "../src/hub/hub-server.ts"
import { onDevice } from "../src/output/tiny-run.ts"
import { TIMEOUT, tinyPlan, workspace } from "./fixtures.ts"

const w = workspace()
const frontDoor = join(import.meta.dirname, "../data/front-door")
const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

let hub: HubServer
beforeAll(async () => {
  w.model("bert")
  const model = ["config.json", "tokenizer.json", "model.safetensors"]
  const files = Object.fromEntries(model.map((name) => [name, w.bytes(`bert/${name}`)]))
  const beside = { "modules.json": json([]), "1_Pooling/config.json": json({}), "onnx/model.onnx": json(0) }
  const old = { "config.json": files["config.json"]!, "pytorch_model.bin": json(0) }
  hub = await startHub({
    "lab/tiny": { files: { ...files, ...beside }, large: ["model.safetensors"], refs: { main: COMMIT } },
    "lab/english": {
      files: { ...files, "README.md": new TextEncoder().encode("---\nlanguage: en\n---\n# English\n") },
      large: ["model.safetensors"],
      refs: { main: COMMIT }
    },
    "lab/old": { files: old, large: [], refs: { main: COMMIT } }
  })
  for (const name of ["tiny", "old"]) w.write(`${name}.json`, tinyPlan(`hf:lab/${name}`))
  w.write("folder.json", tinyPlan("bert"))
})
afterAll(() => hub.close())

/** In a process whose Hub is the fake one. */
const here = <A, E>(
  effect: Parameters<typeof onDevice<A, E>>[0],
  environment: Readonly<Record<string, string>> = {}
): Promise<A> => {
  const env = { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: w.path("cache"), ...environment }
  return onDevice(effect.pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))))
}

const trained = (plan: string, directory: string) =>
  Effect.gen(function* () {
    const { plan: read, name } = yield* readPlan(w.path(plan))
    return yield* train(yield* resolve(read, name), { directory: w.path(directory) })
  })
const adapter = (folder: string) => w.bytes(`${folder}/adapter/adapter_model.safetensors`)

test(
  "trains the adapter of the same folder, and calls the base by its name on the Hub",
  async () => {
    await here(trained("tiny.json", "runs/hub"))
    await here(trained("folder.json", "runs/folder"))
    expect(adapter("runs/hub")).toEqual(adapter("runs/folder"))
    expect(w.json("runs/hub/plan.json")["model"]).toMatchObject({ source: "hf:lab/tiny" })
    const { inputs, base } = w.json("runs/hub/run.json") as Record<"inputs" | "base", Record<string, unknown>>
    expect(w.json("runs/folder/run.json")).toMatchObject({ inputs })
    expect(base["path"]).toBe("lab/tiny")
    expect(w.json("runs/hub/adapter/adapter_config.json")["base_model_name_or_path"]).toBe("lab/tiny")
    const card = w.read("runs/hub/adapter/README.md")
    expect(card).toStartWith('---\nbase_model: "lab/tiny"\n')
    expect(card).toContain('"lab/tiny"')
    expect(card).not.toContain(COMMIT)
  },
  TIMEOUT
)

test("fetches what is needed, and what sentence-transformers keeps beside it", async () => {
  await here(resolved("tiny.json"))
  const fetched = hub.requests.map((path) => path.split(" ")[0]!)
  expect([...new Set(fetched)].sort()).toEqual([
    "1_Pooling/config.json",
    "config.json",
    "model.safetensors",
    "modules.json",
    "tokenizer.json"
  ])
  const snapshot = `cache/models--lab--tiny/snapshots/${COMMIT}`
  expect(existsSync(w.path(`${snapshot}/1_Pooling/config.json`))).toBe(true)
})

const resolved = (plan: string) => Effect.flatMap(readPlan(w.path(plan)), ({ plan: read, name }) => resolve(read, name))

test(
  "a run is used from the cache where the Hub must not be asked, and says so where there is none",
  async () => {
    await here(resolved("tiny.json"))
    const requests = hub.requests.length
    const offline = { HF_HUB_OFFLINE: "1" }
    const labels = await here(
      Effect.gen(function* () {
        const run = yield* loadRun(w.path("runs/hub"))
        return (yield* run.predict(["the film is good"])).map(({ label }) => label)
      }),
      offline
    )
    expect(labels.length).toBe(1)
    expect(hub.requests.length).toBe(requests)
    const { message } = await here(Effect.flip(resolved("tiny.json")), { ...offline, HF_HUB_CACHE: w.path("empty") })
    expect(message).toBe(
      `model hf:lab/tiny: is not complete in the cache ${w.path("empty")}, and HF_HUB_OFFLINE is set; unset it to download`
    )
  },
  TIMEOUT
)

test("weights that are pickled alone are named, with the way out", async () => {
  const { message } = await here(Effect.flip(resolved("old.json")))
  expect(message).toContain("hf:lab/old: has neither model.safetensors nor model.safetensors.index.json")
  expect(message).toContain("pytorch_model.bin is not supported; use a repository or a revision with safetensors")
})

test("suggest sees by the config of such a model what kind of run it is for", async () => {
  const looked = (model: string) => detect(kinds, { model, data: w.path("train.jsonl"), columns: {}, dialect: {} })
  const { learnables, clear } = await here(looked("hf:lab/tiny"))
  expect(clear).toBe(true)
  expect(learnables[0]).toMatchObject({ model: { source: "hf:lab/tiny" }, format: "classification" })
  const { message } = await here(Effect.flip(looked("hf:lab/none")))
  expect(message).toContain("hf:lab/none: no such model or revision")
})

test("the rows' language is compared with the model's card, which is downloaded with it", async () => {
  const german = { ...{ train: join(frontDoor, "kritiken.csv"), text: "Kritik", label: "Urteil" }, validation: 0.25 }
  const data = { format: "classification", ...german, encoding: "latin1", maxLength: 16 }
  for (const name of ["english", "tiny"]) w.write(`german-${name}.json`, tinyPlan(`hf:lab/${name}`, { data }))
  const warningsOf = async (name: string) => (await here(resolved(`german-${name}.json`))).warnings.join("\n")
  expect(await warningsOf("english")).toContain(
    "the texts are in German, and the model is for English, as its card says"
  )
  // without a card its languages are not known
  expect(await warningsOf("tiny")).not.toContain("the texts are in German")
})
