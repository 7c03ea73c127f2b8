/** Numbers that are grey values: pictures of them, and pictures as numbers. */
import { useEffect, useRef } from "preact/hooks"
import type { FieldToFill } from "../../../protocol/index.ts"

/** Height and width of values that form one grey picture; null: not a picture that can be drawn. */
export const sidesOf = (shape: ReadonlyArray<number> | undefined): readonly [number, number] | null => {
  const [height = 0, width = 0, channels = 1] = shape ?? []
  const isPicture = shape !== undefined && shape.length >= 2 && shape.length <= 3 && channels === 1
  return isPicture && height >= 4 && width >= 4 && height <= 128 && width <= 128 ? [height, width] : null
}

/** Numbers of a JSON list, nested or flat; empty if the text is not one. */
export const numbersIn = (text: string): ReadonlyArray<number> => {
  try {
    const parsed: unknown = JSON.parse(text)
    const flat = Array.isArray(parsed) ? (parsed.flat(Number.POSITIVE_INFINITY) as ReadonlyArray<unknown>) : []
    return flat.every((number) => typeof number === "number") ? (flat as ReadonlyArray<number>) : []
  } catch {
    return []
  }
}

/** The value of white in rows: 255 for bytes, 1 for fractions. */
export const whiteOf = (rows: ReadonlyArray<ReadonlyArray<number>>): number => {
  const most = rows.reduce((all, row) => row.reduce((a, b) => Math.max(a, b), all), 0)
  return most > 16 ? 255 : most > 1 ? 16 : 1
}

/** Draws values on a canvas, one pixel each. */
export const drawNumbers = (
  canvas: HTMLCanvasElement,
  numbers: ReadonlyArray<number>,
  [height, width]: readonly [number, number],
  white: number
): void => {
  canvas.width = width
  canvas.height = height
  const context = canvas.getContext("2d")
  if (context === null) return
  const image = context.createImageData(width, height)
  for (let i = 0; i < width * height; i++) {
    const grey = Math.round((255 * (numbers[i] ?? 0)) / white)
    image.data.set([grey, grey, grey, 255], 4 * i)
  }
  context.putImageData(image, 0, 0)
}

const LONG = 240 // characters of a text that are shown

const Grey = ({
  numbers,
  sides,
  alt
}: {
  readonly numbers: ReadonlyArray<number>
  readonly sides: readonly [number, number]
  readonly alt: string
}) => {
  const canvas = useRef<HTMLCanvasElement>(null)
  useEffect(() => {
    if (canvas.current !== null) drawNumbers(canvas.current, numbers, sides, whiteOf([numbers]))
  }, [numbers, sides])
  return <canvas ref={canvas} class="grey" role="img" aria-label={alt} />
}

export const Thumbnail = ({ field, value }: { readonly field: FieldToFill; readonly value: string }) => {
  if (field.type === "image") return <img class="thumbnail" src={value} alt="input" />
  const sides = field.type === "numbers" ? sidesOf(field.shape) : null
  if (sides !== null) return <Grey numbers={numbersIn(value)} sides={sides} alt="input" />
  return <span class="text">{value.length > LONG ? `${value.slice(0, LONG)}…` : value}</span>
}
