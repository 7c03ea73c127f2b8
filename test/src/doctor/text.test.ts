/** What doctor prints of what it found. That it finds it: test/long/doctor.long.ts. */
import { expect, test } from "bun:test"
import { type Diagnosis, diagnosisText } from "../../../src/doctor/index.ts"

const measured = (gflops: number, stepsPerSecond: number) =>
  ({ device: "wasm", threads: 1, gflops, stepsPerSecond }) as never as Diagnosis["measured"][number]

const diagnosis: Diagnosis = {
  versions: { bun: "1" },
  system: "linux x64",
  adapters: [],
  wasm: { cores: 1, sharedMemory: true, simd: true, relaxedSimd: false },
  measured: [measured(9.994, 10), measured(99.94, 100)],
  auto: { device: "wasm", because: "it is the fastest" },
  bfloat16: ["amx", "avx512_bf16"],
  foreignFunctions: { interface: "bun:ffi", missing: null },
  mpi: { libraries: [], missing: "none: runs use one process" },
  problems: [{ problem: "webgpu: no adapter\nat all", remedy: "install a driver" }]
}

test("rates have three digits, and problems their remedies", () => {
  const text = diagnosisText(diagnosis)
  for (const line of [
    "bun 1 · linux x64, 1 core",
    "  SIMD yes, relaxed SIMD no, threads yes",
    "  wasm, 1 thread        9.99 GFLOP/s      10.0 steps/s",
    "  wasm, 1 thread        99.9 GFLOP/s       100 steps/s",
    "bfloat16 products (training.precision)\n  amx, avx512_bf16",
    "Foreign-function interface\n  bun:ffi",
    "  none: runs use one process",
    "--device auto chooses wasm: it is the fastest.",
    "  webgpu: no adapter\n    at all\n    → install a driver"
  ])
    expect(`${text}\n`).toContain(`${line}\n`)
})
