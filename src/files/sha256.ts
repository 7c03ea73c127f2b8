/**
 * SHA-256, piece by piece. Bun, Deno and Node have it in node:crypto. A page has it for whole buffers alone (crypto.subtle), and a file need
 * not fit into memory: there it is computed here.
 */
import { sha256 as computed } from "@noble/hashes/sha2.js"
import { bytesToHex } from "@noble/hashes/utils.js"
import { ownSystem } from "./own-process.ts"

export interface Sha256 {
  /** A text counts as its UTF-8. */
  readonly update: (data: Uint8Array | string) => Sha256
  /** Ends it. */
  readonly digest: (form: "hex" | "base64") => string
}

export const sha256 = (): Sha256 =>
  // not imported: a bundle for a browser holds nothing of Node
  ownSystem?.getBuiltinModule("node:crypto").createHash("sha256") ?? computedSha256()

/** Bytes that a page hashes as a whole: its engine does that many times as fast as JavaScript. */
const WHOLE = 2 ** 28

/** Whether `wholeSha256` is how to hash so many bytes here. */
export const hashesWhole = (bytes: number): boolean =>
  ownSystem === undefined && bytes <= WHOLE && globalThis.crypto?.subtle !== undefined

/** Of all bytes at once, in lower-case hexadecimal. */
export const wholeSha256 = async (bytes: Uint8Array<ArrayBuffer>): Promise<string> =>
  bytesToHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)))

/** Works in any engine of JavaScript. */
export const computedSha256 = (): Sha256 => {
  const hash = computed.create()
  const own: Sha256 = {
    update: (data) => {
      hash.update(typeof data === "string" ? new TextEncoder().encode(data) : data)
      return own
    },
    digest: (form) => {
      const bytes = hash.digest()
      return form === "hex" ? bytesToHex(bytes) : btoa(String.fromCharCode(...bytes))
    }
  }
  return own
}
