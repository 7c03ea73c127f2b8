/** Fields that views are filled in by. */
import type { ComponentChildren, ComponentProps, Ref, TargetedEvent } from "preact"
import { useId } from "preact/hooks"

interface FieldProps {
  readonly label: ComponentChildren
  readonly help?: ComponentChildren | undefined
  readonly isWrong?: boolean
  readonly class?: string
}

interface LabelledProps extends FieldProps {
  /** the control, with the attributes that connect it to its label and its help */
  readonly children: (attributes: Pick<ComponentProps<"input">, Attributes>) => ComponentChildren
}

type Attributes = "id" | "aria-describedby" | "aria-invalid"

/** A control with its label above and its help below. */
export const Field = ({ label, help, isWrong, class: className, children }: LabelledProps) => {
  const id = useId()
  const helpId = help === undefined ? undefined : `${id}-help`
  return (
    <div class={className === undefined ? "field" : `field ${className}`}>
      <label for={id}>{label}</label>
      {children({ id, "aria-describedby": helpId, "aria-invalid": isWrong })}
      {help === undefined ? null : (
        <p class="help" id={helpId}>
          {help}
        </p>
      )}
    </div>
  )
}

interface TextFieldProps extends FieldProps, Pick<ComponentProps<"textarea">, "placeholder" | "spellcheck"> {
  readonly value: string
  readonly set: (text: string) => void
  /** lines of a longer text */
  readonly rows?: number
  readonly isNumber?: boolean
  readonly box?: Ref<HTMLTextAreaElement>
}

export const TextField = ({ value, set, rows, isNumber, box, placeholder, spellcheck, ...field }: TextFieldProps) => (
  <Field {...field}>
    {(marks) => {
      const typed = ({ currentTarget }: TargetedEvent<HTMLInputElement | HTMLTextAreaElement>) =>
        set(currentTarget.value)
      const attributes = { ...marks, value, placeholder, spellcheck, onInput: typed }
      return rows === undefined ? (
        <input {...attributes} type="text" inputMode={isNumber === true ? "decimal" : undefined} autocomplete="off" />
      ) : (
        <textarea {...attributes} rows={rows} ref={box ?? null} />
      )
    }}
  </Field>
)

interface SelectProps extends Pick<ComponentProps<"select">, Attributes | "value" | "children" | "aria-label"> {
  /** each value, and what it is called */
  readonly options: ReadonlyArray<readonly [value: string, text: ComponentChildren]>
  readonly choose: (value: string) => void
}

/** A list to choose from; `children`: what comes before its options. */
export const Select = ({ options, choose, children, ...attributes }: SelectProps) => (
  <select {...attributes} onChange={({ currentTarget }) => choose(currentTarget.value)}>
    {children}
    {options.map(([value, text]) => (
      <option key={value} value={value}>
        {text}
      </option>
    ))}
  </select>
)

interface RadiosProps<Value extends string> {
  readonly label: string
  readonly options: ReadonlyArray<readonly [value: Value, text: string]>
  readonly value: Value
  readonly choose: (value: Value) => void
}

/** One of a few, next to each other. */
export const Radios = <Value extends string>({ label, options, value, choose }: RadiosProps<Value>) => {
  const name = useId()
  return (
    <fieldset class="radios">
      <legend class="hidden">{label}</legend>
      {options.map(([option, text]) => (
        <label key={option} class={option === value ? "chosen" : undefined}>
          <input type="radio" name={name} checked={option === value} onChange={() => choose(option)} />
          {text}
        </label>
      ))}
    </fieldset>
  )
}

interface CheckProps {
  readonly checked: boolean
  readonly set: (checked: boolean) => void
  readonly children: ComponentChildren
}

export const Check = ({ checked, set, children }: CheckProps) => (
  <label class="check">
    <input type="checkbox" checked={checked} onChange={({ currentTarget }) => set(currentTarget.checked)} />
    {children}
  </label>
)

interface SubmitFormProps {
  readonly class?: string
  readonly submit: () => void
  readonly children: ComponentChildren
}

/** Fields that are sent together by the button in it, by Enter in a line, and by Ctrl+Enter in a longer text: not while the button is disabled. */
export const SubmitForm = ({ submit, ...attributes }: SubmitFormProps) => (
  <form
    {...attributes}
    onSubmit={(event) => {
      event.preventDefault()
      submit()
    }}
    onKeyDown={(event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return
      event.preventDefault()
      event.currentTarget.querySelector<HTMLButtonElement>('[type="submit"]')?.click()
    }}
  />
)
