/** What of a URL is shown: enough to know it by, and nothing that opens a door. */
import { describe, expect, test } from "bun:test"
import { shownArgument, withoutSecrets, withoutSecretsIn } from "../../../src/boundary/index.ts"

describe("a URL as it may be printed and stored", () => {
  test.each([
    ["https://host:8080/path?download=true#part", "https://host:8080/path?download=true#part"],
    ["postgres://[::1]:5432/db?sslmode=require", "postgres://[::1]:5432/db?sslmode=require"],
    ["postgres://host/db", "postgres://host/db"],
    ["studies.db", "studies.db"],
    ["./path/to:x", "./path/to:x"],
    ["sqlite://a@b/user:x?key=y.db", "sqlite://a@b/user:x?key=y.db"],
    ["postgres://me@host/db", "postgres://***@host/db"],
    ["postgres://me:secret@host:5432/db", "postgres://***@host:5432/db"],
    ["POSTGRES://me:secret@host/db", "POSTGRES://***@host/db"],
    ["https://hf_secret@host/", "https://***@host/"],
    ["postgres://host/db?sslmode=require&password=secret", "postgres://host/db?sslmode=require&password=***"],
    ["postgres://host/db?password=secret&sslmode=require", "postgres://host/db?password=***"],
    ["postgres://host/db?user=secret", "postgres://host/db?user=***"],
    ["https://host/file?X-Amz-Signature=secret", "https://host/file?X-Amz-Signature=***"],
    ["https://host/#access_token=secret", "https://host/#access_token=***"]
  ])("%s", (url, shown) => {
    expect(withoutSecrets(url)).toBe(shown)
    // what is stored is read and shown again
    expect(withoutSecrets(shown)).toBe(shown)
  })

  test.each([
    "postgres://me:se/secret@h/db",
    "postgres://me:1/secret@h/db",
    "postgres://me:se@secret@h/db",
    "postgres://me:se?secret@h/db",
    "postgres://me:se#secret@h/db",
    "postgres://me:se?password=secret@h/db",
    "postgres://h/db?password=se@secret",
    "postgres://h/db?password=se&secret",
    "postgres://h/db?a=b;PASSWORD=secret",
    "postgres://h/db?p%61ssword=secret",
    "postgres://me:secret/db",
    "postgres://me:secret",
    "postgres:/me:secret@h/db",
    "postgres:me:secret@h/db",
    "me:secret@h/db",
    "me:secret/db",
    "postgres://me:a b\nsecret@h/db",
    "postgres://me:a\u0000secret@h/db"
  ])("%j, which no parser has to take", (url) => {
    expect(withoutSecrets(url)).not.toContain("secret")
  })
})

test("URLs in a text, which is otherwise as it was", () => {
  expect(withoutSecretsIn('"https://a:b@c/d" and hf:a/b@c, x@y: postgres://h/d?password=e f')).toBe(
    '"https://***@c/d" and hf:a/b@c, x@y: postgres://h/d?password=*** f'
  )
  expect(withoutSecretsIn("\u001b[31mhttp://a:b@c")).toBe("\u001b[31mhttp://***@c")
  const help = "expected postgres://USER:PASSWORD@HOST/DATABASE"
  expect(withoutSecretsIn(help)).toBe(help)
  const long = "a-".repeat(100_000)
  expect(withoutSecretsIn(long)).toBe(long)
})

test("arguments of a command line", () => {
  const given = ["--storage=postgres://a:b c@d/e", "postgres://a:b c@d/e", "hf:a/b@c", "--set=x.y=http://a@b"]
  expect(given.map(shownArgument)).toEqual([
    "--storage=postgres://***@d/e",
    "postgres://***@d/e",
    "hf:a/b@c",
    "--set=x.y=http://***@b"
  ])
})
