/** The server as a function from requests to responses: what is refused before it costs anything, keys, pages of elsewhere, shared weights. */
import { afterEach, beforeAll, describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { type LimitName, limits, setLimits } from "../../../src/boundary/index.ts"
import { pixelsIn } from "../../../src/data/images/index.ts"
import { clientAt } from "../../../src/serve/clients.ts"
import { type OpenServer, openServer } from "../../../src/serve/index.ts"
import { onWasm, predicted, succeed, TIMEOUT, tinyPlan, workspace } from "../../e2e/fixtures.ts"
import { blackPng, dataUri } from "../../images.ts"

const w = workspace()
const texts = ["the film is good", "the plot was dull and the cast very bad", "a story so moving"]

let server: OpenServer
beforeAll(async () => {
  w.model("bert")
  for (const seed of [1, 2]) {
    w.write(`${seed}.json`, tinyPlan("bert", { seed }))
    await succeed(w.cli(["train", `${seed}.json`, "--out", `runs/${seed}`, ...onWasm]))
  }
  server = await openServer({
    runs: [w.path("runs/1")],
    device: "wasm",
    threads: 1,
    apiKey: "key",
    adminToken: "token",
    adapters: w.path("runs"),
    cors: ["https://page.example"]
  })
}, TIMEOUT)

const changed = new Set<LimitName>()
const withLimit = (name: LimitName, value: number) => {
  changed.add(name)
  setLimits({ [name]: value })
}
afterEach(() => {
  for (const name of changed) setLimits({ [name]: limits[name].default })
  changed.clear()
})

const ask = (path: string, body?: unknown, { bearer = "key", ...init }: RequestInit & { bearer?: string } = {}) =>
  server.fetch(
    new Request(`http://here${path}`, {
      ...(body === undefined ? {} : { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) }),
      ...init,
      headers: { "content-type": "application/json", authorization: `Bearer ${bearer}`, ...init.headers }
    })
  )
const refused = async (answer: Promise<Response>) => {
  const response = await answer
  const { error } = (await response.json()) as { error: { message: string; param: string | null; code: string | null } }
  return { status: response.status, ...error, headers: response.headers }
}

describe("what is refused", () => {
  test.each([
    ["a field that is none", { inputs: "x", input: "y" }, 400, "input: is not a supported field"],
    ["inputs of another type", { inputs: 3 }, 400, "inputs: expected a text, an object"],
    ["no inputs", { inputs: [] }, 400, "inputs: is empty"],
    ["a row without its column", { inputs: ["x", { sentence: "y" }] }, 400, 'inputs[1]: no column "text"'],
    ["another model", { model: "2", inputs: "x" }, 404, 'there is no model "2"; there are: 1'],
    ["no JSON", "{", 400, "the body is not JSON"],
    ["JSON that nests deep", "[".repeat(100_000), 400, "the body nests deeper than 64 levels"],
    ["bytes that are no text", new Uint8Array([0xff, 0xfe]), 400, "the body is not UTF-8"]
  ])("%s", async (_, body, status, message) => {
    const init = body instanceof Uint8Array ? { method: "POST", body } : {}
    const error = await refused(ask("/predict", body instanceof Uint8Array ? undefined : body, init))
    expect([error.status, error.message]).toEqual([status, expect.stringContaining(message)])
    expect(error.message).not.toContain("\n")
  })

  test("over a limit: rows, characters, bytes that are announced and bytes that come, requests, seconds", async () => {
    withLimit("serve-rows", 2)
    withLimit("serve-characters", 20)
    expect(await refused(ask("/predict", { inputs: ["a", "b", "c"] }))).toMatchObject({ status: 422, param: "inputs" })
    expect(await refused(ask("/predict", { inputs: ["a", "b".repeat(21)] }))).toMatchObject({ param: "inputs[1]" })
    expect(await refused(ask("/predict", { inputs: [{ text: "b".repeat(21) }] }))).toMatchObject({ status: 422 })
    withLimit("serve-body-bytes", 100)
    expect((await refused(ask("/predict", { inputs: "x".repeat(200) }))).status).toBe(413)
    let chunks = 0
    const endless = new ReadableStream({ pull: (c) => c.enqueue(new TextEncoder().encode(`${++chunks}`.repeat(20))) })
    const flood = ask("/predict", undefined, { method: "POST", body: endless, duplex: "half" } as RequestInit)
    expect((await refused(flood)).status).toBe(413)
    expect(chunks).toBeLessThan(50)
    withLimit("serve-body-seconds", 0.05)
    const silent = new ReadableStream({ start: (c) => c.enqueue(new TextEncoder().encode("{")) })
    const slow = ask("/predict", undefined, { method: "POST", body: silent, duplex: "half" } as RequestInit)
    expect((await refused(slow)).status).toBe(408)
    withLimit("serve-seconds", 0.001)
    expect((await refused(ask("/predict", { inputs: "x" }))).status).toBe(504)
    withLimit("serve-seconds", 300)
    withLimit("serve-requests", 1)
    const both = await Promise.all([1, 2].map(() => ask("/predict", { inputs: "good" })))
    expect(both.map(({ status }) => status)).toEqual([200, 503])
    expect(both[1]!.headers.get("retry-after")).toBe("1")
    expect(server.active()).toBe(0)
  })

  test("what no one may ask, or not so: key, token, method, path, type", async () => {
    expect((await ask("/health", undefined, { bearer: "" })).status).toBe(200)
    expect(await refused(ask("/predict", { inputs: "x" }, { bearer: "yek" }))).toMatchObject({
      status: 401,
      code: "invalid_api_key"
    })
    expect((await refused(ask("/adapters", { name: "2", run: "2" }))).status).toBe(401)
    const wrong = await refused(ask("/predict"))
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "POST"])
    const model = await refused(ask("/v1/models/1", undefined, { method: "PROPFIND" }))
    expect([model.status, model.headers.get("allow")]).toEqual([405, "GET, HEAD"])
    expect(await refused(ask("/predictions", { inputs: "x" }))).toMatchObject({ status: 404, code: "not_found" })
    const plain = ask("/predict", { inputs: "x" }, { headers: { "content-type": "text/plain" } })
    expect((await refused(plain)).status).toBe(415)
    expect((await refused(ask("/v1/models/%E0%A4%A"))).status).toBe(400)
  })
})

test("each key is a client of its own, and so is each address: what one holds leaves others room", async () => {
  const open = await openServer({ runs: [w.path("runs/1")], device: "wasm", threads: 1, apiKey: ["one", "two"] })
  withLimit("serve-requests", 8)
  const from = (bearer: string, address = "10.0.0.1") =>
    open.fetch(
      new Request("http://here/predict", {
        method: "POST",
        body: JSON.stringify({ inputs: "good" }),
        headers: { "content-type": "application/json", authorization: `Bearer ${bearer}` }
      }),
      { address }
    )
  const many = Array.from({ length: 20 }, (_, i) => from("one", `10.0.0.${i}`))
  const other = from("two")
  const statuses = (await Promise.all(many)).map(({ status }) => status)
  expect(statuses.filter((status) => status === 200)).toHaveLength(4)
  expect((await other).status).toBe(200)
  expect((await from("three")).status).toBe(401)
  const metrics = await (
    await open.fetch(new Request("http://here/metrics", { headers: { authorization: "Bearer one" } }))
  ).text()
  expect(metrics).not.toMatch(/\b(one|two)\b/)
  await open.close()
})

test("what a client is without a key: an address, of IPv6 its network, and nothing that a header says", () => {
  const request = new Request("http://here/", { headers: { "x-forwarded-for": "1.2.3.4", forwarded: "for=1.2.3.4" } })
  const client = (address: string) => clientAt(request, { address })
  expect(client("10.0.0.1")).not.toBe(client("10.0.0.2"))
  expect(client("::ffff:10.0.0.1")).toBe(client("10.0.0.1"))
  expect(client("2001:db8:1:2:3:4:5:6")).toBe(client("2001:db8:1:2::9"))
  expect(client("2001:db8:1:2::9")).not.toBe(client("2001:db8:1:3::9"))
  expect(client("::1")).toBe(client("0:0:0:0:0:0:0:1"))
  expect(clientAt(request, { remoteAddr: { transport: "tcp", hostname: "10.0.0.1", port: 9 } })).toBe(
    client("10.0.0.1")
  )
  expect(clientAt(request, { requestIP: () => ({ address: "10.0.0.1" }) })).toBe(client("10.0.0.1"))
  expect(clientAt(request, undefined)).toBe(clientAt(request, { requestIP: () => null }))
})

test("a page of an origin that is named may ask, and no other", async () => {
  const from = (origin: string) =>
    ask("/health", undefined, { method: "OPTIONS", headers: { origin, "access-control-request-headers": "x-a" } })
  const allowed = await from("https://page.example")
  expect([allowed.status, allowed.headers.get("access-control-allow-origin")]).toEqual([204, "https://page.example"])
  expect(allowed.headers.get("access-control-allow-headers")).toBe("x-a")
  expect((await from("https://other.example")).headers.get("access-control-allow-origin")).toBeNull()
})

test(
  "rows of many requests at once have the bits of rows alone, and those of the command",
  async () => {
    const all = await predicted(w, "runs/1", texts)
    const one = async (text: string) => {
      const answer = await ask("/predict", { inputs: text })
      return ((await answer.json()) as { predictions: ReadonlyArray<unknown> }).predictions[0]
    }
    const alone: Array<unknown> = []
    for (const text of texts) alone.push(await one(text))
    expect(alone).toEqual(all.map((own) => own))
    const many = Array.from({ length: 60 }, (_, i) => texts[i % texts.length]!)
    expect(await Promise.all(many.map(one))).toEqual(many.map((_, i) => alone[i % texts.length]))
    // they were together
    const metrics = await (await ask("/metrics")).text()
    const [sum, count] = ["sum", "count"].map((part) =>
      Number(new RegExp(`batch_rows_${part}\\{model="1",verb="predict"\\} (\\d+)`).exec(metrics)?.[1])
    ) as [number, number]
    expect(sum / count).toBeGreaterThan(3)
  },
  TIMEOUT
)

test(
  "a second run over the same base adds its adapter and head, and gives them back when it is dropped",
  async () => {
    const before = tf.memory()
    const loaded = await ask("/adapters", { name: "other", run: "2" }, { bearer: "token" })
    expect(loaded.status).toBe(201)
    const during = tf.memory()
    const whole = before.numBytes
    // rank 4 at every layer and the head of a model this small; its weights are the rest
    expect(during.numBytes - before.numBytes).toBeLessThan(whole / 3)
    const answer = await ask("/predict", { model: "other", inputs: texts })
    const { predictions } = (await answer.json()) as { predictions: ReadonlyArray<{ logits: unknown }> }
    const expected = await predicted(w, "runs/2", texts)
    expect(predictions.map(({ logits }) => logits)).toEqual(expected.map(({ logits }) => logits))
    const again = refused(ask("/adapters", { name: "other", run: "1" }, { bearer: "token" }))
    expect(await again).toMatchObject({ status: 409, code: "name_taken" })
    const dropped = await ask("/adapters/other", undefined, { method: "DELETE", bearer: "token" })
    expect(dropped.status).toBe(200)
    expect(tf.memory().numBytes).toBe(before.numBytes)
    expect(tf.memory().numTensors).toBe(before.numTensors)
    expect((await refused(ask("/predict", { model: "other", inputs: "x" }))).status).toBe(404)
    // the first is as it was
    const { predictions: first } = (await (await ask("/predict", { inputs: texts })).json()) as {
      predictions: ReadonlyArray<unknown>
    }
    expect(first).toEqual((await predicted(w, "runs/1", texts)).map((own) => own))
  },
  TIMEOUT
)

test("a path or a URL of an image is answered by what is taken in its place, whatever it leads to", () => {
  const columns = { image: "photo" }
  const elsewhere = expect.stringMatching(
    /^refers to an image by a path or a URL; send the image itself as a data: URI/
  )
  const places = [
    "/etc/passwd",
    "a.png",
    "http://here/a.png",
    "https://here/a.png",
    "file:///etc/passwd",
    "file:/etc/passwd"
  ]
  for (const place of places)
    for (const row of [place, { photo: place }, { photo: { path: place } }, { photo: { bytes: place } }])
      expect([row, pixelsIn(row, columns)]).toEqual([row, { broken: elsewhere }])
  const data = dataUri(blackPng(3, 2))
  for (const row of [data, { photo: data }, { photo: { bytes: data, path: "a.png" } }])
    expect([row, pixelsIn(row, columns)]).toEqual([row, { pixels: 6 }])
  expect(pixelsIn({ no: "a.png" }, columns)).toEqual({ broken: expect.stringContaining('no column "photo"') })
  expect(pixelsIn("data:image/png;base64,AAAA", columns)).toEqual({
    broken: expect.stringContaining("not a known kind of image")
  })
  expect(pixelsIn("data:image/png,x", columns)).toEqual({
    broken: expect.stringContaining("data: URI that cannot be read")
  })
  // a strip has few pixels, and yet sides that cost memory
  const strip = dataUri(blackPng(1, 70_000))
  expect(pixelsIn(strip, columns)).toEqual({ broken: expect.stringContaining("limit image-side") })
})

test("while it ends, it says so and takes no more; what runs has its answer", async () => {
  const running = ask("/predict", { inputs: texts })
  const closing = server.close(20)
  expect(await refused(ask("/predict", { inputs: "x" }))).toMatchObject({ status: 503, code: "draining" })
  const health = await ask("/health")
  expect([health.status, await health.json()]).toEqual([503, { status: "draining" }])
  expect((await running).status).toBe(200)
  await closing
})
