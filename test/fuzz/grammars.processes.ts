/**
 * Inputs written from grammars, 28,900 in all: each is a value or an error of ours within ten seconds and a gigabyte. What they found
 * stays as named cases in test/outside.
 */
import { expect, test } from "bun:test"
import { grammars } from "./grammars/index.ts"
import { mostGrowth, mostRetained, runFuzz } from "./run-fuzz.ts"

const cases = 1_700

test.each(Object.keys(grammars))(
  "%s",
  async (grammar) => {
    const { wrong, grown, retained, ...report } = await runFuzz(grammar, 0, cases)
    expect(wrong).toEqual([])
    expect(report.cases).toBe(cases)
    // a grammar that makes nothing sound tests the first check alone
    expect(report.valid).toBeGreaterThan(cases / 100)
    expect(grown).toBeLessThan(mostGrowth)
    expect(retained).toBeLessThan(mostRetained(grammar))
  },
  600_000
)
