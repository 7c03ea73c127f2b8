/** An input field for each type of field. */
import { useEffect, useId, useRef } from "preact/hooks"
import type { FieldToFill } from "../../../protocol/index.ts"
import { useDrop } from "../../parts/drop.tsx"
import { TextField } from "../../parts/fields.tsx"
import type { Row } from "./Answers.tsx"
import { drawNumbers, numbersIn, sidesOf, whiteOf } from "./grey.tsx"

/** A pad to draw on, whose pixels are the values of a row: white on black with soft edges, as in MNIST. */
interface PadProps {
  readonly name: string
  readonly sides: readonly [number, number]
  /** the value of a white pixel */
  readonly white: number
  readonly value: string
  readonly onChange: (value: string) => void
}

const Pad = ({ name, sides, white, value, onChange }: PadProps) => {
  const [height, width] = sides
  const id = useId()
  const canvas = useRef<HTMLCanvasElement>(null)
  const pixels = useRef<Array<number>>([])
  /** position of the pen; null: lifted */
  const pen = useRef<readonly [number, number] | null>(null)
  const redraw = () => {
    if (canvas.current !== null) drawNumbers(canvas.current, pixels.current, sides, white)
  }
  useEffect(() => {
    // the drawing itself changed the value
    if (pen.current !== null) return
    const numbers = numbersIn(value)
    pixels.current = Array.from({ length: height * width }, (_, i) => numbers[i] ?? 0)
    redraw()
  }, [value, height, width, white])

  const at = (event: PointerEvent): readonly [number, number] => {
    const box = canvas.current!.getBoundingClientRect()
    return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height]
  }
  /** Paints a dot whose radius suits 28 pixels. */
  const dot = (x: number, y: number) => {
    const radius = Math.max(0.8, Math.min(width, height) / 20)
    const reach = Math.ceil(radius + 1)
    for (let row = Math.floor(y) - reach; row <= y + reach; row++) {
      for (let column = Math.floor(x) - reach; column <= x + reach; column++) {
        if (row < 0 || column < 0 || row >= height || column >= width) continue
        const ink = Math.max(0, Math.min(1, radius + 0.5 - Math.hypot(column + 0.5 - x, row + 0.5 - y)))
        const i = row * width + column
        pixels.current[i] = Math.max(pixels.current[i]!, white === 1 ? ink : Math.round(ink * white))
      }
    }
  }
  const line = ([x0, y0]: readonly [number, number], [x1, y1]: readonly [number, number]) => {
    const steps = Math.max(1, Math.ceil(2 * Math.hypot(x1 - x0, y1 - y0)))
    for (let i = 0; i <= steps; i++) dot(x0 + ((x1 - x0) * i) / steps, y0 + ((y1 - y0) * i) / steps)
    redraw()
  }
  const lift = () => {
    if (pen.current === null) return
    onChange(JSON.stringify(pixels.current))
    pen.current = null
  }
  return (
    <div class="pad">
      <p id={id} class="pad-name">
        {name} <span class="quiet small">draw here, or enter the values below</span>
      </p>
      <canvas
        ref={canvas}
        class="grey"
        role="img"
        aria-labelledby={id}
        width={width}
        height={height}
        onPointerDown={(event) => {
          event.preventDefault()
          canvas.current!.setPointerCapture(event.pointerId)
          pen.current = at(event)
          line(pen.current, pen.current)
        }}
        onPointerMove={(event) => {
          if (pen.current === null) return
          const to = at(event)
          line(pen.current, to)
          pen.current = to
        }}
        onPointerUp={lift}
        onPointerCancel={lift}
      />
      <button type="button" onClick={() => onChange("")}>
        Clear
      </button>
    </div>
  )
}

interface FieldProps {
  readonly field: FieldToFill
  readonly value: string
  readonly examples: ReadonlyArray<Row>
  readonly onChange: (value: string) => void
}

const TextInput = ({ field: { name }, value, onChange }: FieldProps) => (
  <TextField label={name} rows={3} value={value} set={onChange} />
)

const NumberInput = ({ field: { name }, value, onChange }: FieldProps) => (
  <TextField label={name} isNumber value={value} set={onChange} />
)

const NumbersInput = ({ field: { name, shape }, value, examples, onChange }: FieldProps) => {
  const sides = sidesOf(shape)
  const count = shape?.reduce((product, n) => product * n, 1)
  const label = (
    <>
      {name} <span class="quiet small">JSON list{count === undefined ? "" : ` of ${count} values`}</span>
    </>
  )
  const list = <TextField label={label} rows={3} spellcheck={false} value={value} set={onChange} />
  if (sides === null) return list
  const white = whiteOf(examples.map((row) => numbersIn(row[name] ?? "")))
  return (
    <div>
      <Pad name={name} sides={sides} white={white} value={value} onChange={onChange} />
      <details>
        <summary>Enter values</summary>
        {list}
      </details>
    </div>
  )
}

/** Reads a dropped or chosen picture as a data: URI. */
export const readPicture = (file: File): Promise<string> =>
  new Promise((resolve, reject) => {
    const reader = new FileReader()
    reader.onload = () => resolve(String(reader.result))
    reader.onerror = () => reject(reader.error)
    reader.readAsDataURL(file)
  })

const ImageInput = ({ field: { name }, value, onChange }: FieldProps) => {
  const id = useId()
  const box = useRef<HTMLDivElement>(null)
  const take = (file: File | undefined) => {
    if (file !== undefined) readPicture(file).then(onChange, () => {})
  }
  const isOver = useDrop((files) => take(files[0]?.file), box)
  return (
    <div ref={box} class={isOver ? "drop over" : "drop"}>
      {value === "" ? null : <img class="preview" src={value} alt="selected file" />}
      <div>
        <label for={id}>{name}</label>
        <p class="quiet small">Drop a picture here, or choose a file.</p>
        <input
          id={id}
          type="file"
          accept="image/png,image/jpeg,image/webp"
          onChange={({ currentTarget }) => take(currentTarget.files?.[0])}
        />
      </div>
    </div>
  )
}

const byType = { text: TextInput, number: NumberInput, numbers: NumbersInput, image: ImageInput } as const

export const Field = (props: FieldProps) => {
  const Shown = byType[props.field.type]
  return <Shown {...props} />
}
