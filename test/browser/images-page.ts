/** Decodes images in a page, whose codecs a bundler put beside it. */
import * as Effect from "effect/Effect"
import { decodedImage } from "../../src/images/index.ts"

/** SHA-256 of the pixels of an image by its address, or what is wrong with it. */
const digestOf = async (address: string): Promise<string> => {
  const bytes = new Uint8Array(await (await fetch(address)).arrayBuffer())
  const decoded = await Effect.runPromise(Effect.result(decodedImage(bytes, address)))
  if (decoded._tag === "Failure") return decoded.failure.message
  const digest = await crypto.subtle.digest("SHA-256", new Uint8Array(decoded.success.data))
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("")
}
Object.assign(globalThis, { digestOf })
