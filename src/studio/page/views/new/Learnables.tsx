/** The tasks that a model could learn from the rows, as cards: a clear one is preselected, one click selects another. */

import { useId } from "preact/hooks"
import { capital } from "../../../../boundary/index.ts"
import type { LearnableRows } from "../../../protocol/index.ts"
import { useStudio } from "../../use.ts"
import { keyOf } from "./draft.ts"

/** Certainty in words. */
const surenesses: ReadonlyArray<readonly [from: number, says: string]> = [
  [0.8, "very likely"],
  [0.6, "likely"],
  [0, "possible"]
]

const surenessOf = ({ certainty }: LearnableRows): string => surenesses.find(([from]) => certainty >= from)![1]

const sentenceOf = (text: string): string => (text.endsWith(".") ? capital(text) : `${capital(text)}.`)

/** A text with column names between backticks. */
const Named = ({ text }: { readonly text: string }) => (
  <>{text.split("`").map((part, i) => (i % 2 === 0 ? part : <code key={String(i)}>{part}</code>))}</>
)

/** The Hub model that a sentence names. */
const hubModelIn = (sentence: string): string | undefined => /hf:[\w.-]+\/[\w.-]*\w/.exec(sentence)?.[0]

interface LearnablesProps {
  readonly learnables: ReadonlyArray<LearnableRows>
  readonly chosen: LearnableRows | undefined
  readonly choose: (learnable: LearnableRows) => void
  /** selects a model that the studio does not include */
  readonly fetchModel: (learnable: LearnableRows, source: string) => void
}

export const Learnables = ({ learnables, chosen, choose, fetchModel }: LearnablesProps) => {
  const { about } = useStudio()
  const id = useId()
  const canFetch = about.abilities.includes("paths")
  return (
    <fieldset class="learnables" aria-labelledby="rows-heading">
      {learnables.map((learnable) => {
        const { sentence, example, needs } = learnable
        const named = needs === null || !canFetch ? undefined : hubModelIn(needs)
        return (
          <div key={keyOf(learnable)} class={learnable === chosen ? "card chosen" : "card"}>
            <label>
              <input type="radio" name={id} checked={learnable === chosen} onChange={() => choose(learnable)} />
              <span>
                <strong>
                  <Named text={capital(sentence)} />
                </strong>
                <span class="example-row">{example}</span>
                <span class="quiet small">{surenessOf(learnable)}</span>
              </span>
            </label>
            {needs === null ? null : <p class="small">{sentenceOf(needs)}</p>}
            {named === undefined ? null : (
              <button type="button" onClick={() => fetchModel(learnable, named)}>
                Download {named}
              </button>
            )}
          </div>
        )
      })}
    </fieldset>
  )
}
