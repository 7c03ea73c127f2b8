/**
 * `push` against a server that speaks the Hub's API: what arrives, byte for byte, what stays here, who is given the token, and what is said
 * where it does not go well.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import type { IncomingMessage, ServerResponse } from "node:http"
import { homedir } from "node:os"
import { join } from "node:path"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { limits, setLimits } from "../../src/boundary/index.ts"
import { type PushRequest, pushRun } from "../../src/exports/push/index.ts"
import { platform } from "../../src/platform.ts"
import { Progress } from "../../src/run/index.ts"
import { runtimes } from "../runtime/runtimes.ts"
import { startHub } from "../src/hub/hub-server.ts"
import { COMMITTED, PART, startUploadHub, type UploadServer } from "../src/hub/upload-server.ts"
import { trainTiny } from "../src/output/tiny-run.ts"
import {
  cli,
  jsonObjects,
  listing,
  onWasm,
  repository,
  run as runProcess,
  succeed,
  TIMEOUT,
  workspace
} from "./fixtures.ts"

const w = workspace()
const TOKEN = "hf_a-secret-of-this-test"
let run: string
let hub: UploadServer
/** lines of progress */
let told: Array<string>

beforeAll(async () => {
  w.model("minilm")
  run = await trainTiny(w, "tiny", "minilm", { adapter: { method: "lora", rank: 4, alpha: 8 } })
}, TIMEOUT)
beforeEach(async () => {
  hub = await startUploadHub()
  hub.token = TOKEN
  told = []
})
afterEach(async () => {
  await hub.close()
  setLimits(Object.fromEntries(Object.entries(limits).map(([name, { default: value }]) => [name, value])))
})
afterAll(() => process.chdir(repository))

const usual: PushRequest = {
  repository: "lab/tiny",
  branch: "main",
  create: "auto",
  isPrivate: false,
  dryRun: false,
  content: { report: false, base: undefined }
}

const pushed = (request: Partial<PushRequest> = {}, environment: Readonly<Record<string, string>> = {}, folder = run) =>
  pushRun(folder, { ...usual, ...request }).pipe(
    Effect.provideService(Progress, (event) =>
      Effect.sync(() => void (event.kind === "notice" && told.push(event.message)))
    ),
    Effect.provide(
      ConfigProvider.layer(
        ConfigProvider.fromEnv({
          env: { HF_ENDPOINT: hub.endpoint, HF_TOKEN: TOKEN, HOME: w.directory, ...environment }
        })
      )
    ),
    Effect.provide(platform)
  )
const push = (...given: Parameters<typeof pushed>) => Effect.runPromise(pushed(...given))
/** One sentence, without the token. */
const said = async (...given: Parameters<typeof pushed>): Promise<string> => {
  const { message } = (await Effect.runPromise(Effect.flip(pushed(...given)))) as { readonly message: string }
  expect(message).not.toContain(TOKEN)
  expect(message.split("\n").length).toBe(1)
  return message
}
const arrived = (at = "lab/tiny@main") => hub.committed.get(at)!
const textOf = (path: string, at?: string) => new TextDecoder().decode(arrived(at).get(path))
const jsonOf = (path: string) => JSON.parse(textOf(path))

describe("a run", () => {
  test("its adapter, card, plan and record arrive in one commit, tensors byte for byte", async () => {
    const report = await push()
    expect([...arrived().keys()].sort()).toEqual([
      "README.md",
      "adapter_config.json",
      "adapter_model.safetensors",
      "head.safetensors",
      "plan.json",
      "run.json"
    ])
    for (const name of ["adapter_model.safetensors", "head.safetensors"])
      expect(arrived().get(name)).toEqual(w.bytes(`runs/tiny/adapter/${name}`))
    expect(report).toMatchObject({
      created: true,
      commit: COMMITTED,
      url: `${hub.endpoint}/lab/tiny/commit/${COMMITTED}`
    })
    expect(report.files.map(({ path, bytes }) => [path, bytes]).toSorted()).toEqual(
      [...arrived()].map(([path, { length }]) => [path, length]).toSorted()
    )
    expect(hub.messages).toEqual(["tiny, by tfjs-lora-pro"])
    expect(hub.repositories).toEqual(new Map([["lab/tiny", false]]))
    const size = (name: string) => w.bytes(`runs/tiny/adapter/${name}`).length.toLocaleString("en")
    expect(told.toSorted()).toEqual([
      "committing 6 files",
      `sending adapter_model.safetensors, ${size("adapter_model.safetensors")} bytes`,
      `sending head.safetensors, ${size("head.safetensors")} bytes`,
      "sent adapter_model.safetensors",
      "sent head.safetensors"
    ])
    expect(told.at(-1)).toBe("committing 6 files")
  })

  test("no path of this machine leaves, and no row", async () => {
    await push()
    const record = w.json("runs/tiny/run.json") as never as {
      readonly mistakes: ReadonlyArray<{ readonly text: string }>
    }
    expect(record.mistakes.length).toBeGreaterThan(0)
    const all = [...hub.seen, ...hub.stored].map(({ body }) => Buffer.from(body).toString("latin1"))
    const contents = [...arrived().values()].map((bytes) => new TextDecoder().decode(bytes))
    for (const text of [...all, ...contents]) {
      for (const private_ of [w.directory, repository, homedir(), ...record.mistakes.map(({ text }) => text)]) {
        expect(text).not.toContain(private_)
      }
    }
    expect(jsonOf("plan.json")).toMatchObject({
      model: { source: "minilm" },
      data: { train: "train.jsonl", validation: "validation.jsonl", test: "test.jsonl", format: "classification" },
      adapter: { rank: 4 }
    })
    expect(jsonOf("run.json")).toMatchObject({
      directory: "tiny",
      adapter: ".",
      mistakes: [],
      base: { path: "minilm" },
      plan: jsonOf("plan.json")
    })
    const { test } = w.json("runs/tiny/run.json")
    expect(jsonOf("run.json").test).toEqual(test)
    // the folder itself stays as it was
    expect(record.mistakes).toEqual((w.json("runs/tiny/run.json") as { readonly mistakes?: never }).mistakes!)
  })

  test("not even where somebody wrote one into the card", async () => {
    cpSync(run, w.path("runs/noted"), { recursive: true })
    const card = `${w.read("runs/noted/adapter/README.md")}\nRows: ${repository}/rows.csv, ${homedir()}/rows.csv.\n`
    w.write("runs/noted/adapter/README.md", card)
    await push({}, {}, w.path("runs/noted"))
    expect(textOf("README.md")).toEndWith("\nRows: rows.csv, ~/rows.csv.\n")
  })

  test("a base of this machine is not named; --base-model names it", async () => {
    const report = await push()
    expect(report.kept.join("\n")).toContain("--base-model")
    const front = () =>
      Bun.YAML.parse(/^---\n([\s\S]*?)\n---\n/.exec(textOf("README.md"))![1]!) as Record<string, unknown>
    expect(front()).toMatchObject({
      library_name: "peft",
      pipeline_tag: "text-classification",
      tags: expect.anything()
    })
    expect(front()).not.toHaveProperty("base_model")
    expect(textOf("README.md")).not.toContain("before uploading")
    expect(jsonOf("adapter_config.json").base_model_name_or_path).toBeNull()
    const named = await push({ content: { ...usual.content, base: "lab/minilm" } })
    expect(named.kept.join("\n")).not.toContain("--base-model")
    expect(front()["base_model"]).toBe("lab/minilm")
    expect(jsonOf("adapter_config.json").base_model_name_or_path).toBe("lab/minilm")
    expect(jsonOf("plan.json").model.source).toBe("hf:lab/minilm")
    // the rest of the card is the run's
    const own = w.read("runs/tiny/adapter/README.md")
    expect(textOf("README.md").slice(textOf("README.md").indexOf("library_name"))).toBe(
      own.slice(own.indexOf("library_name"))
    )
  })

  test("--report sends the page that shows the rows, without paths", async () => {
    await push({ content: { ...usual.content, report: true } })
    const page = textOf("report.html")
    const [{ text }] = (w.json("runs/tiny/run.json") as never as { readonly mistakes: [{ readonly text: string }] })
      .mistakes
    expect(w.read("runs/tiny/report.html")).toContain(w.directory)
    expect(page).toContain(text)
    expect(page).not.toContain(w.directory)
    expect(page).not.toContain(repository)
    expect(jsonOf("run.json").mistakes).toEqual([])
  })

  test("a second push sends what has changed", async () => {
    await push()
    const before = hub.stored.length
    const again = await push()
    expect(again.created).toBe(false)
    expect(hub.stored.length).toBe(before)
    expect(
      told
        .slice(-3, -1)
        .every((line) => /^(adapter_model|head)\.safetensors, [\d,]+ bytes, is there already$/.test(line))
    ).toBe(true)
  })

  test(
    "is an adapter that predicts from there what the run predicts, with its head",
    async () => {
      await push()
      const files = Object.fromEntries(arrived())
      const large = Object.keys(files).filter((name) => name.endsWith(".safetensors"))
      const from = await startHub({ "lab/tiny": { files, large, refs: { main: "a".repeat(40) } } })
      const predicted = async (...args: ReadonlyArray<string>) => {
        const words = [process.execPath, cli, "predict", ...args, "the film is good", "--json", ...onWasm]
        const env = { HF_ENDPOINT: from.endpoint, HF_HUB_CACHE: w.path("cache"), HF_TOKEN: undefined }
        const { stdout } = await succeed(runProcess(words, { cwd: w.directory, env }))
        return Object.values((jsonObjects(stdout)[0] as { readonly logits: Record<string, number> }).logits)
      }
      expect(await predicted("hf:lab/tiny", "--base", "minilm")).toEqual(await predicted("runs/tiny"))
      await from.close()
    },
    TIMEOUT
  )

  test("into a branch, private, with a message", async () => {
    await push({ branch: "v2", isPrivate: true, message: "Second try" })
    expect(arrived("lab/tiny@v2").size).toBe(6)
    expect(hub.committed.has("lab/tiny@main")).toBe(false)
    expect(hub.repositories.get("lab/tiny")).toBe(true)
    expect(hub.messages).toEqual(["Second try"])
    // which is there now
    await push({ branch: "v2", isPrivate: true })
  })

  test("a dry run asks no one, also without a token", async () => {
    const report = await push({ dryRun: true }, { HF_TOKEN: "" })
    expect(report).toMatchObject({ url: null, commit: null, created: false })
    expect(report.files.length).toBe(6)
    expect(hub.seen).toEqual([])
  })
})

describe("a folder", () => {
  const folder = () => w.path("exported")
  beforeAll(() => {
    mkdirSync(join(folder(), "onnx"), { recursive: true })
    writeFileSync(
      join(folder(), "onnx/model.onnx"),
      new Uint8Array(200_000).map((_, i) => i % 251)
    )
    writeFileSync(join(folder(), "config.json"), '{"a": 1}\n')
    writeFileSync(join(folder(), "README.md"), "---\nlibrary_name: transformers\n---\n\n# It\n")
    writeFileSync(join(folder(), ".secret"), "mine")
    writeFileSync(join(folder(), "empty.txt"), "")
  })

  test("arrives as it is, but for files whose names begin with a dot; the card names the base", async () => {
    await push({ content: { folder: folder(), report: false, base: "lab/minilm" } })
    expect([...arrived().keys()].sort()).toEqual(["README.md", "config.json", "empty.txt", "onnx/model.onnx"])
    for (const name of ["config.json", "empty.txt", "onnx/model.onnx"])
      expect(arrived().get(name)).toEqual(w.bytes(`exported/${name}`))
    expect(textOf("README.md")).toBe('---\nbase_model: "lab/minilm"\nlibrary_name: transformers\n---\n\n# It\n')
  })

  test("of a large file arrives, part by part", async () => {
    const bytes = new Uint8Array(2 * PART + 1_234_567).map((_, i) => (i * i) % 253)
    mkdirSync(w.path("large"))
    writeFileSync(w.path("large/model.safetensors"), bytes)
    await push({ content: { folder: w.path("large"), report: false, base: undefined } })
    expect(
      hub.stored
        .map(({ body }) => body.length)
        .slice(0, 3)
        .toSorted()
    ).toEqual([1_234_567, PART, PART])
    expect(Buffer.from(bytes).equals(arrived().get("model.safetensors")!)).toBe(true)
  })

  test.each<readonly [string, () => string, string]>([
    ["that is not there", () => join(run, "merged"), "is not a folder; create it with bun run merge"],
    ["that is a run's", () => run, "is a run folder, which may contain private files"],
    ["with nothing in it", () => join(w.directory, "nothing"), "has no files to send"],
    ["with a link out of it", () => join(w.directory, "linked"), "is a link that points to"]
  ])("%s is refused", async (_, place, says) => {
    mkdirSync(join(w.directory, "nothing"), { recursive: true })
    mkdirSync(join(w.directory, "linked"), { recursive: true })
    const link = join(w.directory, "linked/train.jsonl")
    if (!listing(w.directory).includes("linked/train.jsonl")) symlinkSync(w.path("train.jsonl"), link)
    expect(await said({ content: { folder: place(), report: false, base: undefined } })).toContain(says)
    expect(hub.seen).toEqual([])
  })
})

describe("is refused before anyone is asked:", () => {
  test.each<readonly [string, Parameters<typeof pushed>, string]>([
    ["a name without an owner", [{ repository: "tiny" }], "tiny: is not a repository name; expected owner/name"],
    ["a name of three", [{ repository: "a/b/c" }], "a/b/c: is not a repository name"],
    ["a name with an address", [{ repository: "https://hf.co/a" }], "is not a repository name"],
    ["a branch that is none", [{ branch: "../x" }], 'found the branch "../x"; expected a name such as main'],
    [
      "a base that is a path",
      [{ content: { report: false, base: "/models/minilm" } }],
      'found the base model "/models/minilm"'
    ],
    ["no token", [{}, { HF_TOKEN: "" }], "lab/tiny: found no token in HF_TOKEN or "],
    [
      "what is no token",
      [{}, { HF_TOKEN: "", HUGGING_FACE_HUB_TOKEN: "mine" }],
      "the variable HUGGING_FACE_HUB_TOKEN does not hold a Hub token"
    ],
    [
      "no network wanted",
      [{}, { HF_HUB_OFFLINE: "1" }],
      "nothing was sent, because HF_HUB_OFFLINE is set; unset it to push"
    ],
    ["what is no run", [{}, {}, "/"], "is not a run folder: it has no plan.json"]
  ])("%s", async (_, given, says) => {
    expect(await said(...given)).toContain(says)
    expect(hub.seen).toEqual([])
  })

  test("a run that is not finished", async () => {
    cpSync(run, w.path("runs/cut"), { recursive: true })
    Bun.spawnSync(["rm", w.path("runs/cut/run.json")])
    expect(await said({}, {}, w.path("runs/cut"))).toMatch(
      /runs\/cut: is not finished: resume it with .*train --resume .*, then push it$/
    )
    expect(hub.seen).toEqual([])
  })
})

describe("the token", () => {
  test.each<readonly [string, () => Readonly<Record<string, string>>]>([
    ["HUGGING_FACE_HUB_TOKEN", () => ({ HUGGING_FACE_HUB_TOKEN: TOKEN })],
    ["the file of hf auth login", () => ({ HOME: w.path("home") })],
    ["the same elsewhere", () => ({ HF_HOME: w.path("home/.cache/huggingface") })],
    ["a file that is named", () => ({ HF_TOKEN_PATH: w.path("home/.cache/huggingface/token") })]
  ])("is taken from %s", async (_, environment) => {
    w.write("home/.cache/huggingface/token", `${TOKEN}\n`)
    await push({}, { HF_TOKEN: "", ...environment() })
    expect(arrived().size).toBe(6)
  })

  test("goes to the Hub alone: its storage does not get it", async () => {
    await push()
    expect(hub.stored.map(({ authorization }) => authorization)).toEqual([undefined, undefined])
    expect(new Set(hub.seen.map(({ authorization }) => authorization))).toEqual(new Set([`Bearer ${TOKEN}`]))
  })

  test("does not go over plain http to another machine", async () => {
    expect(await said({}, { HF_ENDPOINT: "http://hub.example" })).toContain(
      "would receive the token over plain http, where others can read it"
    )
  })
})

type Answer = (response: ServerResponse, request: IncomingMessage) => void
const status =
  (code: number, body: unknown = { error: "as it is" }): Answer =>
  (response) => {
    response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(body))
  }
/** Some of what is sent is read, and no answer comes. */
const dropped: Answer = (response, request) => {
  request.once("data", () => response.destroy())
}
const answering = (path: RegExp, answer: Answer) => {
  hub.instead = (request, response) => {
    const matches = path.test(decodeURIComponent(request.url!))
    if (matches) answer(response, request)
    return matches
  }
}
const storage = /^\/[0-9a-f]{64}$/

describe("the Hub says no:", () => {
  test.each<readonly [string, RegExp, Answer, string]>([
    [
      "401",
      /create/,
      status(401),
      'rejected the token in HF_TOKEN (status 401, "as it is"); create one with write access at '
    ],
    ["403 to what is sent", /preupload/, status(403), "the token in HF_TOKEN has no write access to the files at "],
    [
      "400, as for a card that is none",
      /commit/,
      status(400, { error: 'Invalid metadata: "license" must be one of [mit]' }),
      'rejected the files (status 400, "Invalid metadata: \\"license\\" must be one of [mit]")'
    ],
    ["409 to a commit", /commit/, status(409), "was changed by someone else at the same time"],
    ["500", /batch/, status(500), "cannot accept the files now (status 500, "],
    [
      "500 of the storage",
      storage,
      status(503, "<html>"),
      "cannot accept the files now (status 503); nothing has changed there"
    ],
    ["a connection that drops", storage, dropped, "the upload broke off ("],
    ["one that drops at the commit", /commit/, dropped, "the response to the commit was lost ("],
    ["what is no JSON", /preupload/, (response) => void response.end("<html>"), "sent an invalid response"],
    ["another form", /preupload/, (response) => void response.end("7"), "sent an invalid response"],
    ["no commit", /commit/, status(200, {}), "did not report its commit"]
  ])("%s", async (_, path, answer, says) => {
    answering(path, answer)
    expect(await said()).toContain(says)
    expect(hub.committed.get("lab/tiny@main")).toBeUndefined()
  })

  test.each(["file:///etc/hostname", "s3://bucket/x"])(
    "with %s as the place for a file, which is not opened",
    async (href) => {
      answering(/batch/, (response, request) => {
        const parts: Array<Uint8Array> = []
        request.on("data", (part) => parts.push(part))
        request.on("end", () => {
          const { objects } = JSON.parse(new TextDecoder().decode(Buffer.concat(parts)))
          const answer = {
            transfer: "basic",
            objects: objects.map((object: object) => ({ ...object, actions: { upload: { href } } }))
          }
          response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer))
        })
      })
      expect(await said()).toBe(
        `lab/tiny: ${hub.endpoint} names the address ${href}; expected an http or https address`
      )
      expect(hub.committed.get("lab/tiny@main")).toBeUndefined()
    }
  )

  test("with the token in its words, which is not repeated", async () => {
    answering(/create/, (response, { headers }) =>
      status(401, { error: `${headers.authorization} is unknown` })(response, undefined as never)
    )
    expect(await said()).toContain('(status 401, "Bearer *** is unknown")')
  })

  test("nothing at all", async () => {
    setLimits({ "hub-seconds": 0.2 })
    answering(/create/, () => {})
    expect(await said()).toBe(
      "lab/tiny: nothing was sent, because the Hub does not respond (no answer within 1 seconds); push again"
    )
  })

  test("and cannot be reached", async () => {
    const { endpoint } = hub
    await hub.close()
    expect(await said({}, { HF_ENDPOINT: endpoint })).toMatch(
      /^lab\/tiny: nothing was sent, because the Hub does not respond \(.+\); push again$/
    )
    hub = await startUploadHub()
  })
})

describe("a repository that exists", () => {
  beforeEach(() => void hub.repositories.set("lab/tiny", false))

  test("gets another commit", async () => {
    expect((await push()).created).toBe(false)
    expect(arrived().size).toBe(6)
  })

  test("is refused by --create always, and expected by --create never", async () => {
    expect(await said({ create: "always" })).toContain("exists already at ")
    expect(hub.committed.size).toBe(0)
    await push({ create: "never" })
    expect(await said({ repository: "lab/other", create: "never" })).toContain("lab/other: was not found at ")
    expect([...hub.repositories.keys()]).toEqual(["lab/tiny"])
  })

  test("and is public takes nothing that is private", async () => {
    expect(await said({ isPrivate: true })).toContain("exists already at ")
    expect(hub.committed.size).toBe(0)
    hub.repositories.set("lab/tiny", true)
    await push({ isPrivate: true })
  })

  test("is written with a token that may make none", async () => {
    answering(/create/, status(403, { error: "no right to create" }))
    await push()
    expect(arrived().size).toBe(6)
    expect(await said({ repository: "lab/other" })).toContain("has no write access to a new repository at ")
  })
})

describe.each(runtimes)("the command line in $name", ({ command }) => {
  const start = (...args: ReadonlyArray<string>) =>
    runProcess([...command, cli, "push", ...args], {
      cwd: w.directory,
      env: { HF_ENDPOINT: hub.endpoint, HF_TOKEN: TOKEN, HF_HOME: w.path("no-home") }
    })

  test(
    "sends a run, a line for what is done, and says the token nowhere",
    async () => {
      const before = listing(w.directory)
      const { code, stdout, stderr } = await start("runs/tiny", "lab/tiny")
      expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining("committing 6 files\n") })
      expect(stdout).toContain("lab/tiny, a new repository, branch main:\n  README.md ")
      expect(stdout).toEndWith(`${hub.endpoint}/lab/tiny/commit/${COMMITTED}\n`)
      expect(arrived().get("adapter_model.safetensors")).toEqual(
        new Uint8Array(readFileSync(join(run, "adapter/adapter_model.safetensors")))
      )
      expect(stdout + stderr).not.toContain(TOKEN)
      expect(listing(w.directory)).toEqual(before)
    },
    TIMEOUT
  )

  test(
    "ends with one sentence and exit code 1 where the connection drops",
    async () => {
      answering(storage, dropped)
      const { code, stdout, stderr } = await start("runs/tiny", "lab/tiny")
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
      expect(
        stderr.match(/ERROR\n {2}lab\/tiny: the upload broke off \(.*\); nothing has changed there; push again/g)
          ?.length
      ).toBe(1)
      expect(stderr).not.toContain(TOKEN)
      expect(stderr).not.toContain("    at ")
    },
    TIMEOUT
  )
})
