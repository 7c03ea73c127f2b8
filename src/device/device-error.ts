/**
 * The error of devices: a device that could not be opened, or that failed during a computation.
 */
import * as Schema from "effect/Schema"
import { messageOf } from "../boundary/index.ts"

/** A device that cannot be opened, was lost, or reported an error. */
export class DeviceError extends Schema.TaggedError<DeviceError>()("DeviceError", {
  /** the device, such as "webgpu" */
  device: Schema.String,
  /** the operation: "opening", or the label in use when the GPU reported the error */
  site: Schema.String,
  /** the GPU program, if known */
  kernel: Schema.optionalKey(Schema.String),
  /** the reason, as the end of a sentence */
  reason: Schema.String,
  /** what to do; may be empty */
  remedy: Schema.String
}) {
  override get message() {
    const kernel = this.kernel === undefined ? "" : `kernel ${this.kernel}: `
    const sentence = `${this.device}: ${this.site}: ${kernel}${this.reason}`
    return this.remedy === "" ? sentence : `${sentence}; ${this.remedy}`
  }
}

/** Returns the error for `cause`, thrown while opening a device; returns a DeviceError unchanged. */
export const openingError =
  (device: string, remedy: string) =>
  (cause: unknown): DeviceError =>
    cause instanceof DeviceError
      ? cause
      : new DeviceError({ device, site: "opening", reason: messageOf(cause), remedy })
