/** What a model wrote: as text, or token by token with how likely each was and what else might have stood there. */
import { useLayoutEffect, useRef, useState } from "preact/hooks"
import { Bars, percent } from "./Bars.tsx"
import { argumentsOf, callsOf, contentOf, doubt, type Place, type Reply, type Side, sideNames } from "./talk.ts"

/** A text whose spaces and line breaks are seen. */
const visible = (text: string): string => text.replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll(" ", "␣")

/** What shows a token that writes nothing by itself. */
const NOTHING = "·"

const nameOf = ({ token, others }: Place): string =>
  token.ends ? "the end" : visible(token.text || others[token.place ?? -1]?.text || "no text")

const endings: Readonly<Partial<Record<Reply["state"], string>>> = {
  length: "It has as many tokens as it may have.",
  stopped: "Stopped."
}

/** The likeliest tokens of a place; the one that was chosen, where it is none of them, after them. */
const PlaceOf = ({ place }: { readonly place: Place }) => {
  const { token, others } = place
  const shares = others.map(({ text, probability }, i) => ({
    name: `${visible(text)}${i === token.place ? " (chosen)" : ""}`,
    share: probability
  }))
  return (
    <>
      <p class="small">
        <strong>{nameOf(place)}</strong> had {percent(token.probability)}
        {token.place === 0 ? ", the likeliest:" : "; likelier were:"}
      </p>
      <Bars shares={shares} label="The likeliest tokens" />
    </>
  )
}

const Tokens = ({ places, label }: { readonly places: ReadonlyArray<Place>; readonly label: string }) => {
  const [at, setAt] = useState<number | undefined>(undefined)
  const list = useRef<HTMLDivElement>(null)
  const isMoving = useRef(false)
  const current = Math.min(at ?? 0, places.length - 1)
  useLayoutEffect(() => {
    if (isMoving.current) list.current?.querySelector<HTMLElement>(`[data-at="${current}"]`)?.focus()
    isMoving.current = false
  }, [current])
  const move = (to: number) => {
    isMoving.current = true
    setAt(Math.max(0, Math.min(places.length - 1, to)))
  }
  const keys: Readonly<Record<string, () => void>> = {
    ArrowRight: () => move(current + 1),
    ArrowLeft: () => move(current - 1),
    Home: () => move(0),
    End: () => move(places.length - 1)
  }
  return (
    <>
      <div
        ref={list}
        class="text tokens"
        role="toolbar"
        aria-label={`${label}, token by token`}
        onKeyDown={(event) => {
          const act = keys[event.key]
          if (act === undefined) return
          event.preventDefault()
          act()
        }}
      >
        {places.map((place, i) => (
          // biome-ignore lint/a11y/useSemanticElements: a <button> is a box, in which text neither breaks nor flows
          <span
            key={String(i)}
            data-at={i}
            role="button"
            aria-label={`${nameOf(place)}, ${percent(place.token.probability)}`}
            aria-pressed={i === at}
            tabIndex={i === current ? 0 : -1}
            class={`token doubt-${doubt(place.token.probability)}`}
            onMouseEnter={() => setAt(i)}
            onFocus={() => setAt(i)}
            onClick={() => setAt(i)}
            onKeyDown={() => {}}
          >
            {place.token.ends ? "■" : place.token.text || NOTHING}
          </span>
        ))}
      </div>
      <div class="at-token">
        {at === undefined ? (
          <p class="quiet small">
            Point at a token, or go to it with the arrow keys, to see how likely it was and what else might have stood
            there. The less likely it was, the heavier its line.
          </p>
        ) : (
          <PlaceOf place={places[current]!} />
        )}
      </div>
    </>
  )
}

export const ReplyOf = ({
  side,
  reply,
  withTokens
}: {
  readonly side: Side
  readonly reply: Reply | undefined
  readonly withTokens: boolean
}) => (
  <div class="card reply" aria-busy={reply !== undefined && reply.state === "writes"}>
    <h4>{sideNames[side]}</h4>
    {reply === undefined ? (
      <p class="quiet small">It was not asked.</p>
    ) : (
      <>
        {withTokens && reply.places.length > 0 ? (
          <Tokens places={reply.places} label={sideNames[side]} />
        ) : (
          <p class="text">{contentOf(reply)}</p>
        )}
        {callsOf(reply).length === 0 ? null : (
          <ul class="calls" aria-label={`Calls, ${sideNames[side].toLowerCase()}`}>
            {callsOf(reply).map((call, i) => (
              <li key={String(i)}>
                <strong>{call.name}</strong> <code>{argumentsOf(call)}</code>
              </li>
            ))}
          </ul>
        )}
        {reply.state === "waits" ? <p class="quiet small">Its turn comes …</p> : null}
        {reply.problem === undefined ? null : <p class="wrong">{reply.problem}</p>}
        {endings[reply.state] === undefined ? null : <p class="quiet small">{endings[reply.state]}</p>}
      </>
    )}
  </div>
)
