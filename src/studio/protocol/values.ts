/**
 * What the studio's page shows, as the host that it talks to says it: plain JSON, with texts that are ready to be read. Values have their
 * units in their names or next to them.
 */
import type { Dialect } from "../../../schemas/index.ts"
import type { Intervals } from "../../compare/index.ts"
import type { Gain, Plot, Series } from "../../output/report/index.ts"
import type { Working } from "../../progress/index.ts"

export type { Gain, Intervals, Plot, Series }

/** What a host can do besides training and asking. Views that need a missing ability are hidden. */
export type Ability =
  /** paths of the machine may be named, not files dropped alone */
  | "paths"
  /** studies of several methods */
  | "compare"
  /** runs may be removed, with all that they left */
  | "remove"
  /** runs and exports may be pushed to the Hub */
  | "push"

export interface About {
  readonly version: string
  /** location of runs and files, for people: a folder, or "this browser" */
  readonly location: string
  readonly abilities: ReadonlyArray<Ability>
  /** reasons why the folder is open read-only until its user trusts it; empty: trusted */
  readonly doubts: ReadonlyArray<string>
}

/** A model that a run can begin from. */
export interface BaseModel {
  /** as a plan's `model.source` names it */
  readonly source: string
  readonly name: string
  /** a line: what it is, and its size */
  readonly says: string
}

/** Rows that come with the studio, to try it with. */
export interface ExampleRows {
  readonly name: string
  /** a line: what they are */
  readonly says: string
  /** as `rows` takes it */
  readonly source: string
}

/** What a column of rows can be for a model. */
export interface ColumnRole {
  /** as `suggest` takes it: "text" */
  readonly name: string
  /** "column that holds the text" */
  readonly says: string
  /** several columns may be named for it, with commas between */
  readonly isSeveral: boolean
}

/** Rows as a table. */
export interface Rows {
  /** as a plan's `data.train` names it: of a folder that was asked for, the file or folder in it that holds the training rows */
  readonly source: string
  /** splits found next to it by the usual names, as a plan names them */
  readonly validation?: string
  readonly test?: string
  /** "CSV", "JSON Lines", "a folder of images" */
  readonly format: string
  /** rows are the images of a folder, with fixed columns */
  readonly isFolder: boolean
  /** null: they were not counted */
  readonly count: number | null
  readonly columns: ReadonlyArray<ColumnOfRows>
  /** the first ones, a cell for each of the first columns; a picture is a data: URI */
  readonly rows: ReadonlyArray<ReadonlyArray<Cell>>
  /** what a reader should know: rows that are cut off, a separator that was found */
  readonly notes: ReadonlyArray<string>
}

export interface ColumnOfRows {
  readonly name: string
  /** "text", "number", "list", "image", … */
  readonly type: string
  /** of the rows that were looked at; null: too many to count */
  readonly distinct: number | null
}

export type Cell = { readonly text: string } | { readonly picture: string; readonly alt: string }

/** Why a value of a plan is what it is. */
export interface Reason {
  /** "optimizer.learningRate" */
  readonly path: string
  readonly value: unknown
  readonly reason: string
  readonly source?: string
}

/** One thing that a model could learn from rows: an answer to "What should the model learn?". */
export interface LearnableRows {
  /** with `columns` and `dialect`, what `suggest` and `outline` take where it is chosen */
  readonly format: string
  /** "a number: `price`" */
  readonly sentence: string
  /** one of the rows as a person reads it: "“Great pasta, slow service” → food, service" */
  readonly example: string
  /** 0..1 */
  readonly certainty: number
  readonly columns: Readonly<Record<string, string>>
  readonly dialect: Dialect
  /** the model that trains it; null: another is needed, which `needs` says */
  readonly model: string | null
  readonly needs: string | null
}

export interface DetectedRows {
  /** best first; none: the rows teach nothing that is known, and the call fails with what to do */
  readonly learnables: ReadonlyArray<LearnableRows>
  /** whether the first is taken without a question */
  readonly clear: boolean
  /** notes on how the file was read, and on its language */
  readonly notes: ReadonlyArray<string>
}

export interface SuggestedPlan {
  /** a name for the run, such as "reviews" */
  readonly name: string
  readonly plan: PlanJson
  /** the columns that the plan reads, by the roles that its format has; null: none has this role */
  readonly columns: Readonly<Record<string, string | null>>
  readonly reasons: ReadonlyArray<Reason>
  /** "about 2 min of training on two CPU cores"; null: nothing alike was measured */
  readonly time: string | null
  readonly warnings: ReadonlyArray<string>
}

/** The first draft of a user's own plan: known values, defaults from the schema, and fields to fill in. */
export interface OutlinedPlan {
  /** a name for the run */
  readonly name: string
  readonly plan: PlanJson
}

/** A plan as JSON, right or wrong. */
export type PlanJson = Readonly<Record<string, unknown>>

export type Checked =
  | { readonly ok: false; readonly problems: ReadonlyArray<PlanProblem> }
  | {
      readonly ok: true
      readonly steps: number
      /** estimated bytes of the run, and those that are free for it; null: unknown */
      readonly memory: { readonly bytes: number; readonly free: number | null }
      /** the lines of `validate`, a name and a value each */
      readonly facts: ReadonlyArray<Fact>
      readonly warnings: ReadonlyArray<string>
    }

export interface PlanProblem {
  /** "adapter.rank"; "": the plan as a whole */
  readonly path: string
  /** "found 0; expected an integer from 1 to 1024" */
  readonly message: string
}

export interface Fact {
  readonly name: string
  readonly value: string
}

/** State of a run. `waiting`: for the run in its note; `resume` with `now` starts it at once. `starting`: loading. `stopped`, `failed`: `resume` continues it. */
export type RunState = "waiting" | "starting" | "training" | "stopping" | "stopped" | "finished" | "failed"

export interface RunSummary {
  /** its folder, such as "runs/reviews-1" */
  readonly id: string
  readonly name: string
  readonly state: RunState
  /** "LoRA with AdamW · rank 8 · classification" */
  readonly says: string
  readonly step: number
  /** 0: not known */
  readonly steps: number
  /** of the newest step */
  readonly loss: number | null
  /** main metric at the newest evaluation: "validation accuracy 88.9 %" */
  readonly score: string | null
  /** the metric as a number, and which direction is better; null if unknown */
  readonly headline: { readonly value: number; readonly better: "higher" | "lower" } | null
  /** milliseconds since 1970 */
  readonly startedAt: number
  /** why it failed, or what it waits for; for people */
  readonly note: string | null
  readonly secondsLeft: number | null
  /** what people compare runs by: "method", "rank", "learning rate"; empty where the plan cannot be read */
  readonly hyperparameters: Readonly<Record<string, string | number>>
  /** what its user wrote about it */
  readonly comment: string
  /** it is left out of the list unless asked for */
  readonly archived: boolean
}

/** Events of a watched run: first everything, then changes. */
export type RunEvent =
  | { readonly kind: "summary"; readonly summary: RunSummary }
  /** all plots, at most once a second during training */
  | { readonly kind: "plots"; readonly plots: ReadonlyArray<Plot> }
  /** further lines of what its process says */
  | { readonly kind: "log"; readonly lines: ReadonlyArray<string> }

/** One curve of one run, to be laid over those of others. */
export interface RunCurve {
  readonly id: string
  readonly x: ReadonlyArray<number>
  readonly series: ReadonlyArray<Series>
}

export interface Curves {
  /** plots that any of the runs has, to choose from */
  readonly available: ReadonlyArray<{ readonly id: string; readonly title: string }>
  readonly title: string
  readonly unit: string
  readonly logarithmic: boolean
  readonly runs: ReadonlyArray<RunCurve>
}

export interface Confusion {
  readonly split: string
  readonly labels: ReadonlyArray<string>
  /** [right class][predicted class] rows */
  readonly counts: ReadonlyArray<ReadonlyArray<number>>
}

/** A row with its prediction and its right answer. */
export interface JudgedRow {
  /** file and line */
  readonly where: string
  readonly text: string
  readonly textPair?: string
  readonly label: string
  readonly predicted: string
  readonly probability?: number | null
  /** a data: URI of a PNG */
  readonly picture?: string | null
}

export interface FileOfRun {
  /** as `Host.urlOf` takes it, relative to the run's folder */
  readonly path: string
  readonly bytes: number
}

/** What a finished run left. */
export interface RunResult {
  /** what was gained, as numbers; null: no split was evaluated */
  readonly gain: Gain | null
  /** the sentence that a reader came for */
  readonly gained: string
  readonly facts: ReadonlyArray<Fact>
  readonly evaluations: TableOfTexts
  readonly confusions: ReadonlyArray<Confusion>
  readonly mistakes: ReadonlyArray<JudgedRow>
  readonly warnings: ReadonlyArray<string>
  readonly plan: PlanJson
  readonly files: ReadonlyArray<FileOfRun>
  /** report.html, of `files`; null if missing */
  readonly page: string | null
}

export interface TableOfTexts {
  readonly columns: ReadonlyArray<string>
  readonly rows: ReadonlyArray<ReadonlyArray<string>>
}

export interface FieldToFill {
  readonly name: string
  /** "image": a data: URI; "number": one, as text; "numbers": a JSON list */
  readonly type: "text" | "image" | "number" | "numbers"
  /** of numbers: how the model's input arranges them, row by row */
  readonly shape?: ReadonlyArray<number>
}

/** What a run can be asked. */
export type Askable =
  | {
      readonly kind: "rows"
      readonly fields: ReadonlyArray<FieldToFill>
      /** rows of its own data, to begin with, as `ask` takes them */
      readonly examples: ReadonlyArray<Readonly<Record<string, string>>>
    }
  | {
      readonly kind: "conversation"
      readonly examples: ReadonlyArray<string>
      /** of each example: the tools of its row, as `write` takes them; absent: no row has tools */
      readonly tools?: ReadonlyArray<string>
    }
  /** a text is continued, or written for another */
  | { readonly kind: "writing"; readonly examples: ReadonlyArray<string> }
  | { readonly kind: "nothing"; readonly why: string }

/** What a model says of a row. */
export interface Answer {
  /** "positive", "4.2 stars" */
  readonly label: string
  /** each possible answer with its share, the largest first; none where answers are no classes */
  readonly shares: ReadonlyArray<{ readonly name: string; readonly share: number }>
}

export interface AnswerPair {
  readonly trained: Answer
  /** of the same model without its adapter, with the trained head; null if it cannot be switched off */
  readonly base: Answer | null
}

export interface TokenChoice {
  /** what it adds to the text; of one that writes nothing, its name */
  readonly text: string
  /** the model's own, whatever the temperature */
  readonly probability: number
}

/** A token that was chosen. `text`: what is certain of the text with it. */
export interface ChosenToken extends TokenChoice {
  /** it ends the text, and writes nothing */
  readonly ends: boolean
  /** its place among `others`; null: not among them */
  readonly rank: number | null
}

/** A call that a model writes. */
export interface CalledTool {
  /** the name of the tool */
  readonly name: string
  /** by the names of the tool's parameters */
  readonly arguments: Readonly<Record<string, unknown>>
}

export type WritingEvent =
  | {
      readonly kind: "token"
      readonly side: "trained" | "base"
      readonly token: ChosenToken
      /** the likeliest at this place, five of them, the likeliest first */
      readonly likeliest: ReadonlyArray<TokenChoice>
    }
  /** `finish`: "eos": the model ended the text, "length": at the token limit */
  | {
      readonly kind: "end"
      readonly side: "trained" | "base"
      readonly tokens: number
      readonly finish: "eos" | "length"
      /** the text without its calls */
      readonly content: string
      /** the calls of tools in the text, in order; without tools: none */
      readonly calls: ReadonlyArray<CalledTool>
    }

/** A format in which a finished run can be exported. */
export interface Exit {
  /** as `export` takes it */
  readonly name: string
  /** place in which its files are used: "In a web page" */
  readonly usedIn: string
  /** of the format: "ONNX" */
  readonly title: string
  readonly says: string
  readonly options: ReadonlyArray<{
    readonly name: string
    readonly says: string
    readonly values: ReadonlyArray<string>
    readonly usual: ReadonlyArray<string>
    readonly several: boolean
  }>
  /** why this run cannot be exported in this format; null: it can */
  readonly refused: string | null
  /** files that exist already: those of the adapter */
  readonly there?: Exported
}

/** The files of an export, and how to use them. */
export interface Exported {
  /** for people */
  readonly folder: string
  /** as `Host.urlOf` takes them, with this id */
  readonly id: string
  readonly files: ReadonlyArray<FileOfRun>
  /** notes for the reader, a sentence each */
  readonly lines: ReadonlyArray<string>
  readonly uses: ReadonlyArray<CodeToUse>
}

/** A few lines that use an export. */
export interface CodeToUse {
  /** "In Python" */
  readonly title: string
  /** "js", "python", "sh" */
  readonly language: string
  readonly code: string
}

export type ExportEvent =
  | { readonly kind: "line"; readonly text: string }
  | { readonly kind: "done"; readonly exported: Exported }

/** Files that a push sends to the Hub, or would send. */
export interface Pushed {
  /** owner/name */
  readonly repository: string
  readonly files: ReadonlyArray<FileOfRun>
  /** what stays on this computer, a sentence each */
  readonly kept: ReadonlyArray<string>
  /** the commit's page; null: nothing was sent */
  readonly url: string | null
}

export type PushEvent =
  | { readonly kind: "line"; readonly text: string }
  | { readonly kind: "done"; readonly pushed: Pushed }

export interface ComparedMethod {
  readonly name: string
  readonly label: string
  readonly isUsual: boolean
  /** what it replaces in a plan: "Adapters", "Initializations", "Optimizers" */
  readonly group: string
  /** a line: what it does; "" where that is not known */
  readonly says: string
}

/** A plan that methods can be compared on. */
export interface ComparablePlan {
  /** its file, such as "runs/reviews-1/plan.json" */
  readonly id: string
  /** "reviews-1, a run", "plans/reviews.json" */
  readonly name: string
}

/** What a study would take. */
export interface StudySize {
  /** runs to find the rates, and runs on fresh seeds */
  readonly sweep: number
  readonly final: number
  /** estimated from a run of the same plan, one run after the other; null: unknown */
  readonly seconds: number | null
}

export interface StudySummary {
  /** its folder, such as "compare/reviews-1" */
  readonly id: string
  readonly name: string
  readonly state: "running" | "stopped" | "finished" | "failed"
  readonly done: number
  readonly trials: number
  readonly startedAt: number
  readonly note: string | null
}

export type StudyEvent =
  | { readonly kind: "summary"; readonly summary: StudySummary }
  /** every trial that is done */
  | { readonly kind: "trials"; readonly table: TableOfTexts }
  /** when it is finished: sentences, a table, and the page */
  | {
      readonly kind: "verdict"
      readonly sentences: ReadonlyArray<string>
      /** null: no run ended well */
      readonly intervals: Intervals | null
      readonly table: TableOfTexts
      readonly page: string
    }
  | { readonly kind: "log"; readonly lines: ReadonlyArray<string> }

/** What went wrong, for people. */
export interface Problem {
  /** the error's tag, such as "PlanError" */
  readonly tag: string
  readonly message: string
}

/** What is done for an answer that takes long. The host says it of any verb; nothing depends on who hears it. */
export type Doing = Omit<Working, "kind">

/**
 * How a verb travels: one request, one answer or any number of events and an end; and before them what is done meanwhile, where that takes
 * long. The same messages go through a worker's port, the pipes of a child process, and HTTP, where an event is a server-sent one.
 */
export type Request =
  | { readonly id: number; readonly call: string; readonly input: unknown }
  | { readonly id: number; readonly watch: string; readonly input: unknown }
  /** whoever asked wants no more of it */
  | { readonly id: number; readonly cancel: true }

export type Reply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly event: unknown }
  | { readonly id: number; readonly doing: Doing }
  | { readonly id: number; readonly end: true }
  | { readonly id: number; readonly problem: Problem }
