import { afterEach, beforeEach, expect, test } from "bun:test"
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { hostname, tmpdir } from "node:os"
import { join } from "node:path"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { resolveConfig, resolveSource } from "../../../src/hub/resolve-source.ts"
import { failure, run } from "../models/golden.ts"
import { COMMIT, type HubServer, startHub } from "./hub-server.ts"

const bytes = (length: number, seed: number) => Uint8Array.from({ length }, (_, i) => (i * seed + (i >> 8)) & 255)
const text = (value: string) => new TextEncoder().encode(value)

const index = { weight_map: { a: "model-00001-of-00002.safetensors", b: "model-00002-of-00002.safetensors" } }
const whole = {
  files: {
    "config.json": text('{"model_type":"llama"}'),
    "generation_config.json": text("{}"),
    "tokenizer.json": text('{"version":"1.0"}'),
    "tokenizer_config.json": text("{}"),
    "chat_template.jinja": text("{{ messages }}"),
    "README.md": text("# model"),
    "pytorch_model.bin": bytes(1_000, 3),
    "model.safetensors": bytes(300_000, 7)
  },
  large: ["model.safetensors", "pytorch_model.bin"],
  refs: { main: COMMIT, v1: "b".repeat(40) }
}
const sharded = {
  files: {
    "config.json": text("{}"),
    "README.md": bytes(2 ** 20 + 1, 7),
    // empty
    "added_tokens.json": text(""),
    "model.safetensors.index.json": text(JSON.stringify(index)),
    "model-00001-of-00002.safetensors": bytes(2_000, 5),
    "model-00002-of-00002.safetensors": bytes(3_000, 11),
    "consolidated.safetensors": bytes(5_000, 13)
  },
  large: ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "consolidated.safetensors"],
  refs: { main: COMMIT }
}
const ggufs = {
  files: { "README.md": text("#"), "tiny.Q4_0.gguf": bytes(4_000, 17), "deep/tiny.F16.gguf": bytes(500, 19) },
  large: ["tiny.Q4_0.gguf", "deep/tiny.F16.gguf"],
  refs: { main: COMMIT }
}

let hub: HubServer
let cache: string
beforeEach(async () => {
  hub = await startHub({ "lab/whole": whole, "lab/sharded": sharded, "lab/ggufs": ggufs })
  cache = mkdtempSync(join(tmpdir(), "hub-"))
})
afterEach(async () => {
  await hub.close()
  rmSync(cache, { recursive: true })
})

const resolved = (source: string, environment: Readonly<Record<string, string>> = {}, resolve = resolveSource) =>
  resolve(source).pipe(
    Effect.provide(
      ConfigProvider.layer(
        ConfigProvider.fromEnv({ env: { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: cache, ...environment } })
      )
    )
  )

const snapshot = (name: string) => join(cache, `models--lab--${name}`, "snapshots", COMMIT)
const contents = (folder: string) =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))]))

test("what is no address of the Hub is a path already", async () => {
  expect(await run(resolveSource("./models/x"))).toBe("./models/x")
})

test("what is judged without weights takes the small files alone, and whoever wants the weights fetches them afterwards", async () => {
  const folder = await run(resolved("hf:lab/whole", {}, resolveConfig))
  expect(folder).toBe(snapshot("whole"))
  const { "pytorch_model.bin": _, "model.safetensors": __, ...small } = whole.files
  expect(contents(folder)).toEqual(small)
  // what an earlier download of the branch left stays what it is
  expect(existsSync(join(cache, "models--lab--whole", "refs", "main"))).toBe(false)
  await run(resolved("hf:lab/whole"))
  expect(readdirSync(folder)).toContain("model.safetensors")
  const asked = hub.requests.length
  await run(resolved("hf:lab/whole", { HF_HUB_OFFLINE: "1" }, resolveConfig))
  expect(hub.requests).toHaveLength(asked)
})

test("a model becomes a folder with what is needed of it, laid out as Hugging Face's programs do", async () => {
  const folder = await run(resolved("hf:lab/whole"))
  expect(folder).toBe(snapshot("whole"))
  const { "pytorch_model.bin": _, ...needed } = whole.files
  expect(contents(folder)).toEqual(needed)
  expect(lstatSync(join(folder, "model.safetensors")).isSymbolicLink()).toBe(true)
  expect(readFileSync(join(cache, "models--lab--whole/refs/main"), "utf8")).toBe(COMMIT)
  expect(hub.requests.some((path) => /pytorch/.test(path))).toBe(false)
})

test("a model card of more than a megabyte is left out", async () => {
  const { "README.md": _, "consolidated.safetensors": __, ...needed } = sharded.files
  expect(contents(await run(resolved("hf:lab/sharded")))).toEqual(needed)
  expect(hub.requests.some((path) => path.includes("README"))).toBe(false)
})

test("shards are those of the index, and nothing else", async () => {
  const { "README.md": _, "consolidated.safetensors": __, ...needed } = sharded.files
  expect(contents(await run(resolved("hf:lab/sharded")))).toEqual(needed)
})

test("a GGUF file is fetched alone, at the top or in a folder", async () => {
  const top = await run(resolved("hf:lab/ggufs/tiny.Q4_0.gguf"))
  expect(new Uint8Array(readFileSync(top))).toEqual(ggufs.files["tiny.Q4_0.gguf"])
  const deep = await run(resolved("hf:lab/ggufs/deep/tiny.F16.gguf@main"))
  expect(deep).toBe(join(snapshot("ggufs"), "deep/tiny.F16.gguf"))
  expect(new Uint8Array(readFileSync(deep))).toEqual(ggufs.files["deep/tiny.F16.gguf"])
  expect(hub.requests.length).toBe(2)
})

test("a split GGUF file is fetched with all of its parts, and is not complete without one", async () => {
  const names = [1, 2, 3].map((i) => `split/m-0000${i}-of-00003.gguf`)
  const files = Object.fromEntries(names.map((name, i) => [name, bytes(700 + i, 23 + i)]))
  await hub.close()
  hub = await startHub({ "lab/split": { files, large: names, refs: { main: COMMIT } } })
  const second = await run(resolved(`hf:lab/split/${names[1]}`))
  expect(second).toBe(join(snapshot("split"), names[1]!))
  for (const name of names) expect(new Uint8Array(readFileSync(join(snapshot("split"), name)))).toEqual(files[name]!)
  rmSync(join(snapshot("split"), names[2]!))
  const { message } = await failure(resolved(`hf:lab/split/${names[0]}`, { HF_HUB_OFFLINE: "1" }))
  expect(message).toContain("is not complete in the cache")
  await hub.close()
  hub = await startHub({
    "lab/split": { files: { [names[0]!]: files[names[0]!]! }, large: [names[0]!], refs: { main: COMMIT } }
  })
  expect((await failure(resolved(`hf:lab/split/${names[0]}`))).message).toContain(
    `has no file ${names[1]}; it has ${names[0]}`
  )
})

test("what is in the cache is not asked for again, and a commit needs no network", async () => {
  await run(resolved("hf:lab/whole"))
  const before = hub.requests.length
  await run(resolved("hf:lab/whole"))
  expect(hub.requests.length).toBe(before)
  await hub.close()
  expect(await run(resolved(`hf:lab/whole@${COMMIT}`))).toBe(snapshot("whole"))
})

test("a complete cache serves when the Hub does not answer or must not be asked, an incomplete one does not", async () => {
  await run(resolved("hf:lab/sharded"))
  const offline = { HF_HUB_OFFLINE: "1" }
  expect(await run(resolved("hf:lab/sharded", offline))).toBe(snapshot("sharded"))
  await hub.close()
  expect(await run(resolved("hf:lab/sharded"))).toBe(snapshot("sharded"))
  rmSync(join(snapshot("sharded"), "model-00002-of-00002.safetensors"))
  expect((await failure(resolved("hf:lab/sharded"))).message).toContain("does not respond")
  expect((await failure(resolved("hf:lab/sharded", offline))).message).toContain("HF_HUB_OFFLINE is set")
})

test("a connection that breaks is taken up where it broke", async () => {
  const file = "model.safetensors"
  const only = { ...whole, files: { "config.json": whole.files["config.json"], [file]: whole.files[file] } }
  await hub.close()
  hub = await startHub({ "lab/whole": only })
  // config.json breaks as well
  hub.cuts.push(10)
  hub.cuts.push(1_000_000, 100_000, 120_000)
  const folder = await run(resolved("hf:lab/whole"))
  expect(contents(folder)).toEqual(only.files)
  const asked = hub.requests.filter((path) => path.startsWith(file))
  expect(asked.length).toBe(3)
  expect(asked.slice(1).every((path) => / bytes=[1-9]\d+-299999$/.test(path))).toBe(true)
})

test("a file given up is gone on with by the next call", async () => {
  const only = { ...ggufs, files: { "tiny.Q4_0.gguf": bytes(400_000, 17) } }
  await hub.close()
  hub = await startHub({ "lab/ggufs": only })
  hub.cuts.push(90_000, 0, 0, 0, 0, 0, 0, 0)
  const source = "hf:lab/ggufs/tiny.Q4_0.gguf"
  const { message } = await failure(resolved(source))
  expect(message).toMatch(/^hf:lab\/ggufs\/tiny\.Q4_0\.gguf: tiny\.Q4_0\.gguf broke off at byte \d+ of 400000/)
  hub.cuts.length = 0
  hub.requests.length = 0
  expect(new Uint8Array(readFileSync(await run(resolved(source))))).toEqual(only.files["tiny.Q4_0.gguf"])
  expect(hub.requests.length).toBe(1)
  expect(hub.requests[0]).toMatch(/ bytes=[1-9]\d+-399999$/)
})

test("bytes that have another hash are thrown away", async () => {
  for (const file of ["config.json", "model.safetensors"] as const) {
    const wrong = Uint8Array.from(whole.files[file])
    wrong[3]! ^= 1
    hub.replaced.set(file, wrong)
    const { message } = await failure(resolved("hf:lab/whole"))
    expect(message).toMatch(new RegExp(`${file} arrived damaged: its hash is [0-9a-f]+, expected [0-9a-f]+`))
    expect(existsSync(join(snapshot("whole"), file))).toBe(false)
    hub.replaced.clear()
  }
  expect(contents(await run(resolved("hf:lab/whole")))["model.safetensors"]).toEqual(whole.files["model.safetensors"])
})

test("what an earlier download left damaged is found by its hash, and fetched anew by the next call", async () => {
  await run(resolved("hf:lab/whole"))
  const blobs = join(cache, "models--lab--whole/blobs")
  const weights = readdirSync(blobs).find((name) => name.length === 64)!
  rmSync(join(blobs, weights))
  writeFileSync(join(blobs, `${weights}.incomplete`), new Uint8Array(1_000))
  expect((await failure(resolved("hf:lab/whole"))).message).toContain("arrived damaged")
  expect(contents(await run(resolved("hf:lab/whole")))["model.safetensors"]).toEqual(whole.files["model.safetensors"])
})

test("tokens are sent, and asked for where they are missing", async () => {
  hub.token = "hf_secret"
  expect((await failure(resolved("hf:lab/whole"))).message).toContain("status 401); set HF_TOKEN")
  expect((await failure(resolved("hf:lab/whole", { HF_TOKEN: "hf_other" }))).message).toContain("has no access")
  expect((await failure(resolved("hf:lab/whole", { HF_TOKEN: "other" }))).message).toContain("begins with hf_")
  expect(await run(resolved("hf:lab/whole", { HF_TOKEN: "hf_secret" }))).toBe(snapshot("whole"))
})

test("what is not there is named, with what is", async () => {
  const message = async (source: string) => (await failure(resolved(source))).message
  expect(await message("hf:lab/none")).toStartWith("hf:lab/none: no such model or revision at http://127.0.0.1:")
  expect(await message("hf:lab/whole@v2")).toContain("no such model or revision")
  expect(await message("hf:lab/ggufs/tiny.gguf")).toBe(
    "hf:lab/ggufs/tiny.gguf: has no file tiny.gguf; it has tiny.Q4_0.gguf, deep/tiny.F16.gguf"
  )
  expect(await message("hf:lab/ggufs")).toContain("has no file config.json; it has tiny.Q4_0.gguf")
})

test("addresses that lead elsewhere are refused", async () => {
  for (const source of [
    "hf:",
    "hf:gpt2",
    "hf:../..",
    "hf:lab/whole@../../x",
    "hf:lab/whole@a@b",
    "hf:lab/../x.gguf",
    "hf:lab//x.gguf"
  ]) {
    expect((await failure(resolved(source))).message).toContain("is not the address of a model")
  }
  expect((await failure(resolved("hf:lab/whole/model.bin"))).message).toContain("only .gguf files can be named")
})

test("the cache stands where Hugging Face's variables say", async () => {
  const home = mkdtempSync(join(tmpdir(), "home-"))
  const at = (variables: Readonly<Record<string, string>>) =>
    run(
      resolveSource("hf:lab/ggufs/tiny.Q4_0.gguf").pipe(
        Effect.provide(
          ConfigProvider.layer(ConfigProvider.fromEnv({ env: { HF_ENDPOINT: hub.endpoint, ...variables } }))
        )
      )
    )
  const tail = `models--lab--ggufs/snapshots/${COMMIT}/tiny.Q4_0.gguf`
  expect(await at({ HF_HOME: join(home, "a") })).toBe(join(home, "a/hub", tail))
  expect(await at({ XDG_CACHE_HOME: join(home, "b") })).toBe(join(home, "b/huggingface/hub", tail))
  expect(await at({ HOME: home })).toBe(join(home, ".cache/huggingface/hub", tail))
  rmSync(home, { recursive: true })
})

test("two processes share one download, and a lock of a process that is gone holds nobody up", async () => {
  const [a, b] = await Promise.all([run(resolved("hf:lab/whole")), run(resolved("hf:lab/whole"))])
  expect(a).toBe(b)
  expect(contents(a)["model.safetensors"]).toEqual(whole.files["model.safetensors"])
  expect(hub.requests.filter((path) => path.startsWith("model.safetensors")).length).toBe(1)
  const blobs = join(cache, "models--lab--whole/blobs")
  expect(readdirSync(blobs).filter((name) => /lock|incomplete/.test(name))).toEqual([])
  const weights = readdirSync(blobs).find((name) => name.length === 64)!
  rmSync(join(blobs, weights))
  // no process has this number: it is above every system's largest
  writeFileSync(join(blobs, `${weights}.lock`), JSON.stringify({ pid: 2 ** 30, host: hostname() }))
  expect(contents(await run(resolved("hf:lab/whole")))["model.safetensors"]).toEqual(whole.files["model.safetensors"])
})
