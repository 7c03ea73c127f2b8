/** Why the file system refused, in words: platform errors carry the system's code as their cause, and their own text hides it. */
import type { PlatformError } from "effect/PlatformError"

const words: { readonly [code: string]: string | undefined } = {
  EACCES: "permission denied",
  EDQUOT: "the disk quota is exceeded",
  EEXIST: "it exists already",
  EFBIG: "the file is larger than is allowed here",
  EIO: "the disk reports an input/output error",
  EISDIR: "it is a folder",
  EMFILE: "too many files are open",
  ENOENT: "no such file or folder",
  ENOSPC: "no space is left on the device",
  ENOTDIR: "a part of its path is not a folder",
  EPERM: "the operation is not permitted",
  EROFS: "the file system is read-only"
}

/** What the system's code of an error means; undefined where there is none, or it is one that does not occur. */
export const systemReason = (error: unknown): string | undefined => {
  const code = (error as { readonly code?: unknown } | null | undefined)?.code
  return typeof code === "string" ? words[code] : undefined
}

/** The cause of a platform error that is this program's own: what it does not do to a file, as the end of such a sentence. */
export class Refusal extends Error {}

/** The end of a sentence that says what could not be done. */
export const platformReason = ({ reason }: PlatformError): string => {
  if (reason.cause instanceof Refusal) return reason.cause.message
  const code = (reason.cause as { readonly code?: unknown } | undefined)?.code
  if (typeof code !== "string") return reason.message
  return words[code] ?? `${reason.message} (${code})`
}
