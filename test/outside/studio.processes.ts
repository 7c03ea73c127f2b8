/**
 * The studio under requests that are not its page's: other hosts and origins, forms, paths that lead elsewhere, bodies that are broken or huge.
 * Nothing outside of runs is read or written, and no answer has a stack or a path of the machine.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { connect } from "node:net"
import { hostname, tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { thisProcess } from "../../src/files/index.ts"
import { platform } from "../../src/platform.ts"
import { type OpenStudio, openStudio } from "../browser/studio.ts"
import { tinyPlan } from "../e2e/fixtures.ts"

const SECRET = "what no one may read"
const top = mkdtempSync(join(tmpdir(), "studio-outside-"))
const folder = join(top, "project")

let studio: OpenStudio
beforeAll(async () => {
  mkdirSync(join(folder, "runs", "good-1"), { recursive: true })
  writeFileSync(join(top, "secret.txt"), SECRET)
  writeFileSync(join(folder, "secret.txt"), SECRET)
  const run = (name: string) => join(folder, "runs", "good-1", name)
  writeFileSync(run("plan.json"), "{}")
  writeFileSync(run("report.html"), "<script>fetch('/call/about')</script>")
  writeFileSync(run("weights.bin"), "12345")
  symlinkSync(join(top, "secret.txt"), run("link.txt"))
  mkdirSync(join(top, "beside"))
  writeFileSync(join(top, "beside", "secret.txt"), SECRET)
  symlinkSync(join(top, "beside"), run("out"))
  for (const place of ["exports", "compare"]) {
    mkdirSync(join(folder, place))
    symlinkSync(join(top, "beside"), join(folder, place, "evil"))
  }
  symlinkSync(join(top, "beside"), join(folder, "runs", "evil"))
  studio = await openStudio({
    folder,
    env: { TFJS_LORA_PRO_LIMITS: "studio-body-bytes=100000,studio-store-bytes=200000" }
  })
  // the links in it are asked about: this test is about what comes after that
  await studio.call("trust", {})
})
afterAll(async () => {
  await studio.close()
  rmSync(top, { recursive: true, force: true })
})

interface Answer {
  readonly status: number
  readonly head: string
  readonly text: string
}

/** A request byte by byte, as `fetch` would not send it. */
const raw = (line: string, headers: Readonly<Record<string, string>> = {}, body = ""): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { hostname, port, host } = new URL(studio.origin)
    const socket = connect(Number(port), hostname)
    let text = ""
    socket.on("data", (chunk) => {
      text += chunk
    })
    socket.on("error", reject)
    socket.on("close", () => {
      const [head = "", ...rest] = text.split("\r\n\r\n")
      resolve({ status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]), head, text: rest.join("\r\n\r\n") })
    })
    const all = {
      host,
      authorization: `Bearer ${studio.secret}`,
      connection: "close",
      "content-length": `${Buffer.byteLength(body)}`,
      ...headers
    }
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
    socket.write(`${line} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n${body}`)
  })

/** A sound plan, whose run would be there. */
const planTo = (directory: string) => JSON.stringify(tinyPlan("bert", { output: { directory } }))

const json = { "content-type": "application/json" }

/** No answer says more than a sentence. */
const isPlain = ({ text }: Answer) => {
  expect(text).not.toContain(SECRET)
  expect(text).not.toMatch(/\n\s+at |\.ts:\d|node:internal/)
  expect(text).not.toContain(folder)
}

describe("who may ask", () => {
  const asked = [
    "GET /files/runs/good-1/weights.bin",
    "POST /call/about",
    "POST /watch/runs",
    "POST /sign",
    "PUT /store/a.csv?drop=12345678"
  ]

  test("nobody without the secret, from another page, or by another name of this machine", async () => {
    for (const line of asked) {
      for (const authorization of ["", "Bearer", `Bearer ${"A".repeat(32)}`, `Basic ${studio.secret}`])
        expect([line, (await raw(line, { ...json, authorization }, "{}")).status]).toEqual([line, 403])
      // what other servers of this machine would be sent by a browser opens nothing
      const cookie = `studio-${new URL(studio.origin).port}=${studio.secret}; token=${studio.secret}`
      expect((await raw(line, { ...json, authorization: "", cookie }, "{}")).status).toBe(403)
      for (const site of ["cross-site", "same-site"])
        expect((await raw(line, { ...json, "sec-fetch-site": site }, "{}")).status).toBe(403)
      for (const origin of ["http://evil.example", "null", "http://127.0.0.1:1"])
        expect((await raw(line, { ...json, origin }, "{}")).status).toBe(403)
      for (const host of ["evil.example", `evil.example:${new URL(studio.origin).port}`, "127.0.0.1.evil.example"])
        expect((await raw(line, { ...json, host }, "{}")).status).toBe(421)
    }
  })

  test("whoever has the newest address, once; nothing of it is in the folder, or for other users to read", async () => {
    const open = (code: string) => raw("POST /open", { ...json, authorization: "" }, JSON.stringify({ code }))
    const codeOf = () => new URL(studio.url).hash.slice("#open=".length)
    const code = codeOf()
    for (const wrong of ["", "x", studio.secret]) expect((await open(wrong)).status).toBe(403)
    for (const body of ["", "{}", '{"code":1}'])
      expect((await raw("POST /open", { ...json, authorization: "" }, body)).status).toBe(400)
    const { status, head, text } = await open(code)
    expect([status, JSON.parse(text)]).toEqual([200, { secret: studio.secret }])
    expect(head).not.toMatch(/access-control|set-cookie/i)
    const again = await open(code)
    expect([again.status, JSON.parse(again.text).message]).toEqual([403, expect.stringContaining("works once")])
    expect(codeOf()).not.toBe(code)
    expect(studio.said()).toContain(`opened; to open it again elsewhere: ${studio.url}`)
    expect(statSync(join(studio.state, "address")).mode & 0o777).toBe(0o600)
    expect(statSync(studio.state).mode & 0o777).toBe(0o700)
    expect(existsSync(join(folder, ".studio"))).toBe(false)
    // the page itself has no secret
    const page = await raw("GET /", { authorization: "", "sec-fetch-site": "cross-site" })
    expect(page.status).toBe(200)
    expect(page.text).not.toContain(studio.secret)
  })

  test("a signed address of a file, for that file alone", async () => {
    const path = "/files/runs/good-1/weights.bin"
    const { address } = JSON.parse((await raw("POST /sign", json, JSON.stringify({ path }))).text)
    const read = async (line: string) => (await raw(line, { authorization: "" })).status
    expect(await read(`GET ${address}`)).toBe(200)
    expect(await read(`GET ${address.replace("weights.bin", "plan.json")}`)).toBe(403)
    expect(await read(`DELETE ${address}`)).toBe(403)
    for (const wrong of ["/call/about", "/", "files/x", `${path}?x`])
      expect((await raw("POST /sign", json, JSON.stringify({ path: wrong }))).status).toBe(400)
  })
})

test("a form, a beacon and a request without a type are refused", async () => {
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""])
    for (const line of ["POST /call/about", "POST /watch/runs", "POST /store?drop=12345678"])
      expect([type, (await raw(line, { "content-type": type }, "{}")).status]).toEqual([type, 415])
})

test("no path leads out of a run", async () => {
  const inside = await raw("GET /files/runs/good-1/weights.bin")
  expect([inside.status, inside.text]).toEqual([200, "12345"])
  const paths = [
    "/files/runs/good-1/../../secret.txt",
    "/files/runs/good-1/%2e%2e/%2e%2e/secret.txt",
    "/files/runs/good-1/..%2f..%2fsecret.txt",
    "/files/runs/good-1/..%5c..%5csecret.txt",
    "/files/runs/good-1/.%00./secret.txt",
    "/files/runs/good-1/link.txt",
    "/files/runs/good-1/out/secret.txt",
    "/files/runs/good-1/out?zip",
    "/files/runs/../secret.txt",
    ...["runs", "exports", "compare"].flatMap((place) => [
      `/files/${place}/evil/secret.txt`,
      `/files/${place}/evil?zip`
    ]),
    "/files/runs%2fgood-1%2f..%2f..%2fsecret.txt",
    `/files/${encodeURIComponent(join(top, "secret.txt"))}`,
    `/files/${join(top, "secret.txt")}`,
    "/files//etc/passwd",
    "/files/.studio/runs/a.json",
    "/files/secret.txt",
    "/files/runs/good-1/%zz",
    "/%zz",
    "/..%2f..%2fsecret.txt",
    "/../../secret.txt",
    "//etc/passwd",
    "/assets/..%2f..%2f..%2fsecret.txt"
  ]
  for (const path of paths) {
    const answer = await raw(`GET ${path}`)
    expect([path, answer.status]).toEqual([path, 404])
    isPlain(answer)
  }
  // what is packed has no link in it
  const zip = await studio.fetch("/files/runs/good-1?zip")
  expect(zip.status).toBe(200)
  expect(new TextDecoder().decode(await zip.arrayBuffer())).not.toContain(SECRET)
})

test("a page from a run's folder is in a sandbox and loads nothing", async () => {
  const { status, head } = await raw("GET /files/runs/good-1/report.html")
  expect(status).toBe(200)
  expect(head).toMatch(/content-security-policy: sandbox allow-scripts; default-src 'none';/i)
  expect(head).toMatch(/x-content-type-options: nosniff/i)
})

test("what is asked is refused in a sentence, whatever it is", async () => {
  const deep = `{"plan":${"[".repeat(5_000)}${"]".repeat(5_000)}}`
  const cases: ReadonlyArray<readonly [line: string, body: string, status: number]> = [
    ["POST /call/about", "{", 400],
    ["POST /call/about", "", 400],
    ["POST /call/about", "\xff\xfe{}", 400],
    ["POST /call/check", deep, 400],
    ["POST /call/check", `{"plan":{"a":"${"x".repeat(100_000)}"}}`, 413],
    ["POST /call/nothing", "{}", 400],
    ["POST /call/__proto__", "{}", 400],
    ["POST /call/constructor", "{}", 400],
    ["POST /watch/toString", "{}", 200],
    ["POST /call/result", "[]", 400],
    ["POST /call/result", '{"id":"../.."}', 400],
    ["POST /call/result", '{"id":"runs/good-1"}', 400],
    ["POST /call/stop", '{"id":"../../../etc"}', 400],
    ["POST /call/resume", '{"id":"/etc"}', 400],
    ["POST /call/removeStudy", '{"id":"runs/good-1"}', 400],
    ["POST /call/removeStudy", '{"id":"compare/../runs/good-1"}', 400],
    ["POST /call/removeStudy", '{"id":"compare"}', 400],
    ["POST /call/removeExport", '{"id":"exports"}', 400],
    ["POST /call/removeExport", '{"id":"exports/../runs/good-1"}', 400],
    ["POST /call/exported", '{"id":"../beside"}', 400],
    ["POST /call/annotate", '{"id":"../beside","comment":"x"}', 400],
    ["POST /call/annotate", '{"id":"runs","archived":true}', 400],
    ["POST /call/differences", '{"ids":["../..","runs/good-1"]}', 200],
    ["POST /call/remove", "{}", 400],
    ["POST /call/remove", '{"id":""}', 400],
    ["POST /call/remove", '{"id":"runs"}', 400],
    ["POST /call/remove", '{"id":"data"}', 400],
    ["POST /call/remove", '{"id":"../beside"}', 400],
    ["POST /call/remove", '{"id":"runs/../secret.txt"}', 400],
    ["POST /call/remove", '{"id":"runs/good-1/out"}', 400],
    ["POST /call/remove", '{"id":"runs/./good-1"}', 400],
    ["POST /call/remove", `{"id":${JSON.stringify(join(top, "beside"))}}`, 400],
    ["POST /call/start", '{"name":"../../x","plan":{}}', 400],
    ["POST /call/start", `{"name":"x","plan":${planTo("../elsewhere")}}`, 400],
    ["POST /call/start", `{"name":"x","plan":${planTo(join(top, "elsewhere"))}}`, 400],
    ["POST /call/start", `{"name":"x","plan":${planTo("runs/good-1")}}`, 400],
    ["POST /call/curves", '{"ids":["../.."],"plot":"loss","points":-5}', 200],
    ["DELETE /files/runs/good-1/plan.json", "{}", 404],
    ["PUT /files/runs/good-1/plan.json", "{}", 404]
  ]
  for (const [line, body, status] of cases) {
    const answer = await raw(line, json, body)
    expect([line, body.slice(0, 40), answer.status]).toEqual([line, body.slice(0, 40), status])
    isPlain(answer)
  }
  expect(existsSync(join(top, "elsewhere"))).toBe(false)
  expect(existsSync(join(folder, "plans"))).toBe(false)
  // a body that is larger than it says is cut where it said
  expect((await raw("POST /call/about", { ...json, "content-length": "2000000000" }, "{}")).status).toBe(413)
  expect(studio.said()).not.toMatch(/\n\s+at /)
})

test("a run is removed with the links in it, not what they lead to; one that is a link or in use is refused", async () => {
  const elsewhere = join(top, "elsewhere-1")
  const make = (run: string) => {
    mkdirSync(run, { recursive: true })
    writeFileSync(join(run, "plan.json"), "{}")
    symlinkSync(join(top, "beside"), join(run, "out"))
  }
  for (const run of [elsewhere, ...["gone-1", "used-1"].map((name) => join(folder, "runs", name))]) make(run)
  symlinkSync(elsewhere, join(folder, "runs", "linked-1"))
  const remove = (id: string) => raw("POST /call/remove", json, JSON.stringify({ id }))
  const refusedFor = async (id: string, reason: string) => {
    const answer = await remove(id)
    expect([answer.status, (JSON.parse(answer.text) as { readonly message: string }).message]).toEqual([400, reason])
    isPlain(answer)
  }
  await refusedFor("runs/linked-1", "runs/linked-1 is not a run in this folder")
  const used = await Effect.runPromise(Effect.provide(thisProcess, platform))
  writeFileSync(join(folder, "runs", "used-1", "lock"), JSON.stringify(used))
  await refusedFor("runs/used-1", "runs/used-1 is still running; stop it first, then remove it")
  expect((await remove("runs/gone-1")).status).toBe(200)
  await refusedFor("runs/gone-1", "runs/gone-1 is not a run in this folder")
  expect(readdirSync(join(folder, "runs")).sort()).toEqual(["evil", "good-1", "linked-1", "used-1"])
  expect(readFileSync(join(top, "beside", "secret.txt"), "utf8")).toBe(SECRET)
  expect(existsSync(join(elsewhere, "plan.json"))).toBe(true)
})

describe("what is dropped", () => {
  const put = (path: string, body: string, drop = "0123456789abcdef") =>
    raw(`PUT /store/${path}?drop=${drop}`, {}, body)
  const finish = (drop = "0123456789abcdef") => raw(`POST /store?drop=${drop}`, json, "{}")
  const before = () => (readdirSync(folder, { recursive: true }) as Array<string>).sort()

  test("lands nowhere else", async () => {
    const names = before()
    for (const path of [
      "..%2fevil",
      "%2e%2e/evil",
      "a/..%2f..%2f..%2fevil",
      "%2fetc%2fevil",
      "a%00b",
      "a%5c..%5cb",
      "%zz",
      "a//b"
    ])
      expect([path, (await put(path, "x")).status]).toEqual([path, path === "%2e%2e/evil" ? 404 : 400])
    for (const drop of ["", "../../x", "a", "a".repeat(65)])
      expect((await put("x.csv", "x", encodeURIComponent(drop))).status).toBe(400)
    expect((await finish("nothing-of-it")).status).toBe(400)
    expect(before()).toEqual(names)
    expect(existsSync(join(top, "evil"))).toBe(false)
  })

  test("never has a name that is hidden", async () => {
    await put(".bashrc", "x")
    expect(JSON.parse((await finish()).text)).toEqual({ source: "data/_bashrc" })
  })

  test("is bounded, and leaves nothing where it does not arrive", async () => {
    const names = before()
    expect((await put("rows/a.csv", "a".repeat(150_000))).status).toBe(200)
    expect((await put("rows/b.csv", "b".repeat(150_000))).status).toBe(413)
    expect((await put("rows/c.csv", "c")).status).toBe(400)
    expect((await finish()).status).toBe(400)
    expect(before()).toEqual(names)
  })
})

describe("a folder that came from elsewhere", () => {
  const planted = join(top, "planted")
  const victim = Bun.spawn(["sleep", "600"])
  const filesOf = () => (readdirSync(planted, { recursive: true }) as Array<string>).sort()
  /** before a studio was opened */
  let brought: Array<string>
  let other: OpenStudio
  beforeAll(async () => {
    const put = (name: string, content: unknown) => {
      mkdirSync(join(planted, name, ".."), { recursive: true })
      writeFileSync(join(planted, name), typeof content === "string" ? content : JSON.stringify(content))
    }
    const lock = { pid: victim.pid, host: hostname() }
    const record = { plan: "plans/evil.json", startedAt: 1, resumes: false, stopping: false }
    put("plans/evil.json", tinyPlan("bert"))
    put(".studio/token", `${"A".repeat(32)}\n`)
    put(".studio/runs/runs%2Fevil-1.json", { ...record, id: "runs/evil-1", waits: true })
    put(`.studio/runs/${encodeURIComponent("../escaped")}.json`, { ...record, id: "../escaped", waits: true })
    put(".studio/runs/runs%2Fheld-1.json", { ...record, id: "runs/held-1", waits: false, owner: lock })
    put("runs/held-1/plan.json", {})
    put("runs/held-1/lock", lock)
    put("compare/held-1/study.json", {})
    put("compare/held-1/lock", lock)
    put("runs/.removed-0-mine/kept.txt", "kept")
    put("data/.drop-0123456789/kept.txt", "kept")
    mkdirSync(join(planted, "exports"))
    symlinkSync(join(top, "beside"), join(planted, "exports", "out-onnx-1"))
    brought = filesOf()
    other = await openStudio({ folder: planted })
  })
  afterAll(async () => {
    victim.kill("SIGKILL")
    await other.close()
  })
  const post = (path: string, input: unknown) =>
    other.fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(input)
    })

  test("starts nothing, opens for no one whom it names, and no process of its user's is signalled", async () => {
    expect((await fetch(`${other.origin}/?token=${"A".repeat(32)}`)).headers.get("set-cookie")).toBeNull()
    const wrong = await fetch(`${other.origin}/call/runs`, { headers: { authorization: `Bearer ${"A".repeat(32)}` } })
    expect([other.secret === "A".repeat(32), wrong.status]).toEqual([false, 404])
    // two looks of the queue
    await Bun.sleep(2_500)
    const states = async () => (await other.call("runs", {})).map(({ id, state }) => [id, state])
    expect(await states()).toEqual([["runs/held-1", "stopped"]])
    expect((await other.call("studies", {})).map(({ id, state }) => [id, state])).toEqual([
      ["compare/held-1", "stopped"]
    ])
    await other.call("trust", {})
    await Bun.sleep(1_500)
    expect(await states()).toEqual([["runs/held-1", "stopped"]])
    await expect(other.call("stop", { id: "runs/held-1" })).rejects.toThrow("runs/held-1 is not running")
    await expect(other.call("stopStudy", { id: "compare/held-1" })).rejects.toThrow("is not running")
    expect([victim.exitCode, victim.signalCode]).toEqual([null, null])
    expect(filesOf()).toEqual(brought)
    expect(existsSync(join(top, "escaped"))).toBe(false)
  })

  test("is asked about first: until it is trusted, it is read and nothing else, by name of what it brings", async () => {
    await other.close()
    other = await openStudio({ folder: planted })
    const { doubts } = await other.call("about", {})
    expect(doubts).toEqual([
      "a .studio folder with the state of another studio, which is ignored",
      'a link to other folders: "exports/out-onnx-1"'
    ])
    expect(other.said()).toContain(
      "this folder is read-only until you trust it in the studio; it contains a .studio folder"
    )
    expect((await other.call("runs", {})).length).toBe(1)
    const changing: ReadonlyArray<readonly [string, unknown]> = [
      ["/call/start", { name: "x", plan: {} }],
      ["/call/stop", { id: "runs/held-1" }],
      ["/call/resume", { id: "runs/held-1" }],
      ["/call/remove", { id: "runs/held-1" }],
      ["/call/annotate", { id: "runs/held-1", comment: "mine" }],
      ["/call/removeExport", { id: "exports/out-onnx-1" }],
      ["/call/stopStudy", { id: "compare/held-1" }],
      ["/call/resumeStudy", { id: "compare/held-1" }],
      ["/call/removeStudy", { id: "compare/held-1" }],
      ["/call/startStudy", {}],
      ["/watch/export", { id: "runs/held-1", format: "merged", options: {} }],
      ["/store?drop=0123456789abcdef", {}]
    ]
    const reason = expect.stringContaining("This folder is open read-only until you trust it")
    for (const [path, input] of changing) {
      const answer = await post(path, input)
      expect([path, answer.status, (await answer.json()).message]).toEqual([path, 403, reason])
    }
    const dropped = await other.fetch("/store/a.csv?drop=0123456789abcdef", { method: "PUT", body: "x" })
    expect(dropped.status).toBe(403)
    expect(filesOf()).toEqual(brought)
    await other.call("trust", {})
    expect((await other.call("about", {})).doubts).toEqual([])
    // its lock is believed by whoever would write there: that costs nothing
    await expect(other.call("remove", { id: "runs/held-1" })).rejects.toThrow("remove runs/held-1/lock")
    rmSync(join(planted, "runs", "held-1", "lock"))
    await other.call("remove", { id: "runs/held-1" })
    expect(existsSync(join(planted, "runs", "held-1"))).toBe(false)
  })
})
