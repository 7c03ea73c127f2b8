/**
 * Collects GPU errors, which tfjs ignores. WebGPU reports an invalid command some time after it was submitted, and drops the whole
 * command buffer: tfjs then reads recycled memory. So every error is kept until the next
 * `sync`.
 *
 * Error scopes locate an error: WebGPU assigns it to the scope in which the command was issued,
 * regardless of when it is reported. One scope is open for the current label (tfjs submits some dispatches late, so the label may be
 * the next one), and another around each operation with a kernel's name: creating its module, its pipeline and its bind groups,
 * and finishing the commands that use it. Dawn's messages name the kernel themselves, wgpu's mostly do not. tfjs labels
 * its pipelines with the names of its programs.
 */
import { messageOf } from "../boundary/index.ts"
import { DeviceError } from "./device-error.ts"

/** Errors of a GPU device. */
export interface GpuErrors {
  readonly label: (site: string) => void
  /**
   * Resolves with the first error since the last call, after all submitted work has completed. A lost device remains an
   * error.
   */
  readonly settle: () => Promise<DeviceError | undefined>
  /** Returns the error that explains a failed read, which the next `settle` will return, if there is one. */
  readonly explain: () => Promise<DeviceError | undefined>
  /** Ignores further errors: those of a device that is about to be destroyed do not matter. */
  readonly stop: () => void
}

const REMEDY = "results since the last check are invalid: stop the run, and try --device wasm"
const LOST = "results since the last check are lost: run again, or try --device wasm"

/** The runtime also prints errors that no scope catches. */
const EVERY_ERROR = ["internal", "out-of-memory", "validation"] as const satisfies ReadonlyArray<GPUErrorFilter>
const OF_KERNELS = ["validation"] as const satisfies ReadonlyArray<GPUErrorFilter>

/** Messages of Dawn and wgpu about objects that an earlier error made unusable. */
const CONSEQUENCE = /is invalid due to a previous error|label is invalid/

/** Maximum milliseconds between a read that a lost device rejects and the report of the loss. */
const NEWS_OF_LOSS = 200

/** Starts collecting errors of a device, by wrapping it, its encoders and its passes. `flush` submits pending work of the backend. */
export const watchGpuErrors = (device: GPUDevice, flush: () => void): GpuErrors => {
  let site = "start"
  let first: DeviceError | undefined
  let lost: DeviceError | undefined
  let stopped = false
  const reports = new Set<Promise<void>>()
  const kernels = new KernelNames()

  const record = (at: string, message: string, candidates: Iterable<string> = []) => {
    // scopes report from the inside out, and a consequence of an error may be in an inner one
    if (stopped || (first !== undefined && !(CONSEQUENCE.test(first.reason) && !CONSEQUENCE.test(message)))) return
    const kernel = kernels.namedIn(message, candidates) ?? first?.kernel
    const among = kernel === undefined ? [...candidates] : []
    const reason = message.trim()
    first = new DeviceError({
      device: "webgpu",
      site: at,
      ...(kernel === undefined ? {} : { kernel }),
      reason: among.length === 0 ? reason : `${reason} (in one of ${among.join(", ")})`,
      remedy: REMEDY
    })
  }

  /**
   * Opens a scope for each filter and returns a function that closes them. `candidates`: kernels that may have caused an error, known by
   * then.
   */
  const watch = (filters: ReadonlyArray<GPUErrorFilter>, candidates: Iterable<string> = []) => {
    const at = site
    for (const filter of filters) device.pushErrorScope(filter)
    return () => {
      for (const _ of filters) {
        const report = device.popErrorScope().then(
          (error) => {
            if (error !== null) record(at, error.message, candidates)
          },
          (cause) => record(at, messageOf(cause), candidates)
        )
        reports.add(report)
        void report.then(() => reports.delete(report))
      }
    }
  }
  const within = <A>(candidates: Iterable<string>, f: () => A): A => {
    const close = watch(OF_KERNELS, candidates)
    try {
      return f()
    } finally {
      close()
    }
  }
  kernels.follow(device, within)

  let close = watch(EVERY_ERROR)
  const go = (next: string) => {
    close()
    site = next
    close = watch(EVERY_ERROR)
  }

  // errors that no scope catches, such as those not caused by a call
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault()
    record(site, event.error.message)
  })
  const loss = device.lost.then(({ message, reason }) => {
    if (stopped) return
    const parts = [reason === undefined || reason === "unknown" ? "" : reason, message].filter((part) => part !== "")
    lost = new DeviceError({
      device: "webgpu",
      site,
      reason: ["the device was lost", ...parts].join(": "),
      remedy: LOST
    })
  })

  const reported = async () => {
    try {
      flush()
    } catch (cause) {
      record(site, messageOf(cause))
    }
    go(site)
    await device.queue.onSubmittedWorkDone().catch(() => {}) // a lost device may refuse
    await Promise.all(reports)
  }
  return {
    label: go,
    settle: async () => {
      await reported()
      const error = lost ?? first
      first = undefined
      return error
    },
    explain: async () => {
      await Promise.race([loss, new Promise((resolve) => setTimeout(resolve, NEWS_OF_LOSS))])
      await reported()
      return lost ?? first
    },
    stop: () => {
      stopped = true
    }
  }
}

type Within = <A>(candidates: Iterable<string>, f: () => A) => A

/** Tracks kernels, and those that a command buffer runs. A kernel's name is the label of its pipeline. */
class KernelNames {
  private readonly known = new Set<string>()
  private readonly ofPipeline = new WeakMap<GPUComputePipeline, string>()
  /** kernel of the pipeline whose layout was requested last */
  private latest: string | undefined

  /**
   * Returns the kernel that a message is about: the first that it names (a pass has the name of its first kernel), else the
   * only candidate.
   */
  namedIn(message: string, candidates: Iterable<string>): string | undefined {
    const places = [...this.known]
      .map((name) => [Math.max(message.indexOf(`"${name}"`), message.indexOf(`'${name}'`)), name] as const)
      .filter(([place]) => place >= 0)
    if (places.length > 0) return places.reduce((a, b) => (b[0] < a[0] ? b : a))[1]
    const [only, another] = candidates
    return another === undefined ? only : undefined
  }

  /** Tracks the kernels of a device, and runs operations that may report their errors within `within`. */
  follow(device: GPUDevice, within: Within): void {
    const createShaderModule = device.createShaderModule.bind(device)
    const createComputePipeline = device.createComputePipeline.bind(device)
    const createBindGroup = device.createBindGroup.bind(device)
    const createCommandEncoder = device.createCommandEncoder.bind(device)
    device.createShaderModule = (descriptor) => {
      const { label } = descriptor
      if (label === undefined) return createShaderModule(descriptor)
      this.known.add(label)
      return within([label], () => createShaderModule(descriptor))
    }
    device.createComputePipeline = (descriptor) => {
      const { label } = descriptor
      if (label === undefined) return createComputePipeline(descriptor)
      this.known.add(label)
      const pipeline = within([label], () => createComputePipeline(descriptor))
      this.ofPipeline.set(pipeline, label)
      const getBindGroupLayout = pipeline.getBindGroupLayout.bind(pipeline)
      pipeline.getBindGroupLayout = (index) => {
        this.latest = label
        return getBindGroupLayout(index)
      }
      return pipeline
    }
    device.createBindGroup = (descriptor) => {
      const { label } = descriptor
      if (label !== undefined) return within([label], () => createBindGroup(descriptor))
      // tfjs creates one for every dispatch, right after reading the layout of its pipeline: needs a name, but no scope
      const { latest } = this
      this.latest = undefined
      return createBindGroup(latest === undefined ? descriptor : { ...descriptor, label: latest })
    }
    device.createCommandEncoder = (descriptor) => this.followEncoder(createCommandEncoder(descriptor), within)
  }

  private followEncoder(encoder: GPUCommandEncoder, within: Within): GPUCommandEncoder {
    const run = new Set<string>()
    const beginComputePass = encoder.beginComputePass.bind(encoder)
    const finish = encoder.finish.bind(encoder)
    encoder.beginComputePass = (descriptor) => {
      const pass = beginComputePass(descriptor)
      const setPipeline = pass.setPipeline.bind(pass)
      pass.setPipeline = (pipeline) => {
        const name = this.ofPipeline.get(pipeline)
        if (name !== undefined) run.add(name)
        setPipeline(pipeline)
      }
      return pass
    }
    // commands are validated when they are finished
    encoder.finish = (descriptor) => within(run, () => finish(descriptor))
    return encoder
  }
}
