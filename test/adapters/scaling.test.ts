/** s of s·BA: α/r and α/√r, against PEFT's own numbers. */
import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { scaleOf } from "../../adapters/lora.ts"

interface Row {
  readonly r: number
  readonly alpha: number
  readonly use_rslora: boolean
  readonly s: number
}

const { rows }: { readonly rows: ReadonlyArray<Row> } = JSON.parse(
  readFileSync(new URL("../golden/lora_pro/scaling.json", import.meta.url), "utf8")
)

// one division, and in the other case one correctly rounded root: at most a unit in the last place
const LAST_PLACE = 2 ** -52

test("equals the golden table", () => {
  expect(rows.filter((row) => row.use_rslora).length).toBeGreaterThan(10)
  for (const { r, alpha, use_rslora, s } of rows) {
    const ours = scaleOf(use_rslora ? "rank-stabilized" : "standard", r, alpha)
    expect(Math.abs(ours - s) / s).toBeLessThanOrEqual(LAST_PLACE)
  }
})

test("differ unless r = 1", () => {
  expect(scaleOf("standard", 16, 16)).toBe(1)
  expect(scaleOf("rank-stabilized", 16, 16)).toBe(4)
  expect(scaleOf("standard", 1, 16)).toBe(scaleOf("rank-stabilized", 1, 16))
})
