/** Readable reasons for file system errors: platform errors have the system's code in their cause, and their own message hides it. */
import type { PlatformError } from "effect/PlatformError"

const words: { readonly [code: string]: string | undefined } = {
  EACCES: "permission denied",
  EDQUOT: "the disk quota is exceeded",
  EEXIST: "it exists already",
  EFBIG: "the file exceeds the size limit",
  EIO: "the disk reports an input/output error",
  EISDIR: "it is a folder",
  EMFILE: "too many files are open",
  ENOENT: "no such file or folder",
  ENOSPC: "no space is left on the device",
  ENOTDIR: "a part of its path is not a folder",
  EPERM: "the operation is not permitted",
  EROFS: "the file system is read-only"
}

/** Returns the meaning of an error's system code, or undefined without a known code. */
export const systemReason = (error: unknown): string | undefined => {
  const code = (error as { readonly code?: unknown } | null | undefined)?.code
  return typeof code === "string" ? words[code] : undefined
}

/** The cause of a platform error that this program raises itself. The message is the end of a sentence about the file. */
export class Refusal extends Error {}

/** Returns the reason of an error, as the end of a sentence that names the failed operation. */
export const platformReason = ({ reason }: PlatformError): string => {
  if (reason.cause instanceof Refusal) return reason.cause.message
  const code = (reason.cause as { readonly code?: unknown } | undefined)?.code
  if (typeof code !== "string") return reason.message
  return words[code] ?? `${reason.message} (${code})`
}
