/** The studio's door: a code that works once, a secret in a header, signatures of one path for minutes. */
import { expect, test } from "bun:test"
import { doorkeeper } from "../../../src/studio/server/doorkeeper.ts"

const ORIGIN = "http://127.0.0.1:4545"
const opened = () => {
  let time = 1_000
  const door = doorkeeper(() => time)
  const secret = door.admit(door.code())!
  const passes = (method: string, path: string, headers: Readonly<Record<string, string>> = {}) => {
    const request = new Request(`${ORIGIN}${path}`, { method, headers: { host: "127.0.0.1:4545", ...headers } })
    return door.stops(request, new URL(request.url)) === undefined
  }
  const bearer = { authorization: `Bearer ${secret}` }
  return { door, secret, passes, bearer, later: (milliseconds: number) => (time += milliseconds) }
}

test("a code works once; the secret stays, and each door has its own", () => {
  const { door, secret } = opened()
  const code = door.code()
  expect(door.admit("")).toBeUndefined()
  expect(door.admit(secret)).toBeUndefined()
  expect(door.admit(code)).toBe(secret)
  expect(door.admit(code)).toBeUndefined()
  expect(door.code()).not.toBe(code)
  expect(secret).toMatch(/^[\w-]{32}$/)
  expect(opened().secret).not.toBe(secret)
})

test("the page's own files are for everyone, all else for who has the secret", () => {
  const { passes, bearer } = opened()
  for (const path of ["/", "/index.html", "/assets/a.js"]) expect(passes("GET", path)).toBe(true)
  const asked = [
    ["POST", "/call/about"],
    ["POST", "/watch/runs"],
    ["POST", "/sign"],
    ["POST", "/store?drop=12345678"],
    ["PUT", "/store/a.csv?drop=12345678"],
    ["GET", "/files"],
    ["GET", "/files/runs/a-1/report.html"]
  ] as const
  for (const [method, path] of asked) {
    expect([path, passes(method, path)]).toEqual([path, false])
    expect([path, passes(method, path, bearer)]).toEqual([path, true])
    expect([path, passes(method, path, { cookie: "studio-4545=x" })]).toEqual([path, false])
    expect([path, passes(method, path, { authorization: `${bearer.authorization}x` })]).toEqual([path, false])
    // with the secret, too: a page of another origin has no business here
    expect([path, passes(method, path, { ...bearer, origin: "http://127.0.0.1:1" })]).toEqual([path, false])
    expect([path, passes(method, path, { ...bearer, "sec-fetch-site": "same-site" })]).toEqual([path, false])
  }
  expect(passes("POST", "/open", { origin: "http://evil.example" })).toBe(false)
  expect(passes("POST", "/open", { origin: ORIGIN })).toBe(true)
})

test("a signature is of one path and for minutes, and reads alone", () => {
  const { door, passes, later } = opened()
  const path = "/files/runs/a-1/report.html"
  const signed = door.signed(path)
  expect(passes("GET", signed)).toBe(true)
  expect(passes("GET", `${signed}&zip`)).toBe(true)
  expect(passes("GET", signed.replace("a-1", "a-2"))).toBe(false)
  expect(
    passes(
      "GET",
      signed.replace(/signed=\d/, (start) => `${start}9`)
    )
  ).toBe(false)
  expect(passes("GET", `${path}?signed=9999999999999.`)).toBe(false)
  expect(passes("GET", `${path}?signed=`)).toBe(false)
  expect(passes("PUT", signed)).toBe(false)
  expect(passes("GET", signed, { "sec-fetch-site": "cross-site" })).toBe(false)
  later(10 * 60_000 - 1)
  expect(passes("GET", signed)).toBe(true)
  later(1)
  expect(passes("GET", signed)).toBe(false)
})
