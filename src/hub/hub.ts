/**
 * The Hugging Face Hub as a service: downloads models, adapters and rows that plans name by an address, and uploads files.
 * `platform` provides it over the cache that Hugging Face's tools share; `memoryFiles` comes with one that rejects every address.
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

/** Prefix of Hub addresses in plans. */
export const PREFIX = "hf:"

export const isHubSource = (source: string): boolean => source.startsWith(PREFIX)

/** Prefix of dataset addresses. */
export const DATASETS = `${PREFIX}datasets/`

export const isHubDataset = (address: string): boolean => address.startsWith(DATASETS)

/** Characters that the Hub allows in names and revisions; no part consists of dots only. */
const part = /^(?!\.+$)[\w.-]+$/

export const isPart = (text: string): boolean => part.test(text)

/** Checks whether a text is a repository name of the form owner/name. */
export const isRepository = (text: string): boolean => {
  const parts = text.split("/")
  return parts.length === 2 && parts.every(isPart)
}

/** Checks whether a text is a valid branch name. */
export const isBranch = (text: string): boolean => text.split("/").every(isPart)

/** A model or dataset of the Hugging Face Hub is not available. */
export class HubError extends Schema.TaggedError<HubError>()("HubError", {
  /** address as the user wrote it, such as hf:owner/name@revision */
  source: Schema.String,
  /** problems, each the end of a sentence that begins with the source */
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return listedLines(this.problems, (problem) => `${this.source}: ${problem}`)
  }
}

export const hubError = (source: string, ...problems: ReadonlyArray<string>) => new HubError({ source, problems })

/** A file to upload in a commit. */
export interface UploadedFile {
  /** path in the repository */
  readonly path: string
  /** content; a file-backed Blob is read only when it is sent */
  readonly content: Blob
}

/** A commit to a repository. */
export interface Upload {
  /** repository, as owner/name */
  readonly repository: string
  /** branch that receives the commit; created if it does not exist */
  readonly branch: string
  /** first line of the commit message */
  readonly message: string
  /** whether to create the repository: "auto": if it does not exist; "always": it must not exist yet; "never": it must exist */
  readonly create: "auto" | "always" | "never"
  /** whether a new repository is private; an existing one must then be private */
  readonly isPrivate: boolean
  /** files of the commit */
  readonly files: ReadonlyArray<UploadedFile>
}

/** A commit that was created. */
export interface Uploaded {
  /** URL of the commit's page */
  readonly url: string
  /** hash, 40 hexadecimal digits */
  readonly commit: string
  /** whether the repository was created for this commit */
  readonly created: boolean
}

/** Receives progress: a line of text, or the bytes of a large file received so far. */
export type UploadListener = (said: string | Omit<Working, "kind">) => void

/** Operations of the Hub service. */
export interface HubShape {
  /** Returns the folder of a model (hf:owner/name[@revision]), or its GGUF file (hf:owner/name/file.gguf). Downloads it if the cache does not have it. */
  readonly model: (address: string) => Effect.Effect<string, HubError>
  /** Returns the same folder, possibly without the weights. A GGUF file is always complete. */
  readonly config: (address: string) => Effect.Effect<string, HubError>
  /** Returns the folder of a PEFT adapter. */
  readonly adapter: (address: string) => Effect.Effect<string, HubError>
  /** Returns the files with the rows of hf:datasets/owner/name[/config[/split]], in row order. `split` applies if the address has none. */
  readonly dataset: (
    address: string,
    split: "train" | "validation" | "test"
  ) => Effect.Effect<ReadonlyArray<string>, HubError>
  /** Uploads files in one commit. Calls `tell` with each line of progress. */
  readonly upload: (upload: Upload, tell: UploadListener) => Effect.Effect<Uploaded, HubError>
}

/** Service tag of the Hub. */
export class Hub extends Context.Service<Hub, HubShape>()("tfjs-lora-pro/Hub") {}

/** Services required to read models: files of this computer and the Hub. */
export type Sources = Files | Hub
