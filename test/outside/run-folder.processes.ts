/** Run folders that are moved or replaced under a run, and runs that a supervisor or a container starts again. Real processes. */
import { beforeAll, describe, expect, test } from "bun:test"
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs"
import { hostname } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { isGone, type ProcessOwner, seenIn } from "../../src/files/process-owner.ts"
import { platform } from "../../src/platform.ts"
import { cli, onWasm, run, succeed, TIMEOUT, workspace } from "../e2e/fixtures.ts"
import { busyPlan, type Launched, launch, resultsOf, start } from "../e2e/runs.ts"

const w = workspace()
const whole = "whole/run"

beforeAll(async () => {
  w.model("bert")
  w.write("run.json", busyPlan("bert", 40))
  await succeed(w.cli(["train", "run.json", "--out", whole, ...onWasm]))
}, TIMEOUT)

const endOf = async (training: Launched) => {
  const { code, stderr } = await training.ended
  const lines = stderr.trimEnd().split("\n")
  return { code, stderr, message: lines.at(-1)!.trim(), hint: lines.findLast((line) => line.includes("resume with"))! }
}

const goesOn = async (folder: string) => {
  await succeed(w.cli(["train", "--resume", folder, ...onWasm]))
  expect(resultsOf(w, folder)).toEqual(resultsOf(w, whole))
}

describe("a run folder that another one takes the place of", () => {
  test(
    "ends the run, which says where its own is now; nothing is written into the new one, and the run goes on in its own",
    async () => {
      const training = launch(w, "train", "run.json", "--out", "replaced/run")
      await training.said("after step 9:")
      training.kill("SIGSTOP") // never a moment without a folder of this name
      renameSync(w.path("replaced/run"), w.path("replaced/moved"))
      mkdirSync(w.path("replaced/run/checkpoints"), { recursive: true })
      mkdirSync(w.path("replaced/run/adapter"))
      training.kill("SIGCONT")
      const { code, stderr, message, hint } = await endOf(training)
      expect(code).toBe(1)
      expect(message).toMatch(
        /^cannot write replaced\/run\/\S+: (\S+ cannot be written: )?replaced\/run is no longer the folder that was opened; nothing is written into another one$/
      )
      expect(hint).toMatch(
        /replaced\/run was renamed to replaced\/moved; step \d+ is saved in it; resume with: bun run train --resume replaced\/moved$/
      )
      expect(stderr).not.toContain("    at ")
      expect(readdirSync(w.path("replaced/run"), { recursive: true }).sort()).toEqual(["adapter", "checkpoints"])
      await goesOn("replaced/moved")
    },
    TIMEOUT
  )

  test(
    "also where the new one is a copy of it, and its own is in another place",
    async () => {
      const training = launch(w, "train", "run.json", "--out", "copied/run")
      await training.said("after step 9:")
      mkdirSync(w.path("other"))
      renameSync(w.path("copied/run"), w.path("other/run"))
      await run(["cp", "-r", w.path("other/run"), w.path("copied/run")], { cwd: w.directory })
      const found = readdirSync(w.path("copied/run"), { recursive: true }).sort()
      const { code, hint } = await endOf(training)
      expect(code).toBe(1)
      expect(hint).toMatch(
        /copied\/run was moved elsewhere; step \d+ is saved in it; resume with: .* and its new name$/
      )
      expect(readdirSync(w.path("copied/run"), { recursive: true }).sort()).toEqual(found)
      await goesOn("other/run")
    },
    TIMEOUT
  )

  test(
    "and one that is renamed alone",
    async () => {
      const training = launch(w, "train", "run.json", "--out", "renamed/run")
      await training.said("after step 9:")
      renameSync(w.path("renamed/run"), w.path("renamed/moved"))
      const { message, hint } = await endOf(training)
      expect(message).toMatch(/no such file or folder$/)
      expect(hint).toContain("renamed/run was renamed to renamed/moved; ")
      expect(existsSync(w.path("renamed/run"))).toBe(false)
      await goesOn("renamed/moved")
    },
    TIMEOUT
  )
})

describe.skipIf(process.platform !== "linux")("a run that was killed goes on at once,", () => {
  const stateOf = (pid: number) => readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "")[0]
  const startOf = (pid: number) => seenIn(readFileSync(`/proc/${pid}/stat`, "utf8")).started!
  const gone = (owner: ProcessOwner) => Effect.runPromise(Effect.provide(isGone(owner), platform))
  const lockOf = (folder: string): { readonly pid: number } =>
    JSON.parse(readFileSync(w.path(join(folder, "lock")), "utf8"))
  const quoted = (command: ReadonlyArray<string>) => command.map((word) => `'${word}'`).join(" ")
  const train = (...args: ReadonlyArray<string>) => [process.execPath, cli, "train", ...args, ...onWasm]

  test(
    "where its parent does not ask for it, and it stays a zombie",
    async () => {
      const folder = "zombie/run"
      // what was the shell is a program that asks for no child
      const parent = start(["sh", "-c", `${quoted(train("run.json", "--out", folder))} & exec sleep 300`], w.directory)
      await parent.said("after step 9:")
      const { pid } = lockOf(folder)
      process.kill(pid, "SIGKILL")
      const resumed = await w.cli(["train", "--resume", folder, ...onWasm])
      expect(stateOf(pid)).toBe("Z")
      expect(resumed.stderr).toContain("resumes after step")
      expect(resumed.code).toBe(0)
      expect(resultsOf(w, folder)).toEqual(resultsOf(w, whole))
      parent.kill("SIGKILL")
      await parent.ended
    },
    TIMEOUT
  )

  test(
    "while it still gives its memory back",
    async () => {
      const script =
        "const held = []; for (let i = 0; i < 10; i++) held.push(new Uint8Array(1e8).fill(1)); console.error('holds'); setInterval(() => {}, 1e3)"
      const child = start([process.execPath, "-e", script], w.directory)
      await child.said("holds")
      const owner = { pid: child.pid, host: hostname(), started: startOf(child.pid) }
      expect(await gone(owner)).toBe(false)
      // asked in the same moment, before the process has heard of it
      child.kill("SIGKILL")
      expect(await gone(owner)).toBe(true)
      await child.ended
    },
    TIMEOUT
  )

  const namespaces = Bun.spawnSync(["unshare", "--pid", "--fork", "--mount-proc", "true"], { stderr: "ignore" }).success
  if (!namespaces) console.warn("no permission for namespaces: the test of a number that is given again is skipped")

  test.skipIf(!namespaces)(
    "where another process has its number: in a container that was started again, numbers begin anew",
    async () => {
      const folder = "container/run"
      const container = (script: string) =>
        start(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script], w.directory)
      const first = container(`${quoted(train("run.json", "--out", folder))} & wait`)
      await first.said("after step 9:")
      const { pid } = lockOf(folder)
      expect(pid).toBe(2)
      first.kill("SIGKILL")
      await first.ended
      const second = container(`sleep 300 & [ $! = ${pid} ] && ${quoted(train("--resume", folder))}`)
      const { code, stderr } = await second.ended
      expect(stderr).toContain("resumes after step")
      expect(code).toBe(0)
      expect(resultsOf(w, folder)).toEqual(resultsOf(w, whole))
    },
    TIMEOUT
  )
})
