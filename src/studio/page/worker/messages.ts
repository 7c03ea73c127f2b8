/** Messages between the page and its workers, in addition to the studio's verbs. */
import type { DeviceChoice } from "../../../device/browser.ts"
import type { Request } from "../../protocol/index.ts"
import type { DroppedFile } from "../host.ts"

/** A worker's folder and device. */
export interface Place {
  /** the page's own folder, which has its files and wasm binaries */
  readonly base: string
  readonly device: DeviceChoice
  readonly threads: "auto" | number
}

/** Requests of the page to its worker. */
export type PageRequest =
  | Request
  /** stores files; events are fractions of 1, the value is their name in a plan */
  | { readonly id: number; readonly store: ReadonlyArray<DroppedFile> }
  /** the value is a stored file, as a Blob */
  | { readonly id: number; readonly file: string }

/** A run to train. */
export interface TrainingRequest {
  /** its folder */
  readonly id: string
  /** the file of its plan; a resumed run has its own */
  readonly plan: string
  readonly resumes: boolean
}

/** Events of a run. */
export type TrainingEvent =
  | { readonly kind: "line"; readonly text: string }
  /** its current work, until the next note */
  | { readonly kind: "note"; readonly text: string | null }
  | { readonly kind: "steps"; readonly steps: number }
  | { readonly kind: "training" }
  | RunEnded

/** `message`: why it failed; null: finished, or stopped on request */
export interface RunEnded {
  readonly kind: "ended"
  readonly message: string | null
}

/** First message to a worker: it trains `run`, or answers requests if absent. */
export interface WorkerStart {
  readonly setup: Place
  readonly run?: TrainingRequest
}

/** To a training worker: finish the step and save. */
export interface StopRequest {
  readonly stop: true
}
