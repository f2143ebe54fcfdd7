// Zoom, search and keys. The same bytes in every picture: they know the profile by what is
// drawn, a row for each level from the root up, its frames (title, rect, text?) left to right.
// biome-ignore lint/suspicious/noRedundantUseStrict: in the picture this is a script, not a module
'use strict'
;(() => {
  const picture = document.currentScript.parentNode
  const graph = picture.querySelector('.graph')
  const rows = [...graph.children]

  // Callers come before callees; x and width are percents of the whole.
  const frames = []
  let under = 0
  for (const [level, row] of rows.entries()) {
    set(row, { role: 'none' })
    for (const g of row.children) {
      const [title, rect, text] = g.children
      const full = title.textContent
      const named = full.slice(0, full.lastIndexOf(' ('))
      const name = level ? named.slice(0, named.lastIndexOf(' [')) : named
      const [x, width] = ['x', 'width'].map(key => Number.parseFloat(rect.getAttribute(key)) || 0)
      // Both rows go from left to right, and so does the caller.
      let caller = frames[under]
      while (level && (caller.level < level - 1 || caller.x + caller.width < x + width / 2)) {
        caller = frames[++under]
      }
      g.frame = { g, rect, text, full, name, level, x, width, caller, callees: [] }
      caller?.callees.push(g.frame)
      frames.push(g.frame)
      set(g, { role: 'treeitem', tabindex: -1, 'aria-level': level + 1 })
    }
  }
  const [root] = frames

  // What was chosen; the address holds it too, so that a link shows the same.
  const view = { zoom: root, search: '' }
  // The root of a tall graph would be below the window.
  const usual = {
    matchCase: false,
    regexp: false,
    flip: +graph.getAttribute('y') + rows.length * 18 > innerHeight,
  }
  let current = root
  let hits = []

  // Controls

  const field = html('input', {
    type: 'search',
    placeholder: 'Search',
    'aria-label': 'Search functions',
    maxlength: 100,
  })
  const status = html('output', { role: 'status' })
  const details = html('p', {}, root.full)
  const reset = button('Reset zoom', 'Show all (Esc)', () => zoomTo(root))
  const switches = {
    matchCase: button('Aa', 'Match case', () => change('matchCase')),
    regexp: button('.*', 'Regular expression', () => change('regexp')),
    flip: button('Root on top', 'Flip (I)', () => change('flip')),
  }
  const steps = [
    button('‹', 'Previous (Shift+N)', () => step(-1)),
    button('›', 'Next (N)', () => step(1)),
  ]
  const hint = picture.querySelector('.hint')
  const tools = svg('foreignObject', {
    x: '1%',
    y: hint.getAttribute('y') - 20,
    width: '98%',
    height: 56,
  })
  tools.append(
    html(
      'div',
      {},
      field,
      switches.matchCase,
      switches.regexp,
      ...steps,
      status,
      reset,
      switches.flip,
      button('?', 'Help (?)', help),
    ),
    details,
  )
  hint.replaceWith(tools)
  set(graph, { role: 'tree', 'aria-label': 'Flame graph' })

  function button(text, title, act) {
    const made = html('button', { title, 'aria-label': title }, text)
    made.addEventListener('click', act)
    return made
  }

  function html(name, attributes, ...children) {
    const made = document.createElementNS('http://www.w3.org/1999/xhtml', name)
    made.append(...children)
    return set(made, attributes)
  }

  function svg(name, attributes) {
    return set(document.createElementNS('http://www.w3.org/2000/svg', name), attributes)
  }

  function set(element, attributes) {
    for (const key in attributes) element.setAttribute(key, attributes[key])
    return element
  }

  function help() {
    details.textContent = hint.textContent
  }

  // Drawing

  const advance = root.text.getComputedTextLength() / 3 || 7.2

  function draw() {
    const { zoom } = view
    const pixels = graph.getBoundingClientRect().width / 100
    const path = new Set()
    for (let above = zoom.caller; above; above = above.caller) path.add(above)
    for (const frame of frames) {
      const inside = frame === zoom || (frame.level > zoom.level && frame.caller.state === 'in')
      frame.state = inside ? 'in' : path.has(frame) ? 'path' : 'out'
      set(frame.g, { class: frame.isHit ? frame.state + ' hit' : frame.state })
      if (frame.state === 'out') continue
      const x = inside ? Math.max(((frame.x - zoom.x) / zoom.width) * 100, 0) : 0
      const width = inside ? Math.min((frame.width / zoom.width) * 100, 100 - x) : 100
      set(frame.rect, { x: x + '%', width: Math.max(width, 0) + '%' })
      const label = shorten(frame.name, Math.floor((width * pixels - 6) / advance))
      if (!label && !frame.text) continue
      if (!frame.text) frame.text = frame.g.appendChild(svg('text', { y: 13 }))
      set(frame.text, { x: x + '%' }).textContent = label
    }
    reset.disabled = zoom === root
    for (const arrow of steps) arrow.disabled = !hits.length
    for (const key in switches) set(switches[key], { 'aria-pressed': view[key] })
  }

  function shorten(name, places) {
    if (name.length <= places) return name
    if (places < 4) return ''
    const tail = Math.floor((places - 1) / 2)
    return `${name.slice(0, places - 1 - tail)}…${name.slice(-tail)}`
  }

  function turn() {
    for (const [level, row] of rows.entries()) {
      const above = view.flip ? level : rows.length - 1 - level
      set(row, { transform: `translate(0,${above * 18})` })
    }
  }

  // Zoom and focus

  function zoomTo(frame) {
    moveTo(frame)
    if (frame === view.zoom) return
    view.zoom = frame
    draw()
    status.textContent = `Shown: ${frame.name}`
    remember('pushState')
  }

  function moveTo(frame) {
    if (!frame) return
    set(current.g, { tabindex: -1 })
    current = frame
    set(frame.g, { tabindex: 0 }).focus()
  }

  const isShown = frame => frame.state !== 'out'

  function beside(direction) {
    let { g } = current
    do g = g[direction]
    while (g && !isShown(g.frame))
    return g?.frame
  }

  function callee() {
    return current.callees.filter(isShown).sort((a, b) => b.width - a.width)[0]
  }

  // Search

  function change(key) {
    view[key] = !view[key]
    turn()
    search()
    remember('replaceState')
  }

  function search() {
    const matches = new Map()
    let trouble
    try {
      const test = view.search && (view.regexp ? compile(view.search) : contains(view.search))
      for (const { name } of test ? frames : []) matches.has(name) || matches.set(name, test(name))
    } catch (error) {
      trouble = error.message
    }
    let share = 0
    for (const frame of frames) {
      frame.isHit = matches.get(frame.name)
      // A match that stands on a match is within its width: counted once.
      frame.isCovered = frame.caller && (frame.caller.isHit || frame.caller.isCovered)
      if (frame.isHit && !frame.isCovered) share += frame.width
    }
    hits = frames.filter(frame => frame.isHit)
    status.textContent =
      view.search && (trouble || `${hits.length} found, ${share.toFixed(2)} % of the width`)
    draw()
  }

  function contains(text) {
    const fold = name => (view.matchCase ? name : name.toLowerCase())
    return name => fold(name).includes(fold(text))
  }

  function step(direction) {
    if (!hits.length) return
    const from = hits.indexOf(current)
    const to = from < 0 && direction < 0 ? 0 : from
    const index = (to + direction + hits.length) % hits.length
    const typing = document.activeElement === field
    if (!isShown(hits[index])) zoomTo(root)
    moveTo(hits[index])
    if (typing) field.focus({ preventScroll: true })
    graph.querySelector('[aria-selected]')?.removeAttribute('aria-selected')
    set(current.g, { 'aria-selected': true })
    status.textContent = `${index + 1} of ${hits.length}`
  }

  // A regular expression that cannot run away: each part takes the set of places that a match
  // may have come to, and gives those to go on from. So no \1, no look-around and no {n}.
  function compile(source) {
    const tokens = source.match(/\\.|\[(?:\\.|[^\]\\])+\]|\(\?:|./gs)
    const deadline = Date.now() + 500
    let name

    function either() {
      const ways = [sequence()]
      while (tokens[0] === '|') ways.push(sequence(tokens.shift()))
      return places => new Set(ways.flatMap(way => [...way(places)]))
    }

    function sequence() {
      const parts = []
      while (tokens.length && !'|)'.includes(tokens[0])) parts.push(repeated(single()))
      return places => parts.reduce((now, part) => part(now), places)
    }

    function repeated(part) {
      if (!tokens.length || !'*+?'.includes(tokens[0])) return part
      const sign = tokens.shift()
      if (tokens[0] === '?') tokens.shift()
      return places => {
        const all = new Set(sign === '+' ? part(places) : places)
        let now = all
        do {
          now = new Set([...part(now)].filter(place => !all.has(place)))
          for (const place of now) all.add(place)
        } while (now.size && sign !== '?')
        return all
      }
    }

    function single() {
      const token = tokens.shift()
      if (token[0] === '(') {
        const inner = either()
        if (tokens.shift() !== ')') throw new Error('Unbalanced')
        return inner
      }
      if (/^(?:[*+?{]|\\(?![bBdDwWsS])\w)/.test(token)) throw new Error(`No ${token}`)
      const one = new RegExp(token, view.matchCase ? 'sy' : 'isy')
      return places => {
        if (Date.now() > deadline) throw new Error('Too slow')
        const reached = new Set()
        for (const place of places) {
          one.lastIndex = place
          if (one.test(name)) reached.add(one.lastIndex)
        }
        return reached
      }
    }

    const whole = either()
    if (tokens.length) throw new Error('Unbalanced')
    return text => {
      name = text
      return whole(new Set(Array(text.length + 1).keys())).size > 0
    }
  }

  // The address. What it holds may be anything, and it may not be ours to write.

  function remember(how) {
    const words = new URLSearchParams()
    if (view.zoom !== root) words.set('zoom', frames.indexOf(view.zoom))
    if (view.search) words.set('search', view.search)
    for (const key in switches) if (view[key] !== usual[key]) words.set(key, view[key])
    try {
      history[how](null, '', '#' + words)
    } catch {
      // A sandboxed page has no history. All else works.
    }
  }

  function recall() {
    const words = new URLSearchParams(location.hash.slice(1))
    for (const key in switches) view[key] = words.has(key) ? words.get(key) === 'true' : usual[key]
    view.zoom = frames[+words.get('zoom')] || root
    view.search = field.value = (words.get('search') || '').slice(0, 100)
    turn()
    search()
  }

  // Events

  const frameAt = event => event.target.closest('.graph g g')?.frame
  for (const type of ['pointerover', 'focusin']) {
    graph.addEventListener(type, event => {
      details.textContent = (frameAt(event) || current).full
    })
  }
  graph.addEventListener('click', event => frameAt(event) && zoomTo(frameAt(event)))

  let timer
  field.addEventListener('input', () => {
    clearTimeout(timer)
    timer = setTimeout(look, 120)
  })

  function look() {
    if (view.search === field.value) return
    view.search = field.value
    search()
    remember('replaceState')
  }

  const keys = {
    '/': () => field.select(),
    '?': help,
    i: () => change('flip'),
    n: () => step(1),
    N: () => step(-1),
    Escape: () => zoomTo(root),
  }
  const frameKeys = {
    Enter: () => zoomTo(current),
    ' ': () => zoomTo(current),
    Home: () => moveTo(root),
    ArrowLeft: () => moveTo(beside('previousElementSibling')),
    ArrowRight: () => moveTo(beside('nextElementSibling')),
    ArrowUp: () => moveTo(view.flip ? current.caller : callee()),
    ArrowDown: () => moveTo(view.flip ? callee() : current.caller),
  }
  const fieldKeys = {
    Enter: event => {
      look()
      step(event.shiftKey ? -1 : 1)
    },
    Escape: () => {
      if (!field.value) moveTo(current)
      field.value = ''
      look()
    },
  }
  picture.addEventListener('keydown', event => {
    const { key, target } = event
    const isChord = event.ctrlKey || event.metaKey || event.altKey
    const isFind = isChord && key === 'f'
    if (isChord && !isFind) return
    const own = target === field ? fieldKeys[key] : (frameAt(event) && frameKeys[key]) || keys[key]
    const act = isFind ? keys['/'] : own
    if (!act) return
    event.preventDefault()
    act(event)
  })

  addEventListener('hashchange', recall)
  addEventListener('resize', draw)
  set(root.g, { tabindex: 0 })
  recall()
})()
