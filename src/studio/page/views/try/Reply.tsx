/** A generated text: whole, or token by token with probabilities and alternatives. */
import { percent } from "../../../../boundary/index.ts"
import { useRovingFocus } from "../../use.ts"
import { Bars } from "./Bars.tsx"
import {
  argumentsOf,
  callsOf,
  contentOf,
  differences,
  doubt,
  isOver,
  type Place,
  type Reply,
  type Side,
  sideNames
} from "./talk.ts"

/** A text with visible spaces and line breaks. */
const visible = (text: string): string => text.replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll(" ", "␣")

/** Shown for a token without text. */
const NOTHING = "·"

const nameOf = ({ token, likeliest }: Place): string =>
  token.ends ? "end of text" : visible(token.text || likeliest[token.rank ?? -1]?.text || "no text")

const endings: Readonly<Partial<Record<Reply["state"], string>>> = {
  length: "Stopped at the token limit.",
  stopped: "Stopped."
}

/** The most likely tokens at a position, and the probability of the chosen one. */
const PlaceOf = ({ position }: { readonly position: Place }) => {
  const { token, likeliest } = position
  const shares = likeliest.map(({ text, probability }, i) => ({
    name: `${visible(text)}${i === token.rank ? " (chosen)" : ""}`,
    share: probability
  }))
  return (
    <>
      <p class="small">
        <strong>{nameOf(position)}</strong>: {percent(token.probability)}
        {token.rank === 0 ? ", the most likely token" : "; more likely tokens:"}
      </p>
      <Bars shares={shares} label="Most likely tokens" />
    </>
  )
}

const Tokens = ({ places, label }: { readonly places: ReadonlyArray<Place>; readonly label: string }) => {
  const { at, current, setAt, list, onKeyDown } = useRovingFocus(places.length)
  return (
    <>
      <div ref={list} class="text tokens" role="toolbar" aria-label={`${label}, token by token`} onKeyDown={onKeyDown}>
        {places.map((position, i) => (
          // biome-ignore lint/a11y/useSemanticElements: a <button> is a box, in which text neither breaks nor flows
          <span
            key={String(i)}
            data-at={i}
            role="button"
            aria-label={`${nameOf(position)}, ${percent(position.token.probability)}`}
            aria-pressed={i === at}
            tabIndex={i === current ? 0 : -1}
            class={`token doubt-${doubt(position.token.probability)}`}
            onMouseEnter={() => setAt(i)}
            onFocus={() => setAt(i)}
            onClick={() => setAt(i)}
            onKeyDown={() => {}}
          >
            {position.token.ends ? "■" : position.token.text || NOTHING}
          </span>
        ))}
      </div>
      <div class="at-token">
        {at === undefined ? (
          <p class="quiet small">
            Point at a token, or move to it with the arrow keys, to see its probability and the alternatives. The less
            likely the token, the heavier its underline.
          </p>
        ) : (
          <PlaceOf position={places[current]!} />
        )}
      </div>
    </>
  )
}

export const ReplyOf = ({
  side,
  reply,
  compared,
  withTokens
}: {
  readonly side: Side
  readonly reply: Reply | undefined
  /** of the other side: what differs from it is marked */
  readonly compared: Reply | undefined
  readonly withTokens: boolean
}) => (
  <div class="card reply" aria-busy={reply !== undefined && reply.state === "writes"}>
    <h4>{sideNames[side]}</h4>
    {reply === undefined ? (
      <p class="quiet small">Not part of this turn.</p>
    ) : (
      <>
        {withTokens && reply.places.length > 0 ? (
          <Tokens places={reply.places} label={sideNames[side]} />
        ) : (
          <p class="text">
            {isOver(reply) && compared !== undefined && isOver(compared)
              ? differences(contentOf(reply), contentOf(compared)).map(({ text, isOwn }, i) =>
                  isOwn ? <mark key={String(i)}>{text}</mark> : text
                )
              : contentOf(reply)}
          </p>
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
        {reply.state === "waits" ? <p class="quiet small">Waiting …</p> : null}
        {reply.problem === undefined ? null : <p class="wrong">{reply.problem}</p>}
        {endings[reply.state] === undefined ? null : <p class="quiet small">{endings[reply.state]}</p>}
      </>
    )}
  </div>
)
