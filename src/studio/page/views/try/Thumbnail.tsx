/** The value of a field, as far as it is to be recognised: a text, a picture, numbers as a picture or the first of them. */
import { useEffect, useRef } from "preact/hooks"
import type { FieldToFill } from "../../../protocol/index.ts"
import { drawNumbers, numbersIn, sidesOf, whiteOf } from "./grey.ts"

const LONG = 240 // characters

export const Grey = ({
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
  if (field.type === "image") return <img class="thumbnail" src={value} alt="what was asked about" />
  const sides = field.type === "numbers" ? sidesOf(field.shape) : null
  if (sides !== null) return <Grey numbers={numbersIn(value)} sides={sides} alt="what was asked about" />
  return <span class="text">{value.length > LONG ? `${value.slice(0, LONG)}…` : value}</span>
}
