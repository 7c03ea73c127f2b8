/** More runs that were written at faf5b6a (`test/golden/compatibility`) work unchanged; interrupted ones and studies go on, and end as then. */
import { describe, expect, test } from "bun:test"
import { onWasm, succeed, TIMEOUT } from "./fixtures.ts"
import { expected, quick, testFinished, testInterrupted, writtenThen } from "./written-then.ts"

const w = writtenThen()

const others = expected.finished.map(({ run }) => run).filter((run) => !quick.includes(run))
testFinished(w, others)
testInterrupted(w)

describe("a study", () => {
  const compare = (folder: string) =>
    succeed(w.cli(["compare", "study.json", ...expected.compare, "--out", folder, ...onWasm]))
  /** The verdict without the folder's name, what a clock says, and `output`, which is in today's words. */
  const unknown = ["baseline", "before", "after", "stepSeconds", "began", "ended", "cost", "beside", "learnedNothing"] // to studies of then
  const verdict = (folder: string) =>
    JSON.parse(w.read(`${folder}/compare.json`), (key, value) => {
      if (unknown.includes(key)) return undefined
      if (key === "warnings") return value.filter((one: string) => !one.includes("say that they learned nothing"))
      return ["study", "folder", "plan", "seconds", "peakBytes", "id", "output"].includes(key) ? null : value
    })

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

  test(
    "goes on by its folder alone, which says what it asks",
    async () => {
      const { stderr, stdout } = await succeed(w.cli(["compare", "--out", "study", "--json", ...onWasm]))
      expect(stderr).toContain("is finished: nothing is run again")
      expect(JSON.parse(stdout)).toMatchObject({ folder: "study" })
      const { code, stderr: said } = await w.cli(["compare", "--out", "elsewhere", ...onWasm])
      expect({ code, said }).toMatchObject({ code: 1, said: expect.stringContaining("there is no study.json") })
    },
    TIMEOUT
  )
})
