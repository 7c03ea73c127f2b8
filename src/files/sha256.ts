/**
 * SHA-256 of streams. Bun, Deno and Node provide it in node:crypto. Pages can only hash whole buffers (crypto.subtle), but a file need
 * not fit into memory: there it is computed in JavaScript.
 */
import { sha256 as computed } from "@noble/hashes/sha2.js"
import { bytesToHex } from "@noble/hashes/utils.js"
import { ownSystem } from "./own-process.ts"

export interface Sha256 {
  /** Appends data; a text is encoded as UTF-8. */
  readonly update: (data: Uint8Array | string) => Sha256
  /** Completes the hash and returns it. */
  readonly digest: (form: "hex" | "base64") => string
}

export const sha256 = (): Sha256 =>
  // not imported, so that browser bundles do not include Node modules
  ownSystem?.getBuiltinModule("node:crypto").createHash("sha256") ?? computedSha256()

/** Maximum number of bytes that a page hashes at once, which its engine does several times as fast as JavaScript. */
const WHOLE = 2 ** 28

/** Checks whether to hash this number of bytes by `wholeSha256`. */
export const hashesWhole = (bytes: number): boolean =>
  ownSystem === undefined && bytes <= WHOLE && globalThis.crypto?.subtle !== undefined

/** Returns the hash of all bytes at once, in lower-case hexadecimal. */
export const wholeSha256 = async (bytes: Uint8Array<ArrayBuffer>): Promise<string> =>
  bytesToHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)))

/** Creates a hash in JavaScript, for any engine. */
export const computedSha256 = (): Sha256 => {
  const hash = computed.create()
  const hasher: Sha256 = {
    update: (data) => {
      hash.update(typeof data === "string" ? new TextEncoder().encode(data) : data)
      return hasher
    },
    digest: (form) => {
      const bytes = hash.digest()
      return form === "hex" ? bytesToHex(bytes) : btoa(String.fromCharCode(...bytes))
    }
  }
  return hasher
}
