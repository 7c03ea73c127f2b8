/** `push RUN owner/name`: uploads a finished run to the Hugging Face Hub. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import { type PushReport, pushRun } from "../exports/push/index.ts"
import { Progress } from "../run/index.ts"
import type { Given, pushFlags } from "./flags.ts"
import { print, printJson, screen, sizeLines, userError } from "./output.ts"
import { terminalListener } from "./terminal.ts"

export const push = ({
  run,
  repository,
  merged,
  folder: folderFlag,
  report,
  baseModel,
  private: isPrivate,
  branch,
  message,
  create,
  dryRun,
  json
}: Given<typeof pushFlags>) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    if (merged && Option.isSome(folderFlag))
      return yield* userError("found --merged and --folder; expected one of them")
    const folder = merged ? path.join(run, "merged") : Option.getOrUndefined(folderFlag)
    if (report && folder !== undefined)
      return yield* userError("found --report together with a folder; use it only to upload the run itself")
    const pushed = yield* pushRun(run, {
      repository,
      branch,
      message: Option.getOrUndefined(message),
      create,
      isPrivate,
      dryRun,
      content: { folder, report, base: Option.getOrUndefined(baseModel) }
    })
    yield* json ? printJson(pushed) : print(pushText(pushed))
  }).pipe(Effect.provideService(Progress, terminalListener(screen)))

const pushText = ({ repository, branch, files, kept, url, created }: PushReport): string =>
  [
    url === null
      ? `${repository}, branch ${branch}, would get:`
      : `${repository}${created ? ", a new repository" : ""}, branch ${branch}:`,
    ...sizeLines(files.map(({ path, bytes }) => ({ name: path, bytes }))),
    ...kept,
    ...(url === null ? [] : [url])
  ].join("\n")
