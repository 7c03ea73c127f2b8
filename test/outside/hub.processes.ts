/**
 * A Hub that lies: whatever it sends, a call ends, writes no more than was listed and nowhere else than in the cache, gives the token to
 * nobody else, and says in one sentence what is wrong.
 */
import { afterAll, afterEach, beforeEach, describe, expect, spyOn, test } from "bun:test"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { limits, setLimits } from "../../src/boundary/index.ts"
import { resolveSource } from "../../src/hub/resolve-source.ts"
import { cli, run as runProcess, tinyPlan, workspace } from "../e2e/fixtures.ts"
import { COMMIT, type HubServer, startHub } from "../src/hub/hub-server.ts"
import { failure, run } from "../src/models/golden.ts"

const text = (value: string) => new TextEncoder().encode(value)
const files = {
  "config.json": text('{"model_type":"llama"}'),
  "model.safetensors": new Uint8Array(300_000).fill(7)
}
const folder = mkdtempSync(join(tmpdir(), "hub-outside-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const w = workspace()

let hub: HubServer
let cache: string
let n = 0
beforeEach(async () => {
  hub = await startHub({ "lab/m": { files, large: ["model.safetensors"], refs: { main: COMMIT } } })
  cache = join(folder, `cache-${n++}`)
})
afterEach(async () => {
  await hub.close()
  setLimits(Object.fromEntries(Object.entries(limits).map(([name, { default: value }]) => [name, value])))
})

const resolved = (environment: Readonly<Record<string, string>> = {}) =>
  resolveSource("hf:lab/m").pipe(
    Effect.provide(
      ConfigProvider.layer(
        ConfigProvider.fromEnv({ env: { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: cache, ...environment } })
      )
    )
  )
const said = async (environment: Readonly<Record<string, string>> = {}) =>
  (await failure(resolved(environment))).message
const blobs = () => readdirSync(join(cache, "models--lab--m/blobs"))

type Answer = (response: ServerResponse, request: IncomingMessage) => void

/** The Hub answers so where the path matches. */
const answering = (path: RegExp, answer: Answer): void => {
  hub.instead = (request, response) => {
    const matches = path.test(request.url!)
    if (matches) answer(response, request)
    return matches
  }
}
const json =
  (value: unknown, headers: Readonly<Record<string, string>> = {}): Answer =>
  (response) =>
    response.writeHead(200, { "content-type": "application/json", ...headers }).end(JSON.stringify(value))
const listing = /\/tree\//
const revision = /\/revision\//

/** Sends a piece again and again, as fast as it is read, until nobody reads any more; counts the bytes. */
const endless = (piece: Uint8Array, begin = "") => {
  const sent = { bytes: 0, ended: false }
  const answer: Answer = (response) => {
    response.writeHead(200, { "content-type": "application/json", etag: '"x"' })
    response.write(begin)
    const more = () => {
      if (sent.ended) return
      sent.bytes += piece.length
      if (response.write(piece)) setImmediate(more)
      else response.once("drain", more)
    }
    response.on("close", () => (sent.ended = true))
    more()
  }
  return { sent, answer }
}

/** One byte, and another one, for ever. */
const trickle: Answer = (response) => {
  response.writeHead(200, { "content-type": "application/json", etag: '"x"' })
  const timer = setInterval(() => response.write("["), 20)
  response.on("close", () => clearInterval(timer))
}

describe("answers without an end", () => {
  const { sent, answer } = endless(new Uint8Array(65_536).fill(32))

  test("a file: it is cut one byte after its size", async () => {
    answering(/resolve.*config\.json/, answer)
    expect(await said()).toMatch(
      /^hf:lab\/m: config\.json arrived damaged: its hash is that of 23 bytes instead of 22, expected [0-9a-f]{40}; try again$/
    )
    expect(blobs()).toEqual([])
    expect(sent.bytes).toBeLessThan(20e6)
  })

  test.each([
    ["a revision", revision],
    ["a listing", listing]
  ])("JSON: %s", async (_, path) => {
    setLimits({ "text-file-bytes": 1e6 })
    answering(path, endless(text("[1],".repeat(10_000)), "[").answer)
    expect(await said()).toBe(
      `hf:lab/m: the answer of ${hub.endpoint} has more than 1,000,000 bytes (limit text-file-bytes; TFJS_LORA_PRO_LIMITS=text-file-bytes=N raises it)`
    )
  })

  test("a gigabyte of JSON in a megabyte of gzip", async () => {
    const bomb = gzipSync(new Uint8Array(200e6).fill(32))
    answering(listing, (response) => response.writeHead(200, { "content-encoding": "gzip" }).end(bomb))
    expect(await said()).toContain("has more than 67,108,864 bytes")
  })

  test("JSON of a million levels", async () => {
    answering(listing, (response) => response.end("[".repeat(1e6)))
    expect(await said()).toContain("nests deeper than 64 levels")
  })

  test("a byte at a time", async () => {
    setLimits({ "hub-seconds": 0.2 })
    answering(revision, trickle)
    expect(await said()).toContain("does not respond (no answer within 0.2 seconds (limit hub-seconds;")
    answering(/resolve.*safetensors/, trickle)
    const message = await said()
    expect(message).toMatch(
      /model\.safetensors broke off at byte \d+ of 300000 \(less than 1000 bytes per second arrived for/
    )
    expect(message).toContain("the part so far is kept; try again to resume")
  })

  test("pages", async () => {
    const page = (next: (at: number) => string): Answer => {
      return (response, request) => {
        const at = Number(new URL(request.url!, hub.endpoint).searchParams.get("cursor") ?? 0)
        const entry = { type: "file", path: `f${at}`, size: 1, oid: COMMIT }
        json([entry], { link: `<${hub.endpoint}/api/models/lab/m/tree/${COMMIT}?cursor=${next(at)}>; rel="next"` })(
          response,
          request
        )
      }
    }
    answering(
      listing,
      page((at) => `${at + 1}`)
    )
    expect(await said()).toContain("its listing has more than 100 pages (limit hub-pages;")
    setLimits({ "hub-files": 10 })
    expect(await said()).toContain("its listing has more than 10 entries (limit hub-files;")
    answering(
      listing,
      page(() => "1")
    )
    expect(await said()).toContain("its listing is circular")
  })

  test("redirects", async () => {
    answering(listing, (response) => response.writeHead(302, { location: `/tree/${COMMIT}` }).end())
    expect(await said()).toContain("does not respond (TooManyRedirects: The response redirected too many times); ")
  })

  test("a listing larger than the disk, and than the limit", async () => {
    const entry = { type: "file", oid: COMMIT, size: 1 }
    const large = (size: number) => [
      { ...entry, path: "config.json" },
      { ...entry, path: "model.safetensors", lfs: { size, oid: "c".repeat(64) } }
    ]
    answering(listing, json(large(1e12)))
    expect(await said()).toBe(
      "hf:lab/m: 1,000,000,000,001 bytes must be downloaded, more than 274,877,906,944 bytes (limit hub-bytes; TFJS_LORA_PRO_LIMITS=hub-bytes=N raises it)"
    )
    setLimits({ "hub-bytes": 1e15 })
    answering(listing, json(large(1e14)))
    expect(await said()).toMatch(
      /^hf:lab\/m: 100,000,000,000,001 bytes must be downloaded, but .* has room for [\d,]+; free some/
    )
    expect(blobs()).toEqual([])
  })
})

describe("answers of another form", () => {
  const file = { type: "file", path: "config.json", size: 22, oid: COMMIT }
  test.each<readonly [unknown, string]>([
    [[null], 'entry 1: found null; expected an object with "path", "size", "oid"'],
    [[file, 7], "entry 2: found 7; expected an object"],
    [[{ ...file, size: -1 }], "entry 1: size: found -1; expected an integer of at least 0"],
    [[{ ...file, size: 1e300 }], "size: found 1e+300; expected an integer"],
    [[{ ...file, size: "22" }], 'size: found "22"; expected an integer'],
    [[{ ...file, path: "../config.json" }], 'path: found "../config.json"; expected a path inside the repository'],
    [[{ ...file, path: "/etc/passwd" }], 'path: found "/etc/passwd"; expected a path inside'],
    [[{ ...file, path: "a//b" }], "expected a path inside"],
    [[{ ...file, path: "config.json\u0000" }], "expected a path inside"],
    [[{ ...file, path: ["config.json"] }], "expected a path inside"],
    [[file, file], "entry 2: path: found config.json for the second time"],
    [[{ ...file, oid: "../../x" }], 'oid: found "../../x"; expected 40 hexadecimal digits'],
    [[{ ...file, oid: "A".repeat(40) }], "expected 40 hexadecimal digits"],
    [[{ ...file, lfs: { size: 1, oid: COMMIT } }], "lfs.oid: found"],
    [[{ ...file, lfs: null }], "lfs: found null"]
  ])("a listing: %j", async (entries, says) => {
    answering(listing, json(entries))
    const message = await said()
    expect(message).toStartWith("hf:lab/m: its listing cannot be used: ")
    expect(message).toContain(says)
  })

  test.each([7, {}, null, "x"])("a listing that is none: %j", async (value) => {
    answering(listing, json(value))
    expect(await said()).toMatch(/^hf:lab\/m: (.* sent an invalid response|its listing cannot be used)/)
  })

  test.each([
    [{ sha: "../../x" }, 'the Hub names "../../x" as its commit; expected 40 hexadecimal digits'],
    [{ sha: [COMMIT] }, `the Hub names ["${COMMIT}"] as its commit`],
    [{ sha: 7 }, "the Hub names 7 as its commit"],
    [{}, "the Hub names nothing as its commit"],
    [null, "sent an invalid response"]
  ])("a revision: %j", async (value, says) => {
    answering(revision, json(value))
    expect(await said()).toContain(says)
  })

  test("from the command line it is one sentence", async () => {
    answering(listing, json([null]))
    w.write("plan.json", tinyPlan("hf:lab/m", { data: { format: "text", train: "rows.jsonl", maxLength: 16 } }))
    const { code, stderr } = await runProcess([process.execPath, cli, "validate", "plan.json"], {
      cwd: w.directory,
      env: { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: cache }
    })
    expect(code).toBe(1)
    expect(stderr).toContain("hf:lab/m: its listing cannot be used: entry 1: found null;")
    expect(stderr).not.toMatch(/^\s+at /m)
  })
})

describe("the token", () => {
  const token = { HF_TOKEN: "hf_secret" }

  /** Another server, which answers as the Hub would; `seen`: the Authorization of each request. */
  const elsewhere = async (use: (origin: string, seen: Array<string | undefined>) => Promise<void>) => {
    const seen: Array<string | undefined> = []
    const server = createServer((request, response) => {
      seen.push(request.headers.authorization)
      if (request.url!.includes("resolve")) response.end(files[request.url!.split("/").at(-1) as keyof typeof files])
      else json([])(response, request)
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen)
    server.closeAllConnections()
    server.close()
  }

  test("does not go to the server that a listing's next page is on", () =>
    elsewhere(async (origin, seen) => {
      answering(listing, json([], { link: `<${origin}/page2>; rel="next"` }))
      expect(await said(token)).toContain("has no file config.json")
      expect(seen).toEqual([undefined])
    }))

  test("is not needed where the next page is a file: it is not opened, and the listing ends", async () => {
    answering(listing, json([], { link: '<file:///etc/hostname>; rel="next"' }))
    expect(await said(token)).toContain("has no file config.json")
  })

  test("does not follow a redirect, which works without it", () =>
    elsewhere(async (origin, seen) => {
      const asked: Array<string | undefined> = []
      answering(/resolve/, (response, request) => {
        asked.push(request.headers.authorization)
        response.writeHead(302, { location: `${origin}${request.url}` }).end()
      })
      await run(resolved(token))
      expect(asked).toEqual(["Bearer hf_secret", "Bearer hf_secret"])
      expect(seen).toEqual([undefined, undefined])
    }))

  test("does not go over plain http to another machine", async () => {
    const fetched = spyOn(globalThis, "fetch").mockImplementation((async () => Response.json({})) as never)
    expect(await said({ ...token, HF_ENDPOINT: "http://hub.example:8080/" })).toBe(
      "hf:lab/m: http://hub.example:8080 would receive the token over plain http, where others can read it; set HF_ENDPOINT to an https address, or unset HF_TOKEN"
    )
    expect(fetched).not.toHaveBeenCalled()
    fetched.mockRestore()
  })

  test("an https Hub does not lead to plain http", async () => {
    const answer = Object.defineProperty(Response.json({ sha: COMMIT }), "url", { value: "http://hub.example/x?key=1" })
    const fetched = spyOn(globalThis, "fetch").mockImplementation((async () => answer) as never)
    expect(await said({ HF_ENDPOINT: "https://hub.example" })).toBe(
      "hf:lab/m: https://hub.example redirects to http://hub.example/x?key=***, which is not encrypted"
    )
    fetched.mockRestore()
  })

  test("is in no message where it cannot be sent", async () => {
    for (const HF_TOKEN of ["hf_se\ncret", "hf_secr\u0100et", "secret"]) {
      const message = await said({ HF_TOKEN })
      expect(message).toContain("the variable HF_TOKEN does not hold a Hub token")
      expect(message).not.toContain("cr")
    }
    hub.token = "hf_secret"
    await run(resolved({ HF_TOKEN: "hf_secret\n" }))
  })

  test("a password in HF_ENDPOINT goes to the endpoint, and into no message", async () => {
    const seen: Array<string | undefined> = []
    answering(revision, (response, request) => {
      seen.push(request.headers.authorization)
      response.writeHead(404).end()
    })
    const HF_ENDPOINT = hub.endpoint.replace("//", "//me:se%2Fcret@")
    expect(await said({ HF_ENDPOINT })).toBe(
      `hf:lab/m: no such model or revision at ${hub.endpoint}; check the spelling of owner, name and revision`
    )
    expect(seen).toEqual([`Basic ${btoa("me:se/cret")}`])
    for (const wrong of ["http://me:se/cret@h", "me:secret@host", "file:///x", "http://a:%zz@h"]) {
      const message = await said({ HF_ENDPOINT: wrong })
      expect(message).toContain("which is not a server address; expected one such as https://huggingface.co")
      expect(message).not.toContain("cret")
    }
  })
})

describe("links in the cache", () => {
  const outside = join(folder, "outside")
  beforeEach(() => mkdirSync(outside, { recursive: true }))
  const hash = async () => {
    await run(resolved())
    const [, name] = /blobs\/([0-9a-f]{64})/.exec(Bun.spawnSync(["find", cache]).stdout.toString())!
    rmSync(join(cache, "models--lab--m/snapshots"), { recursive: true })
    rmSync(join(cache, "models--lab--m/blobs", name!))
    return name!
  }

  test("an unfinished file is not written through one, and a pipe is not waited for", async () => {
    const victim = join(outside, "victim")
    writeFileSync(victim, "mine")
    const incomplete = join(cache, "models--lab--m/blobs", `${await hash()}.incomplete`)
    symlinkSync(victim, incomplete)
    const weights = join(await run(resolved()), "model.safetensors")
    expect(new Uint8Array(readFileSync(weights))).toEqual(files["model.safetensors"])
    expect(readFileSync(victim, "utf8")).toBe("mine")
    await hash()
    expect(Bun.spawnSync(["mkfifo", incomplete]).exitCode).toBe(0)
    await run(resolved())
  })

  test("a branch's commit is not written through one", async () => {
    const victim = join(outside, "victim")
    writeFileSync(victim, "mine")
    mkdirSync(join(cache, "models--lab--m/refs"), { recursive: true })
    symlinkSync(victim, join(cache, "models--lab--m/refs/main"))
    await run(resolved())
    expect(readFileSync(victim, "utf8")).toBe("mine")
    expect(readFileSync(join(cache, "models--lab--m/refs/main"), "utf8")).toBe(COMMIT)
  })

  test.each(["blobs", "snapshots", "refs"])("the folder %s does not lead out of it", async (name) => {
    const place = join(cache, "models--lab--m", name)
    mkdirSync(join(cache, "models--lab--m"), { recursive: true })
    const target = mkdtempSync(join(folder, "target-"))
    symlinkSync(target, place)
    expect(await said()).toContain(
      `the folder ${place} is a link that points outside of the cache, to ${target}; remove the link`
    )
    expect(readdirSync(target)).toEqual([])
  })

  test("the cache itself may be one", async () => {
    const link = `${cache}-link`
    mkdirSync(cache)
    symlinkSync(cache, link)
    await run(resolved({ HF_HUB_CACHE: link }))
  })
})
