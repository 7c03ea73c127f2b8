/**
 * Requests the GPU adapter of Node in a separate process, on platforms where Dawn's remarks on its limits cannot be removed from stderr
 * (`native-stderr.ts`). If the adapter is emulated on the CPU, `auto` needs no further information.
 */
import { spawn } from "node:child_process"
import process from "node:process"
import { isSoftware, nameOfAdapter } from "./webgpu-adapter.ts"

/** Milliseconds; the process takes 300. */
const TIMEOUT = 10_000

/** The fields that identify an adapter. */
type Named = Pick<GPUAdapterInfo, "vendor" | "architecture" | "device" | "description" | "isFallbackAdapter">

const script = (dawn: string): string => `
  const { create } = await import(${JSON.stringify(dawn)})
  const adapter = await create([]).requestAdapter({ powerPreference: "high-performance" })
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter?.info ?? {}
  process.stdout.write(JSON.stringify(adapter && { vendor, architecture, device, description, isFallbackAdapter }))
  process.exit(0)
`

/** null: there is no adapter; undefined: the request failed. */
const adapterIn = (dawn: string): Promise<Named | null | undefined> =>
  new Promise((resolve) => {
    const args = ["--input-type=module", "--eval", script(dawn)]
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"], timeout: TIMEOUT })
    let text = ""
    child.stdout.on("data", (bytes: Buffer) => {
      text += bytes.toString()
    })
    child.once("error", () => resolve(undefined))
    child.once("close", () => {
      try {
        resolve(JSON.parse(text))
      } catch {
        resolve(undefined)
      }
    })
  })

/** Returns the adapter's name if it is emulated on the CPU. Returns undefined for a hardware adapter, none, or an unknown one. Never rejects. */
export const emulatedAdapter = async (): Promise<string | undefined> => {
  // a compiled program would start itself
  if (!/(^|[\\/])node(\.exe)?$/.test(process.execPath)) return undefined
  try {
    const info = await adapterIn(import.meta.resolve("webgpu"))
    return info != null && isSoftware(info as GPUAdapterInfo) ? nameOfAdapter(info as GPUAdapterInfo) : undefined
  } catch {
    // the package is missing, which its own error explains better
    return undefined
  }
}
