/** Images as data: which are found, what is said of those that are none, and that whatever names them makes the same batches. */
import { afterAll, expect, test } from "bun:test"
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { limits, setLimits } from "../../../src/boundary/index.ts"
import {
  type ImageSection,
  imageBytes,
  imageEvaluationBatches,
  imageTrainingBatches,
  openImages,
  type Preparing
} from "../../../src/data/images/index.ts"
import { memoryFiles } from "../../../src/data/memory-files.ts"
import { platform } from "../../../src/platform.ts"
import { drawn, drawnClasses } from "../../images.ts"
import { temporaryFiles } from "./files.ts"

const { folder } = temporaryFiles()

const put = (name: string, content: Uint8Array | string) => {
  mkdirSync(dirname(join(folder, name)), { recursive: true })
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}

/** A folder of class folders, `each` images in each. */
const photos = (name: string, each = 3) => {
  for (const label of drawnClasses) {
    for (let i = 0; i < each; i++) put(`${name}/${label}/${i}.png`, drawn(label, i, 8 + 8 * i))
  }
  return join(folder, name)
}

const section = (train: string, more: Partial<ImageSection> = {}): ImageSection => ({
  train,
  image: "image",
  label: "label",
  ...more
})

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const open = (of: ImageSection) => openImages(of, 0).pipe(Effect.provide(platform), Scope.provide(scope))
const opened = (of: ImageSection) => Effect.runPromise(open(of))
const failure = async (of: ImageSection) =>
  (await Effect.runPromise(Effect.flip(open(of)))).message.replaceAll(folder, "").replaceAll("\\", "/")

/** Instead of pixels: how many bytes an image has, and on what its changes depend. */
const sizes: Preparing = {
  prepare: (jobs) =>
    Effect.succeed(
      Float32Array.from(jobs, ({ image, random }) => {
        const bytes = typeof image === "string" ? readFileSync(image) : image
        return (random?.epoch ?? 0) * 1e6 + (random?.row ?? 0) * 1e4 + bytes.length
      })
    ),
  prepareFew: () => Effect.die("not asked for"),
  ahead: 2
}

test("a folder of class folders: sorted, deeper files too, hidden ones not, others with a warning", async () => {
  const place = photos("sorted")
  put("sorted/ring/deeper/still/z.PNG", drawn("ring", 9))
  put("sorted/ring/00/a.png", drawn("ring", 10)) // before 1.png, though a walk meets files first
  put("sorted/ring/.hidden.png", "x")
  put("sorted/.git/a.png", "x")
  put("sorted/ring/notes.txt", "x")
  put("sorted/README.md", "beside the folders, and no image")
  const { labels, splits, warnings, images } = await opened(section(place))
  expect(labels).toEqual(["cross", "ring", "stripes"])
  expect(splits.train.classCounts).toEqual([3, 5, 3])
  const rows = await Effect.runPromise(splits.train.read([0, 4, 7]))
  expect(rows.map(({ text, label }) => [text, label])).toEqual([
    ["cross/0.png", "cross"],
    ["ring/00/a.png", "ring"],
    ["ring/deeper/still/z.PNG", "ring"]
  ])
  expect(rows[2]!.where.replaceAll("\\", "/")).toEndWith("/sorted/ring/deeper/still/z.PNG")
  expect(warnings.length).toBe(1)
  expect(warnings[0]).toEndWith(
    "1 file is left out, since no image is called so (ring/notes.txt); images end in .png, .jpg, .jpeg or .webp"
  )
  expect(images).toEqual({
    images: 11,
    formats: [{ format: "png", images: 11 }],
    smallest: { width: 8, height: 8 },
    median: { width: 16, height: 16 },
    largest: { width: 24, height: 24 }
  })
})

test("folders that are none of class folders, each in a sentence", async () => {
  put("loose/a.png", drawn("ring", 0))
  expect(await failure(section(join(folder, "loose")))).toBe(
    "/loose: found 1 image without a folder; expected a folder of images for each label, or a .csv file with a path and a label per row"
  )
  put("beside/ring/a.png", drawn("ring", 0))
  put("beside/b.png", drawn("ring", 1))
  expect(await failure(section(join(folder, "beside")))).toBe(
    "/beside: b.png lies next to the folders of the labels; expected a folder of images for each label, and no image outside of one"
  )
  put("splits/train/ring/a.png", drawn("ring", 0))
  put("splits/test/ring/a.png", drawn("ring", 0))
  expect(await failure(section(join(folder, "splits")))).toBe(
    '/splits: its folders are splits (test, train); name each by itself: data.train "/splits/train"'
  )
  put("empty/ring/a.txt", "no image")
  expect(await failure(section(join(folder, "empty")))).toBe(
    "/empty: its folders have no images (.png, .jpg, .jpeg or .webp); put them in a folder for each label"
  )
  put("linked/ring/a.png", drawn("ring", 0))
  symlinkSync(join(folder, "loose"), join(folder, "linked/ring/more"))
  expect(await failure(section(join(folder, "linked")))).toBe(
    "/linked/ring/more: this is a link to a folder, and links are not followed; use the folder itself, or list paths in a .csv file"
  )
})

test("images that EXIF turns by a quarter are as wide as they are seen", async () => {
  put("turned/photo/a.jpg", readFileSync(join(import.meta.dir, "../../golden/images/turned-6.jpg")))
  put("turned/photo/b.jpg", readFileSync(join(import.meta.dir, "../../golden/images/turned-1.jpg")))
  const { images } = await opened(section(join(folder, "turned"), { labels: ["photo", "none"] }))
  // both are stored as 21×13
  expect([images.smallest, images.largest]).toEqual([
    { width: 13, height: 21 },
    { width: 21, height: 13 }
  ])
})

test("images that differ at their ends alone are two, and those that do not are told", async () => {
  const long = (last: number) => Buffer.concat([drawn("ring", 0), Buffer.alloc(30_000), Buffer.of(last)])
  for (const [name, last] of [
    ["a", 1],
    ["b", 2]
  ] as const)
    put(`ends/ring/${name}.png`, long(last))
  put("ends/cross/c.png", drawn("cross", 0))
  expect((await opened(section(join(folder, "ends")))).warnings).toEqual([])
  put("ends/ring/again.png", long(1))
  expect((await opened(section(join(folder, "ends")))).warnings).toEqual([
    expect.stringContaining("1 of 4 rows repeat")
  ])
})

test("as many files as are allowed, and not one more", async () => {
  const place = photos("many", 2)
  try {
    setLimits({ "image-files": 6 })
    expect((await opened(section(place))).splits.train.rows).toBe(6)
    put("many/ring/one-more.png", drawn("ring", 5))
    expect(await failure(section(place))).toStartWith("/many: the folder has more than 6 entries")
  } finally {
    setLimits({ "image-files": limits["image-files"].default })
  }
})

test("broken images are told together, by their headers, with their names", async () => {
  const place = photos("broken")
  const whole = drawn("ring", 0)
  put("broken/ring/a.png", "")
  put("broken/ring/b.png", "no image at all")
  put("broken/ring/c.png", whole.slice(0, 20))
  for (let i = 0; i < 30; i++) put(`broken/stripes/x${10 + i}.png`, "GIF89a, says its beginning")
  const message = await failure(section(place))
  expect(message.split("\n").slice(0, 4)).toEqual([
    "/broken: 33 problems, 20 of them:",
    "  /broken/ring/a.png: is empty; expected PNG, JPEG or WebP",
    '  /broken/ring/b.png: is not a known kind of image: it begins with "no image at "; expected PNG, JPEG or WebP',
    "  /broken/ring/c.png: is truncated: its data end early"
  ])
  expect(message.split("\n").length).toBe(21)
})

test("rows of paths: relative to their file or to data.folder, and out of neither", async () => {
  photos("rows/photos")
  const csv = put(
    "rows/lists/all.csv",
    "file,kind\n../photos/ring/0.png,ring\n../photos/cross/0.png,cross\n/etc/hostname,ring\n"
  )
  const columns = { image: "file", label: "kind" }
  expect((await failure(section(csv, columns))).split("\n")).toEqual([
    "/rows/lists: 3 problems:",
    '  /rows/lists/all.csv:2: the image "../photos/ring/0.png" is outside of /rows/lists; set data.folder to the folder of the images',
    '  /rows/lists/all.csv:3: the image "../photos/cross/0.png" is outside of /rows/lists; set data.folder to the folder of the images',
    '  /rows/lists/all.csv:4: the image "/etc/hostname" is outside of /rows/lists; set data.folder to the folder of the images'
  ])
  const inFolder = put("rows/lists/in.csv", "file,kind\nring/0.png,ring\ncross/0.png,cross\nring/none.png,ring\n")
  const photosFolder = join(folder, "rows/photos")
  expect(await failure(section(inFolder, { ...columns, folder: photosFolder }))).toBe(
    '/rows/lists/in.csv:4: "ring/none.png" cannot be read: no such file or folder'
  )
  put("rows/secret.png", drawn("ring", 0))
  symlinkSync(join(folder, "rows/secret.png"), join(photosFolder, "ring/link.png"))
  const linked = put("rows/lists/linked.csv", "file,kind\nring/0.png,ring\nring/link.png,ring\n")
  expect(await failure(section(linked, { ...columns, folder: photosFolder }))).toBe(
    '/rows/lists/linked.csv:3: the image "ring/link.png" is a link that points outside of /rows/photos; set data.folder to the folder of the images'
  )
  const allowed = put("rows/all.csv", "file,kind\nphotos/ring/link.png,ring\n")
  const { splits } = await opened(section(allowed, columns))
  expect(splits.train.rows).toBe(1)
})

test("whatever names the images, the batches are the same; an epoch has every row once, and goes on where it was left", async () => {
  const place = photos("same")
  const paths = drawnClasses.flatMap((label) => [0, 1, 2].map((i) => ({ image: `same/${label}/${i}.png`, label })))
  const csv = put("same.csv", ["image,label", ...paths.map(({ image, label }) => `${image},${label}`)].join("\n"))
  const bytes = (path: string) =>
    Buffer.from(drawn(path.split("/")[1] as "ring", Number(path.at(-5)), 8 + 8 * Number(path.at(-5))))
  const embedded = put(
    "same.jsonl",
    paths
      .map(({ image, label }, i) => {
        const uri = `data:image/png;base64,${bytes(image).toString("base64")}`
        return JSON.stringify({ image: i % 2 === 0 ? uri : { bytes: uri, path: image }, label })
      })
      .join("\n")
  )
  const sources = await Promise.all([place, csv, embedded].map((train) => opened(section(train))))
  const pixels = await Promise.all(
    sources.map(({ splits }) =>
      Effect.runPromise(
        imageEvaluationBatches(splits.train, sizes, { batchSize: 4 }).pipe(
          Stream.runCollect,
          Effect.map((all) => all.flatMap((batch) => [...batch.pixels]))
        )
      )
    )
  )
  expect(pixels[1]).toEqual(pixels[0]!)
  expect(pixels[2]).toEqual(pixels[0]!)
  const train = sources[0]!.splits.train
  const batches = (start: { readonly epoch: number; readonly batch: number }, count: number) =>
    Effect.runPromise(
      imageTrainingBatches(train, sizes, {
        seed: 1,
        batchSize: 4,
        start,
        augmentation: { flip: true, crop: null }
      }).pipe(Stream.take(count), Stream.runCollect)
    )
  const two = await batches({ epoch: 0, batch: 0 }, 6)
  expect(two.map(({ epoch, index, size }) => [epoch, index, size])).toEqual([
    [0, 0, 4],
    [0, 1, 4],
    [0, 2, 1],
    [1, 0, 4],
    [1, 1, 4],
    [1, 2, 1]
  ])
  for (const epoch of [0, 1]) {
    expect(two.flatMap((batch) => (batch.epoch === epoch ? [...batch.rows] : [])).toSorted()).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8
    ])
  }
  // what changes at random depends on the epoch and on the row, wherever in a batch it is
  expect(two[4]!.pixels[0]).toBeGreaterThan(1e6)
  for (const { pixels, rows } of two) expect([...pixels].map((own) => Math.floor((own % 1e6) / 1e4))).toEqual([...rows])
  expect(await batches({ epoch: 1, batch: 1 }, 2)).toEqual(two.slice(4))
})

test("images in a Parquet file, as a struct with their path or as a binary column, are those of the files", async () => {
  const golden = join(import.meta.dir, "../../golden/parquet")
  const bytesIn = async (of: ImageSection) => {
    const { splits, images } = await opened(of)
    const rows = await Effect.runPromise(splits.train.read([0, 1, 2, 3]))
    const bytes = await Promise.all(rows.map((row) => Effect.runPromise(imageBytes(row))))
    return { images, labels: rows.map(({ label }) => label), bytes: bytes.map((own) => Array.from(own)) }
  }
  const files = await bytesIn(section(join(golden, "images")))
  expect(files.bytes.length).toBe(4)
  expect(await bytesIn(section(join(golden, "images.parquet")))).toEqual(files)
  expect(await bytesIn(section(join(golden, "images.parquet"), { image: "raw" }))).toEqual(files)
})

test("files in memory, as a page has them, are images like others", async () => {
  const names = drawnClasses.flatMap((label) => [`photos/${label}/0.png`, `photos/${label}/1.png`])
  const bytes = names.map((name, i) => drawn(name.split("/")[1] as "ring", i))
  const { layer } = memoryFiles(Object.fromEntries(names.map((name, i) => [name, bytes[i]!])))
  const read = Effect.gen(function* () {
    const { splits } = yield* openImages(section("photos"), 0)
    return yield* Stream.runCollect(imageEvaluationBatches(splits.train, sizes, { batchSize: 6 }))
  })
  const [batch] = await Effect.runPromise(read.pipe(Effect.provide(layer), Scope.provide(scope)))
  expect([...batch!.pixels]).toEqual(bytes.map(({ length }) => length))
  expect([...batch!.labels]).toEqual([0, 0, 1, 1, 2, 2])
})
