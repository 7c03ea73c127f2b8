/** What was written at faf5b6a and at c0b4a848 works unchanged: runs are used, interrupted ones and studies go on, and end as then. */
import { describe } from "bun:test"
import * as c0b4a848 from "./c0b4a848.ts"
import { expected, quick, testFinished, written } from "./faf5b6a.ts"
import { expectedOf, type Resumed, testInterrupted, testStudies } from "./written-then.ts"

const resumed = await expectedOf<Record<string, Omit<Resumed, "run">>>("compatibility", "resumed.json")

describe("faf5b6a", () => {
  const w = written()
  const others = expected.finished.map(({ run }) => run).filter((run) => !quick.includes(run))
  testFinished(w, others)
  testInterrupted(
    w,
    Object.entries(resumed).map(([run, own]) => ({ run, ...own }))
  )
  testStudies(w, expected.compare)
})

describe("c0b4a848", () => {
  const w = c0b4a848.written()
  c0b4a848.testFinished(w)
  testInterrupted(w, c0b4a848.expected.interrupted)
  testStudies(w, c0b4a848.expected.compare)
})
