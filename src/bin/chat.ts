/** `chat RUN|MODEL`: a conversation, a line of stdin at a time; replies go to stdout, everything else to stderr. */
import { Command, Flag } from "effect/cli"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { Device, ofDevice } from "../device/index.ts"
import { type Conversation, conversation, generate } from "../generation/index.ts"
import { threadsOr } from "./device-flags.ts"
import { generationFlags, modelArgument, openWriting, optionsOf } from "./generation-flags.ts"
import { stdinLines } from "./stdin-lines.ts"
import { told } from "./told.ts"

const write = (text: string) => Effect.sync(() => void process.stdout.write(text))

/** Asks for a line, where somebody types. */
const asked = Effect.sync(() => {
  if (process.stdin.isTTY === true) process.stderr.write("> ")
})

export const chatCommand = Command.make(
  "chat",
  {
    model: modelArgument,
    system: Flag.String("system").pipe(
      Flag.withMetavar("STR"),
      Flag.withDescription("what the assistant is told before the conversation"),
      Flag.optional
    ),
    ...generationFlags
  },
  ({ model, system, base, device, threads, ...given }) =>
    Effect.gen(function* () {
      const { adapted, system: trained } = yield* openWriting(model, base)
      const options = optionsOf(given)
      const begun = yield* conversation(adapted.model.tokenizer, { system: Option.getOrElse(system, () => trained) })
      /** The reply, told as it is written, and the conversation with both behind it. */
      const replied = (before: Conversation, said: string, turn: number) =>
        Effect.gen(function* () {
          const now = before.say("user", said)
          const prompt = yield* now.prompt
          const reply = yield* generate(adapted, [prompt], { ...options, first: turn }).pipe(
            Stream.filter((event) => event.kind === "text"),
            Stream.tap(({ text }) => write(text)),
            Stream.runFold(
              () => "",
              (all, { text }) => all + text
            )
          )
          yield* write("\n")
          yield* asked
          return now.say("assistant", reply)
        })
      yield* asked
      yield* stdinLines.pipe(
        Stream.filter((said) => said.trim() !== ""),
        Stream.zipWithIndex,
        Stream.runFoldEffect(
          () => begun,
          (before, [said, turn]) => replied(before, said, turn)
        ),
        ofDevice
      )
    }).pipe(Effect.scoped, Effect.provide(Device.layer(device, { threads: threadsOr(threads, "auto") })), told)
).pipe(Command.withDescription("Talk with a trained run or a causal language model"))
