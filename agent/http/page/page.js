// The daemon's page: what is captured now, what was, and what runs.
//
// It only looks: whoever wants a capture types the command that stands there. Text
// of a target reaches the document as text, never as markup.

const $ = id => document.getElementById(id)
const listMs = 5000
const pictureMs = 2000
// As `sp-flamegraph` alone shows them.
const busyShare = 0.05
const fewest = 8
const running = new Map()

function element(name, text, properties = {}) {
  const made = Object.assign(document.createElement(name), properties)
  if (text !== undefined) made.textContent = text
  return made
}

function row(...cells) {
  const tr = document.createElement('tr')
  for (const cell of cells) {
    const td = document.createElement('td')
    td.append(cell)
    tr.append(td)
  }
  return tr
}

async function get(path) {
  const response = await fetch(path, { headers: { accept: 'application/json' } })
  const body = await response.json()
  if (!response.ok) throw new Error(`${body.title} ${body.detail}`)
  return body
}

async function list() {
  try {
    const { captures } = await get('/v1/captures')
    const active = captures.filter(each => !isOver(each))
    for (const each of active) if (!running.has(each.id)) watch(each)
    $('none-running').hidden = running.size > 0
    showFinished(captures.filter(isOver))
    $('state').textContent = `${active.length} running, ${captures.length - active.length} finished`
    $('state').className = ''
  } catch (error) {
    $('state').textContent = error.message
    $('state').className = 'problem'
  }
}

function isOver({ state }) {
  return state === 'finished' || state === 'failed'
}

/** One that runs: its words as they change, its numbers each second, its picture every two. */
function watch(capture) {
  const article = element('article')
  const title = element('h3')
  const words = element('p', undefined, { className: 'faint' })
  const numbers = element('p')
  const top = element('div', undefined, { className: 'top' })
  const picture = element('img', undefined, { alt: 'Flame graph so far', hidden: true })
  article.append(title, words, numbers, top, picture)
  $('running').prepend(article)
  const events = new EventSource(`${capture.href}/events`)
  let shots = 0
  const shoot = setInterval(() => {
    // The old picture stays until the next one is there.
    const next = new Image()
    next.onload = () => {
      picture.src = next.src
      picture.hidden = false
    }
    next.src = `${capture.href}/live.svg?n=${shots++}`
  }, pictureMs)
  const end = () => {
    events.close()
    clearInterval(shoot)
    article.remove()
    running.delete(capture.id)
    list()
  }
  running.set(capture.id, end)
  const show = state => {
    const { asked, target } = state
    title.textContent = `Process ${target.pid}, ${asked.mode}, ${asked.hertz} Hz, ${asked.seconds} s`
    words.textContent = `${state.state}: ${state.message}`
    if (state.live) showLive(state.live, numbers, top)
  }
  show(capture)
  events.addEventListener('state', ({ data }) => {
    const state = JSON.parse(data)
    if (isOver(state)) end()
    else show(state)
  })
  events.addEventListener('live', ({ data }) => showLive(JSON.parse(data), numbers, top))
}

function showLive(live, numbers, top) {
  const { samples, achievedHertz, level } = live.quality ?? {}
  numbers.textContent = [
    `${Math.round(live.elapsedMs / 1000)} of ${live.durationMs / 1000} s with ${live.tool}`,
    ...(samples === undefined ? [] : [`${samples} samples`]),
    ...(achievedHertz === undefined ? [] : [`${Math.round(achievedHertz)} Hz`]),
    ...(level === undefined ? [] : [level]),
  ].join(' · ')
  top.replaceChildren(
    ...live.top.flatMap(({ name, self }) => [
      element('span', `${(self * 100).toFixed(1)} %`),
      element('span', name),
    ]),
  )
}

function showFinished(captures) {
  $('none-finished').hidden = captures.length > 0
  $('finished').replaceChildren(
    ...captures.map(capture => {
      const { endedAt, asked, target, receipt, problem, artefacts } = capture
      const incident = receipt?.record.incident ?? asked.incident ?? ''
      const verdict = receipt
        ? element('span', receipt.verdict.headline)
        : element('span', problem.title, { className: 'problem', title: problem.detail })
      const files = document.createElement('span')
      for (const { name, href } of artefacts) {
        const link = element('a', name, { href })
        if (name.endsWith('.svg')) {
          link.addEventListener('click', event => {
            event.preventDefault()
            showPicture(capture, href)
          })
        } else link.download = name
        files.append(link, ' ')
      }
      return row(
        endedAt.slice(0, 19).replace('T', ' '),
        incident,
        String(target.pid),
        asked.mode,
        verdict,
        receipt?.quality.level ?? '',
        files,
      )
    }),
  )
}

function showPicture({ asked, target }, href) {
  $('shown').hidden = false
  $('shown-title').textContent = `Process ${target.pid}, ${asked.mode}`
  $('picture').src = href
  $('shown').scrollIntoView()
}

async function look() {
  $('look').disabled = true
  try {
    const { targets } = await get('/v1/targets')
    const busy = targets.filter(({ cpuShare }) => cpuShare >= busyShare)
    const shown = busy.length > 0 ? busy : targets.slice(0, fewest)
    $('targets-table').hidden = false
    $('idle').textContent = `and ${targets.length - shown.length} that use less`
    $('targets').replaceChildren(
      ...shown.map(target => {
        const command = target.blocked ?? `sp-flamegraph record ${target.pid}`
        return row(
          String(target.pid),
          `${target.runtime} ${target.version}`,
          `${Math.round(target.cpuShare * 100)} %`,
          target.comm,
          element('code', command),
        )
      }),
    )
  } catch (error) {
    $('state').textContent = error.message
  }
  $('look').disabled = false
}

$('look').addEventListener('click', look)
list()
setInterval(list, listMs)
