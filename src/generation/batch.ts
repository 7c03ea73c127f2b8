/**
 * Generates many texts together: a forward pass computes the next token of every text that is being written, and texts join and leave at
 * any token.
 *
 *   wait     until there is a place, and room for the keys and values of the longest text that may come of the prompt
 *   pass     the next token of every text whose prompt is read, and parts of prompts, `PART` tokens each, up to `READ` of them
 *
 * A text is the same alone, with others, after some of them left, and in any number of processes. Every sum that leads to a token of it has
 * an order that the text alone decides: in a product of at least two rows, each element is one sum over the same terms in the same order,
 * whatever the number of rows (`kernels/c/product.c`), and a token that is alone is computed twice; the parts of a prompt begin and end at
 * the same tokens, and what a prompt begins with may be there from another one (`prefixes.ts`); a text attends to keys in places of its own
 * (`row-cache.ts`). On wasm and native these are the same bits. `generate` computes the tokens of a single text with a kernel for one row,
 * whose sums have another order: a token may differ where two are about equally probable. So it may on WebGPU.
 */
import * as tf from "@tensorflow/tfjs-core"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Adapted, unadapted } from "../../adapters/index.ts"
import { Device } from "../device/device.ts"
import type { DeviceError } from "../device/index.ts"
import type { CausalModel } from "../models/causal/index.ts"
import { milliseconds } from "../progress/index.ts"
import type { DeviceReadError } from "../tensors/index.ts"
import { type Choice, choiceAfter, impossible, observed, type Pushed, pushedTo, tokensPerSecond } from "./choices.ts"
import { type GenerationEnd, type GenerationEvent, turnsOf } from "./generate.ts"
import {
  type GenerateOptions,
  GenerationError,
  needsNoLogits,
  type Prompt,
  promptIds,
  type Settings,
  settingsOf,
  type Turn
} from "./options.ts"
import { nextLogits, nextTokens, type Pass, readOnly } from "./passes.ts"
import { prefixes } from "./prefixes.ts"
import { notFinite, read } from "./reading.ts"
import { type KeysValues, rowCache } from "./row-cache.ts"
import { type Writer, writer } from "./writer.ts"

/** Options of a batch of texts. */
export interface BatchOptions {
  /** most texts to generate at a time, at least 1; default 32 */
  readonly texts?: number
  /**
   * most bytes of keys and values, counted for the longest texts that may be written; default 1 GiB. A text that needs more is generated
   * alone.
   */
  readonly cacheBytes?: number
  /** whether to use the base model without the adapter; default false */
  readonly base?: boolean
  /**
   * most tokens of prompts whose keys and values remain for prompts that begin alike; default 0. They are freed with the scope, during which
   * weights must not change.
   */
  readonly keptTokens?: number
  /** schedules each forward pass by the number of its tokens for each client; default: passes run immediately */
  readonly turn?: (tokens: ReadonlyMap<string, number>) => Turn
}

/** Options of one text of a batch. `first` is its index among all texts that share the seed. */
export interface TextOptions extends Omit<GenerateOptions, "base" | "turn" | "promptCache"> {
  /** whose text it is: the prompts of clients are read in turn; default "" */
  readonly client?: string
}

/** Errors of a text. */
export type TextError = GenerationError | DeviceReadError | DeviceError

/** Generation of many texts with one model. */
export interface BatchScheduler {
  /**
   * Streams the events of a text, whose `prompt` is 0; the last is its `end`. The text joins when the stream starts, and leaves the batch at
   * the next token when the stream is interrupted. Fails before the first token if the options or the prompt cannot be used.
   */
  readonly submit: (prompt: Prompt, options?: TextOptions) => Stream.Stream<GenerationEvent, TextError>
  /** number of texts being generated */
  readonly active: () => number
  /** number of texts that wait for a place */
  readonly waiting: () => number
}

/** Texts that are computed together by default: more of them take proportionally longer. */
const TEXTS = 32

/** Default bytes of keys and values. */
const CACHE_BYTES = 2 ** 30

/** Most tokens of a prompt per pass, and of all prompts between two steps. */
const PART = 128
const READ = 256

/**
 * Fewer tokens than this attend in another order of sums (`kernels/c/attention.c`), others in the same, however they are divided. A divisor
 * of `PART`: where a multiple of it is taken from another prompt, all tokens of both have the bits that they have when all are read.
 */
const FEW = 4

/** A text of the batch. */
interface Row {
  readonly prompt: ReadonlyArray<number>
  readonly settings: Settings
  readonly writer: Writer
  readonly client: string
  readonly events: Queue.Queue<GenerationEvent, TextError | Cause.Done>
  /** most tokens that the text may have, its prompt included */
  readonly longest: number
  /** tokens that the cache does not hold yet */
  unread: ReadonlyArray<number>
  /** number of tokens that were known before the first was chosen */
  known: number
  /** number of them whose keys and values were there */
  cached: number
  /** of the cache; −1: it has none yet */
  slot: number
  /** when its first token was chosen, in milliseconds */
  began: number | null
  /** nobody waits for it any more */
  gone: boolean
}

/** The next tokens of a row whose prompt is read. */
interface RowPart {
  readonly row: Row
  readonly count: number
}

/**
 * Creates the generation of many texts with one model. The passes run in a fiber of the scope while there are texts; keys and values are freed
 * when the last text ends, those that remain for other prompts with the scope.
 *
 * @example
 * import { Console, Effect, Stream } from "effect"
 * import type { Adapted } from "tfjs-lora-pro/adapters"
 * import { batchScheduler } from "tfjs-lora-pro/generation"
 * import type { Causal } from "tfjs-lora-pro/models"
 *
 * const answers = (adapted: Adapted<Causal.CausalModel>, prompts: ReadonlyArray<string>) =>
 *   Effect.gen(function* () {
 *     const batch = yield* batchScheduler(adapted)
 *     yield* Stream.fromIterable(prompts).pipe(
 *       Stream.flatMap((prompt) => batch.submit(prompt, { maxNewTokens: 32 }), { concurrency: 32 }),
 *       Stream.runForEach((event) => (event.kind === "end" ? Console.log(event.text) : Effect.void))
 *     )
 *   }).pipe(Effect.scoped)
 */
export const batchScheduler = (
  adaptedModel: Adapted<CausalModel>,
  {
    texts = TEXTS,
    cacheBytes = CACHE_BYTES,
    base = false,
    keptTokens = 0,
    turn = () => (pass) => pass
  }: BatchOptions = {}
): Effect.Effect<BatchScheduler, never, Device | Scope.Scope> =>
  Effect.gen(function* () {
    const { padMultiple, sync } = yield* Device
    const scope = yield* Effect.scope
    const { model } = adaptedModel
    // nothing is chosen or started, so nothing can be wrong with it
    const adapted = base ? yield* Effect.orDie(unadapted(model)) : adaptedModel
    const { decoder, tokenizer, maxLength } = model
    const tokenBytes = 4 * 2 * decoder.layers * decoder.keyValueHeads * decoder.headDim
    const queued: Array<Row> = []
    const live: Array<Row> = []
    const cache = yield* Effect.acquireRelease(
      Effect.sync(() => rowCache(padMultiple)),
      ({ dispose }) =>
        Effect.andThen(
          Effect.sync(dispose),
          Effect.forEach([...queued, ...live], ({ events }) => Queue.shutdown(events))
        )
    )
    const kept = yield* Effect.acquireRelease(
      Effect.sync(() =>
        prefixes<ReadonlyArray<KeysValues>>(keptTokens, (layers) => tf.dispose(layers.flatMap(({ k, v }) => [k, v])))
      ),
      ({ dispose }) => Effect.sync(dispose)
    )
    let working = false
    /** clients by the latest part of a prompt that was read for them, the one that waits longest first */
    const readers = new Set<string>()

    /** Rows that nobody waits for leave; rows that wait join, in their order, where there is room. */
    const exchange = () => {
      for (const row of live.filter(({ gone }) => gone)) {
        live.splice(live.indexOf(row), 1)
        cache.leave(row.slot)
      }
      while (queued.length > 0 && live.length < texts) {
        const { longest } = queued[0]!
        if (live.length > 0 && cache.placesWith(longest) * tokenBytes > cacheBytes) break
        const row = queued.shift()!
        row.slot = cache.join(longest)
        live.push(row)
      }
    }

    /** Gives a row that has no keys and values those of a prompt that begins alike. */
    const begin = (row: Row) => {
      if (keptTokens === 0 || cache.length(row.slot) > 0) return
      const found = kept.longest(turnsOf(model, row.unread.length), row.unread)
      // the last token is read, since the next one follows from it
      const count = Math.max(0, FEW * Math.floor(Math.min(found?.common ?? 0, row.unread.length - FEW) / FEW))
      if (count === 0) return
      cache.begin(row.slot, found!.held, count)
      row.unread = row.unread.slice(count)
      row.cached = count
    }

    /** Keeps the keys and values of a prompt that has been read. */
    const keep = (row: Row) => {
      const ids = [...row.prompt, ...row.writer.ids]
      if (keptTokens > 0) kept.add(turnsOf(model, ids.length), ids, () => cache.copy(row.slot, ids.length))
    }

    /** Parts of a prompt end at multiples of `PART`, wherever they begin. */
    const countOf = ({ slot, unread, known }: Row) => {
      const length = cache.length(slot)
      return Math.min(unread.length, length < known ? PART - (length % PART) : PART)
    }

    /** The next parts of prompts: of the client's whose turn it is, then of the others', for each of the text that came first. */
    const partsOf = (rows: ReadonlyArray<Row>): ReadonlyArray<RowPart> => {
      for (const { client } of rows) readers.add(client)
      for (const client of [...readers]) if (!rows.some((row) => row.client === client)) readers.delete(client)
      const ofClients = [...readers].map((client) => rows.filter((row) => row.client === client))
      const deepest = ofClients.reduce((most, { length }) => Math.max(most, length), 0)
      const inTurn = Array.from({ length: deepest }, (_, i) => ofClients.flatMap((own) => own.slice(i, i + 1))).flat()
      const parts: Array<RowPart> = []
      let tokens = 0
      for (const row of inTurn) {
        if (tokens >= READ) break
        begin(row)
        const count = countOf(row)
        parts.push({ row, count })
        tokens += count
        readers.delete(row.client)
        readers.add(row.client)
      }
      return parts
    }

    /** A pass over the next token of each row of `steps`, then each of `parts`. */
    const passOver = (steps: ReadonlyArray<Row>, parts: ReadonlyArray<RowPart>): Pass => {
      // a product of one row has sums of another order than one of several
      const own = steps.length === 1 && parts.length === 0 ? [...steps, ...steps] : steps
      const tokens = [...own.map((row) => ({ row, count: 1 })), ...parts].flatMap(({ row, count }) =>
        row.unread.slice(0, count).map((id, i) => ({ id, row, place: cache.length(row.slot) + i, i }))
      )
      const asked = tokens.flatMap(({ row, i }, token) => (i === row.unread.length - 1 ? [token] : []))
      return {
        adapted,
        ids: tokens.map(({ id }) => [id]),
        before: tokens.map(({ place }) => place),
        ahead: tokens.map(({ row, i }) => row.unread.length - 1 - i),
        asked: asked.length === 1 ? [...asked, ...asked] : asked,
        attend: () =>
          cache.pass(
            own.map(({ slot }) => slot),
            parts.map(({ row: { slot }, count }) => ({ slot, count }))
          )
      }
    }

    const failed = (row: Row, error: TextError) => {
      row.gone = true
      return Queue.fail(row.events, error)
    }

    /** Reads the next token of each row, all of whose unread tokens a pass takes. */
    const chosen = (rows: ReadonlyArray<Row>, pass: Pass, inTurn: Turn) =>
      Effect.gen(function* () {
        const places = pass.asked!.length
        const choices = new Map<Row, Effect.Effect<Choice, GenerationError>>()
        if (rows.every(({ settings }) => needsNoLogits(settings))) {
          const values = yield* inTurn(read(() => nextTokens(pass)))
          for (const [i, row] of rows.entries())
            choices.set(row, Number.isFinite(values[places + i]) ? Effect.succeed({ id: values[i]! }) : notFinite)
          return choices
        }
        const logits = yield* inTurn(read(() => nextLogits(pass)))
        const width = logits.length / places
        for (const [i, row] of rows.entries()) {
          const after = logits.subarray(i * width, (i + 1) * width)
          const choice =
            !row.gone && after.every(Number.isFinite) ? choiceAfter(row.writer, after, row.settings) : undefined
          choices.set(row, choice === undefined ? notFinite : choice === null ? impossible : Effect.succeed(choice))
        }
        return choices
      })

    /** Takes the next token of each row, and gives its reader what became certain. */
    const advance = (rows: ReadonlyArray<Row>, pass: Pass, inTurn: Turn) =>
      Effect.gen(function* () {
        const choices = yield* chosen(rows, pass, inTurn)
        const now = yield* milliseconds
        const ends: Array<readonly [Row, GenerationEnd]> = []
        for (const row of rows) {
          if (row.gone) continue
          const choice = yield* Effect.result(choices.get(row)!)
          if (Result.isFailure(choice)) {
            yield* failed(row, choice.failure)
            continue
          }
          if (row.began === null) keep(row)
          row.began ??= now
          row.unread = []
          const pushed = pushedTo(row.writer, choice.success, row.settings)
          yield* observed(row.writer, choice.success, pushed, row.settings)
          const end = yield* taken(row, pushed, now)
          if (end !== null) ends.push([row, end])
        }
        // a failed device returns wrong numbers silently: texts that end here are verified first
        if (ends.length > 0) yield* sync
        for (const [row, end] of ends) {
          row.gone = true
          yield* Queue.offer(row.events, end)
          yield* Queue.end(row.events)
        }
      })

    /** Adds tokens to a row; returns its end, if they end it. */
    const taken = (row: Row, { ids, text, finish }: Pushed, now: number): Effect.Effect<GenerationEnd | null> =>
      Effect.gen(function* () {
        if (text !== "") yield* Queue.offer(row.events, { kind: "text", prompt: 0, text })
        row.unread = [...row.unread, ...ids]
        const written = row.writer.ids
        if (finish !== null) {
          return {
            kind: "end",
            prompt: 0,
            text: row.writer.text(),
            ids: [...written],
            finish,
            promptTokens: row.prompt.length,
            cachedTokens: row.cached,
            tokensPerSecond: tokensPerSecond(written, row.began === null ? null : now - row.began)
          }
        }
        // the text outgrows the frequencies of its rotary positions (LongRoPE): it is read again
        const length = row.prompt.length + written.length
        const outgrown = decoder.rotary.some(
          ({ dynamic, classOf }) => !dynamic && classOf(length) !== classOf(length - ids.length)
        )
        if (outgrown && row.slot >= 0) {
          cache.restart(row.slot)
          row.unread = [...row.prompt, ...written]
        }
        return null
      })

    const round = Effect.suspend(() => {
      const writing = live.filter(({ unread, gone }) => !gone && unread.length > 0)
      const steps = writing.filter(({ unread }) => unread.length === 1)
      const parts = partsOf(writing.filter(({ unread }) => unread.length > 1))
      if (writing.length === 0) return Effect.void
      const tokens = new Map<string, number>()
      for (const { row, count } of [...steps.map((row) => ({ row, count: 1 })), ...parts])
        tokens.set(row.client, (tokens.get(row.client) ?? 0) + count)
      const [pass, inTurn] = [passOver(steps, parts), turn(tokens)]
      const isLong = ({ row, count }: RowPart) => row.unread.length > count
      const ahead = parts.filter(isLong)
      const whole = [...steps, ...parts.filter((part) => !isLong(part)).map(({ row }) => row)]
      const advanced = whole.length > 0 ? advance(whole, pass, inTurn) : inTurn(Effect.sync(() => readOnly(pass)))
      return Effect.andThen(advanced, () => {
        for (const { row, count } of ahead) row.unread = row.unread.slice(count)
        return Effect.yieldNow
      })
    })

    const work = Effect.gen(function* () {
      while (true) {
        exchange()
        // nothing comes between the two: a text that comes later starts another fiber
        if (live.length === 0) {
          working = false
          return
        }
        const rows = [...live]
        yield* Effect.catchCause(round, (cause) =>
          // keys and values of a failed pass must not be continued
          Effect.forEach(rows, (row) => {
            row.gone = true
            return Queue.failCause(row.events, cause)
          })
        )
      }
    })

    const opened = (prompt: Prompt, { client = "", ...options }: TextOptions) =>
      Effect.gen(function* () {
        const settings = settingsOf(model, options)
        const ids = promptIds(model, [prompt])
        if (Result.isFailure(settings) || Result.isFailure(ids)) {
          const problems = [
            ...(Result.isFailure(settings) ? settings.failure : []),
            ...(Result.isFailure(ids) ? ids.failure : [])
          ]
          return yield* new GenerationError({ problems })
        }
        const promptTokens = ids.success[0]!
        const events = yield* Queue.unbounded<GenerationEvent, TextError | Cause.Done>()
        const room = maxLength - promptTokens.length
        const row: Row = {
          prompt: promptTokens,
          settings: settings.success,
          writer: writer(tokenizer, 0, promptTokens, room, settings.success),
          client,
          events,
          longest: promptTokens.length + Math.min(room, settings.success.maxNewTokens),
          unread: promptTokens,
          known: promptTokens.length,
          cached: 0,
          slot: -1,
          began: null,
          gone: false
        }
        yield* Scope.addFinalizer(
          yield* Effect.scope,
          Effect.sync(() => {
            row.gone = true
            if (queued.includes(row)) queued.splice(queued.indexOf(row), 1)
          })
        )
        // tokens that the text must begin with
        const end = settings.success.constraint === null ? null : yield* begun(row)
        if (end !== null) {
          yield* Effect.andThen(Queue.offer(events, end), Queue.end(events))
          return Stream.fromQueue(events)
        }
        row.known = row.unread.length
        queued.push(row)
        if (!working) {
          working = true
          yield* Effect.forkIn(work, scope)
        }
        return Stream.fromQueue(events)
      })
    const begun = (row: Row) =>
      Effect.flatMap(milliseconds, (now) => taken(row, pushedTo(row.writer, null, row.settings), now))

    return {
      submit: (prompt, options = {}) => Stream.unwrap(opened(prompt, options)),
      active: () => live.filter(({ gone }) => !gone).length,
      waiting: () => queued.length
    }
  })

/** A prompt, with the options of its text. */
export interface Asked {
  /** text or tokens to continue */
  readonly prompt: Prompt
  /** options of the text; absent: defaults */
  readonly options?: TextOptions
}

/** Options for generating a text for each of many prompts. */
export interface GenerateAllOptions<E = never, R = never> extends BatchOptions {
  /** called when a text has ended, with its index; default: nothing is called */
  readonly ended?: (index: number, end: GenerationEnd) => Effect.Effect<void, E, R>
}

/** Generates a text for each prompt together, in their order. Fails with the problems of all prompts before the first token. */
export const generateAll = <E = never, R = never>(
  adapted: Adapted<CausalModel>,
  all: ReadonlyArray<Asked>,
  { ended = () => Effect.void, ...options }: GenerateAllOptions<E, R> = {}
): Effect.Effect<ReadonlyArray<GenerationEnd>, TextError | E, Device | R> =>
  Effect.gen(function* () {
    const prompts = all.map(({ prompt }) => prompt)
    const ids = promptIds(adapted.model, prompts)
    if (Result.isFailure(ids)) return yield* new GenerationError({ problems: ids.failure })
    const batch = yield* batchScheduler(adapted, options)
    return yield* Effect.forEach(
      all,
      ({ options }, i) =>
        Stream.runCollect(batch.submit(ids.success[i]!, options)).pipe(
          Effect.map((events) => events.at(-1) as GenerationEnd),
          Effect.tap((end) => ended(i, end))
        ),
      { concurrency: "unbounded" }
    )
  }).pipe(Effect.scoped)
