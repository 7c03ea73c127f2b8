/**
 * The address of a model on the Hub, as plans write it:
 *
 *   hf:owner/name      hf:owner/name@revision      hf:owner/name/file.gguf      hf:owner/name/folder/file.gguf@revision
 *
 * A revision is a branch, a tag or a commit; without one it is "main".
 */
import * as Effect from "effect/Effect"
import { type HubError, hubError } from "./hub-error.ts"

export interface HubSource {
  readonly source: string
  /** owner/name */
  readonly repository: string
  readonly revision: string
  /** one GGUF file of the repository; null: the repository is a folder of transformers */
  readonly file: string | null
}

const PREFIX = "hf:"

export const isHubSource = (source: string): boolean => source.startsWith(PREFIX)

/** What the Hub allows in names and revisions; no part is made of dots alone. */
const part = /^(?!\.+$)[\w.-]+$/

export const parseHubSource = (source: string): Effect.Effect<HubSource, HubError> => {
  const [path = "", revision = "main", ...more] = source.slice(PREFIX.length).split("@")
  const parts = path.split("/")
  const revisionParts = revision.split("/")
  const [owner, name, ...file] = parts
  const expected = "expected hf:owner/name, hf:owner/name@revision or hf:owner/name/file.gguf"
  if (more.length > 0 || owner === undefined || name === undefined || ![...parts, ...revisionParts].every(isPart)) {
    return Effect.fail(hubError(source, `is no address of a model; ${expected}`))
  }
  if (file.length > 0 && !path.endsWith(".gguf")) {
    return Effect.fail(hubError(source, `names the file ${file.join("/")}; only .gguf files are named, ${expected}`))
  }
  const repository = `${owner}/${name}`
  return Effect.succeed({ source, repository, revision, file: file.length === 0 ? null : file.join("/") })
}

const isPart = (text: string): boolean => part.test(text)
