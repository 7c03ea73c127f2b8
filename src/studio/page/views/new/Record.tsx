/** Pictures from the webcam: name a class, and hold its button to record pictures of it. */
import { useEffect, useRef, useState } from "preact/hooks"
import { counted } from "../../../../boundary/index.ts"
import { type Camera, takePicture, useCamera, Viewfinder } from "../../parts/camera.tsx"
import { Trouble } from "../../parts/loading.tsx"
import { useRovingFocus, useSettled } from "../../use.ts"
import { Progress, type Taking } from "./Intake.tsx"
import {
  another,
  countOf,
  filesOf,
  keepRecorded,
  LONGEST_NAME,
  lastRecorded,
  MOST_PICTURES,
  obstacleOf,
  type Picture,
  type Recorded,
  type RecordedClass
} from "./recorded.ts"

/** interval between pictures, in ms */
const PERIOD = 100

/** Records from `begin` to `end`; the first picture is taken at once, so that a short press takes one. */
const useRecording = ({ video }: Camera, add: (picture: Picture) => void) => {
  const last = useRef(0)
  const end = () => {
    last.current += 1
  }
  useEffect(() => end, [])
  const begin = async () => {
    last.current += 1
    const burst = last.current
    do {
      const next = performance.now() + PERIOD
      // the camera may leave meanwhile
      const file = video.current === null ? undefined : await takePicture(video.current, "picture.jpg")
      if (file === undefined) return
      add({ file, url: URL.createObjectURL(file) })
      await new Promise((resolve) => setTimeout(resolve, next - performance.now()))
    } while (last.current === burst)
  }
  return { begin, end }
}

interface HoldProps {
  readonly name: string
  readonly isReady: boolean
  readonly begin: () => void
  readonly end: () => void
}

/** Held by pointer, touch or the space key. Enter, and whatever presses a button without holding it, takes one picture. */
const Hold = ({ name, isReady, begin, end }: HoldProps) => (
  <button
    type="button"
    class="primary hold"
    disabled={!isReady}
    onPointerDown={(event) => {
      if (event.button !== 0) return
      event.currentTarget.setPointerCapture(event.pointerId)
      begin()
    }}
    onPointerUp={end}
    onPointerCancel={end}
    onKeyDown={(event) => {
      if (event.key !== " ") return
      event.preventDefault()
      if (!event.repeat) begin()
    }}
    onKeyUp={(event) => {
      if (event.key !== " ") return
      event.preventDefault()
      end()
    }}
    onBlur={end}
    onClick={(event) => {
      if (event.detail !== 0) return
      begin()
      end()
    }}
    onContextMenu={(event) => event.preventDefault()}
  >
    Hold to record<span class="hidden"> {name}</span>
  </button>
)

interface ThumbnailsProps {
  readonly name: string
  readonly pictures: ReadonlyArray<Picture>
  readonly remove: (picture: Picture) => void
}

/** All pictures of a class, each a button that deletes it: one stop of the Tab key, and the arrow keys from there on. */
const Thumbnails = ({ name, pictures, remove }: ThumbnailsProps) => {
  const { current, setAt, keepFocus, list, onKeyDown } = useRovingFocus(pictures.length, {
    Delete: (at) => remove(pictures[at]!)
  })
  return (
    <div ref={list} class="thumbnails" role="toolbar" aria-label={`Pictures of ${name}`} onKeyDown={onKeyDown}>
      {pictures.map((picture, i) => (
        <button
          key={picture.url}
          type="button"
          aria-label={`Delete picture ${i + 1} of ${name}`}
          tabIndex={i === current ? 0 : -1}
          onFocus={() => setAt(i)}
          onClick={() => {
            keepFocus()
            remove(picture)
          }}
        >
          <img src={picture.url} alt="" />
        </button>
      ))}
    </div>
  )
}

interface ClassProps {
  readonly recorded: RecordedClass
  readonly camera: Camera
  readonly isFull: boolean
  readonly change: (change: (recorded: RecordedClass) => RecordedClass) => void
  /** absent: two classes are the minimum */
  readonly leave: (() => void) | undefined
}

const Class = ({ recorded: { number, name, pictures }, camera, isFull, change, leave }: ClassProps) => {
  const { begin, end } = useRecording(camera, (picture) =>
    change((now) => ({ ...now, pictures: [...now.pictures, picture] }))
  )
  useEffect(() => {
    if (isFull) end()
  }, [isFull])
  const count = counted(pictures.length, "picture")
  // announced once the button is released
  const settled = useSettled(count)
  const remove = (picture: Picture) => {
    URL.revokeObjectURL(picture.url)
    change((now) => ({ ...now, pictures: now.pictures.filter((taken) => taken !== picture) }))
  }
  return (
    <li class="card recorded">
      <div class="row">
        <label>
          <span class="hidden">Name of class {number}</span>
          <input
            type="text"
            autocomplete="off"
            maxLength={LONGEST_NAME}
            value={name}
            onInput={({ currentTarget }) => change((now) => ({ ...now, name: currentTarget.value }))}
          />
        </label>
        <Hold name={name} isReady={camera.isReady && !isFull} begin={begin} end={end} />
        <span>{count}</span>
        <span class="hidden" role="status">
          {name}: {settled}
        </span>
        {leave === undefined ? null : (
          <button type="button" class="plain" onClick={leave}>
            Remove<span class="hidden"> {name}</span>
          </button>
        )}
      </div>
      {pictures.length === 0 ? null : <Thumbnails name={name} pictures={pictures} remove={remove} />}
    </li>
  )
}

interface RecordProps {
  readonly taking: Taking
  readonly leave: () => void
}

export const Record = ({ taking: { take, share, problem }, leave }: RecordProps) => {
  const camera = useCamera()
  const [classes, setClasses] = useState<Recorded>(lastRecorded)
  useEffect(() => keepRecorded(classes), [classes])
  const change = (number: number) => (next: (recorded: RecordedClass) => RecordedClass) =>
    setClasses((all) => all.map((recorded) => (recorded.number === number ? next(recorded) : recorded)))
  const removeClass = ({ number, pictures }: RecordedClass) => {
    for (const { url } of pictures) URL.revokeObjectURL(url)
    setClasses((all) => all.filter((recorded) => recorded.number !== number))
  }
  const isFull = countOf(classes) >= MOST_PICTURES
  const obstacle = obstacleOf(classes)
  return (
    <section aria-labelledby="rows-heading">
      <h2 id="rows-heading" tabIndex={-1}>
        Pictures from the webcam
      </h2>
      <p class="quiet">
        Name each class, show it to the camera, and hold its button, or press and hold Space on it. Start with 20 to 50
        pictures per class, from several sides. Click a picture to delete it.
      </p>
      <Trouble problem={camera.problem} again={camera.again} />
      <Trouble problem={problem} />
      <div class="recording">
        <Viewfinder video={camera.video} />
        <div>
          <ol class="classes">
            {classes.map((recorded) => (
              <Class
                key={recorded.number}
                recorded={recorded}
                camera={camera}
                isFull={isFull}
                change={change(recorded.number)}
                leave={classes.length > 2 ? () => removeClass(recorded) : undefined}
              />
            ))}
          </ol>
          <button type="button" onClick={() => setClasses((all) => [...all, another(all)])}>
            Add a class
          </button>
        </div>
      </div>
      {isFull ? <p>The limit of {counted(MOST_PICTURES, "picture")} is reached.</p> : null}
      {share === null ? (
        <div class="row">
          <button
            type="button"
            class="primary"
            disabled={obstacle !== undefined}
            onClick={() => take(filesOf(classes))}
          >
            Use these pictures
          </button>
          <button type="button" onClick={leave}>
            Cancel
          </button>
          <span class="quiet">{obstacle}</span>
        </div>
      ) : (
        <Progress share={share} />
      )}
    </section>
  )
}
