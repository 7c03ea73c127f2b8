/**
 * The command line on a GPU with a fault, which is given as JSON in the environment variable GPU_FAULT:
 *
 *   { "kernel": "Adam" }         the kernel's text is not WGSL
 *   { "destroyedAt": "after step 5:" }  the device is destroyed when stderr reports this, as by a driver that resets
 *
 * For Bun and Deno.
 */
import { main } from "../../src/bin/main.ts"
import { platform } from "../../src/platform.ts"

export interface GpuFault {
  /** the beginning of its name */
  readonly kernel?: string
  readonly destroyedAt?: string
}

const { kernel, destroyedAt }: GpuFault = JSON.parse(process.env["GPU_FAULT"] ?? "{}")

// what the device is made of: Bun has it from npm, and only when it is imported
if (globalThis.GPUDevice === undefined) Object.assign(globalThis, (await import("webgpu")).globals)
const { prototype } = globalThis.GPUDevice
const devices = new Set<GPUDevice>()
const { createShaderModule } = prototype
prototype.createShaderModule = function (this: GPUDevice, descriptor) {
  devices.add(this)
  const invalid = kernel !== undefined && descriptor.label?.startsWith(kernel) === true
  return createShaderModule.call(this, invalid ? { ...descriptor, code: "this is no WGSL" } : descriptor)
}

if (destroyedAt !== undefined) {
  const { stderr } = process
  const write = stderr.write.bind(stderr)
  stderr.write = ((text: string, ...rest: Array<never>) => {
    if (`${text}`.includes(destroyedAt)) for (const device of devices) device.destroy()
    return write(text, ...rest)
  }) as typeof stderr.write
}

main(platform)
