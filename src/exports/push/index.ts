/** A run, or what was exported of it, to a repository of the Hugging Face Hub. */
import * as Effect from "effect/Effect"
import { isBranch, isRepository, type Told, type Upload, upload } from "../../models/hub/index.ts"
import { Progress } from "../../run/index.ts"
import { RunError } from "../../trained/index.ts"
import { filesToPush, type PushedContent } from "./files.ts"

export interface PushRequest extends Omit<Upload, "files" | "message"> {
  readonly message?: string | undefined
  readonly content: PushedContent
  /** nothing is sent, and no one is asked */
  readonly dryRun: boolean
}

/** What was sent, or would be. */
export interface PushReport {
  readonly repository: string
  readonly branch: string
  readonly files: ReadonlyArray<{ readonly path: string; readonly bytes: number }>
  /** what stays here, as sentences */
  readonly kept: ReadonlyArray<string>
  /** the commit's page; null of a dry run */
  readonly url: string | null
  readonly commit: string | null
  /** whether the repository was made for it */
  readonly created: boolean
}

/** Sends a finished run to the Hub, in one commit. */
export const pushRun = (directory: string, { content, dryRun, message, ...request }: PushRequest) =>
  Effect.gen(function* () {
    const { repository, branch } = request
    const wrong = (reason: string) => new RunError({ directory: repository, reason })
    if (!isRepository(repository)) return yield* wrong("is no name of a repository; expected owner/name")
    if (!isBranch(branch))
      return yield* wrong(`found the branch ${JSON.stringify(branch)}; expected a name such as main`)
    if (content.base !== undefined && !isRepository(content.base))
      return yield* wrong(
        `found the base model ${JSON.stringify(content.base)}; expected what the Hub calls it, owner/name`
      )
    const { files, kept, name } = yield* filesToPush(directory, content)
    const tell = yield* Progress
    const said: Told = (one) =>
      void Effect.runFork(
        tell(typeof one === "string" ? { kind: "notice", message: one } : { kind: "working", ...one })
      )
    const sent = dryRun
      ? { url: null, commit: null, created: false }
      : yield* upload({ ...request, files, message: message ?? `${name}, by tfjs-lora-pro` }, said)
    const report: PushReport = {
      repository,
      branch,
      files: files.map(({ path, content }) => ({ path, bytes: content.size })),
      kept,
      ...sent
    }
    return report
  }).pipe(Effect.scoped)
