/** Connections as they come, to `serve` in each runtime: methods, headers, bodies that are too large, clients that leave, the end. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { connect } from "node:net"
import { runtimes } from "../runtime/runtimes.ts"
import { TIMEOUT } from "./fixtures.ts"
import { clientFrom, metricOf, type Server, sharedRuns, startServer } from "./serve-shared.ts"

const w = sharedRuns()

/** Everything that comes back until the connection ends, or for so many milliseconds. */
const raw = ({ port }: Server, bytes: string | Uint8Array, patience = 5_000) =>
  new Promise<string>((resolve) => {
    let answer = ""
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes))
    socket.on("data", (piece) => (answer += piece.toString()))
    socket.on("error", ({ message }) => (answer += `[${message}]`))
    socket.on("close", () => resolve(answer))
    setTimeout(() => socket.destroy(), patience)
  })
const head = (method: string, more = "") => `${method} /predict HTTP/1.1\r\nHost: localhost\r\n${more}`

describe.each(runtimes)("$name", ({ command }) => {
  let server: Server
  beforeAll(async () => {
    server = await startServer(w.directory, ["runs/texts", "runs/endless"], command)
  }, TIMEOUT)
  afterAll(() => server.kill("SIGKILL"))

  test(
    "a method that no route has is answered with those that it has, and one that HTTP keeps to itself with 501",
    async () => {
      for (const method of ["PROPFIND", "PUT", "GET"]) {
        const answer = await raw(server, `${head(method, "Connection: close\r\n")}\r\n`)
        expect([method, answer]).toEqual([method, expect.stringMatching(/^HTTP\/1\.1 405 [\s\S]*\r\nallow: POST\r\n/i)])
      }
      for (const request of [`${head("TRACE")}\r\n`, "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n"])
        expect(await raw(server, request)).toStartWith("HTTP/1.1 501 ")
      expect(await raw(server, `${head("BREW")}\r\n`)).toMatch(/^HTTP\/1\.1 (400|405|501) /)
    },
    TIMEOUT
  )

  test("two Host headers are one too many, also where they are the same", async () => {
    for (const other of ["localhost", "evil.example"])
      expect(await raw(server, `${head("GET", `Host: ${other}\r\n`)}\r\n`)).toStartWith("HTTP/1.1 400 ")
  })

  test(
    "who sends 30 MB without waiting reads that they are too many, whether their number is announced or not",
    async () => {
      const body = Buffer.alloc(30_000_000, "x")
      const json = "Content-Type: application/json\r\n"
      const announced = Buffer.from(head("POST", `${json}Content-Length: ${body.length}\r\n\r\n`))
      const chunked = Buffer.from(head("POST", `${json}Transfer-Encoding: chunked\r\n\r\n`))
      const chunk = Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from("\r\n0\r\n\r\n")])
      for (const request of [Buffer.concat([announced, body]), Buffer.concat([chunked, chunk])]) {
        const answer = await raw(server, request, 20_000)
        expect(answer).toStartWith("HTTP/1.1 413 ")
        // and nothing of a broken pipe
        expect(answer).toEndWith("}}")
      }
      expect(await clientFrom(server, "127.0.0.1")("/predict", body.toString())).toMatchObject({ status: 413 })
    },
    TIMEOUT
  )

  test(
    "of clients that left with requests in a row none is computed that had not begun",
    async () => {
      const rows = 'batch_rows_sum{model="texts",verb="predict"}'
      const body = JSON.stringify({
        model: "texts",
        inputs: Array(20).fill("the plot was dull and the cast very bad")
      })
      const one = `${head("POST", `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`)}${body}`
      const before = await metricOf(server, rows)
      await Promise.all(Array.from({ length: 60 }, () => raw(server, one.repeat(20), 50)))
      const answer = await clientFrom(server, "127.0.0.2")("/predict", '{"model":"texts","inputs":"good"}')
      expect(answer?.status).toBe(200)
      await Bun.sleep(500)
      // 24,000 were asked for: what had begun, and what was answered before they left
      expect((await metricOf(server, rows)) - before).toBeLessThan(6_000)
    },
    TIMEOUT
  )

  test(
    "while a text is written others are read, and what was asked before SIGTERM is answered after it",
    async () => {
      const endless = { model: "endless", prompt: "the sky", temperature: 0, max_tokens: 200 }
      const ask = clientFrom(server, "127.0.0.1")
      const long = ask("/v1/completions", JSON.stringify(endless))
      await Bun.sleep(50)
      const tokens = 'tokens_total{model="endless",kind="completion"}'
      // a runtime that looks at its sockets between two tokens has answered before the text ends
      for (let i = 0; i < 3; i++) expect(await metricOf(server, tokens)).toBe(0)
      const other = clientFrom(server, "127.0.0.2")("/v1/completions", JSON.stringify(endless))
      while ((await metricOf(server, "texts_active")) < 2) await Bun.sleep(1)
      server.kill("SIGTERM")
      expect((await long)?.status).toBe(200)
      expect((await other)?.status).toBe(200)
      expect(await server.ended).toBe(0)
    },
    TIMEOUT
  )
})
