import { expect, test } from "bun:test"
import { spawnSync } from "node:child_process"

test("the peak of a process has nothing of the process that started it", () => {
  const held = Buffer.alloc(600e6, 1)
  const module = new URL("../../../src/device/wasm.ts", import.meta.url).href
  const script = `import(${JSON.stringify(module)}).then(({ peakResidentBytes }) => console.log(peakResidentBytes()))`
  const { stdout } = spawnSync(process.execPath, ["-e", script], { encoding: "utf8" })
  expect(held.at(-1)).toBe(1)
  expect(Number(stdout)).toBeGreaterThan(50e6)
  expect(Number(stdout)).toBeLessThan(500e6)
})
