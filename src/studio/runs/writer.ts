/** Who trains runs for a host: processes of a server, workers of a page. */
import type * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type { FileError } from "../../files/index.ts"
import type { RunLocked } from "../../output/index.ts"
import type { Plot } from "../protocol/index.ts"
import type { Life } from "./summary.ts"

/** What was asked of a run cannot be done with it. */
export class RunRefused extends Schema.TaggedError<RunRefused>()("RunRefused", {
  id: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.id} ${this.reason}`
  }
}

type Files = FileSystem.FileSystem | Path.Path

export interface RunWriter {
  /** Folders of the runs that it was told to begin, of which some may not be there yet. */
  readonly begun: () => ReadonlyArray<string>
  /** What is known of the writing of runs, in their order. */
  readonly lives: (ids: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<Life>, never, Files>
  /** Begins, or waits for its turn; `now`: whatever else trains. */
  readonly start: (run: {
    readonly id: string
    readonly plan: string
    readonly now: boolean
  }) => Effect.Effect<void, FileError, Files>
  readonly resume: (id: string, now: boolean) => Effect.Effect<void, RunRefused | FileError, Files>
  /** Lets it finish its step and save. */
  readonly stop: (id: string) => Effect.Effect<void, RunRefused | FileError, Files>
  /** Removes a run that is over, or waits, with its folder and all that the host keeps of it. */
  readonly remove: (id: string) => Effect.Effect<void, RunRefused | RunLocked | FileError, Files>
  /** The file with what a run says as it goes. */
  readonly logOf: (id: string) => string
  /** A plot of the memory that is held for a run; absent where that is not known. The same value until there is more. */
  readonly memoryOf?: (id: string) => Plot | undefined
}
