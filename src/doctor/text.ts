/** A diagnosis for people. */
import type { AdapterDescription } from "../device/index.ts"
import type { Diagnosis } from "./diagnosis.ts"
import { PRODUCT } from "./measure.ts"
import { STEP } from "./random-encoder.ts"

const mebibytes = (bytes: number): string => `${Math.floor(bytes / 2 ** 20).toLocaleString("en")} MiB`

const yesOrNo = (is: boolean): string => (is ? "yes" : "no")

const adapterLines = ({ name, software, features, limits, subgroups }: AdapterDescription): ReadonlyArray<string> => {
  const all = Object.entries(features)
  const has = all.flatMap(([feature, there]) => (there ? [feature] : []))
  const lacks = all.flatMap(([feature, there]) => (there ? [] : [feature]))
  const size = subgroups === undefined ? [] : [`subgroups of ${[...new Set(subgroups)].join(" to ")}`]
  const most = [
    `buffers of ${mebibytes(limits.maxBufferSize)}`,
    `bindings of ${mebibytes(limits.maxStorageBufferBindingSize)}`,
    `${limits.maxStorageBuffersPerShaderStage} storage buffers`,
    `workgroups of ${limits.maxComputeInvocationsPerWorkgroup} with ${limits.maxComputeWorkgroupStorageSize / 1024} KiB`
  ]
  return [
    `  ${name} (${software ? "software: emulated on the CPU" : "hardware"})`,
    `    features: ${[...has, ...lacks.map((feature) => `no ${feature}`)].join(", ")}`,
    `    at most: ${[...most, ...size].join(", ")}`
  ]
}

const rate = (value: number): string =>
  value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0)

/** The text, without a newline at its end. */
export const diagnosisText = ({ versions, system, adapters, wasm, measured, auto, problems }: Diagnosis): string => {
  const table = measured.map(({ device, threads, gflops, stepsPerSecond }) => {
    const on = device === "wasm" ? `, ${threads} thread${threads === 1 ? "" : "s"}` : ""
    const rates = [`${rate(gflops).padStart(7)} GFLOP/s`, `${rate(stepsPerSecond).padStart(7)} steps/s`]
    return `  ${`${device}${on}`.padEnd(18)} ${rates.join("   ")}`
  })
  return [
    `${Object.entries(versions)
      .map((named) => named.join(" "))
      .join(" · ")} · ${system}, ${wasm.cores} core${wasm.cores === 1 ? "" : "s"}`,
    "",
    "WebGPU adapters",
    ...(adapters.length === 0 ? ["  none"] : adapters.flatMap(adapterLines)),
    "",
    "wasm",
    `  SIMD ${yesOrNo(wasm.simd)}, relaxed SIMD ${yesOrNo(wasm.relaxedSimd)}, threads ${yesOrNo(wasm.sharedMemory)}`,
    "",
    `Measured: ${PRODUCT}; ${STEP}`,
    ...(table.length === 0 ? ["  nothing"] : table),
    "",
    `--device auto takes ${auto.device}: ${auto.because}.`,
    ...(problems.length === 0 ? [] : ["", "Problems"]),
    ...problems.flatMap(({ problem, remedy }) => [
      `  ${problem.replaceAll("\n", "\n    ")}`,
      ...(remedy === "" ? [] : [`    → ${remedy}`])
    ])
  ].join("\n")
}
