/** Input images from a user: by paths, or as rows with the columns of a plan. */
import * as Effect from "effect/Effect"
import { headerOf } from "../../images/index.ts"
import { type Broken, type Fields, isBroken, isFields, missingColumn } from "../columns.ts"
import { type DataError, dataError } from "../data-error.ts"
import type { LabelledText } from "../source.ts"
import type { ImageSection } from "./open.ts"
import { embeddedImage, imageForm, isEmbedded } from "./value.ts"

type Asked = string | Fields
type Columns = Pick<ImageSection, "image">

/** Returns the image as a path or a data: URI. */
const askedText = (asked: Asked, { image }: Columns): { readonly text: string } | Broken => {
  if (typeof asked !== "string" && !Object.hasOwn(asked, image)) {
    return { broken: missingColumn(image, Object.keys(asked)) }
  }
  const found = imageForm.textOf(typeof asked === "string" ? asked : asked[image])
  return "text" in found ? found : { broken: `the image "${image}" ${found.problem}` }
}

const placeOf = (path: string, folder: string | undefined): string =>
  folder === undefined || /^([/\\]|[a-z]:)/i.test(path) ? path : `${folder}/${path}`

/** Returns why a row is not one of `askedImages`, or undefined. */
export const askedProblem = (asked: Asked, columns: Columns): string | undefined => {
  const text = askedText(asked, columns)
  return isBroken(text) ? text.broken : undefined
}

/**
 * Returns the pixels of the image in a row, by its header, or the reason why it cannot be read, as the end of a sentence. For untrusted rows: rejects
 * paths and URLs.
 */
export const pixelsIn = (asked: Asked, columns: Columns): { readonly pixels: number } | Broken => {
  const value = isFields(asked) ? asked[columns.image] : asked
  const given = isFields(value) ? (value["bytes"] ?? value["path"]) : value
  const isElsewhere = typeof given === "string" && given.trim() !== "" && !isEmbedded(given)
  if (isElsewhere) {
    return {
      broken: "refers to an image by a path or a URL; send the image itself as a data: URI (data:image/png;base64,…)"
    }
  }
  const text = askedText(asked, columns)
  if (isBroken(text)) return text
  const { bytes } = embeddedImage(text.text)
  return Effect.runSync(
    Effect.match(headerOf(bytes, ""), {
      onFailure: ({ reason }) => ({ broken: `the image ${reason}` }),
      onSuccess: ({ width, height }) => ({ pixels: width * height })
    })
  )
}

/** Reads input images. `folder`: base of relative paths; default: the working directory. */
export const askedImages = (
  asked: ReadonlyArray<Asked>,
  columns: Columns,
  folder?: string
): Effect.Effect<ReadonlyArray<LabelledText>, DataError> =>
  Effect.forEach(asked, (one, i): Effect.Effect<LabelledText, DataError> => {
    const found = askedText(one, columns)
    if (isBroken(found)) return Effect.fail(dataError(`row ${i + 1}`, found.broken))
    const { text } = found
    if (!isEmbedded(text)) return Effect.succeed({ text, label: "", where: text, image: placeOf(text, folder) })
    const { name, bytes } = embeddedImage(text)
    const called = name === "" ? `row ${i + 1}` : name
    return Effect.succeed({ text: called, label: "", where: called, image: bytes })
  })
