/** The frame of every view: navigation, heading, and where runs and files are. */
import type { ComponentType } from "preact"
import { useEffect, useRef, useState } from "preact/hooks"
import { Loading, Trouble } from "./parts/loading.tsx"
import { Sign } from "./parts/sign.tsx"
import { Sentences } from "./parts/table.tsx"
import { addressOf, usePlace, type ViewProps } from "./place.ts"
import { useAction, useCall, useStudio } from "./use.ts"
import { type View, views } from "./views/index.ts"

/** What a folder brings for which the studio changes nothing in it, and the button by which its user trusts it. */
const Trust = () => {
  const { about } = useStudio()
  const [doubts, setDoubts] = useState(about.doubts)
  const { problem, act } = useAction()
  if (doubts.length === 0) return null
  return (
    <section class="trust" aria-label="Trust">
      <p>This folder is open read-only. You can view its runs, but not start, stop or remove any. It contains:</p>
      <Sentences of={doubts} />
      <button type="button" onClick={() => act("trust", {}, () => setDoubts([]))}>
        Trust this folder
      </button>
      <Trouble problem={problem} />
    </section>
  )
}

/** The component of a view, once it is loaded. */
const useView = (view: View): ComponentType<ViewProps> | undefined => {
  const [loaded, setLoaded] = useState<{ readonly view: View; readonly Shown: ComponentType<ViewProps> }>()
  useEffect(() => {
    let isWanted = true
    view.load().then((Shown) => {
      if (isWanted) setLoaded({ view, Shown })
    })
    return () => {
      isWanted = false
    }
  }, [view])
  return loaded?.view === view ? loaded.Shown : undefined
}

export const Shell = () => {
  const { about } = useStudio()
  const { value: device } = useCall("device", {})
  const [name, ...path] = usePlace()
  const available = views.filter(({ needs }) => needs === undefined || about.abilities.includes(needs))
  const view = available.find((candidate) => candidate.name === name) ?? views[0]
  const Shown = useView(view)
  const heading = useRef<HTMLHeadingElement>(null)
  const isFirst = useRef(true)
  // who goes to a view by the keyboard or hears the page is brought to its beginning
  useEffect(() => {
    document.title = `${view.title} · tfjs-lora-pro studio`
    if (!isFirst.current) heading.current?.focus()
    isFirst.current = false
  }, [view])
  return (
    <>
      <button type="button" class="skip" onClick={() => heading.current?.focus()}>
        Skip to {view.title}
      </button>
      <nav aria-label="Studio">
        <p class="brand">
          tfjs-lora-pro <span>studio</span>
        </p>
        <ul>
          {available.map((item) => (
            <li key={item.name}>
              <a href={addressOf(item.name)} aria-current={item === view ? "page" : undefined}>
                <Sign path={item.sign} />
                {item.title}
              </a>
            </li>
          ))}
        </ul>
        <p class="place">
          <span>{about.location}</span>
          <span>{device}</span>
        </p>
      </nav>
      <main id="main">
        <Trust />
        <h1 ref={heading} tabIndex={-1}>
          {view.title}
        </h1>
        {Shown === undefined ? <Loading what={view.title} /> : <Shown path={path} />}
      </main>
    </>
  )
}
