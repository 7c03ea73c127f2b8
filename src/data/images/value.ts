/**
 * Images in rows: a path, or the image itself as a data: URI. Bytes in a Parquet file ({ bytes, path } or a binary column)
 * are converted to such URIs, so that there is a single form.
 */
import { quoted } from "../../boundary/index.ts"
import { isUrl } from "../../files/index.ts"
import { isFields, kindOf } from "../columns.ts"
import type { TextForm } from "../labelled-rows.ts"

/** An image contained in a row. */
export interface EmbeddedImage {
  /** name of the image in the dataset; "" if unnamed */
  readonly name: string
  readonly bytes: Uint8Array
}

const uri = /^data:[^,;]*((?:;[a-z0-9-]+=[^,;]*)*);base64,/i

/** Creates a data: URI with the name as a parameter, which browsers ignore. */
export const imageUri = (base64: string, name: unknown): string => {
  const parameter = typeof name === "string" && name !== "" ? `;name=${encodeURIComponent(name)}` : ""
  return `data:${parameter};base64,${base64}`
}

export const isEmbedded = (text: string): boolean => text.startsWith("data:")

/** Returns the bytes of a URI that `imageForm` accepted. */
export const embeddedImage = (text: string): EmbeddedImage => {
  const [head = "", parameters = ""] = uri.exec(text) ?? []
  const name = /;name=([^,;]*)/i.exec(parameters)?.[1] ?? ""
  return { name: decodedName(name), bytes: bytesOf(text.slice(head.length)) ?? new Uint8Array(0) }
}

const decodedName = (name: string): string => {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

// absent in Node 20
const { fromBase64 } = Uint8Array as { readonly fromBase64?: (base64: string) => Uint8Array }

/** Decodes base64. Returns undefined if it is invalid. */
const bytesOf = (base64: string): Uint8Array | undefined => {
  try {
    if (fromBase64 !== undefined) return fromBase64.call(Uint8Array, base64)
    const letters = atob(base64)
    const bytes = new Uint8Array(letters.length)
    for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i)
    return bytes
  } catch {
    return undefined
  }
}

/** Converts the value of an image column to text: a path, or a data: URI. */
export const imageForm: TextForm = {
  role: "image",
  textOf: (value) => {
    if (isFields(value) && typeof value["bytes"] === "string")
      return imageForm.textOf(withName(value["bytes"], value["path"]))
    if (isFields(value) && typeof value["path"] === "string") return imageForm.textOf(value["path"])
    if (typeof value !== "string") {
      return { problem: `is ${kindOf(value)}, expected a path, { bytes, path } or a data: URI` }
    }
    if (value.trim() === "") return { problem: "is blank" }
    if (isEmbedded(value)) {
      const head = uri.exec(value)?.[0]
      if (head === undefined || bytesOf(value.slice(head.length)) === undefined) {
        return { problem: "is a data: URI that cannot be read; expected data:image/png;base64,…" }
      }
      return { text: value }
    }
    if (isUrl(value)) return { problem: `is the URL ${quoted(value)}; expected a path: download it first` }
    if (value.includes("\0")) return { problem: `is ${quoted(value)}, which is not a path` }
    if (value.length > longestPath) return { problem: `has ${value.length} characters, expected a path` }
    return { text: value }
  }
}

// maximum length of a path in Linux
const longestPath = 4_096

const withName = (uri: string, path: unknown): string =>
  isEmbedded(uri) ? uri.replace(/^data:;base64,/, () => imageUri("", path)) : uri
