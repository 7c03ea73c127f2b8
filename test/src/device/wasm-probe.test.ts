import { expect, test } from "bun:test"
import { describeWasm } from "../../../src/device/wasm-probe.ts"

test("the modules that ask for SIMD are ones: Bun has both kinds, and memory for threads", () => {
  expect(describeWasm()).toMatchObject({ simd: true, relaxedSimd: true, sharedMemory: true })
})
