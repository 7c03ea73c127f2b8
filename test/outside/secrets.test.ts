/** Passwords and tokens that come in a URL or a variable do not leave the program again: not in messages, not in files. */
import { describe, expect, test } from "bun:test"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { parseStorage, questionOf, shownStorage } from "../../src/compare/index.ts"
import { openStudyFolder } from "../../src/compare/study-folder.ts"
import { readPlan } from "../../src/plan/index.ts"
import { platform } from "../../src/platform.ts"
import { tinyPlan, workspace } from "../e2e/fixtures.ts"

const w = workspace()
w.model("bert")
w.write("plan.json", tinyPlan("bert"))

describe("the password of a study's storage", () => {
  test.each([
    // nothing listens on port 1
    ["postgres://user:secret@127.0.0.1:1/db", "storage postgres://***@127.0.0.1:1/db: "],
    ["postgres://127.0.0.1:1/db?user=me&password=secret", "storage postgres://127.0.0.1:1/db?user=***: "],
    ["postgres://user:se/secret@h/db", "storage postgres://***@h/db: found no host; expected sqlite://FILE"],
    ["postgres://user:1/secret@h/db", "storage postgres://***@h/db: found an @ after the host; expected"],
    ["postgres://user:secret", "storage postgres://***: found no host"],
    ["postgres:/user:secret@h/db", "storage postgres:/***@h/db: found no scheme"],
    ["user:secret@h://x", "found no scheme"]
  ])("%s is in no message", async (storage, says) => {
    for (const args of [
      ["compare", "plan.json", "--storage", storage],
      ["compare", "--worker", `--storage=${storage}`]
    ]) {
      const { code, stdout, stderr } = await w.cli(args)
      expect(code).toBe(1)
      expect(stderr).toContain(says)
      expect(stdout + stderr).not.toContain("secret")
    }
  })

  test("is not in what is said of other arguments", async () => {
    for (const args of [
      ["train", "https://user:secret@host/plan.json"],
      ["compare", "plan.json", "https://user:secret@host/plan.json"],
      ["compare", "plan.json", "--seeds", "https://user:secret@host/plan.json"]
    ]) {
      const { stdout, stderr } = await w.cli(args)
      expect(stderr).toContain("https://***@host/plan.json")
      expect(stdout + stderr).not.toContain("secret")
    }
  })

  const asked = (storage: string) => ({
    seeds: 1,
    freshSeeds: 2,
    halving: false,
    widen: false,
    device: "wasm" as const,
    storage
  })
  const opened = (storage: string, folder: string) =>
    Effect.gen(function* () {
      const plan = yield* readPlan(w.path("plan.json"))
      return yield* openStudyFolder(yield* questionOf(plan, asked(storage)), [], w.path(folder))
    }).pipe(Effect.provide(platform), Effect.runPromise)

  test("is not in study.json, and a study of an earlier version that has it is gone on with", async () => {
    const storage = Result.getOrThrow(parseStorage("postgres://me:secret@host/db?password=secret"))
    await opened(shownStorage(storage), "study")
    expect(w.read("study/study.json")).toContain('"storage": "postgres://***@host/db?password=***"')
    mkdirSync(w.path("earlier"))
    const before = { ...w.json("study/study.json"), storage: "postgres://me@host/db?password=secret" }
    writeFileSync(join(w.path("earlier"), "study.json"), JSON.stringify(before))
    const { portable } = await opened(shownStorage(storage), "earlier")
    expect(portable.storage).toBe("postgres://***@host/db?password=***")
  })
})
