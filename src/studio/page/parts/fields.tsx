/** Fields that views are filled in by. */
import type { ComponentChildren, ComponentProps } from "preact"

type Attributes = "id" | "value" | "children" | "aria-label" | "aria-describedby" | "aria-invalid"

interface SelectProps extends Pick<ComponentProps<"select">, Attributes> {
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
