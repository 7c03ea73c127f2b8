/**
 * What a page takes for granted, and what of it no test runs, each with its reason. Everything that is not named here is run as it stands:
 * `blocks.test.ts` holds that every line of this table speaks of something that a page has.
 */
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { crc32 } from "node:zlib"
import { tokenizerConfig, wordTokenizer } from "../e2e/causal-workspace.ts"
import { drawn, drawnClasses, photo, photographed, pngOf } from "../images.ts"
import { repository } from "./pages.ts"

/** Where a file comes from that a page speaks of and its commands do not make. */
export type Given =
  /** the block of the page that has these words, with changes that the page tells */
  | { readonly block: string; readonly changed?: ReadonlyArray<readonly [string, string]> }
  | { readonly text: () => string }
  | { readonly bytes: () => Uint8Array }
  /** a folder, by its files */
  | { readonly files: () => Readonly<Record<string, string | Uint8Array>> }
  /** the reader's own, which no test has: what names it is not run */
  | { readonly own: string }

export interface PageRow {
  /** where its reader is: in a clone of the repository, or in a project that has installed the package */
  readonly where?: "clone" | "project"
  /** by file */
  readonly given?: Readonly<Record<string, Given>>
  /** by the beginning of a command: why it is not run */
  readonly notRun?: Readonly<Record<string, string>>
  /** by the beginning of a command: words that are added to it, so that it takes seconds */
  readonly shorter?: Readonly<Record<string, string>>
  /** by the beginning of a command: what is run in its place, and why */
  readonly instead?: Readonly<Record<string, readonly [command: string, because: string]>>
  /** by the beginning of a command: what the page says that its reader has changed by then */
  readonly before?: Readonly<Record<string, string>>
  /** by the beginning of a line of output: why it is another here */
  readonly unlike?: Readonly<Record<string, string>>
  /** programs, by words that one of them alone has: changes by which it takes seconds, or why it is compiled and not run */
  readonly programs?: Readonly<Record<string, ReadonlyArray<readonly [string, string]> | string>>
  /** the same: by how much the numbers in its comments may differ from what it prints, and why; of others, all digits are compared */
  readonly near?: Readonly<Record<string, readonly [within: number, because: string]>>
  /** plain blocks, by words that one of them alone has: why no command prints them */
  readonly plain?: Readonly<Record<string, string>>
}

const inRepository = (file: string): string => readFileSync(join(repository, file), "utf8")

const hub = "asks the Hugging Face Hub"
const registry = "asks a registry of packages"
/** What a project has after `bun install`. */
const installs =
  'mkdir node_modules && ln -s "$REPOSITORY"/node_modules/* node_modules/ && ln -s "$REPOSITORY" node_modules/tfjs-lora-pro'
const smollm2 = "needs a language model, 94 MB from PyPI: long/smollm2.long.ts and its siblings train it"
const long = "takes many minutes"
const others = "a program that is not of this package"

/** Two steps, and few rows to look at. */
const few = "--set training.steps=2 --set training.evaluateEvery=1 --set training.evaluateRows=16"

/** The same of a plan over rows of the examples, some of which are all that is looked at, before it and after. */
const fewOf = (folder: string): string =>
  [few, ...["validation", "test"].map((split) => `--set data.${split}="$(some ${folder}/${split}.jsonl)"`)].join(" ")
const fewMovies = fewOf("examples/data/movies")

interface Labelled {
  readonly text: string
  readonly label: string
}

const movies = (split: string): ReadonlyArray<Labelled> =>
  inRepository(`examples/data/movies/${split}.jsonl`)
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))

const cell = (text: string): string => (/[",;\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)

/** The movie sentences as a table of one's own. */
const reviews: Given = {
  text: () => ["review,opinion", ...movies("train").map(({ text, label }) => `${cell(text)},${label}`), ""].join("\n")
}

/** Some movie sentences as a table with semicolons; `columns` of a sentence and its place. */
const sentences = (
  split: string,
  count: number,
  header: string,
  cells: (row: Labelled, i: number) => ReadonlyArray<string>,
  separator = ";"
): Given => ({
  text: () =>
    [
      header,
      ...movies(split)
        .slice(0, count)
        .map((row, i) => cells(row, i).join(separator)),
      ""
    ].join("\n")
})

const lines = (...rows: ReadonlyArray<string | object>) => ({
  text: () => rows.map((row) => `${typeof row === "string" ? row : JSON.stringify(row)}\n`).join("")
})

/** A plan over MiniLM with these rows. */
const planOf = (data: object, sections: object = {}): Given =>
  lines({
    model: { source: "examples/models/minilm" },
    data: { validation: 0.5, ...data },
    optimizer: { kind: "lora-pro", learningRate: 1e-4 },
    training: { steps: 2, batchSize: 2 },
    ...sections
  })

/** 120 sentences, of which three are of one class. */
const unbalanced: Given = {
  text: () => {
    const of = (label: string, count: number, name: string) =>
      movies("train")
        .filter((row) => row.label === label)
        .slice(0, count)
        .map(({ text }) => `${cell(text)},${name}`)
    return ["text,label", ...of("positive", 117, "praise"), ...of("negative", 3, "complaint"), ""].join("\n")
  }
}

/** A golden model's files, with more. */
const goldenModel = (name: string, more: Readonly<Record<string, object>>): Given => ({
  files: () => {
    const folder = join(repository, "test", "golden", "models", name)
    const files = readdirSync(folder).filter((file) => statSync(join(folder, file)).isFile())
    return {
      ...Object.fromEntries(files.map((file) => [file, readFileSync(join(folder, file))])),
      ...Object.fromEntries(Object.entries(more).map(([file, content]) => [file, JSON.stringify(content)]))
    }
  }
})

const toyViT = goldenModel("vit", {
  "preprocessor_config.json": {
    image_processor_type: "ViTImageProcessor",
    size: { height: 16, width: 16 },
    image_mean: [0.5, 0.5, 0.5],
    image_std: [0.5, 0.5, 0.5]
  }
})

/** A plan over the toy ViT and these images. */
const imagesPlan = (data: object, steps: number): Given =>
  lines({
    model: { source: "vit" },
    data: { format: "images", ...data },
    adapter: { method: "lora", rank: 4 },
    optimizer: { kind: "lora-pro", learningRate: 5e-3, headLearningRate: 1e-2 },
    training: { steps, batchSize: 8 }
  })

/** 60 drawn images to learn from and 24 to test on, of which one shows a ring and lies among the stripes. */
const drawings: Given = {
  files: () => ({
    ...Object.fromEntries(
      drawnClasses.flatMap((label) => [
        ...Array.from({ length: 20 }, (_, i) => [`train/${label}/${i}.png`, drawn(label, i, 24)] as const),
        ...Array.from({ length: 8 }, (_, i) => [`test/${label}/${i}.png`, drawn(label, 100 + i, 24)] as const)
      ])
    ),
    "test/stripes/0.png": drawn("ring", 200, 24)
  })
}

/** Thirty photos of each of three classes, and others. */
const photographs: Given = {
  files: () =>
    Object.fromEntries(
      photographed.flatMap((name) =>
        Array.from({ length: 30 }, (_, i) => [`${name}/${i}.png`, photo(name, i)] as const)
      )
    )
}
const unseenPhotographs: Given = {
  files: () => Object.fromEntries(photographed.map((name, i) => [`${name}.png`, photo(name, 1000 + i)]))
}

/** Images of two classes, as many as a step takes. */
const sound: Given = {
  files: () =>
    Object.fromEntries(
      [0, 1, 2, 3].flatMap((i) => [
        [`cat/${i}.png`, drawn("cross", i)] as const,
        [`dog/${i}.png`, drawn("ring", i)] as const
      ])
    )
}

/** Among sound images one that ends early, one that says it is 100,000 wide and high, and one of a telephone. */
const damaged: Given = {
  files: () => {
    const huge = pngOf(1, 1, new Uint8Array(3))
    const view = new DataView(huge.buffer)
    for (const at of [16, 20]) view.setUint32(at, 100_000)
    view.setUint32(29, crc32(huge.subarray(12, 29)))
    const whole = readFileSync(join(repository, "test", "golden", "images", "photo-444.jpg"))
    return {
      "cat/1.png": drawn("cross", 10),
      "cat/12.jpg": whole.subarray(0, -200),
      "dog/1.png": drawn("ring", 10),
      "dog/3.png": huge,
      "dog/4.jpg": Buffer.from("\0\0\0\u0018ftypheic".padEnd(64, "\0"), "latin1")
    }
  }
}

const said = (role: string, content: string) => ({ role, content })
const question = said("user", "what colour is grass ?")
const [right, wrong] = [said("assistant", "green ."), said("assistant", "red .")]

const photos = { own: "photos" } as const
const withPhotos =
  "reads photos of the reader's own: e2e/images.processes.ts and e2e/clip.processes.ts do it with drawn ones"
const twoSteps = "two steps teach nothing yet, so that another label may come"
const servers = "needs several machines: e2e/ranks.processes.ts starts processes on one"
const compared = "trains dozens of runs: long/compare.long.ts does a study"
const peft = "reads what PEFT wrote in Python: e2e/foreign-adapter.processes.ts does it"
const tinyT5 = "reads the tests' own T5: e2e/seq2seq.processes.ts does all of it"
const paperWeights = "needs the paper's models and data sets: e2e/paper.test.ts judges the plans"
const app = "goes on until it is ended: browser/studio-*.browser.ts use it"
const dev = "a server of pages, which goes on until it is ended"
const seen = "looks at this machine"

export const table: Readonly<Record<string, PageRow>> = {
  "CONTRIBUTING.md": { plain: { "src/train.ts": "lists folders: blocks.test.ts looks for each" } },
  "README.md": {
    given: {
      "reviews.csv": reviews,
      "plan-with-mistakes.json": {
        block: '"train": "reviews.csv"',
        changed: [
          ['"validation": 0.1', '"validation": 0.1, "maxLength": 2'],
          ['"rank": 8', '"rank": 0, "rnk": 8'],
          ['"lora-pro"', '"lora-por"']
        ]
      }
    },
    instead: { "my-model$ bun install": [installs, registry] },
    notRun: { "bun add": registry, "npm install -g bun": registry, "bun install": registry },
    shorter: { "my-model$ bun run train": few },
    programs: { "Output.savePeft": [["Stream.take(80)", "Stream.take(2)"]] }
  },
  "docs/studio.md": { notRun: { "bun run studio": app } },
  "docs/README.md": {
    given: { "reviews.csv": reviews },
    instead: { "my-model$ bun install": [installs, registry] },
    shorter: { "my-model$ bun run train": few }
  },
  "docs/adapters.md": {
    given: {
      "movies-peft": { own: "what PEFT wrote" },
      "test.jsonl": { own: "rows with numbers as labels" },
      "stage2.json": { block: '"from": "movies-peft"' },
      other: { own: "an adapter that cannot be read" }
    },
    notRun: {
      "bun run evaluate movies-peft": peft,
      "bun run merge movies-peft": peft,
      "head -1 test.jsonl": peft,
      "bun run train stage2.json": peft,
      "bun run predict other": peft
    },
    programs: { "get_peft_model(": peft }
  },
  "docs/api.md": { notRun: { "bun run docs": "builds the whole site: docs/site.processes.ts does" } },
  "docs/browser.md": {
    notRun: { "bunx vite examples/browser": dev },
    programs: {
      'tf.loadLayersModel("digits/model.json")': "is for a page: browser/adapter-places.browser.ts",
      "memoryFiles(": "is for a page: browser/train.browser.ts"
    }
  },
  "docs/causal-models.md": {
    notRun: {
      "bun scripts/smollm2.ts": smollm2,
      "bun src/bin/tfjs-lora-pro.ts train": smollm2,
      "bun run generate runs/json-answers": smollm2,
      "bun run evaluate runs/json-answers": smollm2,
      "bun src/bin/tfjs-lora-pro.ts merge": smollm2,
      "python llama.cpp/": others,
      "llama-completion": others
    },
    programs: { evaluateGenerated: smollm2, "Generation.promptCache": smollm2, "Generation.generateAll": smollm2 }
  },
  "docs/clip.md": {
    given: { "photos.json": { block: '"kind": "zero-shot"' } },
    notRun: {
      "bun run validate": withPhotos,
      "bun run train": withPhotos,
      "tfjs-lora-pro validate": withPhotos,
      "tfjs-lora-pro train": withPhotos
    }
  },
  "docs/code.md": {
    given: {
      "wrong.csv": lines("id,stars,comment,language", "1,5,Warm and witty.,en", "2,many,A fine cast.,en", '3,9,"  ",de')
    },
    programs: {
      "Training.refresh(session)": [["steps = training.steps", "steps = 2"]],
      OtlpTracer: "sends spans to a collector: e2e/spans.test.ts does",
      mirror: "needs a folder of models; src/hub/hub.test.ts provides its own Hub"
    },
    plain: { "evaluate validation": "times of one machine: e2e/spans.test.ts compares names and order" }
  },
  "docs/coming-from-elsewhere.md": {
    given: {
      "plan.json": {
        block: '"epochs": 3',
        changed: [
          [
            '"training": {',
            '"num_train_epochs": 3, "adapter": { "method": "lora", "lora_r": 8 }, "output": { "push_to_hub": true }, "training": { "seed": 0,'
          ]
        ]
      }
    }
  },
  "docs/data.md": {
    given: {
      "reviews.csv": reviews,
      "two.csv": lines("a,b;c", "1,2;3"),
      "latin.csv": { bytes: () => Buffer.from("review,opinion\nschöner Film,positive\n", "latin1") },
      "kritiken.csv": sentences("train", 1500, "Nr;Kritik;Quelle;Urteil", ({ text, label }, i) => [
        `${i + 1}`,
        cell(text),
        "web",
        label === "positive" ? "Lob" : "Klage"
      ]),
      "many.csv": sentences(
        "train",
        30,
        "title,body,kind,mood",
        ({ text }, i) => [cell(text.slice(0, 30)), cell(text), `${i % 3}`, `${i % 2}`],
        ","
      ),
      "unbalanced.csv": unbalanced,
      "new.csv": sentences("test", 100, "id;text;source", ({ text }, i) => [`${i + 1}`, cell(text), "web"]),
      "broken.csv": lines("id;text;source", "1;a fine film;web", "2; ;web", "3;one;two;three"),
      "hundred.csv": sentences("train", 100, "text,label", ({ text, label }) => [cell(text), label], ",")
    },
    shorter: { "bun run train reviews.json": few }
  },
  "docs/devices.md": {
    notRun: { "bun run doctor": `${seen}: src/doctor is tested by itself` },
    shorter: { "bun run train --device wasm": fewMovies }
  },
  "docs/distributed.md": {
    plain: { "alpha slots=1": "a file of MPI's, which names the reader's own machines" },
    given: { "plan.json": { own: "the reader's plan" }, $RUN: { own: "a variable of the script" } },
    notRun: {
      "sudo apt": "installs a package of the system",
      mpirun: servers,
      "RUN=runs/mine": servers,
      "if [ -d $RUN ]": servers,
      "else srun": servers
    }
  },
  "docs/embeddings.md": {
    given: {
      "plan.json": planOf(
        {
          format: "embedding",
          train: "broken.jsonl",
          anchor: "query",
          positive: "document"
        },
        { model: { source: "examples/models/minilm", task: { kind: "embedding" } } }
      ),
      "broken.jsonl": lines(
        { query: "a question" },
        { query: " ", document: "text" },
        { query: "another", document: 7 }
      )
    },
    shorter: { "bun run train": fewOf("examples/data/definitions") },
    programs: { SentenceTransformer: "of a run that is made shorter here: e2e/embedding.processes.ts compares vectors" }
  },
  "docs/export.md": {
    given: { "runs/word-problems": { own: "a run of a language model" }, "runs/turned": { own: "a run" } },
    before: {
      "bun run export runs/turned":
        "bun examples/digits/rows.ts && bun run train examples/digits/turned.json --set training.steps=60 --out runs/turned"
    },
    notRun: { "bun run export runs/word-problems": smollm2 },
    near: {
      "text-classification": [
        1e-4,
        "of a run that was trained on the device at hand: wasm and native differ by 4e-7, and losses on WebGPU by up to 1e-4"
      ]
    }
  },
  "docs/suites.md": {
    notRun: { "bun run evaluate runs/word-problems": smollm2 },
    given: { "runs/word-problems": { own: "a run of a language model" } },
    programs: { "answers of at most ten words": smollm2 }
  },
  "docs/first-run.md": {
    given: { "reviews.csv": reviews },
    instead: { "my-model$ bun install": [installs, registry] },
    shorter: { "my-model$ bun run train": few },
    unlike: {
      "93 packages installed": registry,
      "negative (": twoSteps,
      "positive (": twoSteps,
      '{"text":': twoSteps
    }
  },
  "docs/image-files.md": {
    given: {
      "flowers.json": photos,
      "runs/flowers-1": photos,
      "photos.json": imagesPlan({ train: "photos", validation: "sound" }, 1),
      photos: damaged,
      sound,
      vit: toyViT
    },
    before: {
      "bun run predict runs/flowers-1 photos": "bun run train photos.json --set data.train=sound --out runs/flowers-1"
    },
    notRun: { "bun run validate flowers.json": withPhotos, "bun run predict runs/flowers-1 photo.jpg": withPhotos }
  },
  "docs/image-models.md": {
    given: { photos },
    notRun: { "bun run suggest": hub, "bun run train": withPhotos },
    programs: { describeImageModel: hub }
  },
  "docs/images.md": {
    given: {
      pictures: photographs,
      unseen: unseenPhotographs,
      photos: drawings,
      vit: toyViT,
      "photos.json": imagesPlan({ train: "photos/train", validation: 0.2, test: "photos/test" }, 20)
    },
    notRun: {
      "bun run suggest": hub,
      "bun run validate flowers.json": hub,
      "bun run train flowers.json": hub,
      "bun run predict runs/flowers-1": hub
    },
    instead: { "things$ bun install": [installs, registry] },
    shorter: { "things$ bun run train": few },
    unlike: { "ball (": twoSteps, "box (": twoSteps, "fence (": twoSteps }
  },
  "docs/installed.md": {
    where: "project",
    given: {
      "bunfig.toml": { block: "preload =" },
      "movies.plan.json": { block: '"source": "node_modules' },
      "train.ts": { block: 'from "./movies.plan.json"' }
    },
    notRun: { "bun add": registry, "deno add": registry, "npm install": registry },
    before: { "bun train.ts": `sed -i 's/"rank"/"rnk"/; s/"learningRate": 1e-4/"learningRate": -1/' movies.plan.json` }
  },
  "docs/layers-models.md": {
    shorter: { "bun run train": `${few} --set training.evaluateRows=50`, "bun examples/digits/adapt.ts": "10" },
    unlike: { "epoch ": "of ten steps, there is a single epoch" },
    programs: {
      'install("auto"': "is for a page: browser/adapter-places.browser.ts",
      "epochs: 5": [["epochs: 5", "epochs: 1"]],
      "tf.data.zip": [["tf.unstack(x)", "tf.unstack(x).slice(0, 64)"]]
    }
  },
  "docs/methods.md": {
    notRun: { "bun run compare": compared, "bun run suggest --model examples/models/smollm2": smollm2 },
    given: { "examples/models/smollm2": { own: "the language model" } },
    shorter: { "bun run train examples/plans/movies-lora.json": fewMovies }
  },
  "docs/paper.md": {
    notRun: {
      "bun run validate": paperWeights,
      "bun examples/paper/rows.ts": paperWeights,
      "bun run train": paperWeights,
      "bun run compare examples/paper": paperWeights,
      "bun run compare bench/studies": compared
    }
  },
  "docs/plans.md": {
    given: {
      "plan-with-mistakes.json": planOf(
        { format: "classification", train: "t.jsonl", maxLength: 2 },
        { adapter: { method: "lora", rnk: 8, rank: 0 }, optimizer: { kind: "lora-por", learningRate: 1e-4 } }
      )
    },
    shorter: { "bun run train": fewMovies }
  },
  "docs/preference.md": {
    given: {
      "runs/dpo-2e-4": { own: "a run of a language model" },
      llama: goldenModel("llama", { "tokenizer.json": wordTokenizer(), "tokenizer_config.json": tokenizerConfig }),
      "wrong.json": lines({
        model: { source: "llama" },
        data: { format: "preference", train: "wrong.jsonl" },
        optimizer: { kind: "lora-pro", learningRate: 1e-4 },
        training: { steps: 2, batchSize: 2 }
      }),
      "wrong.jsonl": lines(
        { chosen: [question, right], rejected: [question, right] },
        { chosen: [question, right] },
        { chosen: [question, right], rejected: [question, wrong] },
        { chosen: [question, right], rejected: [said("user", "what is it ?"), wrong] },
        { chosen: [question, right], rejected: [question, said("user", "red ?")] }
      )
    },
    notRun: { "bun scripts/smollm2.ts": smollm2, "bun run train": smollm2, "bun src/bin": smollm2, echo: smollm2 }
  },
  "docs/runs.md": {
    given: { "runs/answers-1": { own: "a run of a language model" } },
    notRun: { tensorboard: others, "bun run generate": smollm2 }
  },
  "docs/seq2seq.md": {
    given: {
      "train.jsonl": { own: "rows" },
      "test.jsonl": { own: "rows" },
      "tone.json": { block: '"prefix": "tone : "' },
      t5: { own: "the tests' T5" }
    },
    notRun: { "bun run suggest": hub, "bun run": tinyT5, head: tinyT5, "tfjs-lora-pro": tinyT5 },
    programs: { "PeftModel.from_pretrained": tinyT5 }
  },
  "docs/judging.md": {
    given: { "runs/chat-1": { own: "another run" } },
    notRun: { "bun run judge": "asks a model on a server: test/e2e/judge.test.ts has one of its own" },
    programs: { judgeLayer: "asks a server" }
  },
  "docs/serve.md": {
    given: { "runs/ratings-1": { own: "another run" }, "runs/definitions-embedding-1": { own: "another run" } },
    notRun: {
      "bun run serve runs/movies-lora-pro-full-1 ratings":
        "serves runs that other pages train: src/serve is tested by itself"
    },
    programs: { OpenAI: smollm2 }
  },
  "docs/successors.md": { notRun: { "bun run compare": compared } },
  "docs/t5.md": { notRun: { "bun run generate": hub }, programs: { writeTargets: hub } },
  "docs/tools.md": {
    given: { "person.json": { own: "the schema of a type of the reader's own" } },
    notRun: { bun: smollm2, curl: smollm2 },
    programs: { generateAs: smollm2 }
  },
  "docs/text-kinds.md": {
    given: {
      "stars.json": planOf({ format: "regression", train: "reviews.jsonl", target: "stars" }),
      "reviews.jsonl": lines({ text: "a", stars: "3,5" }, { text: "b", stars: null }, { text: "c" }),
      "pairs.json": planOf({
        format: "classification",
        train: "pairs.jsonl",
        text: "premise",
        textPair: "hypothesis",
        label: "label"
      }),
      "pairs.jsonl": lines({ premise: "a" }, { premise: "b", hypothesis: " ", label: "yes" }),
      "columns.json": planOf({
        format: "multi-label",
        train: "posts.csv",
        text: "text",
        labelColumns: ["spam", "rude"]
      }),
      "posts.csv": lines("text,spam,rude", "a post,2,no"),
      "tags.json": planOf({ format: "multi-label", train: "posts.jsonl", text: "text", label: "tags" }),
      "posts.jsonl": lines({ text: "a", tags: 3 }, { text: "b", tags: [" "] })
    },
    shorter: Object.fromEntries(
      ["comparisons", "ratings", "web-features"].map((name) => [
        `bun run train examples/plans/${name}.json`,
        fewOf(`examples/data/${name}`)
      ])
    ),
    unlike: { "second (": twoSteps, "CSS3 (": twoSteps, "JS API (": twoSteps }
  },
  "docs/token-classification.md": {
    given: {
      "broken.json": planOf({ format: "token-classification", train: "broken.jsonl" }),
      "broken.jsonl": lines(
        { tokens: ["Anna", "laughs"], labels: ["B-person", "O"] },
        { tokens: ["and", "Tom"], labels: ["O", "I-person"] },
        { tokens: ["New", "York"], labels: ["B-place", "I-person"] }
      )
    },
    plain: { "Anna   NNP": "a file of words in columns: src/data/formats/formats.test.ts reads such files" },
    shorter: { "bun run train examples/plans/tagged.json": fewOf("examples/data/tagged") },
    unlike: { "Anna:": twoSteps, "Tom:": twoSteps, '{"text":': twoSteps }
  },
  "docs/training.md": {
    shorter: {
      "bun run train examples/plans/movies-lora-pro-full.json --set training.epochs": `${fewMovies.replace("training.steps=2", "training.epochs=0.01")} --out runs/passes`,
      "bun run train examples/plans/movies-lora-pro-full.json --set seed": `${fewMovies} --out runs/seeded`,
      "bun run train examples/plans/movies-lora-pro-full.json --set 'optimizer": `${fewMovies} --out runs/found`
    },
    notRun: { "bun run train examples/fashion": long }
  },
  "docs/what-does-not-work.md": { notRun: { "bun run doctor": seen } },
  "docs/your-data.md": {
    shorter: { "bun run train": fewMovies },
    unlike: { "negative (": twoSteps, "positive (": twoSteps, '{"text":': twoSteps }
  },
  "examples/browser/README.md": {
    notRun: {
      "bun install": registry,
      "bunx vite examples/browser": dev,
      "bunx vite build": "is built in docs/browser.md",
      "bun examples/browser/predict.ts": "reads what a page gave away: browser/digits-page.browser.ts"
    }
  },
  "examples/fashion/README.md": {
    given: { "runs/fashion-lora-pro-1": { own: "the run" } },
    notRun: { "bun run": "trains MobileNetV2: e2e/mobilenet.processes.ts does it on a few images" }
  },
  "examples/pairs/README.md": { shorter: { "bun run train": few }, unlike: { "yes (": twoSteps, "no (": twoSteps } },
  "examples/smollm2/README.md": {
    notRun: { bun: smollm2 },
    plain: { '"Costaça"': "chosen by hand from what answers.ts prints, which needs the language model" }
  },
  "examples/tools/README.md": {
    notRun: { bun: smollm2 },
    plain: { "Tools:": "what the template writes of a row, shortened: test/src/data/causal compares templates" }
  },
  "examples/word-problems/README.md": { notRun: { bun: smollm2 } }
}

/** What stands in the page's folder before its first command. */
export const givenTo = (page: string): Readonly<Record<string, Given>> => table[page]?.given ?? {}

/** The entry of a part of a page's row whose key begins this command. */
export const rowFor = <Entry>(
  entries: Readonly<Record<string, Entry>> | undefined,
  command: string
): Entry | undefined => Object.entries(entries ?? {}).find(([start]) => command.startsWith(start))?.[1]
