/** A canvas to draw on with mouse, pen or finger, or to show a ready digit on. */
import { canvasOf, centred, type Greys } from "./digit-image.ts"

export interface Drawing {
  /** what is on it, as the network reads it; undefined: nothing */
  readonly greys: () => Greys | undefined
  readonly show: (greys: Greys) => void
  readonly clear: () => void
}

/** `changed` is called at every change. */
export const drawingOn = (canvas: HTMLCanvasElement, changed: () => void): Drawing => {
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true })!
  const width = canvas.width / 14
  /** of an image that is shown: nothing is read back from the canvas */
  let shown: Greys | undefined
  let last: DOMPointReadOnly | undefined

  const wipe = () => {
    context.fillStyle = "#000"
    context.fillRect(0, 0, canvas.width, canvas.height)
    shown = undefined
  }
  const placeOf = ({ offsetX, offsetY }: PointerEvent) => {
    const scale = canvas.width / canvas.clientWidth
    return new DOMPointReadOnly(offsetX * scale, offsetY * scale)
  }
  const lineTo = (to: DOMPointReadOnly) => {
    context.beginPath()
    context.moveTo(last!.x, last!.y)
    context.lineTo(to.x, to.y)
    context.stroke()
    last = to
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return
    canvas.setPointerCapture(event.pointerId)
    if (shown !== undefined) wipe()
    Object.assign(context, { lineWidth: width, lineCap: "round", lineJoin: "round", strokeStyle: "#fff" })
    last = placeOf(event)
    lineTo(last)
  })
  canvas.addEventListener("pointermove", (event) => {
    if (last === undefined) return
    for (const moved of event.getCoalescedEvents?.() ?? [event]) lineTo(placeOf(moved))
  })
  const end = () => {
    if (last === undefined) return
    last = undefined
    changed()
  }
  canvas.addEventListener("pointerup", end)
  canvas.addEventListener("pointercancel", end)
  wipe()

  return {
    greys: () => shown ?? centred(canvas),
    show: (greys) => {
      wipe()
      context.imageSmoothingEnabled = false
      context.drawImage(canvasOf(greys), 0, 0, canvas.width, canvas.height)
      shown = greys
      changed()
    },
    clear: () => {
      wipe()
      changed()
    }
  }
}
