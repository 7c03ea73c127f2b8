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
const textOf = (input: Asked, { image }: Columns): { readonly text: string } | Broken => {
  if (typeof input !== "string" && !Object.hasOwn(input, image)) {
    return { broken: missingColumn(image, Object.keys(input)) }
  }
  const cell = imageForm.textOf(typeof input === "string" ? input : input[image])
  return "text" in cell ? cell : { broken: `the image "${image}" ${cell.problem}` }
}

const placeOf = (path: string, folder: string | undefined): string =>
  folder === undefined || /^([/\\]|[a-z]:)/i.test(path) ? path : `${folder}/${path}`

/** Returns why a row is not one of `imagesOf`, or undefined. */
export const inputProblem = (input: Asked, columns: Columns): string | undefined => {
  const text = textOf(input, columns)
  return isBroken(text) ? text.broken : undefined
}

/**
 * Returns the pixels of the image in a row, by its header, or the reason why it cannot be read, as the end of a sentence. For untrusted rows: rejects
 * paths and URLs.
 */
export const pixelsIn = (input: Asked, columns: Columns): { readonly pixels: number } | Broken => {
  const value = isFields(input) ? input[columns.image] : input
  const reference = isFields(value) ? (value["bytes"] ?? value["path"]) : value
  const isElsewhere = typeof reference === "string" && reference.trim() !== "" && !isEmbedded(reference)
  if (isElsewhere) {
    return {
      broken: "refers to an image by a path or a URL; send the image itself as a data: URI (data:image/png;base64,…)"
    }
  }
  const text = textOf(input, columns)
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
export const imagesOf = (
  inputs: ReadonlyArray<Asked>,
  columns: Columns,
  folder?: string
): Effect.Effect<ReadonlyArray<LabelledText>, DataError> =>
  Effect.forEach(inputs, (input, i): Effect.Effect<LabelledText, DataError> => {
    const textOfRow = textOf(input, columns)
    if (isBroken(textOfRow)) return Effect.fail(dataError(`row ${i + 1}`, textOfRow.broken))
    const { text } = textOfRow
    if (!isEmbedded(text)) return Effect.succeed({ text, label: "", where: text, image: placeOf(text, folder) })
    const { name, bytes } = embeddedImage(text)
    const imageName = name === "" ? `row ${i + 1}` : name
    return Effect.succeed({ text: imageName, label: "", where: imageName, image: bytes })
  })
