/** A finished run: what it gained, then everything that this is made of. */
import { type ComponentChildren, h } from "preact"
import { useState } from "preact/hooks"
import { capital } from "../../../../boundary/index.ts"
import { gainView } from "../../../../output/report/gain-view.ts"
import type { FileOfRun, RunResult } from "../../../protocol/index.ts"
import { FileTable } from "../../parts/files.tsx"
import { Scrolled, Sentences, Texts, Values } from "../../parts/table.tsx"
import { addressOf } from "../../place.ts"
import { useUrl } from "../../use.ts"
import { Confusions, JudgedRows } from "./Confusions.tsx"

/** Evaluations that are not in the way of what comes after them. */
const FEW = 12
/** A run with checkpoints has many; the first ones are those that people look for. */
const FILES = 12

const Files = ({ id, files }: { readonly id: string; readonly files: ReadonlyArray<FileOfRun> }) => {
  const [isAll, setAll] = useState(false)
  const visible = isAll ? files : files.slice(0, FILES)
  return (
    <section>
      <h3>Files</h3>
      <FileTable id={id} files={visible} of={id} />
      {visible.length < files.length ? (
        <button type="button" onClick={() => setAll(true)}>
          All {files.length} files
        </button>
      ) : null}
    </section>
  )
}

/** The sentence without the warnings in it, which have a list. */
const without = (gained: string, warnings: ReadonlyArray<string>): string =>
  warnings.reduce((text, warning) => text.replace(` Warning: ${warning}.`, ""), gained)

export const Result = ({
  id,
  result,
  children
}: {
  readonly id: string
  readonly result: RunResult
  /** the curves */
  readonly children: ComponentChildren
}) => {
  const { gain, gained, facts, evaluations, confusions, mistakes, warnings, plan, files, page } = result
  const report = useUrl(id, page)
  return (
    <>
      {gain === null ? null : gainView(h, gain)}
      <div class="row">
        <a class="button primary" href={addressOf("try", id)}>
          Try it
        </a>
        <a class="button" href={addressOf("export", id)}>
          Export it
        </a>
        {report === undefined ? null : (
          <a class="button" href={report} target="_blank" rel="noopener">
            Open the report
          </a>
        )}
      </div>
      {gain === null ? <p class="gained">{without(gained, warnings)}</p> : null}
      <Sentences class="run-warnings" of={warnings.map((warning) => `${capital(warning)}.`)} />
      <Values values={facts.map(({ name, value }) => [name, value])} />
      {children}
      {evaluations.rows.length === 0 ? null : (
        <section>
          <h3>Evaluations</h3>
          {evaluations.rows.length > FEW ? (
            <details>
              <summary>{evaluations.rows.length} evaluations</summary>
              <Texts table={evaluations} caption="In order of step" />
            </details>
          ) : (
            <Texts table={evaluations} caption="In order of step" />
          )}
        </section>
      )}
      {confusions.length === 0 ? null : <Confusions id={id} confusions={confusions} />}
      {mistakes.length === 0 ? null : (
        <section>
          <h3>Mistakes</h3>
          <p class="quiet">The most confident or largest errors first. Some of the labels may be wrong.</p>
          <JudgedRows rows={mistakes} />
        </section>
      )}
      <Files id={id} files={files} />
      <section>
        <h3>Plan</h3>
        <details>
          <summary>plan.json, with every default filled in</summary>
          <Scrolled label="plan.json">
            <pre>{JSON.stringify(plan, null, 2)}</pre>
          </Scrolled>
        </details>
      </section>
    </>
  )
}
