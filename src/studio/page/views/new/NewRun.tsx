/** A new run, top to bottom: the question, the rows, the model, the estimates, details of the plan, and the button. */

import { useEffect, useRef, useState } from "preact/hooks"
import { counted, isRecord } from "../../../../boundary/index.ts"
import type { OutlinedPlan, PlanJson, Rows, SuggestedPlan } from "../../../protocol/index.ts"
import { DropSign, startedWith, useDrop } from "../../parts/drop.tsx"
import { Loading, Trouble } from "../../parts/loading.tsx"
import { Sentences } from "../../parts/table.tsx"
import { goTo, type ViewProps } from "../../place.ts"
import { useCall, useSettled } from "../../use.ts"
import { DialectChoice, ModelChoice, Roles } from "./Choices.tsx"
import {
  type Draft,
  draftOfOwn,
  draftOfPlan,
  draftOfRows,
  edited,
  isNews,
  keep,
  keyOf,
  storedDraft,
  suggested,
  withOwn
} from "./draft.ts"
import { Edit, planIn, type Wanted } from "./Edit.tsx"
import { Intake, Other, OwnPlan, type Taking, useTaking } from "./Intake.tsx"
import { Changes, Estimates, Facts, Problems, Reasons } from "./Judged.tsx"
import { Learnables } from "./Learnables.tsx"
import { Record } from "./Record.tsx"
import { RowsTable } from "./RowsTable.tsx"
import { StartBar } from "./StartBar.tsx"
import "./new.css"

/** The rows of a draft: dropped ones, or those that its plan names. */
const sourceOf = (draft: Draft): string | undefined => {
  const data = draft.plan?.["data"]
  const train = isRecord(data) ? data["train"] : undefined
  return draft.source ?? (typeof train === "string" ? train : undefined)
}

/** Rows and their other splits, as plans name them. */
const placesOf = ({ source, validation, test }: Rows) => ({
  train: source,
  ...(validation === undefined ? {} : { validation }),
  ...(test === undefined ? {} : { test })
})

/** The result of `check` for the current plan; undefined while it is checked. */
const useChecked = (plan: PlanJson | null) => {
  const settled = useSettled(plan)
  const { value, isBusy, ...checkCall } = useCall("check", settled === null ? undefined : { plan: settled })
  return { ...checkCall, checked: isBusy || settled !== plan ? undefined : value, newest: value }
}

export const NewRun = ({ path: [start] }: ViewProps) => {
  const [draft, setDraft] = useState<Draft | null>(storedDraft)
  useEffect(() => keep(draft), [draft])
  const named = (source: string) => setDraft(draftOfRows(source))
  const taking = useTaking(named, (name, plan) => setDraft(draftOfPlan(name, plan)))
  const isOver = useDrop(taking.take)
  useEffect(() => {
    const files = startedWith()
    if (files !== undefined) taking.take(files)
  }, [])
  const [isRecording, setRecording] = useState(start === "webcam")
  const { value: examples } = useCall("examples", start === "example" ? {} : undefined)
  useEffect(() => {
    const [example] = examples ?? []
    if (example === undefined) return
    named(example.source)
    goTo("new")
  }, [examples])
  // the pressed button may be gone: the keyboard continues at the new heading
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
      {isOver && stage !== "nothing" ? <DropSign says="Drop to use these rows instead" /> : null}
    </div>
  )
}

/** Problems that a retry does not change. */
const lasting = new Set(["DataError", "ResolveError", "PlanError"])

interface BegunProps {
  readonly draft: Draft
  readonly setDraft: (change: Draft | null | ((draft: Draft | null) => Draft | null)) => void
  readonly taking: Taking
}

const Begun = ({ draft, setDraft, taking }: BegunProps) => {
  const change = (next: (draft: Draft) => Draft) => setDraft((now) => (now === null ? null : next(now)))
  const isOpened = draft.source === null
  // that of a plan is typed letter by letter
  const typed = useSettled(sourceOf(draft))
  const source = draft.source ?? typed
  const rows = useCall("rows", source === undefined ? undefined : { source, ...draft.dialect })
  const models = useCall("models", {})
  const table = rows.isBusy ? undefined : rows.value
  const detection = useCall(
    "detect",
    isOpened || table === undefined
      ? undefined
      : {
          train: table.source,
          ...(draft.model === null ? {} : { model: draft.model }),
          columns: draft.columns,
          ...draft.dialect
        }
  )
  const detected = detection.isBusy ? undefined : detection.value
  const learns =
    detected?.learnables.find((learnable) => keyOf(learnable) === draft.learns) ??
    (detected?.clear ? detected.learnables[0] : undefined)
  // as what is learned reads them: in another encoding, by another separator
  const asRead = useCall(
    "rows",
    source === undefined || Object.keys(learns?.dialect ?? {}).length === 0 ? undefined : { source, ...learns?.dialect }
  )
  const model = draft.model ?? learns?.model ?? undefined
  // where none suits, columns are named as for the first
  const reader = model ?? models.value?.[0]?.source
  // a model that has to be fetched is fetched for one question at a time; one that cannot be read has no roles
  const isFound = detected !== undefined || detection.problem?.tag === "DataError"
  const roles = useCall("roles", isFound && reader !== undefined ? { model: reader } : undefined)
  const suggestion = useCall(
    "suggest",
    table === undefined || learns === undefined || model === undefined || roles.isBusy
      ? undefined
      : { model, ...placesOf(table), format: learns.format, columns: learns.columns, ...learns.dialect }
  )
  const newest = suggestion.isBusy ? undefined : suggestion.value
  // detected columns are shown until others are detected
  const lastSuggestion = useRef<SuggestedPlan | undefined>(undefined)
  if (suggestion.value !== undefined || !(detection.isBusy || suggestion.isBusy))
    lastSuggestion.current = suggestion.value
  const isLooking = !isOpened && table !== undefined && detected === undefined && detection.problem === undefined
  // why no plan is suggested
  const unsuggested = [detection, models, roles, suggestion].find(({ problem }) => problem !== undefined)
  const isLasting = draft.model === null && lasting.has(unsuggested?.problem?.tag ?? "")
  const isOwn = isOpened || draft.isEdited
  // a plan suggested for something else does not fit
  const plan = isOwn || (learns !== undefined && model !== undefined && !unsuggested) ? draft.plan : null
  const isCurrent = isOwn || (newest !== undefined && !isNews(draft, newest))
  useEffect(() => {
    if (newest !== undefined) change((now) => (now.isEdited || !isNews(now, newest) ? now : suggested(now, newest)))
  }, [newest])
  /** the columns of a folder are fixed */
  const hasColumns = !isOpened && table !== undefined && !table.isFolder
  const isBroken = draft.text !== null && planIn(draft.text) === undefined
  const check = useChecked(plan)
  const problems = check.newest?.ok === false ? check.newest.problems : []
  const [target, setWanted] = useState<Wanted | null>(null)
  const wrong = useRef<HTMLDivElement>(null)
  const [isDetailed, setDetailed] = useState(isOwn)
  const [isChanging, setChanging] = useState(draft.isEdited)
  const heading = useRef<HTMLHeadingElement>(null)
  const isTaken = useRef(false)
  const takeOwn = (outlined: OutlinedPlan) => {
    isTaken.current = true
    setDetailed(true)
    setChanging(true)
    change((now) => withOwn(now, outlined))
  }
  // the button is gone: the focus moves to the plan
  useEffect(() => {
    if (isTaken.current) heading.current?.focus()
    isTaken.current = false
  }, [draft.plan])
  return (
    <>
      <section aria-labelledby="rows-heading">
        <div class="section-head">
          <h2 id="rows-heading" tabIndex={-1}>
            {isOpened ? "Rows" : "What should the model learn?"}
          </h2>
          <Other taking={taking}>
            <button type="button" class="plain" onClick={() => setDraft(null)}>
              Start over
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
          <Loading what="Reading the rows" doing={rows.doing} />
        ) : null}
        {isOpened ? (
          <p class="quiet small">
            {source === undefined ? "The plan has no rows yet: set “train” of its data. " : null}
            Paths in the plan are relative to the studio's folder.
          </p>
        ) : null}
        {detected === undefined ? null : (
          <>
            <Learnables
              learnables={detected.learnables}
              chosen={learns}
              choose={(learnable) => change((now) => ({ ...now, learns: keyOf(learnable) }))}
              fetchModel={(learnable, source) => change((now) => ({ ...now, learns: keyOf(learnable), model: source }))}
            />
            <Sentences class="notes" of={detected.notes} />
          </>
        )}
        <Trouble problem={unsuggested?.problem} again={isLasting ? undefined : unsuggested?.again} />
        {isLasting ? <p>Choose the columns under Details, or write your own plan.</p> : null}
        {isOwn || table === undefined || (detected === undefined && unsuggested === undefined) ? null : (
          <OwnPlan
            label="Write your own plan"
            request={{
              ...(model === undefined ? {} : { model }),
              ...placesOf(table),
              names: table.columns.map(({ name }) => name),
              ...(learns === undefined ? {} : { format: learns.format }),
              columns: learns?.columns ?? draft.columns,
              ...(learns?.dialect ?? draft.dialect)
            }}
            take={takeOwn}
          />
        )}
        {isLooking || suggestion.isBusy ? (
          <Loading what="Suggesting a plan" doing={detection.doing ?? suggestion.doing ?? roles.doing} />
        ) : null}
        {draft.isEdited && newest !== undefined && isNews(draft, newest) ? (
          <News take={() => change((now) => suggested(now, newest))} />
        ) : null}
      </section>
      {table === undefined ? null : <RowsTable rows={asRead.value ?? table} />}
      {isOpened || table === undefined || models.value === undefined ? null : (
        <ModelChoice
          models={models.value}
          model={draft.model}
          suits={model}
          change={(next) => change((now) => ({ ...now, model: next }))}
        />
      )}
      {check.newest?.ok === true && plan !== null ? (
        <Estimates checked={check.newest} time={draft.isEdited ? null : (newest?.time ?? null)} />
      ) : null}
      {plan === null && !hasColumns ? null : (
        <details class="more" open={isDetailed} onToggle={({ currentTarget }) => setDetailed(currentTarget.open)}>
          <summary>Details</summary>
          {table === undefined || !hasColumns ? null : (
            <section aria-labelledby="choices-heading">
              <h2 id="choices-heading">Columns</h2>
              {roles.value === undefined ? null : (
                <Roles
                  roles={roles.value}
                  rows={asRead.value ?? table}
                  suggestion={lastSuggestion.current}
                  columns={draft.columns}
                  change={(next) => change((now) => ({ ...now, learns: null, columns: next }))}
                />
              )}
              <DialectChoice dialect={draft.dialect} change={(dialect) => change((now) => ({ ...now, dialect }))} />
            </section>
          )}
          {plan === null ? null : (
            <section aria-labelledby="plan-heading">
              <h2 id="plan-heading" ref={heading} tabIndex={-1}>
                The plan
              </h2>
              {check.newest?.ok === true ? <Facts facts={check.newest.facts} /> : null}
              {draft.isEdited && draft.basis !== null ? (
                <Changes from={JSON.parse(draft.basis) as PlanJson} to={plan} />
              ) : null}
              {newest === undefined || draft.isEdited ? null : <Reasons reasons={newest.reasons} />}
              <details class="more" open={isChanging} onToggle={({ currentTarget }) => setChanging(currentTarget.open)}>
                <summary>Change the plan</summary>
                {isChanging ? (
                  <Edit
                    plan={plan}
                    text={draft.text}
                    problems={problems}
                    target={target}
                    led={() => setWanted(null)}
                    change={(plan, text) => change((now) => edited(now, plan, text))}
                    broken={(text) => change((now) => ({ ...now, text, isEdited: true }))}
                  />
                ) : null}
              </details>
            </section>
          )}
        </details>
      )}
      {plan === null ? null : (
        <>
          <Trouble problem={check.problem} again={check.again} />
          {check.doing === undefined ? null : <Loading what="Checking the plan" doing={check.doing} />}
          {check.newest?.ok === true ? (
            <Sentences class="warnings" label="Warnings" of={warningsOf(draft, newest, check.newest.warnings)} />
          ) : null}
          <div ref={wrong} tabIndex={-1}>
            {problems.length === 0 ? null : (
              <Problems
                problems={problems}
                lead={(path) => {
                  setDetailed(true)
                  setChanging(true)
                  setWanted({ path })
                }}
              />
            )}
          </div>
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

/** Warnings of the suggestion, unless it was edited, and of the check, without duplicates. */
const warningsOf = (draft: Draft, suggestion: SuggestedPlan | undefined, checked: ReadonlyArray<string>) => [
  ...new Set([...(draft.isEdited ? [] : (suggestion?.warnings ?? [])), ...checked])
]

/** A newer suggestion than the one that was edited. */
const News = ({ take }: { readonly take: () => void }) => (
  <div class="card news" role="status">
    <p>There is a new suggestion for these columns and this model. Your changes are kept.</p>
    <button type="button" onClick={take}>
      Use the suggestion
    </button>
  </div>
)
