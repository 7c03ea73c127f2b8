/**
 * GPU errors, which tfjs ignores. WebGPU reports an invalid command some time after it was given, and drops the whole command
 * buffer with it: what tfjs reads afterwards is recycled memory. So every error is kept here until the next `sync`.
 *
 * The label in use is told by an error scope per label: WebGPU assigns an error to the scope in which the command was given,
 * whenever it reports it. tfjs submits up to 15 dispatches late, so that the label may be the one after.
 */
import { DeviceError } from "./device-error.ts"

export interface GpuErrors {
  readonly label: (site: string) => void
  /** Resolves with the first error since the last call, after everything submitted has run. */
  readonly settle: () => Promise<DeviceError | undefined>
  /** Errors of a device that is about to be destroyed are none. */
  readonly stop: () => void
}

const REMEDY = "what was computed since the last check is worthless: end the run, and try --device wasm"

/** `flush` submits what the backend holds back. */
export const watchGpuErrors = (device: GPUDevice, flush: () => void): GpuErrors => {
  let site = "start"
  let first: DeviceError | undefined
  let scopeOpen = false
  let stopped = false
  const pending = new Set<Promise<void>>()

  const record = (at: string, reason: string) => {
    if (!stopped) first ??= new DeviceError({ device: "webgpu", site: at, reason, remedy: REMEDY })
  }
  const closeScope = () => {
    if (!scopeOpen) return
    scopeOpen = false
    const at = site
    const done = device.popErrorScope().then(
      (error) => {
        if (error !== null) record(at, error.message)
      },
      (cause) => record(at, String(cause))
    )
    pending.add(done)
    void done.then(() => pending.delete(done))
  }

  device.addEventListener("uncapturederror", (event) => record(site, event.error.message))
  void device.lost.then(({ message, reason }) => record(site, `the device was lost (${reason}): ${message}`))

  return {
    label: (next) => {
      closeScope()
      device.pushErrorScope("validation")
      scopeOpen = true
      site = next
    },
    settle: async () => {
      flush()
      closeScope()
      await device.queue.onSubmittedWorkDone()
      await Promise.all(pending)
      const error = first
      first = undefined
      return error
    },
    stop: () => {
      stopped = true
    }
  }
}
