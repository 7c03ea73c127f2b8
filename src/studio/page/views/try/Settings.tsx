/** How a text is written. */
import { useId } from "preact/hooks"

export interface HowToWrite {
  readonly temperature: number
  readonly seed: number
  readonly tokens: number
}

/** What is set, as it was typed; null: it is no such number. */
export const settingsOf = (typed: Typed): HowToWrite | null => {
  const [temperature, seed, tokens] = [typed.temperature, typed.seed, typed.tokens].map((text) =>
    text.trim() === "" ? Number.NaN : Number(text.replace(",", "."))
  ) as [number, number, number]
  const isRight =
    temperature >= 0 && temperature <= 5 && Number.isSafeInteger(seed) && Number.isSafeInteger(tokens) && tokens >= 1
  return isRight ? { temperature, seed, tokens } : null
}

export interface Typed {
  readonly temperature: string
  readonly seed: string
  readonly tokens: string
  /** a JSON list, which the engine reads */
  readonly tools: string
}

export const usual: Typed = { temperature: "0", seed: "0", tokens: "128", tools: "" }

const says: Readonly<Record<keyof HowToWrite, { readonly label: string; readonly hint: string }>> = {
  temperature: { label: "Temperature", hint: "0: always the likeliest token; more: bolder choices" },
  seed: { label: "Seed", hint: "the same one gives the same text again" },
  tokens: { label: "Tokens", hint: "of a text, at most" }
}

const Setting = ({ name, typed, onChange }: SettingsProps & { readonly name: keyof HowToWrite }) => {
  const id = useId()
  const isWrong = settingsOf({ ...usual, [name]: typed[name] }) === null
  return (
    <div>
      <label for={id}>{says[name].label}</label>
      <input
        id={id}
        inputMode="decimal"
        autocomplete="off"
        value={typed[name]}
        aria-invalid={isWrong}
        aria-describedby={`${id}-hint`}
        onInput={({ currentTarget }) => onChange({ ...typed, [name]: currentTarget.value })}
      />
      <p id={`${id}-hint`} class="quiet small">
        {says[name].hint}
      </p>
    </div>
  )
}

const Tools = ({ typed, onChange }: SettingsProps) => {
  const id = useId()
  return (
    <div class="tools">
      <label for={id}>Tools</label>
      <textarea
        id={id}
        rows={4}
        spellcheck={false}
        value={typed.tools}
        aria-describedby={`${id}-hint`}
        onInput={({ currentTarget }) => onChange({ ...typed, tools: currentTarget.value })}
      />
      <p id={`${id}-hint`} class="quiet small">
        JSON list of the tools that the model may call, as in OpenAI's API
      </p>
    </div>
  )
}

interface SettingsProps {
  readonly typed: Typed
  readonly onChange: (typed: Typed) => void
}

/** `withTools`: for conversations, in which tools can be called. */
export const Settings = ({ withTools, ...props }: SettingsProps & { readonly withTools: boolean }) => (
  <div class="settings">
    {(Object.keys(says) as ReadonlyArray<keyof HowToWrite>).map((name) => (
      <Setting key={name} name={name} {...props} />
    ))}
    {withTools ? <Tools {...props} /> : null}
  </div>
)
