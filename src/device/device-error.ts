/**
 * The one failure of this folder: a device that could not be opened, or that failed while it computed.
 */
import * as Schema from "effect/Schema"
import { messageOf } from "../boundary/index.ts"

/** A device that cannot be opened, was lost, or reported an error: what was done, why it failed, and what to do. */
export class DeviceError extends Schema.TaggedError<DeviceError>()("DeviceError", {
  /** which device, e.g. "webgpu" */
  device: Schema.String,
  /** what was being done: "opening", or the label in use when the GPU reported the error */
  site: Schema.String,
  /** which program of the GPU, where that is known */
  kernel: Schema.optionalKey(Schema.String),
  /** why, as the end of a sentence */
  reason: Schema.String,
  /** what the reader can do about it; may be empty */
  remedy: Schema.String
}) {
  override get message() {
    const kernel = this.kernel === undefined ? "" : `kernel ${this.kernel}: `
    const sentence = `${this.device}: ${this.site}: ${kernel}${this.reason}`
    return this.remedy === "" ? sentence : `${sentence}; ${this.remedy}`
  }
}

/** Returns the error of an opening that threw `cause`, which may be one already. */
export const openingError =
  (device: string, remedy: string) =>
  (cause: unknown): DeviceError =>
    cause instanceof DeviceError
      ? cause
      : new DeviceError({ device, site: "opening", reason: messageOf(cause), remedy })
