/** Studies that were written at faf5b6a (`test/golden/compatibility`) go on, and have the verdict of then. */
import { beforeAll, describe, expect, test } from "bun:test"
import { cpSync } from "node:fs"
import { join } from "node:path"
import { onWasm, repository, succeed, TIMEOUT, workspace } from "./fixtures.ts"

const golden = join(repository, "test", "golden")
/** What `compare` was called with. */
const { compare: then } = (await Bun.file(join(golden, "compatibility", "expected.json")).json()) as {
  readonly compare: ReadonlyArray<string>
}

const w = workspace()
beforeAll(() => {
  cpSync(join(golden, "compatibility"), w.directory, { recursive: true })
  cpSync(join(golden, "models", "bert", "model.safetensors"), w.path("bert/model.safetensors"))
})

describe("a study", () => {
  const compare = (folder: string) => succeed(w.cli(["compare", "study.json", ...then, "--out", folder, ...onWasm]))
  /** The verdict without the folder's name, what a clock says, and `output`, which is in today's words. */
  const verdict = (folder: string) =>
    JSON.parse(w.read(`${folder}/compare.json`), (key, value) =>
      ["study", "folder", "plan", "seconds", "peakBytes", "id", "output"].includes(key) ? null : value
    )

  test(
    "that is finished has the verdict of then, and nothing is run again",
    async () => {
      const before = verdict("study")
      const { stderr } = await compare("study")
      expect(stderr).toContain("is finished: nothing is run again")
      expect(verdict("study")).toEqual(before)
    },
    TIMEOUT
  )

  test(
    "that was interrupted goes on, and comes to the same verdict",
    async () => {
      const { stderr } = await compare("unfinished-study")
      expect(stderr).toContain("runs that are done already")
      expect(verdict("unfinished-study")).toEqual(verdict("study"))
    },
    TIMEOUT
  )
})
