/** A new run, top to bottom: rows, what their columns are for and the model, the plan that fits them, changes to it, and its beginning. */

import { useEffect, useRef, useState } from "preact/hooks"
import { counted } from "../../../../boundary/index.ts"
import type { OutlinedPlan, PlanJson, Rows, SuggestedPlan } from "../../../protocol/index.ts"
import { Loading, Trouble } from "../../parts/asked.tsx"
import type { ViewProps } from "../../place.ts"
import { useCall, useSettled, useStudio } from "../../use.ts"
import { ModelChoice, Roles, Written } from "./Choices.tsx"
import {
  type Draft,
  draftOfOwn,
  draftOfPlan,
  draftOfRows,
  edited,
  isNews,
  keep,
  kept,
  suggested,
  withOwn
} from "./draft.ts"
import { Edit, planIn, type Wanted } from "./Edit.tsx"
import { Intake, Other, OwnPlan, type Taking, useDrop, useTaking } from "./Intake.tsx"
import { Facts, Problems, Reasons, Warnings } from "./Judged.tsx"
import { Record } from "./Record.tsx"
import { RowsTable } from "./RowsTable.tsx"
import { StartBar } from "./StartBar.tsx"
import "./new.css"

const dataOf = ({ plan }: Draft): Readonly<Record<string, unknown>> => {
  const data = plan?.["data"]
  return typeof data === "object" && data !== null ? (data as Readonly<Record<string, unknown>>) : {}
}

/** Where the rows of a draft are: those that were dropped, or those that its plan names. */
const sourceOf = (draft: Draft): string | undefined => {
  const { train } = dataOf(draft)
  return draft.source ?? (typeof train === "string" ? train : undefined)
}

/** Rows and what lies beside them, as plans name them. */
const placesOf = ({ source, validation, test }: Rows) => ({
  train: source,
  ...(validation === undefined ? {} : { validation }),
  ...(test === undefined ? {} : { test })
})

/** The answer of `check` to the plan as it is now; undefined while it is asked for. */
const useChecked = (plan: PlanJson | null) => {
  const settled = useSettled(plan)
  const { value, isBusy, ...asked } = useCall("check", settled === null ? undefined : { plan: settled })
  return { ...asked, checked: isBusy || settled !== plan ? undefined : value, newest: value }
}

export const NewRun = (_: ViewProps) => {
  const [draft, setDraft] = useState<Draft | null>(kept)
  useEffect(() => keep(draft), [draft])
  const taking = useTaking(
    (source) => setDraft(draftOfRows(source)),
    (name, plan) => setDraft(draftOfPlan(name, plan))
  )
  const isOver = useDrop(taking.take)
  const named = (source: string) => setDraft(draftOfRows(source))
  const [isRecording, setRecording] = useState(false)
  // what was pressed may be gone: whoever goes on by the keyboard goes on from the new beginning
  const isBegun = draft !== null
  const stage = isBegun ? "begun" : isRecording ? "recording" : "nothing"
  const last = useRef(stage)
  useEffect(() => {
    if (last.current !== stage) document.getElementById("rows-heading")?.focus({ preventScroll: isBegun })
    last.current = stage
    if (isBegun) setRecording(false)
  }, [stage])
  return (
    <div class="new-run">
      {draft !== null ? (
        <Begun draft={draft} setDraft={setDraft} taking={taking} />
      ) : isRecording ? (
        <Record taking={taking} leave={() => setRecording(false)} />
      ) : (
        <Intake
          taking={taking}
          isOver={isOver}
          named={named}
          record={() => setRecording(true)}
          outlined={(outlined) => setDraft(draftOfOwn(outlined))}
        />
      )}
      {isOver && stage !== "nothing" ? (
        <div class="over-all" aria-hidden="true">
          <p>Let go to take these rows instead</p>
        </div>
      ) : null}
    </div>
  )
}

const NO_MODEL_OF_IMAGES =
  "These rows are images, and this model does not take any. Choose one that does: a tf.LayersModel over images, or a vision model of Hugging Face."
const NAME_ONE = " Its name goes under “another”, such as hf:google/vit-base-patch16-224."

interface BegunProps {
  readonly draft: Draft
  readonly setDraft: (change: Draft | null | ((draft: Draft | null) => Draft | null)) => void
  readonly taking: Taking
}

const Begun = ({ draft, setDraft, taking }: BegunProps) => {
  const change = (next: (draft: Draft) => Draft) => setDraft((now) => (now === null ? null : next(now)))
  const canName = useStudio().about.abilities.includes("paths")
  const isOpened = draft.source === null
  // that of a plan is typed letter by letter
  const typed = useSettled(sourceOf(draft))
  const source = draft.source ?? typed
  const rows = useCall("rows", source === undefined ? undefined : { source, ...draft.dialect })
  const models = useCall("models", {})
  const table = rows.isBusy ? undefined : rows.value
  const fitting = models.value?.filter(({ takesImages }) => takesImages || table?.isFolder !== true)
  const model = draft.model ?? (table === undefined ? undefined : fitting?.[0]?.source)
  // of a model that is none of the list its roles tell nothing yet, and the suggestion says what is wrong
  const isMisfit =
    table?.isFolder === true &&
    models.value !== undefined &&
    (model === undefined || models.value.some((one) => one.source === model && !one.takesImages))
  const roles = useCall("roles", isOpened || model === undefined ? undefined : { model })
  // those of another model tell nothing; and a model that has to be fetched is fetched for one question at a time
  const names = roles.isBusy ? undefined : roles.value?.map(({ name }) => name)
  const columns = Object.fromEntries(
    Object.entries(draft.columns).filter(([role]) => names === undefined || names.includes(role))
  )
  const suggestion = useCall(
    "suggest",
    isOpened || table === undefined || model === undefined || names === undefined || isMisfit
      ? undefined
      : {
          model,
          ...placesOf(table),
          columns,
          ...draft.dialect
        }
  )
  const newest = suggestion.isBusy ? undefined : suggestion.value
  // columns stay as they were found until others are
  const found = useRef<SuggestedPlan | undefined>(undefined)
  if (suggestion.value !== undefined || !(roles.isBusy || suggestion.isBusy)) found.current = suggestion.value
  // why there is none
  const unsuggested = isOpened ? undefined : [roles, suggestion].find(({ problem }) => problem !== undefined)
  const isOwn = isOpened || draft.isEdited
  const hasNoModel = table !== undefined && models.value !== undefined && model === undefined
  const isBlocked =
    isMisfit || hasNoModel || [rows, models, roles, suggestion].some(({ problem }) => problem !== undefined)
  // the model is on its way
  const isAway = roles.doing !== undefined
  // a plan that was suggested for other columns or another model is no plan for these
  const plan = isOwn || !(isBlocked || isAway) ? draft.plan : null
  const isCurrent = isOwn || (newest !== undefined && !isNews(draft, newest))
  useEffect(() => {
    if (newest !== undefined) change((now) => (now.isEdited || !isNews(now, newest) ? now : suggested(now, newest)))
  }, [newest])
  const isBroken = draft.text !== null && planIn(draft.text) === undefined
  const check = useChecked(plan)
  const problems = check.newest?.ok === false ? check.newest.problems : []
  const [wanted, setWanted] = useState<Wanted | null>(null)
  const lead = (path: string) => setWanted({ path })
  const wrong = useRef<HTMLDivElement>(null)
  const [isChanging, setChanging] = useState(draft.isEdited)
  const heading = useRef<HTMLHeadingElement>(null)
  const isTaken = useRef(false)
  const takeOwn = (outlined: OutlinedPlan) => {
    isTaken.current = true
    setChanging(true)
    change((now) => withOwn(now, outlined))
  }
  // the button is gone: whoever pressed it goes on with the plan
  useEffect(() => {
    if (isTaken.current) heading.current?.focus()
    isTaken.current = false
  }, [draft.plan])
  return (
    <>
      <section aria-labelledby="rows-heading">
        <div class="section-head">
          <h2 id="rows-heading" tabIndex={-1}>
            Rows
          </h2>
          <Other taking={taking}>
            <button type="button" class="plain" onClick={() => setDraft(null)}>
              Begin anew
            </button>
          </Other>
        </div>
        {table === undefined ? null : (
          <p class="quiet">
            <strong>{table.source}</strong>, {table.format}
            {table.count === null ? "" : `, ${counted(table.count, "row")}`}
          </p>
        )}
        <Trouble problem={rows.problem} />
        {rows.problem === undefined && table === undefined && source !== undefined ? (
          <Loading what="The rows" doing={rows.doing} />
        ) : null}
        {table === undefined ? null : <RowsTable rows={table} />}
        {isOpened ? (
          <p class="quiet small">
            {source === undefined ? "The plan names no rows yet: name them in it, as “train” of its data. " : null}
            Paths in the plan are read from the studio's folder.
          </p>
        ) : table?.isFolder === true ? null : (
          <Written dialect={draft.dialect} change={(dialect) => change((now) => ({ ...now, dialect }))} />
        )}
      </section>
      {isOpened || table === undefined ? null : (
        <section aria-labelledby="choices-heading">
          <h2 id="choices-heading">Columns and model</h2>
          <Trouble problem={models.problem} again={models.again} />
          {models.value === undefined ? null : (
            <ModelChoice
              models={models.value}
              model={model ?? ""}
              change={(next) => change((now) => ({ ...now, model: next }))}
            />
          )}
          {isMisfit ? <Trouble problem={{ message: `${NO_MODEL_OF_IMAGES}${canName ? NAME_ONE : ""}` }} /> : null}
          {table.isFolder || roles.value === undefined ? null : (
            <Roles
              roles={roles.value}
              rows={table}
              suggestion={found.current}
              columns={columns}
              change={(next) => change((now) => ({ ...now, columns: next }))}
            />
          )}
        </section>
      )}
      {isOpened || table === undefined ? null : (
        <>
          <Trouble problem={unsuggested?.problem} again={unsuggested?.again} />
          {isBlocked && !draft.isEdited ? (
            <OwnPlan
              label="Begin with a plan of your own"
              known={{
                ...(model === undefined ? {} : { model }),
                ...placesOf(table),
                names: table.columns.map(({ name }) => name),
                columns,
                ...draft.dialect
              }}
              take={takeOwn}
            />
          ) : null}
          {isBlocked || newest !== undefined ? null : (
            <Loading what="A plan for these rows" doing={suggestion.doing ?? roles.doing} />
          )}
          {draft.isEdited && newest !== undefined && isNews(draft, newest) ? (
            <News take={() => change((now) => suggested(now, newest))} />
          ) : null}
        </>
      )}
      {plan === null ? null : (
        <>
          <section aria-labelledby="plan-heading">
            <h2 id="plan-heading" ref={heading} tabIndex={-1}>
              The plan
            </h2>
            <Trouble problem={check.problem} again={check.again} />
            {check.doing === undefined ? null : <Loading what="The plan is checked" doing={check.doing} />}
            {check.newest?.ok === true ? (
              <>
                <Facts facts={check.newest.facts} />
                <Warnings warnings={warningsOf(draft, newest, check.newest.warnings)} />
              </>
            ) : null}
            <div ref={wrong} tabIndex={-1}>
              {problems.length === 0 ? null : (
                <Problems
                  problems={problems}
                  lead={(path) => {
                    setChanging(true)
                    lead(path)
                  }}
                />
              )}
            </div>
            {newest === undefined || draft.isEdited ? null : <Reasons reasons={newest.reasons} />}
            <details class="more" open={isChanging} onToggle={({ currentTarget }) => setChanging(currentTarget.open)}>
              <summary>Change the plan</summary>
              {isChanging ? (
                <Edit
                  plan={plan}
                  text={draft.text}
                  problems={problems}
                  wanted={wanted}
                  led={() => setWanted(null)}
                  change={(plan, text) => change((now) => edited(now, plan, text))}
                  broken={(text) => change((now) => ({ ...now, text, isEdited: true }))}
                />
              ) : null}
            </details>
          </section>
          <StartBar
            draft={draft}
            checked={isCurrent ? check.checked : undefined}
            isBroken={isBroken}
            time={draft.isEdited ? null : (newest?.time ?? null)}
            rename={(name) => change((now) => ({ ...now, name, isNamed: true }))}
            showProblems={() => wrong.current?.focus()}
          />
        </>
      )}
    </>
  )
}

/** What a suggestion warns of as long as the plan is that suggestion, and what checking it does, each said once. */
const warningsOf = (draft: Draft, suggestion: SuggestedPlan | undefined, checked: ReadonlyArray<string>) => [
  ...new Set([...(draft.isEdited ? [] : (suggestion?.warnings ?? [])), ...checked])
]

/** That there is another plan than the one that was changed. */
const News = ({ take }: { readonly take: () => void }) => (
  <div class="card news" role="status">
    <p>For these columns and this model another plan is suggested. Yours is kept as you changed it.</p>
    <button type="button" onClick={take}>
      Take the suggestion instead
    </button>
  </div>
)
