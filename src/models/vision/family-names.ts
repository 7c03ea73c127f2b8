/** The names of these families alone, for models of other kinds to say what such a model is. */
export const imageFamilyNames = ["vit", "clip"] as const

/** The end of a sentence about a `model_type` that is not supported. */
export const looksAtImages = (type: unknown): string =>
  imageFamilyNames.some((name) => name === type) ? '; this one looks at images: data.format "images"' : ""
