/** Conversations and generated texts: both sides of the model, token by token as they arrive. */
import { useEffect, useRef, useState } from "preact/hooks"
import { Check, Radios, SubmitForm, TextField } from "../../parts/fields.tsx"
import { Status } from "../../parts/loading.tsx"
import { useMedia, useStudio } from "../../use.ts"
import { Examples } from "./Examples.tsx"
import { ReplyOf } from "./Reply.tsx"
import {
  argumentsOf,
  callsOf,
  contentOf,
  ended,
  isOver,
  messagesOf,
  nextAsked,
  type Reply,
  type Side,
  sideNames,
  type Turn,
  withEvent
} from "./talk.ts"

/** Generation settings. */
interface Generation {
  readonly temperature: number
  readonly seed: number
  readonly tokens: number
}

/** The settings as numbers; null if any is invalid. */
const settingsOf = (typed: Typed): Generation | null => {
  const [temperature, seed, tokens] = [typed.temperature, typed.seed, typed.tokens].map((text) =>
    text.trim() === "" ? Number.NaN : Number(text.replace(",", "."))
  ) as [number, number, number]
  const isRight =
    temperature >= 0 && temperature <= 5 && Number.isSafeInteger(seed) && Number.isSafeInteger(tokens) && tokens >= 1
  return isRight ? { temperature, seed, tokens } : null
}

interface Typed {
  readonly temperature: string
  readonly seed: string
  readonly tokens: string
  /** a JSON list, parsed by the engine */
  readonly tools: string
}

const usual: Typed = { temperature: "0", seed: "0", tokens: "128", tools: "" }

const says: Readonly<Record<keyof Generation, { readonly label: string; readonly help: string }>> = {
  temperature: { label: "Temperature", help: "0 always picks the most likely token; higher values vary more" },
  seed: { label: "Seed", help: "the same seed gives the same text" },
  tokens: { label: "Token limit", help: "maximum length of a text, in tokens" }
}

interface SettingsProps {
  readonly typed: Typed
  readonly onChange: (typed: Typed) => void
  /** for conversations, which can call tools */
  readonly withTools: boolean
}

const Settings = ({ typed, onChange, withTools }: SettingsProps) => (
  <div class="settings">
    {(Object.keys(says) as ReadonlyArray<keyof Generation>).map((name) => (
      <TextField
        key={name}
        {...says[name]}
        isNumber
        isWrong={settingsOf({ ...usual, [name]: typed[name] }) === null}
        value={typed[name]}
        set={(text) => onChange({ ...typed, [name]: text })}
      />
    ))}
    {withTools ? (
      <TextField
        class="tools"
        label="Tools"
        help="JSON list of the tools that the model may call, in OpenAI's format"
        rows={4}
        spellcheck={false}
        value={typed.tools}
        set={(tools) => onChange({ ...typed, tools })}
      />
    ) : null}
  </div>
)

const NARROW = "(max-width: 60rem)"

const both: ReadonlyArray<Side> = ["trained", "base"]

/** A finished reply as screen readers announce it. */
const textOf = (reply: Reply): string =>
  [reply.problem ?? contentOf(reply), ...callsOf(reply).map((call) => `${call.name} ${argumentsOf(call)}`)]
    .filter((part) => part !== "")
    .join(", ")

const resultLabel = (names: ReadonlyArray<string>): string =>
  names.length === 1 ? `Result of ${names[0]}` : `Results of ${names.join(", ")}`

interface WriteProps {
  readonly id: string
  readonly isConversation: boolean
  readonly examples: ReadonlyArray<string>
  /** of each example: the tools of its row; absent: no row has tools */
  readonly exampleTools?: ReadonlyArray<string> | undefined
}

export const Write = ({ id, isConversation, examples, exampleTools }: WriteProps) => {
  const { host } = useStudio()
  const [text, setText] = useState("")
  const [turns, setTurns] = useState<ReadonlyArray<Turn>>([])
  const [typed, setTyped] = useState<Typed>(usual)
  const [withBase, setWithBase] = useState(true)
  const [withTokens, setWithTokens] = useState(false)
  const [side, setSide] = useState<Side>("trained")
  const [announced, setAnnounced] = useState("")
  const isNarrow = useMedia(NARROW)
  const stop = useRef<(() => void) | undefined>(undefined)
  const input = useRef<HTMLTextAreaElement>(null)
  const end = useRef<HTMLDivElement>(null)
  useEffect(() => () => stop.current?.(), [])

  const last = turns.at(-1)
  const isWriting = last !== undefined && both.some((either) => last.replies[either] && !isOver(last.replies[either]))
  const how = settingsOf(typed)
  const { sides: askedSides, resultsOf } = nextAsked(turns, withBase ? both : both.slice(0, 1))
  // of several results, each is a line
  const message = resultsOf.length > 1 ? text.trim() : text
  const hasResults = resultsOf.length < 2 || message.split("\n").length === resultsOf.length
  const canAsk = !isWriting && how !== null && text.trim() !== "" && hasResults

  /** Generates the replies of the newest turn, one side after the other. */
  const write = (before: ReadonlyArray<Turn>, message: string, sides: ReadonlyArray<Side>, tools: string) => {
    const [current, ...rest] = sides
    if (current === undefined || how === null) return
    const past = isConversation ? messagesOf(before, current) : []
    stop.current = host.watch(
      "write",
      { id, ...how, tools, sides: [current], messages: [...past, { role: "user", content: message }] },
      {
        event: (event) => setTurns((now) => withEvent(now, event)),
        end: (problem) => {
          if (problem === undefined) return write(before, message, rest, tools)
          setTurns((now) => ended(now, "failed", problem.message))
        }
      }
    )
  }
  const ask = (message: string, tools = typed.tools) => {
    const replies = Object.fromEntries(
      askedSides.map((askedSide) => [askedSide, { places: [], state: "waits" }])
    ) as Turn["replies"]
    setTurns([...turns, { message, resultsOf, replies }])
    setTyped({ ...typed, tools })
    setText("")
    setAnnounced("")
    write(turns, message, askedSides, tools)
  }
  const halt = () => {
    stop.current?.()
    setTurns((now) => ended(now, "stopped"))
    input.current?.focus()
  }
  const restart = () => {
    stop.current?.()
    setTurns([])
    setAnnounced("")
    input.current?.focus()
  }

  // announce finished replies once
  useEffect(() => {
    if (last === undefined || isWriting) return
    const parts = both.flatMap((ofSide) => {
      const reply = last.replies[ofSide]
      return reply === undefined ? [] : [`${sideNames[ofSide]}: ${textOf(reply)}`]
    })
    setAnnounced(parts.join(". "))
  }, [isWriting])
  useEffect(() => {
    if (turns.length > 0) end.current?.scrollIntoView({ block: "nearest" })
  }, [turns.length])

  const visible = isNarrow ? [side] : both
  return (
    <div class="writing">
      <Status>{announced}</Status>
      <div class="row bar-of-talk">
        {isNarrow ? (
          <Radios
            label="Side to show"
            options={both.map((option) => [option, sideNames[option]])}
            value={side}
            choose={setSide}
          />
        ) : null}
        <Check checked={withTokens} set={setWithTokens}>
          Show probabilities
        </Check>
        {turns.length === 0 ? null : (
          <button type="button" class="plain" onClick={restart}>
            Start over
          </button>
        )}
      </div>
      {turns.length === 0 ? (
        <p class="quiet">
          {isConversation
            ? "Write a message. The run replies with its adapter, next to the same model without it. Each side keeps its own conversation."
            : "Write a prompt. The run generates text with its adapter, next to the same model without it."}
        </p>
      ) : null}
      {turns.length === 0 ? null : <h2 class="hidden">Conversation</h2>}
      {turns.map((turn, i) => (
        <article key={String(i)} class="turn" aria-labelledby={`turn-${i}`}>
          <h3 id={`turn-${i}`} class="hidden">
            Turn {i + 1}
          </h3>
          <p class="said">
            {turn.resultsOf.length === 0 ? <span class="hidden">You: </span> : `${resultLabel(turn.resultsOf)}: `}
            {turn.message}
          </p>
          <div class={visible.length === 1 ? "sides one" : "sides"}>
            {visible.map((visibleSide) => (
              <ReplyOf
                key={visibleSide}
                side={visibleSide}
                reply={turn.replies[visibleSide]}
                compared={turn.replies[visibleSide === "base" ? "trained" : "base"]}
                withTokens={withTokens}
              />
            ))}
          </div>
        </article>
      ))}
      <div ref={end} />
      <SubmitForm submit={() => ask(message)}>
        <TextField
          label={resultsOf.length > 0 ? resultLabel(resultsOf) : isConversation ? "Your message" : "Prompt"}
          help={resultsOf.length > 1 ? "Enter one result per line, in this order." : undefined}
          rows={3}
          box={input}
          value={text}
          set={setText}
        />
        <p class="row">
          {isWriting ? (
            <button type="button" class="primary" onClick={halt}>
              Stop
            </button>
          ) : (
            <button type="submit" class="primary" disabled={!canAsk}>
              {isConversation ? "Send" : "Generate"}
            </button>
          )}
          <Check checked={withBase} set={setWithBase}>
            Also without the adapter
          </Check>
          <span class="quiet small">Press Ctrl+Enter to {isConversation ? "send" : "generate"}.</span>
        </p>
        <Examples
          examples={examples}
          isDisabled={isWriting || how === null || resultsOf.length > 0}
          choose={(i) => ask(examples[i]!, exampleTools?.[i])}
        />
        <details>
          <summary>Settings</summary>
          <Settings typed={typed} onChange={setTyped} withTools={isConversation} />
        </details>
      </SubmitForm>
    </div>
  )
}
