// The names of people in paths: `/home/aditi/src/app.py`, `C:\Users\Aditi\app.cs`.
//
// The rest of the path stays: it says which code it is. Only the directory that a home directory
// lies in counts, at the beginning of a path: `src/pages/home/index.tsx` is code. Homes that images
// give to everybody name nobody, and stay readable.

import { enoughHits, type Hit } from './classes.ts'

/** Adds the user names in the paths of a text. */
export function findUserPaths(text: string, hits: Hit[]): void {
  for (const { index, 0: found, groups } of text.matchAll(home)) {
    if (hits.length > enoughHits) return
    const user = groups!['user']!
    // What a printer puts after a name, `_[k]`, is no user.
    if (nobody.has(user.toLowerCase()) || !/[\p{L}\p{N}]/u.test(user)) continue
    const end = index + found.length
    hits.push({ class: 'user_path', start: end - user.length, end })
  }
}

const home =
  /(?:(?<![\w.\-/\\\]])(?:file:\/\/|\/)?(?:\/(?:var|export|usr|mnt|nfs|data|host|rootfs|root|proc\/\d{1,7})){0,3}\/{1,2}(?:home\d?|Users)\/|[A-Za-z]:[\\/]{1,2}(?:Users|Documents and Settings)[\\/]{1,2})(?<user>[^/\\\s:;,<>()[\]{}"'|&%]{1,64})/g

const nobody = new Set(
  'app,node,runner,ubuntu,debian,ec2-user,user,users,default,public,shared,linuxbrew,vscode,jenkins,circleci,gitlab-runner,www-data,nonroot,appuser,buildroot'.split(
    ',',
  ),
)
