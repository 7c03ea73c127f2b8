/** What comes over a connection: answers of a Hub, and requests to the HTTP example. */
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { type AddressInfo, connect } from "node:net"
import { join } from "node:path"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { resolveSource } from "../../../src/hub/resolve-source.ts"
import { among, list, type Made, object, one, optional, seldom, size, sound, text } from "../grammar.ts"
import { below, jsonText, pick } from "../mutate.ts"
import type { Target } from "../target.ts"

type Random = Parameters<Made<unknown>>[0]

const files: Readonly<Record<string, Uint8Array>> = {
  "config.json": new TextEncoder().encode('{"model_type":"llama"}'),
  "tokenizer.json": new TextEncoder().encode("{}"),
  "model.safetensors": Uint8Array.from({ length: 2_000 }, (_, i) => (i * 7) & 255)
}
const sha = (algorithm: string, bytes: Uint8Array, start = "") =>
  createHash(algorithm).update(start).update(bytes).digest("hex")

const entry = (path: string, bytes: Uint8Array): Made<unknown> => {
  const large = path.endsWith(".safetensors")
  return object({
    type: seldom(40, text, () => "file"),
    path: seldom(30, one(text, among("../x", "/etc/x", "a/../../x", "config.json")), () => path),
    size: sound(
      seldom(20, size, () => bytes.length),
      40
    ),
    oid: sound(
      seldom(20, text, () => sha("sha1", bytes, `blob ${bytes.length}\0`)),
      40
    ),
    lfs: large
      ? sound(
          object({
            oid: seldom(20, text, () => sha("sha256", bytes)),
            size: seldom(20, size, () => bytes.length),
            pointerSize: () => 130
          }),
          40
        )
      : optional(() => null, 0)
  })
}

/** What an earlier call has left of the weights, rightly or not. */
const begun: Made<Uint8Array> = (random) => {
  const weights = files["model.safetensors"]!.slice(0, below(2_100, random))
  return seldom<Uint8Array>(
    4,
    (own) => weights.fill(1, below(2_000, own)),
    () => weights
  )(random)
}

const listing = sound((random) => [
  ...Object.entries(files).map(([path, bytes]) => sound(entry(path, bytes), 60)(random)),
  ...(random() < 0.1 ? [{ type: "file", path: "tokenizer_config.json", size: 2, oid: "0".repeat(40) }] : [])
])
const revision = sound(object({ _id: () => "1", id: () => "lab/model", sha: seldom(60, text, () => "a".repeat(40)) }))

/** How an answer goes wrong on its way. */
const misbehaving = (answer: ServerResponse, body: Uint8Array | string, random: Random): void => {
  const kind = seldom(20, among("status", "cut", "more", "link", "redirect", "empty"), () => "whole")(random)
  if (kind === "status")
    return void answer.writeHead(pick([204, 206, 301, 400, 401, 404, 416, 429, 500, 503], random)).end("no")
  if (kind === "redirect")
    return void answer.writeHead(302, { location: pick(["/", "//nowhere.invalid/x", "http://[", ""], random) }).end()
  if (kind === "empty") return void answer.end()
  if (kind === "cut") {
    answer.writeHead(200, { "content-length": `${body.length + 9}` }).write(body)
    return void answer.destroy()
  }
  // the next page is this one again
  if (kind === "link")
    answer.setHeader("link", `<${pick(["/api/models/lab/model/tree/x", "http://[", "?cursor=1"], random)}>; rel="next"`)
  answer.write(body)
  if (kind === "more") for (let i = 0; i < 200; i++) answer.write(new Uint8Array(5_000))
  answer.end()
}

export const hubAnswers: Target = (folder) => {
  let random: Random | undefined
  const server = createServer((request: IncomingMessage, answer: ServerResponse) => {
    if (random === undefined) return void answer.writeHead(503).end()
    const { pathname } = new URL(request.url ?? "/", "http://hub")
    if (pathname.includes("/revision/")) return misbehaving(answer, jsonText(revision(random), random), random)
    if (pathname.includes("/tree/")) return misbehaving(answer, jsonText(listing(random), random), random)
    const name = pathname.slice(pathname.lastIndexOf("/") + 1)
    const bytes = files[name] ?? new Uint8Array(10)
    const [, first = "0", last = ""] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? "") ?? []
    const [from, to] = [Number(first), last === "" ? bytes.length - 1 : Math.min(Number(last), bytes.length - 1)]
    answer.setHeader("etag", seldom(20, among("", "x", '"y"', 'W/"x"'), () => '"x"')(random))
    answer.setHeader(
      "content-type",
      seldom(20, among("text/html", "text/plain", ""), () => "application/octet-stream")(random)
    )
    const other = (own: Random) => new Uint8Array(below(5_000, own))
    const whole = request.headers.range === undefined || random() < 0.1
    if (!whole) {
      answer.statusCode = seldom(20, among(200, 204, 416), () => 206)(random)
      const number = (usual: number) => seldom<unknown>(20, one<unknown>(size, text), () => usual)
      const range = `bytes ${number(from)(random)}-${number(to)(random)}/${number(bytes.length)(random)}`
      // what a header cannot hold is no answer of a server
      if (/^[\x20-\x7e]*$/.test(range)) answer.setHeader("content-range", range)
    }
    const sent = seldom<Uint8Array>(20, other, () => (whole ? bytes : bytes.subarray(from, to + 1)))(random)
    // what is shorter than it says is not waited for
    answer.setHeader("connection", "close")
    if (random() < 0.5) answer.setHeader("content-length", seldom(20, size, () => sent.length)(random))
    misbehaving(answer, sent, random)
  })
  const listening = new Promise<void>((done) => void server.listen(0, "127.0.0.1", done))
  server.unref()
  const cache = join(folder, "cache")
  return (own) =>
    Effect.gen(function* () {
      yield* Effect.promise(() => listening)
      rmSync(cache, { recursive: true, force: true })
      const blobs = join(cache, "models--lab--model", "blobs")
      mkdirSync(blobs, { recursive: true })
      const weights = sha("sha256", files["model.safetensors"]!)
      if (own() < 0.7) writeFileSync(join(blobs, `${weights}.incomplete`), begun(own))
      random = own
      const env = { HF_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, HF_HUB_CACHE: cache }
      const source = own() < 0.8 ? "hf:lab/model" : "hf:lab/model/model.gguf@v1"
      return yield* resolveSource(source).pipe(
        Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))),
        Effect.tap(() =>
          Effect.sync(() => {
            // whatever came, what has the name of a hash has that hash
            for (const name of readdirSync(blobs).filter((name) => /^[0-9a-f]{64}$/.test(name)))
              if (sha("sha256", readFileSync(join(blobs, name))) !== name) throw new Error(`${name} has another hash`)
          })
        ),
        Effect.ensuring(Effect.sync(() => server.closeAllConnections()))
      )
    })
}

/** Raw requests: broken lines, bodies that are not as long as they say, chunks without end, connections that hang up. */
const request: Made<string> = (random) => {
  const method = seldom(8, one(text, among("POST", "PUT", "HEAD", "DELETE", "PRI")), () => "GET")(random)
  const steps = seldom(3, one(text, among("-1", "1e9", "NaN", "Infinity", "0", "1.5", "2")), () => "1")(random)
  const path = seldom(
    5,
    among("/", "//", "/train", "*", "/%00", `/${"x".repeat(20_000)}`, "http://[/"),
    () => `/train?steps=${encodeURIComponent(steps.toWellFormed())}`
  )(random)
  const headers = list(
    one(
      among(
        "host: localhost",
        "host:",
        "connection: close",
        "expect: 100-continue",
        "transfer-encoding: chunked",
        "content-encoding: gzip"
      ),
      (own) => `content-length: ${size(own)}`,
      (own) => `x-${below(9, own)}: ${"y".repeat(below(3_000, own))}`
    ),
    6
  )(random)
  const body = seldom(3, among("{", "5\r\nhello\r\n0\r\n\r\n", "ffffffff\r\nx", "x".repeat(100_000)), () => "")(random)
  return `${method} ${path} HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n${body}`
}

export class Unanswered extends Error {
  readonly _tag = "Unanswered"
}

const example = join(import.meta.dirname, "..", "..", "..", "examples", "pipelines", "http-server.ts")

interface Server {
  readonly port: number
  readonly pid: number
}

/** Resident megabytes of a process, where the system says it. */
const residentOf = (pid: number): number => {
  const file = `/proc/${pid}/status`
  return existsSync(file) ? Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(file, "utf8"))?.[1]) / 1024 : 0
}

/** The example listens. Its process ends with this one. */
const started = async (): Promise<Server> => {
  const server = Bun.spawn([process.execPath, example, "0"], { stdin: "ignore", stdout: "pipe", stderr: "ignore" })
  process.on("exit", () => server.kill("SIGKILL"))
  const decoder = new TextDecoder()
  let printed = ""
  for await (const bytes of server.stdout) {
    printed += decoder.decode(bytes, { stream: true })
    const [, port] = /localhost:(\d+)/.exec(printed) ?? []
    if (port === undefined) continue
    server.unref()
    return { port: Number(port), pid: server.pid }
  }
  throw new Error(`the example ended: ${printed}`)
}

/** Sends the bytes and hangs up, early or after an answer began. */
const sent = (port: number, bytes: string, patience: number): Promise<void> =>
  new Promise((resolve) => {
    const socket = connect(port, "localhost", () => void socket.write(bytes))
    socket.on("error", () => socket.destroy())
    socket.on("close", () => resolve())
    socket.on("data", () => socket.destroy())
    setTimeout(() => socket.destroy(), patience)
  })

/** Every request is followed by an honest one, which has to be answered. */
export const httpRequests: Target = () => {
  let server: Promise<Server> | undefined
  return (random) =>
    Effect.tryPromise({
      try: async () => {
        server ??= started()
        const { port, pid } = await server
        await sent(port, request(random), pick([0, 1, 5, 30], random))
        const answer = await fetch(`http://localhost:${port}/`, { signal: AbortSignal.timeout(8_000) })
        if (!answer.ok) throw new Error(`status ${answer.status}`)
        await answer.text()
        if (residentOf(pid) > 1_000) throw new Error(`the server takes ${residentOf(pid)} MB`)
      },
      catch: (cause) => cause
    }).pipe(Effect.orDie)
}
