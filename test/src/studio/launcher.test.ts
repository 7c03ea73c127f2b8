/** Runs as processes, with one that counts its signals in the place of a run. */
import { expect, test } from "bun:test"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { platform } from "../../../src/platform.ts"
import { openLauncher } from "../../../src/studio/server/launcher.ts"

/** Writes a line for each signal, and ends when it is told to by a file. */
const script = `
const fs = require("node:fs")
process.on("SIGINT", () => fs.appendFileSync("signals", "x"))
fs.writeFileSync("ready", "")
setInterval(() => fs.existsSync("enough") && process.exit(130), 10)`

test("a run that is asked to stop twice is signalled once: a second signal means to leave unsaved", async () => {
  const before = process.cwd()
  const folder = mkdtempSync(join(tmpdir(), "launcher-"))
  process.chdir(folder)
  try {
    await Effect.gen(function* () {
      const command = { runtime: process.execPath, args: ["-e", script, "--"], env: process.env }
      const { start, stop, lives } = yield* openLauncher(command, [], ".state", { with: () => undefined })
      const until = (is: () => boolean) => Effect.sleep(10).pipe(Effect.repeat({ until: is }))
      yield* start({ id: "runs/a-1", plan: "a.json", now: true })
      yield* until(() => existsSync("ready"))
      yield* stop("runs/a-1")
      yield* until(() => existsSync("signals"))
      yield* stop("runs/a-1")
      yield* Effect.sleep(100)
      expect(readFileSync("signals", "utf8")).toBe("x")
      const [life] = yield* lives(["runs/a-1"])
      expect(life).toMatchObject({ state: "stopping", failed: null })
      yield* Effect.promise(() => Bun.write("enough", ""))
    }).pipe(Effect.provide(platform), Effect.runPromise)
  } finally {
    process.chdir(before)
    await Bun.sleep(100)
    rmSync(folder, { recursive: true, force: true })
  }
})
