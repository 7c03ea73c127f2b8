/** Ten times the cases of test/fuzz/fuzz.processes.ts, and none of them. */
import { expect, test } from "bun:test"
import { mostGrowth, mostRetained, runFuzz } from "../fuzz/run-fuzz.ts"
import { targets } from "../fuzz/targets.ts"

const [first, cases] = [2_000, 20_000]

test.each(Object.keys(targets))(
  "%s",
  async (target) => {
    const { wrong, grown, retained, ...report } = await runFuzz(target, first, cases)
    expect(wrong).toEqual([])
    expect(report.cases).toBe(cases)
    expect(grown).toBeLessThan(mostGrowth)
    expect(retained).toBeLessThan(mostRetained(target))
  },
  1_200_000
)
