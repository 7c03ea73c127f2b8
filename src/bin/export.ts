/** `export RUN --format F`: the trained model as the files of another engine. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Device } from "../device/index.ts"
import { type ExportReport, exportRun, formatNamed } from "../exports/index.ts"
import { Progress } from "../run/index.ts"
import type { exportFlags, Given } from "./flags.ts"
import { print, printJson, screen, sizeLines } from "./output.ts"
import { terminalListener } from "./terminal.ts"

export const exportTo = ({ run, format, options, out, base, device, threads, json }: Given<typeof exportFlags>) =>
  Effect.gen(function* () {
    const report = yield* exportRun(run, {
      format: formatNamed(format),
      options: Object.fromEntries(Object.entries(options).map(([name, text]) => [name, Option.getOrUndefined(text)])),
      out: Option.getOrUndefined(out),
      base: Option.getOrUndefined(base)
    })
    yield* json ? printJson(jsonOf(report)) : print(exportText(report))
  }).pipe(
    Effect.scoped,
    Effect.provide(Device.layer(device, { threads })),
    Effect.provideService(Progress, terminalListener(screen))
  )

const jsonOf = ({ json, ...report }: ExportReport) => ({ ...report, ...json })

const exportText = ({ directory, files, lines }: ExportReport): string =>
  [`${directory}/`, ...sizeLines(files), ...lines].join("\n")
