/**
 * A download that is resumed, from servers that answer a request for a range in every way that HTTP allows and in some that it does not: the
 * file is whole and right in the end, or what had arrived is still there, and one sentence says what came instead.
 */
import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { resolveSource } from "../../src/hub/resolve-source.ts"
import { COMMIT } from "../src/hub/hub-server.ts"
import { failure, run } from "../src/models/golden.ts"

const SIZE = 300_000
const FROM = 120_000
const weights = Uint8Array.from({ length: SIZE }, (_, i) => (i * 7 + (i >> 8) * 13) & 255)
const config = new TextEncoder().encode('{"model_type":"llama"}')
const sha = (algorithm: string, bytes: Uint8Array, start = "") =>
  createHash(algorithm).update(start).update(bytes).digest("hex")
const listing = [
  {
    type: "file",
    path: "config.json",
    size: config.length,
    oid: sha("sha1", config, `blob ${config.length}\0`)
  },
  {
    type: "file",
    path: "model.safetensors",
    size: SIZE,
    oid: "0".repeat(40),
    lfs: { oid: sha("sha256", weights), size: SIZE, pointerSize: 130 }
  }
]

const folder = mkdtempSync(join(tmpdir(), "resumed-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Answers a request for the weights; `from`: where the range begins, null where there is none. */
type Answer = (from: number | null, time: number) => Response

let answer: Answer
/** the beginnings of the ranges that were requested, null for all of it */
let asked: Array<number | null>
let server: ReturnType<typeof Bun.serve>
let cache: string
let n = 0

beforeEach(() => {
  asked = []
  cache = join(folder, `cache-${n++}`)
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) => {
      const { pathname } = new URL(request.url)
      if (pathname.includes("/revision/")) return Response.json({ _id: "1", id: "lab/m", sha: COMMIT })
      if (pathname.includes("/tree/")) return Response.json(listing)
      if (pathname.endsWith("config.json")) return new Response(config)
      const [, begin] = /^bytes=(\d+)-/.exec(request.headers.get("range") ?? "") ?? []
      const from = begin === undefined ? null : Number(begin)
      asked.push(from)
      return answer(from, asked.length)
    }
  })
})
afterEach(() => server.stop(true))

const blobs = () => join(cache, "models--lab--m/blobs")
const incomplete = () => join(blobs(), `${sha("sha256", weights)}.incomplete`)

/** What an earlier call left of the weights. */
const begun = (bytes: Uint8Array = weights.subarray(0, FROM)) => {
  mkdirSync(blobs(), { recursive: true })
  writeFileSync(incomplete(), bytes)
}

const resolved = () =>
  resolveSource("hf:lab/m").pipe(
    Effect.provide(
      ConfigProvider.layer(
        ConfigProvider.fromEnv({ env: { HF_ENDPOINT: server.url.origin, HF_HUB_CACHE: cache, HOME: folder } })
      )
    )
  )

const isWhole = async () => {
  const directory = await run(resolved())
  expect(sha("sha256", readFileSync(join(directory, "model.safetensors")))).toBe(sha("sha256", weights))
  expect(readdirSync(blobs())).toHaveLength(2)
}

/** Fails, and leaves what had arrived as it was. */
const keeps = async (says: string | RegExp, bytes: Uint8Array = weights.subarray(0, FROM)) => {
  const { message } = await failure(resolved())
  expect(message).toMatch(says)
  expect(message).toStartWith("hf:lab/m: model.safetensors")
  expect(message).not.toContain("\n")
  expect(Buffer.compare(readFileSync(incomplete()), bytes)).toBe(0)
  expect(existsSync(`${incomplete()}-restarted`)).toBe(false)
}

const octets = { "content-type": "application/octet-stream" }
const part = (from: number, end = SIZE, headers: Readonly<Record<string, string>> = {}) =>
  new Response(weights.slice(from, end), {
    status: 206,
    headers: { ...octets, "content-range": `bytes ${from}-${end - 1}/${SIZE}`, ...headers }
  })
const all = () => new Response(weights.slice(), { headers: octets })

/** Without a length, so that nothing but its end says that there is no more. */
const streamed = (bytes: Uint8Array, init: ResponseInit = {}) =>
  new Response(
    new ReadableStream({
      async start(controller) {
        for (let at = 0; at < bytes.length; at += 10_007) controller.enqueue(bytes.slice(at, at + 10_007))
        await Bun.sleep(50)
        controller.close()
      }
    }),
    { headers: octets, ...init }
  )

describe("the file is whole where the answer is", () => {
  test("the range", async () => {
    begun()
    answer = (from) => part(from!)
    await isWhole()
    expect(asked).toEqual([FROM])
  })

  test("a shorter range, and the next one", async () => {
    begun()
    answer = (from) => part(from!, Math.min(SIZE, from! + 70_000))
    await isWhole()
    expect(asked).toEqual([FROM, FROM + 70_000, FROM + 140_000])
  })

  test("all of it, of which what has arrived is not written again", async () => {
    begun()
    const { ino } = statSync(incomplete())
    answer = all
    await isWhole()
    expect(asked).toEqual([FROM])
    expect(statSync(join(blobs(), sha("sha256", weights))).ino).toBe(ino)
  })

  test("all of it, which breaks off and begins again", async () => {
    begun()
    answer = (_, time) => streamed(weights.subarray(0, Math.min(SIZE, 100_000 * time)))
    await isWhole()
    // the first breaks off before what had arrived ends, the second after it
    expect(asked.slice(0, 2)).toEqual([FROM, FROM])
  })

  test("all of it, which is other than what had arrived", async () => {
    begun(weights.slice(0, FROM).fill(1, 50_000))
    answer = all
    await isWhole()
  })

  test("status 416, and then all of it", async () => {
    begun()
    answer = (from) => (from === null ? all() : new Response(null, { status: 416 }))
    await isWhole()
    expect(asked).toEqual([FROM, null])
  })

  test.each<readonly [string, (from: number) => Response]>([
    ["a range from 0 on", () => part(0)],
    ["a later range", (from) => part(from + 1)],
    ["a range of a larger file", (from) => part(from, SIZE, { "content-range": `bytes ${from}-${SIZE - 1}/400000` })],
    ["a range without its place", (from) => new Response(weights.slice(from), { status: 206, headers: octets })],
    [
      "several ranges",
      () => new Response("--x\r\n", { status: 206, headers: { "content-type": "multipart/byteranges; boundary=x" } })
    ],
    [
      "a range of the compressed file",
      (from) =>
        new Response(gzipSync(weights.slice(from)), {
          status: 206,
          headers: { ...octets, "content-encoding": "gzip", "content-range": `bytes ${from}-${SIZE - 1}/${SIZE}` }
        })
    ]
  ])("%s, and then all of it", async (_, other) => {
    begun()
    answer = (from) => (from === null ? all() : other(from))
    await isWhole()
    expect(asked).toEqual([FROM, null])
  })

  test("a range of another state of the file, and then all of it", async () => {
    answer = (from) => {
      if (asked.length === 1) return streamed(weights.subarray(0, FROM), { headers: { etag: '"a"' } })
      return from === null ? all() : part(from, SIZE, { etag: '"b"' })
    }
    await isWhole()
    expect(asked).toEqual([null, expect.any(Number), null])
  })
})

describe("what had arrived is kept where the answer is", () => {
  const page = "<html>Welcome to our network. Sign in!</html>"
  test.each<readonly [string, () => Response]>([
    ["a network's page", () => new Response(page, { headers: { "content-type": "text/html; charset=utf-8" } })],
    [
      "such a page as a range",
      () =>
        new Response(page, {
          status: 206,
          headers: { "content-type": "text/html", "content-range": `bytes ${FROM}-${SIZE - 1}/${SIZE}` }
        })
    ]
  ])("%s", async (_, portal) => {
    begun()
    answer = portal
    await keeps(
      /responded with a web page \(text\/html[^)]*\) instead of the file, as networks with a sign-in page do; check the network connection and HF_ENDPOINT, and try again; the bytes so far are kept$/
    )
    expect(asked).toEqual([FROM])
  })

  test("of another length", async () => {
    begun()
    answer = () => new Response(page, { headers: octets })
    await keeps(/ responded with 45 bytes, expected 300,000; check /)
    answer = (from) => part(from!, SIZE - 9, { "content-range": `bytes ${from}-${SIZE - 1}/${SIZE}` })
    await keeps(/ responded with 179,991 bytes, expected 180,000; check /)
  })

  test("something else without a length", async () => {
    begun()
    answer = () => streamed(new TextEncoder().encode(page))
    await keeps(
      / broke off at byte 120000 of 300000 \(the server closed the connection\); the part so far is kept; try again to resume/
    )
  })

  test("something else of the same length", async () => {
    begun()
    answer = () => new Response(new Uint8Array(SIZE), { headers: octets })
    await keeps(/ arrived damaged: its hash is [0-9a-f]{64}, expected [0-9a-f]{64}; try again$/)
  })

  test("something else without an end", async () => {
    begun()
    answer = () => streamed(new Uint8Array(400_000))
    await keeps(/ arrived damaged: its hash is that of 300001 bytes instead of 300000/)
  })

  test.each([201, 202])("of status %d", async (status) => {
    begun()
    answer = () => new Response("x", { status, headers: octets })
    await keeps(new RegExp(` responded with status ${status}; check `))
  })

  test("another range, also where none was requested", async () => {
    begun()
    answer = () => part(5)
    await keeps(/ sent a different part of it than requested; check /)
    expect(asked).toEqual([FROM, null])
  })
})

test("a file that is not begun is not begun with a network's page", async () => {
  answer = () => new Response("<html>", { headers: { "content-type": "text/html" } })
  expect((await failure(resolved())).message).toContain("responded with a web page (text/html) instead of the file")
  expect(existsSync(incomplete())).toBe(false)
})
