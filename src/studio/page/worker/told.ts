/** What the page and its workers tell each other beside the studio's verbs. */
import type { DeviceChoice } from "../../../device/browser.ts"
import type { Request } from "../../protocol/index.ts"
import type { DroppedFile } from "../host.ts"

/** Where a worker is. */
export interface Place {
  /** the page's own folder, which its files and wasm binaries are below */
  readonly base: string
  readonly device: DeviceChoice
  readonly threads: "auto" | number
}

/** What the page asks its worker. */
export type Asked =
  | Request
  /** takes files in; its events are shares of 1, its value is what a plan names them by */
  | { readonly id: number; readonly store: ReadonlyArray<DroppedFile> }
  /** its value is a stored file, as a Blob */
  | { readonly id: number; readonly file: string }

/** A run that is to be trained. */
export interface RunAsked {
  /** its folder */
  readonly id: string
  /** the file of its plan; of one that goes on its folder has its own */
  readonly plan: string
  readonly resumes: boolean
}

/** What is told of a run as it goes. */
export type RunTold =
  | { readonly kind: "line"; readonly text: string }
  /** what it is doing, until it says something else */
  | { readonly kind: "note"; readonly text: string | null }
  | { readonly kind: "steps"; readonly steps: number }
  | { readonly kind: "training" }
  | RunEnded

/** `message`: why it failed; null: it is finished, or stopped as it was asked to */
export interface RunEnded {
  readonly kind: "ended"
  readonly message: string | null
}

/** The first message that a worker gets: it trains a run, or answers where there is none. */
export interface WorkerBegun {
  readonly place: Place
  readonly run?: RunAsked
}

/** To a worker that trains: its run finishes its step and saves. */
export interface StopAsked {
  readonly stop: true
}
