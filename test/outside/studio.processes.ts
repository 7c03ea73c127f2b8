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
  studio = await openStudio({
    folder,
    env: { TFJS_LORA_PRO_LIMITS: "studio-body-bytes=100000,studio-store-bytes=200000" }
  })
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
      cookie: studio.cookie,
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
    "GET /",
    "GET /files/runs/good-1/weights.bin",
    "POST /call/about",
    "POST /watch/runs",
    "PUT /store/a.csv?drop=12345678"
  ]

  test("nobody without the cookie, from another page, or by another name of this machine", async () => {
    for (const line of asked) {
      for (const cookie of ["", studio.cookie.replace(/=.*/, "=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), "studio-1=x"])
        expect([line, (await raw(line, { ...json, cookie }, "{}")).status]).toEqual([line, 403])
      for (const site of ["cross-site", "same-site"])
        expect((await raw(line, { ...json, "sec-fetch-site": site }, "{}")).status).toBe(403)
      for (const origin of ["http://evil.example", "null", "http://127.0.0.1:1"])
        expect((await raw(line, { ...json, origin }, "{}")).status).toBe(403)
      for (const host of ["evil.example", `evil.example:${new URL(studio.origin).port}`, "127.0.0.1.evil.example"])
        expect((await raw(line, { ...json, host }, "{}")).status).toBe(421)
    }
    expect((await raw("GET /?token=wrong", { cookie: "" })).status).toBe(403)
  })

  test("whoever has the token, by a cookie that pages of elsewhere and scripts do not have", async () => {
    const { status, head } = await raw(`GET /${new URL(studio.url).search}`, { cookie: "" })
    expect(status).toBe(303)
    expect(head).toMatch(/set-cookie: studio-\d+=[\w-]{32}; HttpOnly; SameSite=Strict; Path=\//i)
    expect(head).not.toMatch(/access-control/i)
    expect((await raw("GET /", { origin: studio.origin, "sec-fetch-site": "same-origin" })).status).toBe(200)
    // the token is for its owner alone, and does not go into a repository
    expect(statSync(join(folder, ".studio", "token")).mode & 0o777).toBe(0o600)
    expect(readFileSync(join(folder, ".studio", ".gitignore"), "utf8")).toBe("*\n")
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
    "/files/runs%2fgood-1%2f..%2f..%2fsecret.txt",
    `/files/${encodeURIComponent(join(top, "secret.txt"))}`,
    `/files/${join(top, "secret.txt")}`,
    "/files//etc/passwd",
    "/files/.studio/token",
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

test("a page from a run's folder has no cookie and loads nothing", async () => {
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
  await refusedFor(
    "runs/linked-1",
    "runs/linked-1 is a symbolic link, through which the studio removes nothing; remove it by hand"
  )
  writeFileSync(join(folder, "runs", "used-1", "lock"), JSON.stringify({ pid: process.pid, host: hostname() }))
  await refusedFor("runs/used-1", "runs/used-1 is under way; stop it before it is removed")
  expect((await remove("runs/gone-1")).status).toBe(200)
  await refusedFor("runs/gone-1", "runs/gone-1 is no run of this folder")
  expect(readdirSync(join(folder, "runs")).sort()).toEqual(["good-1", "linked-1", "used-1"])
  expect(readFileSync(join(top, "beside", "secret.txt"), "utf8")).toBe(SECRET)
  expect(existsSync(join(elsewhere, "plan.json"))).toBe(true)
})

describe("what is dropped", () => {
  const put = (path: string, body: string, drop = "0123456789abcdef") =>
    raw(`PUT /store/${path}?drop=${drop}`, {}, body)
  const finish = (drop = "0123456789abcdef") => raw(`POST /store?drop=${drop}`, json, "{}")
  const before = () =>
    (readdirSync(folder, { recursive: true }) as Array<string>).filter((name) => !/^\.studio/.test(name)).sort()

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
