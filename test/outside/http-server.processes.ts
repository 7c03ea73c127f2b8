/**
 * The lesson's HTTP server under whatever connects to it: 200 clients at once with bodies that are broken, huge or never end, with requests that
 * are none, and with trainings that nobody waits for. All of them hang up. The server goes on, and has the memory that it had.
 */
import { afterAll, beforeAll, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { connect, type Socket } from "node:net"
import { join } from "node:path"
import { repository, TIMEOUT } from "../e2e/fixtures.ts"

let child: Bun.Subprocess<"ignore", "pipe", "ignore">
let url: URL

beforeAll(async () => {
  child = Bun.spawn([process.execPath, join(repository, "examples/pipelines/http-server.ts"), "0"], {
    stdio: ["ignore", "pipe", "ignore"]
  })
  const { value } = await child.stdout.getReader().read()
  url = new URL(new TextDecoder().decode(value).trim())
}, TIMEOUT)

afterAll(() => child.kill())

const megabytes = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))![1]) / 1024

const tensors = async () => ((await (await fetch(url)).json()) as { readonly tensors: number }).tensors

const post = (headers: string) => `POST /train HTTP/1.1\r\nhost: here\r\n${headers}\r\n\r\n`
const get = (path: string, headers = "host: here") => `GET ${path} HTTP/1.1\r\n${headers}\r\n\r\n`

const MEBIBYTE = 2 ** 20
const chunk = Buffer.alloc(MEBIBYTE, "a")

/** Sends megabytes as fast as they are taken. */
const flood = (socket: Socket, mebibytes: number) => {
  let sent = 0
  const more = () => {
    while (sent < mebibytes) {
      sent += 1
      if (!socket.write(chunk)) return void socket.once("drain", more)
    }
    socket.destroy()
  }
  more()
}

/** What a client does, and after how many milliseconds it is gone. */
const clients: ReadonlyArray<readonly [milliseconds: number, acts: (socket: Socket) => void]> = [
  // a body of 60 MB, of 100 that are announced
  [
    8_000,
    (socket) => {
      socket.write(post("content-length: 100000000"))
      flood(socket, 60)
    }
  ],
  [300, (socket) => socket.write(`${post("transfer-encoding: chunked")}zz\r\nno chunk`)],
  [8_000, (socket) => socket.write(`${post("content-length: 500000000")}${"x".repeat(65_536)}`)],
  [
    1_000,
    (socket) => socket.write(`${post("transfer-encoding: chunked")}${`10000\r\n${"x".repeat(65_536)}\r\n`.repeat(40)}`)
  ],
  // trainings that nobody waits for, begun at once and left at different moments
  [1_000, (socket) => socket.write(get("/train?steps=1000"))],
  [3_000, (socket) => socket.write(get("/train?steps=1000"))],
  [1_000, (socket) => socket.write(get("/train?steps=1e309"))],
  // no requests
  [200, (socket) => socket.write("\0\u0001garbage\r\n\r\n")],
  [1_000, (socket) => socket.write(get("/", `x-long: ${"y".repeat(MEBIBYTE)}`))],
  [1_000, (socket) => socket.write(get("/train", "host: ["))]
]

const visit = (i: number) =>
  new Promise<void>((resolve) => {
    const [milliseconds, acts] = clients[i % clients.length]!
    const socket = connect(Number(url.port), url.hostname)
    const gone = setTimeout(() => socket.destroy(), milliseconds)
    socket.on("error", () => {})
    socket.on("data", () => {})
    socket.on("close", () => {
      clearTimeout(gone)
      resolve()
    })
    acts(socket)
  })

/** Waits until it is so; the last value where it never is. */
const until = async <A>(value: () => A | Promise<A>, isSo: (value: A) => boolean): Promise<A> => {
  const deadline = performance.now() + TIMEOUT / 2
  while (true) {
    const found = await value()
    if (isSo(found) || performance.now() > deadline) return found
    await Bun.sleep(200)
  }
}

test(
  "200 clients at once that send rubbish and hang up leave the memory as it was",
  async () => {
    // the first training compiles, and takes what every later one takes again
    expect(await (await fetch(new URL("/train?steps=1", url))).text()).toContain("event: done")
    const idle = await tensors()
    const before = megabytes()
    await Promise.all(Array.from({ length: 200 }, (_, i) => visit(i)))
    expect(await until(tensors, (count) => count === idle)).toBe(idle)
    expect(await until(megabytes, (now) => now < before + 100)).toBeLessThan(before + 100)
    // and it trains
    const answer = await fetch(new URL("/train?steps=1", url))
    expect(answer.status).toBe(200)
    expect(await answer.text()).toContain("event: done")
  },
  2 * TIMEOUT
)

test(
  "refuses what it does not do, and more trainings than it has places for",
  async () => {
    const status = async (path: string, init?: RequestInit) => {
      const answer = await fetch(new URL(path, url), init)
      await answer.body?.cancel()
      return answer.status
    }
    expect(await status("/elsewhere")).toBe(404)
    expect(await status("/train", { method: "POST" })).toBe(405)
    expect(await status("/train", { method: "POST", body: "x".repeat(2_000) })).toBe(413)
    for (const steps of ["", "0", "-1", "2.5", "1e309", "NaN", "1001"]) {
      expect([steps, await status(`/train?steps=${steps}`)]).toEqual([steps, 400])
    }
    const leave = new AbortController()
    const trainings = [1, 2].map(() => fetch(new URL("/train?steps=1000", url), { signal: leave.signal }))
    for (const training of trainings) expect((await training).status).toBe(200)
    const third = await fetch(new URL("/train?steps=1000", url))
    expect([third.status, third.headers.get("retry-after")]).toEqual([503, "10"])
    leave.abort()
    expect(
      await until(
        () => status("/train?steps=1"),
        (code) => code === 200
      )
    ).toBe(200)
  },
  2 * TIMEOUT
)
