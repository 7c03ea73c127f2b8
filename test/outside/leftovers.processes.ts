/** What a killed command leaves under a temporary name is removed by the next one that writes there, and nothing else with such a name is. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { cli, onWasm, repository, run, succeed, TIMEOUT, workspace } from "../e2e/fixtures.ts"
import { start } from "../e2e/runs.ts"
import { trainTiny } from "../src/output/tiny-run.ts"

const root = mkdtempSync(join(tmpdir(), "leftovers-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let folder: string
let n = 0
beforeEach(() => {
  folder = join(root, `${n++}`)
  mkdirSync(folder)
})
const names = () => readdirSync(folder).sort()

const writers = {
  /** a folder, and a file next to it, that are never complete */
  endless: `Effect.all([
    inNewFolder("merged", (inside) => Effect.andThen(writeFileAtomic(inside + "/a", "a"), Effect.never)),
    replaceFile("answers.jsonl", () => Effect.never, String)
  ], { concurrency: 2 })`,
  one: `writeFileAtomic("note.txt", "note")`,
  same: `inNewFolder("merged", (inside) => writeFileAtomic(inside + "/a", "a"))`
}

const command = (writer: keyof typeof writers) => {
  const files = JSON.stringify(join(repository, "src/files/index.ts"))
  const platform = JSON.stringify(join(repository, "src/platform.ts"))
  const effect = JSON.stringify(join(repository, "node_modules/effect/dist/Effect.js"))
  const program = `
    import * as Effect from ${effect}
    import { inNewFolder, replaceFile, writeFileAtomic } from ${files}
    import { platform } from ${platform}
    await Effect.runPromise(Effect.asVoid(${writers[writer]}).pipe(Effect.provide(platform)))`
  return [process.execPath, "-e", program]
}

const writing = async () => {
  const before = names().length
  const child = Bun.spawn(command("endless"), { cwd: folder, stdin: "ignore", stdout: "ignore", stderr: "ignore" })
  while (names().length < before + 2) await Bun.sleep(5)
  return {
    left: names().filter((name) => name.includes(`.tmp-${child.pid}-`)),
    kill: async () => {
      child.kill("SIGKILL")
      await child.exited
    }
  }
}
const write = (writer: keyof typeof writers) => succeed(run(command(writer), { cwd: folder }))

describe("the next process that writes into the folder", () => {
  test("removes the folders and files of a dead one, and not those of one that is alive", async () => {
    const dead = await writing()
    const alive = await writing()
    expect([dead.left.length, alive.left.length]).toEqual([2, 2])
    await dead.kill()
    await write("one")
    expect(names()).toEqual([...alive.left, "note.txt"].sort())
    await alive.kill()
    await write("same")
    expect(names()).toEqual(["merged", "note.txt"])
  })

  test("leaves what may be another machine's, or anybody's, and where links lead", async () => {
    const dead = await writing()
    await dead.kill()
    const [name] = dead.left
    const digits = (text: string) => [...text].map((digit) => (15 - Number.parseInt(digit, 16)).toString(16)).join("")
    const elsewhere = name!.replace(/-([0-9a-f]{6})([0-9a-f]{6})$/, (_, machine, own) => `-${digits(machine)}${own}`)
    const { pid: gone } = Bun.spawnSync(["true"])
    const others = [elsewhere, `data.tmp-${gone}`, "data.tmp-0", `data.tmp-${gone}-0`, "data.tmp-x"]
    for (const other of others) writeFileSync(join(folder, other), "mine")
    mkdirSync(join(folder, "victim"))
    writeFileSync(join(folder, "victim/a"), "mine")
    const link = name!.replace(/^[^.]+/, "link")
    symlinkSync(join(folder, "victim"), join(folder, link))
    await write("one")
    expect(names()).toEqual([...others, link, "note.txt", "victim"].sort())
    expect(readdirSync(join(folder, "victim"))).toEqual(["a"])
  })

  test("removes what an earlier version left of the same folder", async () => {
    const { pid: gone } = Bun.spawnSync(["true"])
    for (const name of [`merged.tmp-${gone}`, `merged.tmp-${process.pid}`, `other.tmp-${gone}`])
      mkdirSync(join(folder, name))
    await write("same")
    expect(names()).toEqual(["merged", `merged.tmp-${process.pid}`, `other.tmp-${gone}`].sort())
  })

  test("takes another process with the number of a dead one for another", async () => {
    const dead = await writing()
    await dead.kill()
    // the same name with the number of a process that is alive, as after a restart of the machine or a container
    const numbered = dead.left[0]!.replace(/\.tmp-\d+-/, `.tmp-${process.pid}-`)
    mkdirSync(join(folder, numbered))
    await write("one")
    expect(names()).toEqual(["note.txt"])
  })
})

describe("merge, killed,", () => {
  const w = workspace()
  beforeAll(async () => {
    w.model("bert")
    await trainTiny(w, "tiny", "bert", { adapter: { method: "lora", rank: 4, alpha: 8 } })
  }, TIMEOUT)

  test(
    "leaves a folder that the next merge removes",
    async () => {
      const left = () => readdirSync(w.directory).filter((name) => name.includes(".tmp-"))
      const merge = [process.execPath, cli, "merge", "runs/tiny", "--out", "merged", ...onWasm]
      for (let attempt = 0; left().length === 0; attempt++) {
        expect(attempt).toBeLessThan(10)
        rmSync(w.path("merged"), { recursive: true, force: true })
        const child = start(merge, w.directory)
        let over = false
        child.ended.then(() => (over = true))
        while (!over && left().length === 0) await Bun.sleep(1)
        child.kill("SIGKILL")
        await child.ended
      }
      await succeed(w.cli(["merge", "runs/tiny", "--out", "other", ...onWasm]))
      expect(left()).toEqual([])
    },
    TIMEOUT
  )
})
