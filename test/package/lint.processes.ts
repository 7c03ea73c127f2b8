/** What the package's consumers trip over, looked for by the two tools that know: publint, and Are The Types Wrong. */
import { beforeAll, expect, test } from "bun:test"
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { publint } from "publint"
import { formatMessage } from "publint/utils"
import { emptyProject, pack, repository } from "./consumer.ts"

const folder = emptyProject()
let tarball: string
beforeAll(() => {
  tarball = pack(folder)
}, 180_000)

/**
 * Not followed, with the reason: the field "browser" gives pages the build of csv-parse that needs no Buffer. "imports" could say
 * that only if every source named the parser by an alias.
 */
const notFollowed = ["USE_EXPORTS_OR_IMPORTS_BROWSER"]

test("publint finds nothing", async () => {
  const bytes = readFileSync(tarball)
  const { messages, pkg } = await publint({ pack: { tarball: bytes.buffer as ArrayBuffer }, level: "suggestion" })
  expect(messages.map(({ code }) => String(code))).toContain(notFollowed[0]!)
  const found = messages.filter(({ code }) => !notFollowed.includes(code))
  expect(found.map((message) => formatMessage(message, pkg))).toEqual([])
})

test("the types are right for everyone who can import the package: it is ESM, for resolvers that know exports", () => {
  const attw = join(repository, "node_modules", "@arethetypeswrong", "cli", "dist", "index.js")
  const args = [attw, tarball, "--profile", "esm-only", "--no-definitely-typed", "--format", "json"]
  // what it says of every file is more than a megabyte, where the default ends
  const { status, stdout } = spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8", maxBuffer: 2 ** 28 })
  const { analysis } = JSON.parse(stdout) as {
    analysis: { entrypoints: object; problems: ReadonlyArray<{ kind: string; resolutionKind?: string }> }
  }
  expect(Object.keys(analysis.entrypoints).length).toBeGreaterThan(10)
  const ignored = ["node10", "node16-cjs"]
  expect(analysis.problems.filter(({ resolutionKind }) => !ignored.includes(resolutionKind ?? ""))).toEqual([])
  expect(status).toBe(0)
}, 180_000)
