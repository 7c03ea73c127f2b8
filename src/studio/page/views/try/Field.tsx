/** A field to fill in, by what it takes. */
import { useId, useState } from "preact/hooks"
import type { FieldToFill } from "../../../protocol/index.ts"
import { numbersIn, sidesOf, whiteOf } from "./grey.ts"
import { Pad } from "./Pad.tsx"
import type { Row } from "./rows.ts"

interface FieldProps {
  readonly field: FieldToFill
  readonly value: string
  readonly examples: ReadonlyArray<Row>
  readonly onChange: (value: string) => void
}

const TextField = ({ field: { name }, value, onChange }: FieldProps) => {
  const id = useId()
  return (
    <div>
      <label for={id}>{name}</label>
      <textarea id={id} rows={3} value={value} onInput={({ currentTarget }) => onChange(currentTarget.value)} />
    </div>
  )
}

const NumberField = ({ field: { name }, value, onChange }: FieldProps) => {
  const id = useId()
  return (
    <div>
      <label for={id}>{name}</label>
      <input
        id={id}
        inputMode="decimal"
        autocomplete="off"
        value={value}
        onInput={({ currentTarget }) => onChange(currentTarget.value)}
      />
    </div>
  )
}

const NumbersField = (props: FieldProps) => {
  const { field, value, examples, onChange } = props
  const id = useId()
  const sides = sidesOf(field.shape)
  const count = field.shape?.reduce((product, n) => product * n, 1)
  const list = (
    <div>
      <label for={id}>
        {field.name} <span class="quiet small">a JSON list{count === undefined ? "" : ` of ${count} numbers`}</span>
      </label>
      <textarea
        id={id}
        rows={3}
        spellcheck={false}
        value={value}
        onInput={({ currentTarget }) => onChange(currentTarget.value)}
      />
    </div>
  )
  if (sides === null) return list
  const white = whiteOf(examples.map((row) => numbersIn(row[field.name] ?? "")))
  return (
    <div>
      <Pad name={field.name} sides={sides} white={white} value={value} onChange={onChange} />
      <details>
        <summary>As numbers</summary>
        {list}
      </details>
    </div>
  )
}

/** A picture that was dropped or chosen, as a data: URI. */
const readPicture = (file: File, done: (uri: string) => void) => {
  const reader = new FileReader()
  reader.onload = () => done(String(reader.result))
  reader.readAsDataURL(file)
}

const ImageField = ({ field: { name }, value, onChange }: FieldProps) => {
  const id = useId()
  const [isOver, setOver] = useState(false)
  const take = (files: FileList | null | undefined) => {
    const file = files?.[0]
    if (file !== undefined) readPicture(file, onChange)
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: what is dropped can be chosen by the control in it, too
    <div
      class={isOver ? "drop over" : "drop"}
      onDragOver={(event) => {
        event.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault()
        setOver(false)
        take(event.dataTransfer?.files)
      }}
    >
      {value === "" ? null : <img class="preview" src={value} alt="to be asked about" />}
      <div>
        <label for={id}>{name}</label>
        <p class="quiet small">Drop a picture here, or choose one.</p>
        <input
          id={id}
          type="file"
          accept="image/png,image/jpeg,image/webp"
          onChange={({ currentTarget }) => take(currentTarget.files)}
        />
      </div>
    </div>
  )
}

const byType = { text: TextField, number: NumberField, numbers: NumbersField, image: ImageField } as const

export const Field = (props: FieldProps) => {
  const Shown = byType[props.field.type]
  return <Shown {...props} />
}
