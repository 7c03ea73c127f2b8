/**
 * The Hugging Face Hub as a service: models, adapters and rows that plans name by an address become files of this computer, and files go
 * there. `platform` provides it over the cache that Hugging Face's programs share; files in memory come with one that rejects every address.
 *
 * @example
 * import { Effect, Layer } from "effect"
 * import { Hub } from "tfjs-lora-pro"
 *
 * // every address is a folder next to the program
 * const folders = Layer.effect(
 *   Hub,
 *   Effect.map(Hub, (hub) => ({ ...hub, model: (address: string) => Effect.succeed(`models/${address.split("/").at(-1)}`) }))
 * )
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { listedLines } from "../boundary/index.ts"
import type { Files } from "../files/index.ts"
import type { Working } from "../progress/index.ts"

/** Prefix of the addresses of the Hub in plans. */
export const PREFIX = "hf:"

export const isHubSource = (source: string): boolean => source.startsWith(PREFIX)

/** Prefix of the addresses of data sets. */
export const DATASETS = `${PREFIX}datasets/`

export const isHubDataset = (place: string): boolean => place.startsWith(DATASETS)

/** What the Hub allows in names and revisions; no part is made of dots alone. */
const part = /^(?!\.+$)[\w.-]+$/

export const isPart = (text: string): boolean => part.test(text)

/** Whether a text is owner/name, as the Hub calls a repository. */
export const isRepository = (text: string): boolean => {
  const parts = text.split("/")
  return parts.length === 2 && parts.every(isPart)
}

/** Whether a text may be a branch's name. */
export const isBranch = (text: string): boolean => text.split("/").every(isPart)

/** Why a model or a data set of the Hugging Face Hub is not available. */
export class HubError extends Schema.TaggedError<HubError>()("HubError", {
  /** as the user wrote it: hf:owner/name@revision */
  source: Schema.String,
  /** each the end of a sentence that begins with the source */
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return listedLines(this.problems, (problem) => `${this.source}: ${problem}`)
  }
}

export const hubError = (source: string, ...problems: ReadonlyArray<string>) => new HubError({ source, problems })

/** A file of a commit. */
export interface UploadedFile {
  /** in the repository */
  readonly path: string
  /** not read before it is sent, where it is of a file */
  readonly content: Blob
}

/** A commit to a repository. */
export interface Upload {
  /** owner/name */
  readonly repository: string
  /** the branch that gets the commit; created if it does not exist */
  readonly branch: string
  /** the commit's first line */
  readonly message: string
  /** whether the repository is created: if it does not exist; always, and it must not exist; never, and it must exist */
  readonly create: "auto" | "always" | "never"
  /** whether it is created private; an existing one must be private then */
  readonly isPrivate: boolean
  /** all files of the commit */
  readonly files: ReadonlyArray<UploadedFile>
}

/** A commit that was made. */
export interface Uploaded {
  /** the page of the commit */
  readonly url: string
  /** its hash, 40 hexadecimal digits */
  readonly commit: string
  /** whether the repository was created for it */
  readonly created: boolean
}

/** A line of progress, or a large file of which a part has arrived. */
export type Told = (said: string | Omit<Working, "kind">) => void

/** Files of the Hub, by their addresses. */
export interface HubShape {
  /** Returns the folder of a model (hf:owner/name[@revision]), or its GGUF file (hf:owner/name/file.gguf), downloaded if the cache does not have it. */
  readonly model: (address: string) => Effect.Effect<string, HubError>
  /** Returns the same folder, in which the weights may be missing. A GGUF file is whole. */
  readonly config: (address: string) => Effect.Effect<string, HubError>
  /** Returns the folder of a PEFT adapter. */
  readonly adapter: (address: string) => Effect.Effect<string, HubError>
  /** Returns the files with the rows of hf:datasets/owner/name[/config[/split]], in the order of their rows. `split`: that of an address without one. */
  readonly dataset: (
    address: string,
    split: "train" | "validation" | "test"
  ) => Effect.Effect<ReadonlyArray<string>, HubError>
  /** Sends files in one commit. `tell` is called with each line of progress. */
  readonly upload: (upload: Upload, tell: Told) => Effect.Effect<Uploaded, HubError>
}

/** The Hub that a program uses, as a service. */
export class Hub extends Context.Service<Hub, HubShape>()("tfjs-lora-pro/Hub") {}

/** Services that models are read with: files of this computer, and the Hub. */
export type Sources = Files | Hub
