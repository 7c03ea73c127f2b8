/** Whatever a file holds: a value, or an error of ours that says what is wrong. The long run is test/long/fuzz.long.ts. */
import { expect, test } from "bun:test"
import { mostGrowth, mostRetained, runFuzz } from "./run-fuzz.ts"
import { targets } from "./targets.ts"

const cases = 2_000

test.each(Object.keys(targets))(
  "%s",
  async (target) => {
    const { wrong, grown, retained, ...report } = await runFuzz(target, 0, cases)
    expect(wrong).toEqual([])
    expect(report.cases).toBe(cases)
    expect(report.valid).toBeGreaterThan(0)
    expect(grown).toBeLessThan(mostGrowth)
    expect(retained).toBeLessThan(mostRetained(target))
  },
  300_000
)
