/**
 * GPU errors, which tfjs ignores. WebGPU reports an invalid command some time after it was given, and drops the whole
 * command buffer with it: what tfjs reads afterwards is recycled memory. So every error is kept here until the next
 * `sync`.
 *
 * Error scopes say where an error happened: WebGPU assigns an error to the scope in which the command was given,
 * whenever it reports it. One is open for the label in use (tfjs submits some dispatches late, so that the label may be
 * the one after); one more around whatever has a kernel's name: making its module, its pipeline and its bind groups,
 * and finishing the commands that use it. Dawn's messages name the kernel themselves, wgpu's mostly do not. tfjs labels
 * its pipelines with the names of its programs.
 */
import { messageOf } from "../boundary/index.ts"
import { DeviceError } from "./device-error.ts"

export interface GpuErrors {
  readonly label: (site: string) => void
  /**
   * Resolves with the first error since the last call, after everything submitted has run; a lost device stays an
   * error.
   */
  readonly settle: () => Promise<DeviceError | undefined>
  /** What explains that the device could not be read: the error that the next `settle` will tell, if there is one. */
  readonly explain: () => Promise<DeviceError | undefined>
  /** Errors of a device that is about to be destroyed are none. */
  readonly stop: () => void
}

const REMEDY = "what was computed since the last check is worthless: end the run, and try --device wasm"
const LOST = "what was computed since the last check is lost with it: run again, or try --device wasm"

/** An error that no scope takes is printed by the runtime as well. */
const EVERY_ERROR = ["internal", "out-of-memory", "validation"] as const satisfies ReadonlyArray<GPUErrorFilter>
const OF_KERNELS = ["validation"] as const satisfies ReadonlyArray<GPUErrorFilter>

/** What an earlier error made unusable, in Dawn's words and in wgpu's. */
const CONSEQUENCE = /is invalid due to a previous error|label is invalid/

/** Milliseconds between a read that a lost device refuses and the news of the loss, at most. */
const NEWS_OF_LOSS = 200

/** `flush` submits what the backend holds back. Device, encoders and passes are wrapped from here on. */
export const watchGpuErrors = (device: GPUDevice, flush: () => void): GpuErrors => {
  let site = "start"
  let first: DeviceError | undefined
  let lost: DeviceError | undefined
  let stopped = false
  const reports = new Set<Promise<void>>()
  const kernels = new KernelNames()

  const record = (at: string, message: string, candidates: Iterable<string> = []) => {
    // scopes report from the inside out, and what an error led to may lie further inside
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
   * Opens a scope for each filter; returns what closes them. `candidates`: kernels that an error may be of, known by
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

  // what a scope cannot take, for instance an error that belongs to no call
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault()
    record(site, event.error.message)
  })
  const loss = device.lost.then(({ message, reason }) => {
    if (stopped) return
    const said = [reason === undefined || reason === "unknown" ? "" : reason, message].filter((part) => part !== "")
    lost = new DeviceError({
      device: "webgpu",
      site,
      reason: ["the device was lost", ...said].join(": "),
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

/** Which kernels there are, and which a command buffer runs. A kernel's name is the label of its pipeline. */
class KernelNames {
  private readonly known = new Set<string>()
  private readonly ofPipeline = new WeakMap<GPUComputePipeline, string>()
  /** of the pipeline whose layout was asked for last */
  private latest: string | undefined

  /**
   * The kernel that a message is about: the first that it names (a pass has the name of its first kernel), else the
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

  /** Notes the kernels of a device, and runs `within` what may report an error of theirs. */
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
      // tfjs makes one for every dispatch, and asks its pipeline for the layout just before: a name, but no scope
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
    // commands are checked when they are finished
    encoder.finish = (descriptor) => within(run, () => finish(descriptor))
    return encoder
  }
}
