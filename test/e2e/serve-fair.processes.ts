/**
 * One client beside others, each with an address of its own: its images, its requests, its connections. What is compared is work, which a busy
 * machine does not change: milliseconds that the server's main thread computes before an answer, and rows that are answered.
 */
import { afterEach, describe, expect, test } from "bun:test"
import { blackPng, dataUri } from "../images.ts"
import { runtimes } from "../runtime/runtimes.ts"
import { TIMEOUT } from "./fixtures.ts"
import { clientFrom, metricOf, residentOf, type Server, sharedRuns, startServer, workOf } from "./serve-shared.ts"

const w = sharedRuns()

let server: Server
afterEach(() => server.kill("SIGKILL"))

const text = JSON.stringify({ model: "texts", inputs: "the film is good" })
const images = (count: number, width: number, height: number) =>
  JSON.stringify({ model: "pictures", inputs: Array(count).fill(dataUri(blackPng(width, height))) })

/** Work before each of some answers, from the least to the most. */
const works = async (count: number): Promise<ReadonlyArray<number>> => {
  const ask = clientFrom(server, "127.0.0.1")
  const all: Array<number> = []
  while (all.length < count) {
    const before = workOf(server.pid)
    expect((await ask("/predict", text))?.status).toBe(200)
    all.push(workOf(server.pid) - before)
  }
  return all.sort((a, b) => a - b)
}
const p99 = (sorted: ReadonlyArray<number>) => sorted[Math.floor(0.99 * sorted.length)]!

/** Sends bodies again and again, some at a time, until it is told to stop; what is answered, by status. */
const attack = (bodies: ReadonlyArray<string>, atOnce: number, address = "127.0.0.2") => {
  const ask = clientFrom(server, address)
  const seen = new Map<number, number>()
  let going = true
  let sent = 0
  const one = async () => {
    while (going) {
      const answer = await ask("/predict", bodies[sent++ % bodies.length]!)
      seen.set(answer?.status ?? 0, (seen.get(answer?.status ?? 0) ?? 0) + 1)
    }
  }
  const all = Array.from({ length: atOnce }, one)
  const stop = async () => {
    going = false
    await Promise.all(all)
    return seen
  }
  return { seen, stop }
}

describe("images that are small to send and large to decode", () => {
  test.each([
    ["15 of 8000 × 8000, over the limit of one", 15, 8_000, 8_000, 300],
    ["5 of 4096 × 3072, the most that there may be", 5, 4_096, 3_072, 600],
    ["60 of 1000 × 1000", 60, 1_000, 1_000, 300]
  ])(
    "%s: texts of others wait for no more than three times as much work, and memory stays",
    async (_, count, width, height, megabytes) => {
      server = await startServer(w.directory, ["runs/texts", "runs/pictures"])
      await works(100)
      const alone = p99(await works(300))
      const before = residentOf(server.pid).now
      const { stop } = attack([images(count, width, height)], 3)
      await Bun.sleep(500)
      const beside = p99(await works(300))
      expect(residentOf(server.pid).most - before).toBeLessThan(megabytes)
      expect(beside).toBeLessThanOrEqual(3 * alone)
      const seen = await stop()
      // 0: a connection that broke
      for (const status of seen.keys()) expect([200, 422, 503]).toContain(status)
    },
    4 * TIMEOUT
  )

  test(
    "images of another client are decoded between those of one with hundreds",
    async () => {
      server = await startServer(w.directory, ["runs/pictures"])
      const { stop, seen } = attack([images(16, 2_000, 2_000)], 6)
      await Bun.sleep(500)
      const ask = clientFrom(server, "127.0.0.3")
      const own = images(1, 200, 200)
      const before = seen.get(200) ?? 0
      for (let i = 0; i < 20; i++) expect((await ask("/predict", own))?.status).toBe(200)
      // 16 large ones take longer than 20 small ones that are decoded in turn with them
      expect((seen.get(200) ?? 0) - before).toBeLessThanOrEqual(6)
      await stop()
    },
    TIMEOUT
  )
})

test.each(runtimes)(
  "$name: 32 clients beside one that sends as fast as it can: each has at least 70 % of its part",
  async ({ command }) => {
    server = await startServer(w.directory, ["runs/texts"], command)
    const honest = Array.from({ length: 32 }, (_, i) => clientFrom(server, `127.0.0.${10 + i}`))
    const flood = attack([JSON.stringify({ model: "texts", inputs: Array(16).fill("the film is good") })], 64)
    await Bun.sleep(500)
    const rows = 'batch_rows_sum{model="texts",verb="predict"}'
    const before = await metricOf(server, rows)
    const answered = honest.map(() => 0)
    let going = true
    const asking = Promise.all(
      honest.map(async (ask, i) => {
        while (going) {
          expect((await ask("/predict", text))?.status).toBe(200)
          answered[i]! += 1
        }
      })
    )
    while (answered.reduce((sum, own) => sum + own) < 3_200) await Bun.sleep(50)
    const all = (await metricOf(server, rows)) - before
    going = false
    await Promise.all([asking, flood.stop()])
    const part = all / 33
    expect(Math.min(...answered)).toBeGreaterThanOrEqual(0.7 * part)
  },
  2 * TIMEOUT
)

test(
  "texts: a client that has all of its places leaves others theirs",
  async () => {
    server = await startServer(w.directory, ["runs/endless"])
    const endless = (max: number) =>
      JSON.stringify({ model: "endless", prompt: "the sky", temperature: 0, max_tokens: max })
    const many = clientFrom(server, "127.0.0.2")
    const all = Array.from({ length: 40 }, () => many("/v1/completions", endless(200)))
    while ((await metricOf(server, "texts_active")) < 8) await Bun.sleep(5)
    const other = await clientFrom(server, "127.0.0.3")("/v1/completions", endless(20))
    expect(other?.status).toBe(200)
    // none of the others has come to its end
    expect(await metricOf(server, 'tokens_total{model="endless",kind="completion"}')).toBe(20)
    expect(all).toHaveLength(40)
  },
  TIMEOUT
)
