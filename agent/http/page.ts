// The page of the daemon: what runs, what is captured, what was.

export const pagePolicy = "default-src 'none'"

export const pageHtml = '<!doctype html><title>sp-flamegraph</title>'
